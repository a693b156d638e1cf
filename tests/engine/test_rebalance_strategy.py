"""Rebalancing as a strategy, against the real exchange: from cash to weights, and from some weights to others."""

from decimal import Decimal
from typing import Any

import pytest

from puna.engine.rebalance import Rebalance, weight
from puna.exchange.orders.book import Honest
from puna.exchange.venue import VenueOptions


def rebalancer(**params: Any) -> Rebalance:
    """One that trades AAPL and MSFT."""
    made = Rebalance()
    made.name, made.symbols = "rebalance", ("AAPL", "MSFT")
    for name, value in params.items():
        setattr(made, name, value)
    return made


def weights(trader: Any) -> dict[str, float]:
    """What part of the equity each position is worth now."""
    worth = trader.desk.equity()
    held = trader.gateway.blotter.portfolio.positions.values()
    return {each.symbol: float(each.qty * trader.gateway.market.mark(each.symbol) / worth) for each in held}


async def test_cash_becomes_the_weights(lab: Any) -> None:
    """40 % and 20 %, worked by TWAP in parts, end within the drift band and one share."""
    market = lab.exchange(venue=VenueOptions(fills=Honest(Decimal("0.05"))))
    made = rebalancer(targets={"AAPL": "40%", "MSFT": 0.2}, style="twap", seconds=600, slices=5, at="09:40")
    trader = market.trader(made, minutes=30, journal=lab.journal)
    await trader.run()
    assert made.done
    found = weights(trader)
    assert found["AAPL"] == pytest.approx(0.4, abs=0.015)
    assert found["MSFT"] == pytest.approx(0.2, abs=0.015)
    assert {known.begun.parent.style.slices for known in trader.gateway.blotter.parents.values()} == {5}


async def test_sells_come_first_and_pay_for_the_buys(lab: Any) -> None:
    """From AAPL to MSFT: every sale is over before the first purchase is sent, and cash never falls below zero."""
    market = lab.exchange()
    first = rebalancer(targets={"AAPL": "45%"}, style="market", seconds=60)
    await market.trader(first, minutes=5, journal=lab.journal).run()
    second = rebalancer(targets={"MSFT": "95%"}, style="market", seconds=120, at="09:40")
    trader = market.trader(second, minutes=20, journal=lab.journal)
    await trader.run()
    assert second.done
    begun = [known for known in trader.gateway.blotter.parents.values() if known.begun.parent.symbol == "MSFT"]
    sold = [known for known in trader.gateway.blotter.parents.values() if known.begun.parent.side == "sell"]
    assert begun
    assert sold[0].ended is not None
    assert sold[0].ended.ts <= begun[0].begun.ts
    assert trader.gateway.blotter.portfolio.cash >= 0
    assert "AAPL" not in weights(trader)


async def test_weights_that_hold_already_are_left_alone(lab: Any) -> None:
    """A second rebalance to the same weights sends nothing."""
    market = lab.exchange()
    targets = {"AAPL": "30%"}
    await market.trader(rebalancer(targets=targets, style="market"), minutes=3, journal=lab.journal).run()
    sent = len(market.orders())
    again = rebalancer(targets=targets)
    await market.trader(again, minutes=8, journal=lab.journal).run()
    assert again.done
    assert again.plan is not None
    assert again.plan.trades == ()
    assert len(market.orders()) == sent


async def test_a_death_in_the_middle_is_taken_up(lab: Any) -> None:
    """The journal's parents are finished first; then it plans from what is held, and ends at the weights."""
    market = lab.exchange(venue=VenueOptions(fills=Honest(Decimal("0.05"))))
    terms: dict[str, Any] = {"targets": {"AAPL": "40%"}, "style": "twap", "seconds": 900, "slices": 15, "at": "09:35"}
    dying = market.trader(rebalancer(**terms), minutes=60, journal=lab.journal, probe=lab.crash_at("fill-durable", 6))
    with pytest.raises(lab.Crash):
        await dying.run()
    made = rebalancer(**terms)
    trader = market.trader(made, minutes=60, journal=lab.journal)
    record = await trader.run()
    assert made.done
    assert weights(trader)["AAPL"] == pytest.approx(0.4, abs=0.015)
    assert record.books is not None
    assert record.books.equal


@pytest.mark.parametrize(("given", "is_"), [("40%", "0.4"), (0.25, "0.25"), ("0.1", "0.1"), (1, "1"), ("-5%", "-0.05")])
def test_weights_as_people_write_them(given: Any, is_: str) -> None:
    """Percentages and fractions."""
    assert weight(given) == Decimal(is_)


def test_a_word_is_no_weight() -> None:
    """It says what one looks like."""
    with pytest.raises(ValueError, match="is no weight"):
        weight("much")
