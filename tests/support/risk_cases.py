"""Ordinary cases of risk checks, to be varied by tests: an order, a quote, a holding, a view."""

from datetime import date, time
from decimal import Decimal
from typing import Any

from puna.core.portfolio import Portfolio, opening
from puna.core.risk import (
    Listing,
    Reservation,
    RiskLimits,
    RiskView,
    TradingState,
    check,
)
from puna.core.sessions import at
from puna.core.types import OrderIntent, OrderType, Position, Quote, Side, TimeInForce

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
DAY_OF = date(2013, 3, 6)
NOON = at(DAY_OF, time(12))
SECOND = 1_000_000_000
NAN = float("nan")


def order(side: Side = BUY, qty: str | int = 10, limit: str | None = None, **terms: Any) -> OrderIntent:
    chosen: dict[str, Any] = {
        "client_order_id": "new",
        "strategy": "s",
        "symbol": "AAPL",
        "side": side,
        "qty": D(qty),
        "type": LIMIT if limit else MARKET,
        "time_in_force": TimeInForce.DAY,
        "ts": NOON,
        "limit_price": D(limit) if limit else None,
    }
    return OrderIntent(**(chosen | terms))


def quote(bid: float = 99.9, ask: float = 100.0, *, symbol: str = "AAPL", age: float = 1) -> Quote:
    ts = NOON - round(age * SECOND)
    return Quote(symbol=symbol, bid=bid, bid_size=1, ask=ask, ask_size=1, ts_event=ts, ts_init=ts)


def holding(**quantities: int) -> Portfolio:
    rows = [Position(symbol=symbol, qty=D(n), cost=D(n) * 100) for symbol, n in quantities.items()]
    return opening(D(100_000) - sum(row.cost for row in rows), rows)


def view(**terms: Any) -> RiskView:
    chosen: dict[str, Any] = {
        "now": NOON,
        "state": TradingState.ACTIVE,
        "portfolio": holding(),
        "instrument": Listing(symbol="AAPL", shortable=True, easy_to_borrow=True),
        "quote": quote(),
        "marks": {"AAPL": D(100), "MSFT": D(100)},
        "buying_power": D(200_000),
    }
    return RiskView(**(chosen | terms))


def resting(name: str, side: Side, leaves: int, limit: str | None = "100", **terms: Any) -> Reservation:
    intent = order(side, leaves, limit, client_order_id=name, **terms)
    return Reservation(intent=intent, leaves=D(leaves), price=D(limit or 103))


def code(intent: OrderIntent, seen: RiskView | None = None, **limits: Any) -> str | None:
    breach = check(intent, seen or view(), RiskLimits(**limits))
    return breach.code if breach else None
