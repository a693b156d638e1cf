"""Opposite orders of two strategies are crossed inside the account; the broker sees the rest, never a wash trade."""

from decimal import Decimal
from typing import Any

from puna.core.types import Side


def pair(lab: Any, one: dict[str, Any], two: dict[str, Any]) -> tuple[Any, Any]:
    """Two scripted strategies with half of the account each."""
    first, second = lab.scripted(**one), lab.scripted(**two)
    first.name, second.name = "first", "second"
    first.capital = second.capital = Decimal("0.5")
    return first, second


def sums(trader: Any) -> None:
    """Cash and positions of both sleeves are the account's, which are the broker's."""
    blotter = trader.gateway.blotter
    sleeves = [blotter.sleeve_of(name, Decimal("0.5")) for name in ("first", "second")]
    assert sum(each.cash for each in sleeves) == blotter.portfolio.cash
    for symbol in ("AAPL", "MSFT"):
        assert sum(each.book.qty(symbol) for each in sleeves) == blotter.portfolio.qty(symbol)
    assert trader.record().books.equal


async def test_what_overlaps_stays_inside(lab: Any) -> None:
    """One sells the 10 it holds in the moment in which the other buys 4: 4 are crossed at the middle, 6 are sold."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    assert (first.refused, second.refused) == ([], [])
    assert (first.position("AAPL"), second.position("AAPL")) == (0, 4)
    inside = [fill for fill in (*first.fills, *second.fills) if fill.internal]
    assert [(fill.strategy, fill.side, fill.qty, fill.fee) for fill in inside] == [
        ("first", Side.SELL, 4, 0),
        ("second", Side.BUY, 4, 0),
    ]
    assert inside[0].price == inside[1].price
    assert [(order.side, order.qty, order.status) for order in market.orders()] == [
        ("buy", 10, "filled"),
        ("sell", 6, "filled"),
    ]
    sold = trader.gateway.blotter.orders[first.results[1]]
    assert (sold.status, sold.filled_qty, sold.crossed_qty, sold.overfill) == ("filled", 10, 4, 0)
    sums(trader)
