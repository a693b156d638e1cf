"""Two strategies on one account: each has its own cash, positions and profit, and their orders do not meet."""

from decimal import Decimal
from typing import Any

import pytest

from puna.core.portfolio import Booking, Reason
from puna.core.risk import RiskLimits
from puna.core.types import Position
from puna.engine.blotter import Blotter
from puna.engine.entries import Moved, Opening
from puna.errors import ConfigError


def pair(lab: Any, one: dict[str, Any], two: dict[str, Any]) -> tuple[Any, Any]:
    """Two scripted strategies with half of the account each."""
    first, second = lab.scripted(**one), lab.scripted(**two)
    first.name, second.name = "first", "second"
    first.capital = second.capital = Decimal("0.5")
    return first, second


async def test_each_has_its_own(lab: Any) -> None:
    """Both trade the same symbol; positions and cash are apart, and together they are the account's."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m5": lambda s: (s.cash, s.profit, s.position("AAPL"))},
        {"m2": lambda s: s.buy("AAPL", 3), "m5": lambda s: (s.cash, s.profit, s.position("AAPL"))},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    (cash, gain, held), (cash2, gain2, held2) = first.results[1], second.results[1]
    assert (held, held2) == (10, 3)
    assert cash + cash2 == trader.gateway.blotter.portfolio.cash
    assert 50_000 - cash > 3 * (50_000 - cash2)
    assert gain is not None
    assert gain2 is not None


async def test_opposite_orders_do_not_meet(lab: Any) -> None:
    """While one waits to sell, the other's purchase is refused with the order that is in the way (R114)."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m0": lambda s: s.buy("AAPL", 1), "m1": lambda s: s.sell("AAPL", 1, limit=800)},
        {"m3": lambda s: s.buy("AAPL", 2)},
    )
    await market.trader(first, second, minutes=6, journal=lab.journal).run()
    ((code, reason),) = second.refused
    assert code == "R114"
    assert "our own" in reason
    assert (first.position("AAPL"), second.position("AAPL")) == (1, 0)


async def test_one_does_not_sell_what_the_other_holds(lab: Any) -> None:
    """The shares of one are not for the other to sell (R116), who could not close its own position then."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m6": lambda s: s.sell("AAPL", 10)},
        {
            "m1": lambda s: s.buy("AAPL", 3),
            "m3": lambda s: s.sell("AAPL", 4),
            "m4": lambda s: (s.sell("AAPL", 2), s.sell("AAPL", 1)),
            "m5": lambda s: s.sell("AAPL", 1),
        },
    )
    await market.trader(first, second, minutes=9, journal=lab.journal).run()
    assert second.refused == [
        ("R116", "it would sell what another strategy holds: 4 against 3"),
        ("R116", "it would sell what another strategy holds: 1 against 0"),
    ]
    assert first.refused == []
    assert (first.position("AAPL"), second.position("AAPL")) == (0, 0)


async def test_where_short_sales_are_allowed_one_may_be_long_and_the_other_short(lab: Any) -> None:
    """The account holds what is between them."""
    market = lab.exchange()
    first, second = pair(
        lab, {"m1": lambda s: s.buy("AAPL", 10)}, {"m3": lambda s: s.sell("AAPL", 4), "m5": lambda s: s.buy("AAPL", 4)}
    )
    limits = RiskLimits(allow_short=True)
    trader = market.trader(first, second, minutes=9, journal=lab.journal, limits=limits)
    await trader.run()
    assert second.refused == []
    assert [fill.qty * fill.side.sign for fill in second.fills] == [-4, 4]
    assert trader.gateway.blotter.portfolio.qty("AAPL") == first.position("AAPL") == 10


async def test_equity_is_its_own(lab: Any) -> None:
    """What one loses on its shares does not shrink the other, and both together are the account, at every minute."""
    market = lab.exchange()

    def look(s: Any) -> Any:
        return s.equity, s.cash, s.position("AAPL")

    deeds = {f"m{minute}": look for minute in range(3, 7)}
    first, second = pair(lab, {"m1": lambda s: s.buy("AAPL", 50), **deeds}, deeds)
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    whole: list[Any] = []
    second.deeds[7] = lambda s: whole.append((first.equity, s.equity, trader.desk.equity()))
    await trader.run()
    assert {equity for equity, _, _ in second.results[:4]} == {Decimal(50_000)}
    moved = [equity for equity, _, _ in first.results[1:]]
    assert len(set(moved)) > 1
    ((one, two, account),) = whole
    assert one + two == account


async def test_with_the_whole_account_equity_is_the_accounts(lab: Any) -> None:
    """The default capital of 1: what the account held before and what others do on it counts."""
    market = lab.exchange()
    trader: Any
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 5), m4=lambda s: (s.equity, trader.desk.equity()))
    trader = market.trader(strategy, minutes=6, journal=lab.journal)
    await trader.run()
    mine, account = strategy.results[1]
    assert mine == account


async def test_what_was_held_before_is_worth_what_it_is_worth_now(lab: Any) -> None:
    """Shares from before the books began, of a symbol that one strategy trades alone, move that one's equity."""
    market = lab.exchange()
    await market.trader(lab.scripted(m1=lambda s: s.buy("AAPL", 20)), minutes=3).run()  # by somebody else
    first, second = pair(lab, {}, {})
    second.symbols = ("MSFT",)
    seen: list[Any] = []
    trader: Any
    first.deeds = {6: lambda s: seen.append((s.position("AAPL"), s.equity, second.equity, trader.desk.equity()))}
    trader = market.trader(first, second, minutes=9, journal=lab.journal)
    await trader.run()
    ((held, one, two, account),) = seen
    opening = trader.gateway.blotter.opening
    assert held == 20
    begun = (opening.cash + sum(each.cost for each in opening.positions)) / 2
    assert two == begun
    assert one != begun
    assert one + two == account


