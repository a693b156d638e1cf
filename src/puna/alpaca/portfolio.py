"""What an account is worth and what it gained, in one question; closing all of it, with each answer read.

    equity      cash and positions at their prices                        the broker's word
    day P&L     equity - equity at the last close - money moved since     a deposit is no profit, a withdrawal no loss
    open P&L    over what is held: worth now - what it cost

Alpaca's own figure (`equity - last_equity`) counts deposits as gains. Money moved is what the activities say: cash
deposits and withdrawals, journals, transfers (fact sheet 5.7). Without `last_equity` the day's profit is None.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from puna.alpaca.account import get_activities
from puna.alpaca.refusals import cancel_refusal, close_outcome
from puna.alpaca.request import Composite, Steps
from puna.alpaca.trading import cancel_orders, close_positions, get_account, get_clock, get_positions
from puna.core import sessions
from puna.errors import PunaError
from puna.wire.activities import Activity
from puna.wire.trading import Account, Clock, Order, Position

__all__ = ["Closing", "Portfolio", "cancel_all", "close_all", "get_portfolio", "portfolio_of"]

ZERO = Decimal(0)
MONEY_MOVED = ("CSD", "CSW", "JNLC", "JNLS", "JNL", "TRANS", "ACATC", "ACATS", "OCT")


@dataclass(frozen=True, slots=True)
class Portfolio:
    """An account in figures; money in its currency, percent as fractions (0.01 is one percent).

    Args:
        equity: cash and positions.
        cash: negative when borrowed.
        long_value: what is held long.
        short_value: what is held short, negative.
        buying_power: what new positions may cost.
        day_pl: gained since the last close, without money that was moved in or out.
        day_pl_pct: of the equity at the last close and what was moved since.
        moved: money moved in (positive) and out since the last close.
        open_pl: gained on what is held, since it was bought.
        open_pl_pct: of what it cost.
        positions: what is held.
    """

    equity: Decimal
    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    buying_power: Decimal
    day_pl: Decimal | None
    day_pl_pct: Decimal | None
    moved: Decimal
    open_pl: Decimal
    open_pl_pct: Decimal | None
    positions: tuple[Position, ...]


def get_portfolio() -> Composite[Portfolio]:
    """The account, its positions, the time, and what was moved since the last close: four calls."""

    def steps() -> Steps[Portfolio]:
        account: Account = yield get_account()
        positions: list[Position] = yield get_positions()
        clock: Clock = yield get_clock()
        moved: list[Activity] = yield get_activities(MONEY_MOVED, direction="asc")
        return portfolio_of(account, positions, moved, now=int(clock.timestamp))

    return Composite(steps)


def portfolio_of(
    account: Account, positions: Sequence[Position], activities: Iterable[Activity] = (), *, now: int
) -> Portfolio:
    """The figures of what the broker said; `now` in ns is its clock.

    `last_equity` is of `balance_asof`, or, where the broker does not say so, of the last trading day before today. For
    an account that is younger than that, all its money was moved in since.
    """
    equity = account.equity or ZERO
    day = account.balance_asof or sessions.previous_trading_day(sessions.date_of(now)).date.isoformat()
    moved = sum((_moved(each) for each in activities if _is_later(each, day)), ZERO)
    young = account.created_at is not None and sessions.date_of(account.created_at).isoformat() > day
    base = None if account.last_equity is None else account.last_equity + moved
    if young and moved:
        base = moved
    gained = None if base is None else equity - base
    opened = sum((each.unrealized_pl or ZERO for each in positions), ZERO)
    cost = sum((abs(each.cost_basis or each.qty * each.avg_entry_price) for each in positions), ZERO)
    return Portfolio(
        equity=equity,
        cash=account.cash or ZERO,
        long_value=account.long_market_value or ZERO,
        short_value=account.short_market_value or ZERO,
        buying_power=account.buying_power or ZERO,
        day_pl=gained,
        day_pl_pct=gained / base if gained is not None and base else None,
        moved=moved,
        open_pl=opened,
        open_pl_pct=opened / cost if cost else None,
        positions=tuple(positions),
    )


def _moved(activity: Activity) -> Decimal:
    return activity.net_amount if activity.net_amount is not None and activity.status != "canceled" else ZERO


def _is_later(activity: Activity, day: str) -> bool:
    """Booked after the day of `last_equity`."""
    return activity.activity_type in MONEY_MOVED and (activity.date or "")[:10] > day


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of one position, or of one order that was to be cancelled.

    Args:
        name: the symbol, or the order's id.
        order: the order that closes the position, when there is one.
        error: why there is none, or why the order was not cancelled; None when all is well.
    """

    name: str
    order: Order | None = None
    error: PunaError | None = None


def close_all(*, cancel_orders_first: bool = True) -> Composite[list[Closing]]:
    """Asks to close every position; each row of the 207 answer is read, an accepted order or the refusal.

    An accepted order is not a closed position: it may rest until the market opens. Ask `get_positions` until it is so.
    """

    def steps() -> Steps[list[Closing]]:
        rows = yield close_positions(cancel_orders=cancel_orders_first)
        found = []
        for row in rows:
            outcome = close_outcome(row)
            if isinstance(outcome, Order):
                found.append(Closing(row.symbol, order=outcome))
            else:
                found.append(Closing(row.symbol, error=outcome))
        return found

    return Composite(steps)


def cancel_all() -> Composite[list[Closing]]:
    """Asks to cancel every open order; each row of the 207 answer is read."""

    def steps() -> Steps[list[Closing]]:
        rows = yield cancel_orders()
        return [Closing(row.id, error=cancel_refusal(row)) for row in rows]

    return Composite(steps)
