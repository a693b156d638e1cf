"""Exits, trails, money and packages: each rule of the broker's table, broken once."""

from decimal import Decimal
from typing import Any

import pytest

from puna.core.order_groups import violation
from puna.core.types import Leg, OrderClass, OrderIntent, OrderType, Side, StopLoss, TakeProfit, TimeInForce

TWELVE, NINE = TakeProfit(Decimal(12)), StopLoss(Decimal(9))
LONG, SHORT = Leg("SPY260320P00470000", Side.BUY, 1), Leg("SPY260320P00480000", Side.SELL, 1)


def wish(**changes: Any) -> OrderIntent:
    terms: dict[str, Any] = {
        "client_order_id": "c", "strategy": "s", "symbol": "AAPL", "side": Side.BUY, "qty": Decimal(10),
        "type": OrderType.MARKET, "time_in_force": TimeInForce.DAY, "ts": 0,
    }  # fmt: skip
    return OrderIntent(**(terms | changes))


def bracket(**changes: Any) -> OrderIntent:
    return wish(**({"order_class": OrderClass.BRACKET, "take_profit": TWELVE, "stop_loss": NINE} | changes))


def package(*legs: Leg, **changes: Any) -> OrderIntent:
    terms: dict[str, Any] = {"symbol": "SPY", "order_class": OrderClass.MLEG, "legs": legs or (LONG, SHORT)}
    return wish(**(terms | {"type": OrderType.LIMIT, "limit_price": Decimal("-1.60")} | changes))


SOUND = [
    wish(),
    wish(notional=Decimal(50)),
    wish(type=OrderType.TRAILING_STOP, trail_percent=Decimal(1)),
    bracket(),
    bracket(side=Side.SELL, take_profit=TakeProfit(Decimal(9)), stop_loss=StopLoss(Decimal(12))),
    bracket(order_class=OrderClass.OTO, stop_loss=None),
    bracket(order_class=OrderClass.OCO, side=Side.SELL, type=OrderType.LIMIT, limit_price=Decimal(12)),
    package(),
    package(type=OrderType.MARKET, limit_price=None),
]


@pytest.mark.parametrize("intent", SOUND, ids=lambda intent: f"{intent.order_class}-{intent.type}")
def test_what_is_sound_passes(intent: OrderIntent) -> None:
    """Nothing is refused that the broker takes."""
    assert violation(intent) is None


BROKEN = [
    (wish(trail_price=Decimal(1)), "only a trailing stop"),
    (wish(type=OrderType.TRAILING_STOP), "needs one trail"),
    (wish(type=OrderType.TRAILING_STOP, trail_price=Decimal(1), trail_percent=Decimal(1)), "needs one trail"),
    (bracket(type=OrderType.TRAILING_STOP, trail_price=Decimal(1)), "stands alone"),
    (wish(type=OrderType.TRAILING_STOP, trail_price=Decimal(1), extended_hours=True), "core session"),
    (wish(notional=Decimal("0.99")), "at least 1.00"),
    (wish(notional=Decimal("NaN")), "at least 1.00"),
    (wish(notional=Decimal(5), time_in_force=TimeInForce.GTC), "day order"),
    (bracket(notional=Decimal(5)), "simple order"),
    (wish(take_profit=TWELVE), "exits belong"),
    (bracket(stop_loss=None), "two exits"),
    (bracket(order_class=OrderClass.OTO), "one exit"),
    (bracket(qty=Decimal("1.5")), "whole shares"),
    (bracket(time_in_force=TimeInForce.IOC), "day or gtc"),
    (bracket(order_class=OrderClass.OCO, side=Side.SELL), "limit order"),
    (bracket(take_profit=TakeProfit(Decimal("12.001"))), "on a tick"),
    (bracket(stop_loss=StopLoss(Decimal(13))), "profitable side"),
    (bracket(type=OrderType.LIMIT, limit_price=Decimal("8.5")), "away from the entry"),
    (wish(legs=(LONG, SHORT)), "legs belong"),
    (package(LONG), "2 to 4 legs"),
    (package(LONG, LONG), "another contract"),
    (package(LONG, Leg("AAPL", Side.SELL, 1)), "is an option"),
    (package(LONG, Leg("QQQ260320P00480000", Side.SELL, 1)), "one underlying"),
    (package(Leg(LONG.symbol, Side.BUY, 2), Leg(SHORT.symbol, Side.SELL, 2)), "no common divisor"),
    (package(qty=Decimal("1.5")), "whole"),
    (package(time_in_force=TimeInForce.GTC), "core session"),
    (package(limit_price=Decimal("-1.605")), "whole cents"),
]


@pytest.mark.parametrize(("intent", "says"), BROKEN, ids=[says for _, says in BROKEN])
def test_what_is_broken_says_so(intent: OrderIntent, says: str) -> None:
    """In words that name the rule."""
    assert says in (violation(intent) or "")
