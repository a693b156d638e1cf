"""Protections: losses of the day and the week, drawdown, losses in a row, slippage, refusals; what sets off which lock.

A tally is what they count from, and changes with the equity that is seen and the trades that end. A lock forbids new
risk where it applies until it ends: a daily loss until the next day, a weekly one until the next week, losses in a row
and too many refusals for the cooldown, a drawdown or bad slippage until a person resumes. Reductions pass all of them.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from puna.core.remembered import remembered
from puna.core.risk_view import Lock, RiskLimits, Tally
from puna.core.sessions import date_of, next_trading_day
from puna.core.types import ZERO

__all__ = ["Flow", "armed", "flow_locks", "forgiven", "looked", "standing", "streaks", "traded"]

_HUNDRED = Decimal(100)
_BASIS = Decimal(10_000)
_NANOS = 1_000_000_000


@remembered(1)
def armed(limits: RiskLimits) -> bool:
    """Whether any protection is configured."""
    return any(getattr(limits, name) is not None for name in _LIMITS)


_LIMITS = (
    "max_daily_loss_value",
    "max_daily_loss_percent",
    "max_weekly_loss_value",
    "max_weekly_loss_percent",
    "max_drawdown_percent",
    "max_losses_in_a_row",
    "max_slippage_bp",
    "max_refusals",
    "max_orders_per_fill",
    "max_unprotected_seconds",
)


def looked(tally: Tally | None, equity: Decimal, now: int) -> Tally:
    """The tally after a look at the equity: a new day or week begins with it, once, whenever that look comes."""
    on = date_of(now)
    today, monday = on.isoformat(), (on - timedelta(days=on.weekday())).isoformat()
    if tally is None:
        return Tally(day=today, day_equity=equity, week=monday, week_equity=equity, peak=equity)
    changes: dict[str, object] = {}
    if today > tally.day:
        changes |= {"day": today, "day_equity": equity}
    if monday > tally.week:
        changes |= {"week": monday, "week_equity": equity}
    if equity > tally.peak:
        changes["peak"] = equity
    return replace(tally, **changes) if changes else tally


def traded(tally: Tally, strategy: str, profit: Decimal) -> Tally:
    """The tally after a trade of a strategy ended with a profit or a loss; one that ends even changes nothing."""
    if not profit:
        return tally
    count = tally.losses.get(strategy, 0) + 1 if profit < 0 else 0
    return replace(tally, losses={**tally.losses, strategy: count})


def forgiven(tally: Tally) -> Tally:
    """The tally after a person resumed: losses in a row count anew."""
    return replace(tally, losses={})


def standing(tally: Tally | None, equity: Decimal | None, limits: RiskLimits, now: int) -> list[Lock]:
    """The locks that the equity sets off now."""
    if tally is None or equity is None:
        return []
    return [
        *_loss("daily_loss", tally.day_equity, equity, _least(limits, "daily", tally.day_equity), _tomorrow(now)),
        *_loss("weekly_loss", tally.week_equity, equity, _least(limits, "weekly", tally.week_equity), _next_week(now)),
        *_drawdown(tally.peak, equity, limits.max_drawdown_percent),
    ]


def streaks(tally: Tally | None, limits: RiskLimits, now: int) -> list[Lock]:
    """The locks that losses in a row set off now; they last for the cooldown."""
    most, until = limits.max_losses_in_a_row, now + round(limits.cooldown_seconds * _NANOS)
    if tally is None or most is None:
        return []
    return [
        Lock(
            scope=f"strategy:{name}",
            cause="losses_in_a_row",
            until=until,
            reason=f"{count} losses in a row, at most {most}",
        )
        for name, count in sorted(tally.losses.items())
        if count >= max(most, 1)
    ]


class Flow(NamedTuple):
    """How a strategy's orders went lately.

    Attributes:
        refused: orders that the broker refused within the window.
        cost: dollars paid beyond the middle today, over all fills; negative when it was better.
        notional: dollars traded today.
        sent: orders sent today.
        filled: those of them that were filled, as a whole or in part.
    """

    refused: int = 0
    cost: Decimal = ZERO
    notional: Decimal = ZERO
    sent: int = 0
    filled: int = 0


LEAST_ORDERS = 20
"""So many orders a day say nothing yet about how many of them fill."""


def flow_locks(flows: Mapping[str, Flow], limits: RiskLimits, now: int) -> list[Lock]:
    """The locks that refusals, slippage and orders that do not fill set off now."""
    return [lock for name, flow in sorted(flows.items()) for lock in _flow(f"strategy:{name}", flow, limits, now)]


def _flow(scope: str, flow: Flow, limits: RiskLimits, now: int) -> Iterator[Lock]:
    if limits.max_refusals is not None and flow.refused > limits.max_refusals:
        reason = f"the broker refused {flow.refused} orders, at most {limits.max_refusals}"
        until = now + round(limits.cooldown_seconds * _NANOS)
        yield Lock(scope=scope, cause="refusals", until=until, reason=reason)
    if limits.max_slippage_bp is not None and flow.notional > 0:
        paid = flow.cost / flow.notional * _BASIS
        if paid > limits.max_slippage_bp:
            reason = f"fills of today cost {paid:.2f} bp beyond the middle, at most {limits.max_slippage_bp}"
            yield Lock(scope=scope, cause="slippage", until=_tomorrow(now), reason=reason)
    most = limits.max_orders_per_fill
    if most is not None and flow.sent >= LEAST_ORDERS and flow.sent > most * flow.filled:
        reason = f"{flow.sent} orders of today brought {flow.filled} fills, at most {most} orders for each"
        yield Lock(scope=scope, cause="orders_per_fill", until=_tomorrow(now), reason=reason)


def _least(limits: RiskLimits, span: str, base: Decimal) -> Decimal | None:
    """The smaller of a loss in money and as a percentage of what the span began with."""
    value: Decimal | None = getattr(limits, f"max_{span}_loss_value")
    percent: Decimal | None = getattr(limits, f"max_{span}_loss_percent")
    both = [value, None if percent is None else max(ZERO, base * percent / _HUNDRED)]
    return min((each for each in both if each is not None), default=None)


def _loss(cause: str, base: Decimal, equity: Decimal, most: Decimal | None, until: int) -> Iterator[Lock]:
    if most is not None and base - equity > most:
        yield Lock(scope="", cause=cause, until=until, reason=f"{base - equity:.2f} lost, at most {most:.2f}")


def _drawdown(peak: Decimal, equity: Decimal, most: Decimal | None) -> Iterator[Lock]:
    if most is not None and peak > 0 and (fallen := (peak - equity) / peak * _HUNDRED) > most:
        yield Lock(
            scope="", cause="drawdown", until=0, reason=f"{fallen:.2f} % below the peak of {peak:.2f}, at most {most} %"
        )


def _tomorrow(now: int) -> int:
    """When the next trading day begins."""
    return next_trading_day(date_of(now)).pre_open


def _next_week(now: int) -> int:
    on = date_of(now)
    sunday: date = on + timedelta(days=6 - on.weekday())
    return next_trading_day(sunday).pre_open
