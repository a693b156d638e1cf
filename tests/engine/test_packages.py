"""Packages of options against the real exchange: one order, four legs, booked once, found again after a death."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from puna.core import sessions
from puna.core.orders import Status
from puna.core.spreads import closing, spread
from puna.core.types import Leg


def condor(s: Any) -> tuple[Leg, ...]:
    """Ten dollars wide, three percent away, a week or more ahead."""
    spot = Decimal(repr(s.quote("AAPL").mid))
    first = sessions.date_of(s.now) + timedelta(days=7)
    expiry = min(each.expiration for each in s.contracts("AAPL") if each.expiration >= first)
    strikes = sorted({each.strike for each in s.contracts("AAPL") if each.expiration == expiry})
    put = max(each for each in strikes if each <= spot * Decimal("0.97"))
    call = min(each for each in strikes if each >= spot * Decimal("1.03"))
    return spread("iron_condor", "AAPL", expiry, [put - 10, put, call, call + 10])


def trader_of(lab: Any, market: Any, minutes: int = 20, **deeds: Any) -> tuple[Any, Any]:
    """A strategy that knows the options on AAPL, and who runs it."""
    probe = deeds.pop("probe", None)
    scripted = lab.scripted(**deeds)
    scripted.option_days = {"AAPL": 21}
    more: dict[str, Any] = {"deadline": 10.0} | ({} if probe is None else {"probe": probe})
    return scripted, market.trader(scripted, minutes=minutes, journal=lab.journal, **more)


def watch(s: Any) -> None:
    s.watch(*(leg.symbol for leg in condor(s)))


def sell(s: Any) -> object:
    """At any credit: it fills at once, or not at all."""
    return s.package(condor(s), 1, limit="-0.50", because="a condor")


async def run(trader: Any) -> Any:
    record = await trader.run()
    assert record.books is not None
    assert record.books.equal, record.books
    return record


async def test_a_condor_is_booked_leg_by_leg(lab: Any) -> None:
    """The head holds the net price, the legs hold the positions; cash moved by the credit times a hundred."""
    market = lab.exchange()
    scripted, trader = trader_of(lab, market, m1=watch, m3=sell)
    await run(trader)
    blotter = trader.gateway.blotter
    (head,) = [order for order in blotter.orders.values() if order.intent.legs]
    assert head.status is Status.FILLED
    assert head.average_price is not None
    assert head.average_price <= Decimal("-0.50")
    assert blotter.portfolio.cash == 100_000 - head.average_price * 100
    assert sorted(each.qty for each in blotter.portfolio.positions.values()) == [-1, -1, 1, 1]
    assert {leg.intent.leg_of for leg in blotter.legs_of(head.client_order_id)} == {head.client_order_id}
    assert len(scripted.fills) == 4


async def test_margin_is_checked_before_it_is_sent(lab: Any) -> None:
    """The wider wing, less the credit; and the largest quantity that the capital carries."""
    market = lab.exchange()
    deeds: dict[str, Any] = {"m1": watch, "m3": lambda s: s.margin_check(condor(s), 1, "-0.50")}
    scripted, trader = trader_of(lab, market, minutes=6, **deeds)
    await run(trader)
    check = scripted.results[1]
    assert check.allowed
    assert (check.margin_after, check.cost_basis) == (1000, 950)
    assert check.largest_quantity == 100_000 // 950


async def test_it_is_worked_and_taken_back(lab: Any) -> None:
    """Opened as a parent with a cap, closed the same way: flat again, and both parents done."""
    market = lab.exchange()
    deeds: dict[str, Any] = {
        "m1": watch,
        "m3": lambda s: s.work_package(condor(s), 1, cap="-0.20", steps=3, seconds_a_step=15),
        "m10": lambda s: s.work_package(
            closing(legs_held(s)), 1, cap="9.90", steps=3,
            seconds_a_step=15,
        ),
    }  # fmt: skip
    _, trader = trader_of(lab, market, **deeds)
    await run(trader)
    parents = list(trader.gateway.blotter.parents.values())
    assert [each.ended.reason for each in parents if each.ended] == ["filled", "filled"]
    assert trader.gateway.blotter.portfolio.positions == {}


def legs_held(s: Any) -> list[Leg]:
    """The legs that were opened, by their fills."""
    return [Leg(fill.symbol, fill.side, 1) for fill in s.fills]


POINTS = ["intent-durable", "reply-received", "reply-read", "ack-durable", "fill-read", "fill-durable", "strategy-told"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_package_is_found_again_after_a_death(lab: Any, point: str) -> None:
    """One package at the broker, four positions, each leg booked once, equal books."""
    market = lab.exchange()
    _, dying = trader_of(lab, market, m1=watch, m3=sell, probe=lab.crash_at(point))
    with pytest.raises(lab.Crash):
        await dying.run()
    _, trader = trader_of(lab, market)
    await run(trader)
    blotter = trader.gateway.blotter
    heads = [order for order in blotter.orders.values() if order.intent.legs]
    assert len(heads) <= 1
    keys = [(each.fill.client_order_id, each.fill.cum_qty) for each in blotter.booked]
    assert len(keys) == len(set(keys))
    if heads and heads[0].filled_qty:
        assert sorted(each.qty for each in blotter.portfolio.positions.values()) == [-1, -1, 1, 1]
        assert {order.intent.strategy for order in blotter.orders.values()} == {"scripted"}
