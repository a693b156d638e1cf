"""Movements of cash and positions without an order of ours, as the broker's activities explain them, with their ids.

Fees after the close, dividends, interest, splits, expired, exercised, assigned and adjusted options, transfers,
renames. They are asked for when the books differ; each is booked once, whatever happens, and every term carries the
broker's reference (I3). What a split did to a position the position itself says; the activity only explains it (R31).
An activity of a kind that nobody here knows explains nothing: the difference stays, and trading halts with both sides
shown.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from puna.core.decimals import plain
from puna.core.portfolio import Booking, Portfolio, Reason
from puna.core.sessions import date_of
from puna.core.symbols import Option, canonical, is_symbol, parse
from puna.core.types import ZERO, Position
from puna.errors import DataError
from puna.wire.activities import Activity

__all__ = ["AWAY", "BACK", "bookings", "told_later"]

_CASH = {
    "FEE": Reason.FEE,
    "PTC": Reason.FEE,
    "DIVFEE": Reason.FEE,
    "INT": Reason.INTEREST,
    "INTNRA": Reason.INTEREST,
    "INTTW": Reason.INTEREST,
    "CSD": Reason.TRANSFER,
    "CSW": Reason.TRANSFER,
    "JNLC": Reason.TRANSFER,
    "ACATC": Reason.TRANSFER,
    "CGD": Reason.DIVIDEND,
    "OPCSH": Reason.CASH_IN_LIEU,
}
AWAY, BACK = "/out", "/in"
"""What the references of two bookings end with that carry a position over to another symbol."""

_ENDS = {"OPEXP": Reason.EXPIRY, "OPEXC": Reason.EXERCISE, "OPASN": Reason.ASSIGNMENT}


def told_later(activity: Activity, opening_ts: int) -> bool:
    """Whether it belongs to the time after the books began: what was created before is in their opening figures."""
    if activity.created_at is not None:
        return int(activity.created_at) > opening_ts
    try:
        return activity.date is not None and date.fromisoformat(activity.date) > date_of(opening_ts)
    except ValueError:
        return False


def bookings(activities: Iterable[Activity], ours: Portfolio, broker: Mapping[str, Position], ts: int) -> list[Booking]:
    """What activities (oldest first) have moved.

    Args:
        activities: not booked yet.
        ours: our books before them.
        broker: what it holds now, by canonical symbol; it decides what a split or a rename came to.
        ts: market time of the bookings, ns.
    """
    held = {symbol: each.qty for symbol, each in ours.positions.items()}
    found: list[Booking] = []
    for each in activities:
        for booking in _of(each, held, ours, broker, ts):
            found.append(booking)
            if booking.symbol:
                held[booking.symbol] = held.get(booking.symbol, ZERO) + booking.qty
    return found


def _of(
    activity: Activity, held: Mapping[str, Decimal], ours: Portfolio, broker: Mapping[str, Position], ts: int
) -> list[Booking]:
    kind, cash = activity.activity_type, plain(activity.net_amount or ZERO)
    symbol = _symbol(activity)
    reason = _CASH.get(kind) or (Reason.DIVIDEND if kind.startswith("DIV") else None)
    if reason is not None:
        return [Booking(reason=reason, reference=activity.id, ts=ts, cash=cash, symbol=symbol)]
    if kind == "CFEE":
        return [_coin_fee(activity, symbol, cash, ts)]
    if kind in _ENDS and symbol:
        gone = _toward_flat(held.get(symbol, ZERO), activity.qty)
        return [Booking(reason=_ENDS[kind], reference=activity.id, ts=ts, symbol=symbol, qty=gone)] if gone else []
    if kind == "OPTRD" and symbol:
        return [_delivery(activity, symbol, cash, ts)]
    return _corporate(activity, symbol, cash, held, ours, broker, ts) if symbol else []


def _corporate(
    activity: Activity,
    symbol: str,
    cash: Decimal,
    held: Mapping[str, Decimal],
    ours: Portfolio,
    broker: Mapping[str, Position],
    ts: int,
) -> list[Booking]:
    """Splits of shares and of the options on them, and renames."""
    match activity.activity_type:
        case "SPLIT":
            return _split(activity, symbol, cash, held, broker, ts)
        case "OPCA":
            return _adjusted(activity, symbol, ours, ts)
        case "NC":
            return _rename(activity, symbol, ours, broker, ts)
        case _:
            return []


def _coin_fee(activity: Activity, symbol: str, cash: Decimal, ts: int) -> Booking:
    """Taken in the coin, or in dollars."""
    if activity.qty:
        return Booking(
            reason=Reason.FEE_IN_KIND, reference=activity.id, ts=ts, symbol=symbol, qty=-abs(activity.qty), cash=cash
        )
    return Booking(reason=Reason.FEE, reference=activity.id, ts=ts, cash=cash, symbol=symbol)


def _delivery(activity: Activity, symbol: str, cash: Decimal, ts: int) -> Booking:
    """Shares against the strike: bought when cash goes."""
    size, price = abs(plain(activity.qty or ZERO)), plain(activity.price or ZERO)
    bought = cash < 0 if cash else (activity.qty or ZERO) > 0 and activity.side != "sell"
    qty = size if bought else -size
    return Booking(
        reason=Reason.EXERCISE, reference=activity.id, ts=ts, symbol=symbol, qty=qty, cash=cash or -qty * price
    )


def _split(
    activity: Activity, symbol: str, cash: Decimal, held: Mapping[str, Decimal], broker: Mapping[str, Position], ts: int
) -> list[Booking]:
    now = broker[symbol].qty if symbol in broker else ZERO
    change = now - held.get(symbol, ZERO)
    rows = [Booking(reason=Reason.SPLIT, reference=activity.id, ts=ts, symbol=symbol, qty=change)] if change else []
    if cash:
        rows.append(
            Booking(reason=Reason.CASH_IN_LIEU, reference=f"{activity.id}/cash", ts=ts, symbol=symbol, cash=cash)
        )
    return rows


def _rename(activity: Activity, symbol: str, ours: Portfolio, broker: Mapping[str, Position], ts: int) -> list[Booking]:
    """A position that the broker does not hold any more goes on under the new name, at its cost."""
    if symbol in ours.positions or symbol not in broker:
        return []
    gone = [p for name, p in ours.positions.items() if name not in broker and p.qty == broker[symbol].qty]
    if len(gone) != 1:
        return []
    (old,) = gone
    return _carried(activity, old, symbol, old.qty, ts)


def _adjusted(activity: Activity, symbol: str, ours: Portfolio, ts: int) -> list[Booking]:
    """An option contract that a corporate action made another one: what it was is what its size and strike say.

    So many at a strike that is so many times lower, or as many at the same strike under a root of its own. Where two of
    ours could be meant nothing is explained.
    """
    new, qty = _option(symbol), plain(activity.qty or ZERO)
    if new is None or not qty:
        return []
    meant = [
        held
        for name, held in ours.positions.items()
        if (old := _option(name)) is not None
        and name != symbol
        and (_stock(old.root), old.expiration, old.right) == (_stock(new.root), new.expiration, new.right)
        and held.qty * old.strike == qty * new.strike
        and (qty % held.qty == 0 if old.root == new.root else qty == held.qty)
    ]
    return _carried(activity, meant[0], symbol, qty, ts) if len(meant) == 1 else []


def _carried(activity: Activity, old: Position, symbol: str, qty: Decimal, ts: int) -> list[Booking]:
    """What was held goes on as `qty` of another symbol at its cost; nothing is realised."""
    away = Booking(
        reason=Reason.CORPORATE_ACTION,
        reference=f"{activity.id}{AWAY}",
        ts=ts,
        symbol=old.symbol,
        qty=-old.qty,
        cash=old.cost,
    )
    return [away, replace(away, reference=f"{activity.id}{BACK}", symbol=symbol, qty=qty, cash=-old.cost)]


def _option(symbol: str) -> Option | None:
    found = parse(symbol) if is_symbol(symbol) else None
    return found if isinstance(found, Option) else None


def _stock(root: str) -> str:
    return root.rstrip("0123456789")


def _toward_flat(held: Decimal, qty: Decimal | None) -> Decimal:
    """So many contracts of what is held are gone."""
    size = abs(held) if qty is None else min(abs(plain(qty)), abs(held))
    return -size if held > 0 else size


def _symbol(activity: Activity) -> str:
    try:
        return canonical(activity.symbol or "")
    except DataError:
        return activity.symbol or ""
