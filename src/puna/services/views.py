"""What execution shows of itself: the account for the bus, numbers for the scrape."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from puna.bus.messages import AccountState
from puna.bus.publisher import Publisher
from puna.bus.subscriber import Subscriber
from puna.core.orders import Status
from puna.core.portfolio import exposure
from puna.core.risk import TradingState
from puna.errors import DataError

if TYPE_CHECKING:
    from puna.services.execution import Execution

__all__ = ["account_state", "execution_numbers"]

NANOS = 1_000_000_000


def account_state(execution: "Execution") -> AccountState:
    """The account at marks, as far as it is known."""
    now, trader = execution.place.clock.now(), execution.trader
    if trader is None:
        return AccountState(now, TradingState.REDUCING, execution.trouble)
    gateway, worth = trader.gateway, _worth(execution)
    start = trader.start_equity
    return AccountState(
        now,
        gateway.state,
        gateway.halted,
        f"{gateway.blotter.portfolio.cash:f}",
        _text(worth.get("equity")),
        _text(start),
        _text(worth.get("exposure_gross")),
        _text(worth.get("exposure_net")),
        len(gateway.blotter.orders),
        len(gateway.blotter.booked),
    )


def execution_numbers(execution: "Execution", bus: Subscriber | None, publisher: Publisher | None) -> dict[str, Any]:
    """All its metrics."""
    now, guard = execution.place.wall.monotonic(), execution.guard
    reconciled = (now - execution.reconciled_at) / NANOS if execution.reconciled_at else None
    numbers: dict[str, Any] = {
        "bus_published": publisher.sent if publisher else 0,
        "bus_lost": bus.status.lost if bus else 0,
        "bus_gaps": bus.status.gaps if bus else 0,
        "bus_age_seconds": (bus.age() if bus else None) or 0.0,
        "bus_refused": dict(execution.server.refused) if execution.server else {},
        "queue_depth": execution.waiting,
        "signals": {each.name: each.signals for each in execution.followers.values()},
        "websocket_connected": 0.0,
        "journal_writable": 1.0,
        "halted": float(guard.state is TradingState.HALTED),
        "config_info": {execution.place.version: 1, **({guard.version: 1} if guard.version else {})},
    }
    if reconciled is not None:
        numbers["reconciliation_age_seconds"] = reconciled
    if guard.age is not None:
        numbers["risk_age_seconds"] = guard.age
    if execution.calls is not None:
        numbers |= execution.calls.numbers()
    return numbers | _of_trader(execution)


def _of_trader(execution: "Execution") -> dict[str, Any]:
    trader = execution.trader
    if trader is None:
        return {}
    gateway, updates = trader.gateway, trader.updates
    blotter, worth = gateway.blotter, _worth(execution)
    start = trader.start_equity
    if start is not None and "equity" in worth:
        worth["pnl_day"] = worth["equity"] - start
    return {
        "websocket_connected": float(updates.connected),
        "stream_reconnects": updates.reconnects,
        "stream_gaps": updates.gaps,
        "stream_age_seconds": max(0.0, (execution.place.clock.now() - updates.last_message_at) / NANOS)
        if updates.last_message_at
        else 0.0,
        "journal_writable": float(gateway.journal.failure is None),
        "halted": float(gateway.state is TradingState.HALTED),
        "orders": len(blotter.orders),
        "orders_open": len(blotter.open),
        "orders_in_doubt": sum(order.status is Status.IN_DOUBT for order in blotter.open.values()),
        "fills": len(blotter.booked),
        "risk_refusals": len(blotter.refusals),
        "alarms_standing": len(blotter.alarms.standing),
        "rate_budget_remaining": gateway.alpaca.turnstiles["trading"].remaining,
        **{name: float(value) for name, value in worth.items()},
    }


def _worth(execution: "Execution") -> dict[str, Decimal]:
    """Cash, and at marks equity and exposure; without a mark only cash."""
    assert execution.trader is not None  # noqa: S101 - both callers have looked
    gateway = execution.trader.gateway
    portfolio = gateway.blotter.portfolio
    worth = {"cash": portfolio.cash}
    try:
        at_marks = exposure(portfolio, gateway.market.marks(portfolio.positions))
    except DataError:
        return worth
    equity = execution.trader.desk.equity()
    if equity is None:
        return worth
    return worth | {"equity": equity, "exposure_gross": at_marks.gross, "exposure_net": at_marks.net}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