def test_money_without_an_order_goes_to_whom_it_belongs() -> None:
    """A dividend to those who hold, by what they hold; a deposit, interest and a fee to all, by their share."""
    blotter = Blotter()
    held = (Position(symbol="AAPL", qty=Decimal(10), cost=Decimal(1000)),)
    blotter.apply(1, Opening(ts=1, account_id="a", cash=Decimal(9000), positions=held, broker_ts=1, by="first start"))
    blotter.sleeves["first", "AAPL"] = Decimal(6)
    half = Decimal("0.5")
    before = {name: blotter.sleeve_of(name, half).cash for name in ("first", "second")}
    assert before == {"first": 5000, "second": 5000}
    rows = [
        Booking(reason=Reason.DIVIDEND, reference="d", ts=2, cash=Decimal(20), symbol="AAPL"),
        Booking(reason=Reason.TRANSFER, reference="t", ts=2, cash=Decimal(500)),
        Booking(reason=Reason.FEE, reference="f", ts=2, cash=Decimal(-3)),
        Booking(reason=Reason.DIVIDEND, reference="late", ts=2, cash=Decimal(7), symbol="MSFT"),
    ]
    for seq, each in enumerate(rows, 2):
        blotter.apply(seq, Moved(ts=2, booking=each))
        blotter.apply(seq, Moved(ts=2, booking=each))  # once for each reference
    after = {name: blotter.sleeve_of(name, half) for name in before}
    assert after["first"].cash == 5000 + 12 + 252
    assert after["second"].cash == 5000 + 252
    assert after["first"].book.income == 12
    assert after["second"].start == 5252
    assert blotter.portfolio.cash == 9000 + 20 + 500 - 3 + 7


async def test_more_than_the_account_is_refused(lab: Any) -> None:
    """Sixty and fifty percent: nothing is started."""
    market = lab.exchange()
    first, second = pair(lab, {}, {})
    first.capital = Decimal("0.6")
    with pytest.raises(ConfigError, match="110%"):
        market.trader(first, second, minutes=5, journal=lab.journal)
