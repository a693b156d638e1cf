"""Account activities: fills and everything else that moves cash or positions; the list, its pages, and the event feed.

Ids are `YYYYMMDDHHMMSSmmm::uuid` (facts.md 5.7): of a fill its New York time and its execution id, of all others the
date they belong to. Events carry ULIDs in the order in which things were booked.
"""

from bisect import insort
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from puna.core import sessions
from puna.exchange.log import EventLog
from puna.exchange.orders.live import amount, ulid
from puna.wire.activities import Activity, ActivityDetails, ActivityEvent
from puna.wire.codec import Amount, Nanos
from puna.wire.trading import Order, TradeUpdate

__all__ = ["TYPES", "Activities", "Query", "Record", "meant", "utc_day"]

TYPES = frozenset(
    {
        *(
            "FILL",
            "ACATC",
            "ACATS",
            "CFEE",
            "CGD",
            "CSD",
            "CSW",
            "DIV",
            "DIVCGL",
            "DIVCGS",
            "DIVFEE",
            "DIVFT",
            "DIVNRA",
        ),
        *(
            "DIVROC",
            "DIVTW",
            "DIVTXEX",
            "FEE",
            "FOPT",
            "INT",
            "INTNRA",
            "INTTW",
            "JNLC",
            "JNLS",
            "MA",
            "NC",
            "OCT",
            "OPASN",
        ),
        *("OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "PTC", "PTR", "REO", "REORG", "SPIN", "SPLIT"),
    }
)
"""SPEC-T, ActivityType, without the three that stand for several."""

_GROUPS = {"TRANS": {"CSD", "CSW"}, "JNL": {"JNLC", "JNLS"}, "MISC": {"MISC"}}
_EXECUTED = "executed"


class Record(NamedTuple):
    """One activity, as the list and as the feed tell it; `ts` is when it was booked."""

    key: tuple[str, int]
    ts: int
    activity: Activity
    event: ActivityEvent


@dataclass(frozen=True, kw_only=True)
class Query:
    """What GET /v2/account/activities asks for; times are ns and excluded."""

    types: Container[str] = TYPES
    order_id: str | None = None
    after: int | None = None
    until: int | None = None
    ascending: bool = False
    size: int = 100
    token: str | None = None

    def takes(self, record: Record) -> bool:
        activity = record.activity
        return (
            activity.activity_type in self.types
            and self.order_id in (None, activity.order_id)
            and (self.after is None or record.ts > self.after)
            and (self.until is None or record.ts < self.until)
        )


def meant(names: Sequence[str]) -> set[str] | str:
    """The types that these words stand for, or the first word that stands for none."""
    found: set[str] = set()
    for name in names:
        if name not in TYPES and name not in _GROUPS:
            return name
        found |= _GROUPS.get(name, {name})
    return found


@dataclass(kw_only=True)
class Activities:
    """All activities of one account.

    Args:
        account_id: whose they are; ids are made from it.
        log: gets everything that is no fill.
    """

    account_id: str
    log: EventLog
    records: list[Record] = field(default_factory=list)
    _sorted: list[Record] = field(default_factory=list)
    _listeners: list[Callable[[Record], None]] = field(default_factory=list)
    _numbers: int = 0

    def listen(self, listener: Callable[[Record], None]) -> Callable[[], None]:
        """Tells `listener` of each new record; what comes back ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def find(self, query: Query) -> list[Activity]:
        """One page; the token is the id of the last item of the page before."""
        ordered = self._sorted if query.ascending else list(reversed(self._sorted))
        if query.token is not None:
            ordered = list(_after(ordered, query.token))
        return [each.activity for each in ordered if query.takes(each)][: query.size]

    def since(self, *, event_id: str | None = None, ts: int | None = None) -> list[Record]:
        """What the feed has told after an event, or from a moment on."""
        if event_id is not None:
            return [each for each in self.records if each.event.event_id > event_id.upper()]
        return [each for each in self.records if ts is not None and each.ts >= ts]

    def heard(self, update: TradeUpdate) -> None:
        """Keeps the fills among the trade updates; those of a multi-leg order leg by leg."""
        if update.event not in ("fill", "partial_fill"):
            return
        if not update.legs:
            self._fill(update.order, update, update.execution_id, update.qty, update.price)
        for leg in update.legs or ():
            order = next((each for each in update.order.legs or () if each.id == leg.order_id), update.order)
            self._fill(order, update, leg.execution_id, leg.qty, leg.price)

    def book(
        self,
        kind: str,
        now: int,
        *,
        on: date | None = None,
        sub_type: str | None = None,
        symbol: str | None = None,
        qty: Decimal | None = None,
        price: Decimal | None = None,
        net: Decimal = Decimal(0),
        per_share: Decimal | None = None,
        description: str = "",
        group: str | None = None,
        details: dict[str, Any] | None = None,
        silent: bool = False,
    ) -> Record:
        """Books what is no fill.

        Args:
            kind: its type.
            now: when it is booked.
            on: the day it belongs to; today.
            sub_type: Alpaca's word for what is more exactly meant.
            symbol: what it is about.
            qty: how many.
            price: at what price each.
            net: what it did to cash.
            per_share: of a dividend.
            description: for people.
            group: names its siblings.
            details: what the feed tells besides.
            silent: True keeps it out of the log: it was there before the first command.
        """
        day = on or sessions.date_of(now)
        number = self._next()
        ref = self._uuid(number)
        activity = Activity(
            id=f"{day:%Y%m%d}000000000::{ref}",
            activity_type=kind,
            activity_sub_type=sub_type,
            symbol=symbol,
            qty=_shown(qty),
            price=_shown(price),
            date=day.isoformat(),
            created_at=Nanos(now),
            net_amount=amount(net),
            per_share_amount=_shown(per_share),
            currency="USD",
            description=description,
            status=_EXECUTED,
            group_id=group,
        )
        event = ActivityEvent(
            event_id=ulid(now, number),
            activity_type=kind,
            activity_subtype=sub_type,
            at=Nanos(now),
            executed_at=Nanos(now),
            status=_EXECUTED,
            settle_date=day.isoformat(),
            currency="USD",
            ref_id=ref,
            net_amount=amount(net),
            price=_shown(price),
            qty=_shown(qty),
            details=ActivityDetails(
                system_date=sessions.date_of(now).isoformat(), group_id=group, symbol=symbol, **(details or {})
            ),
        )
        if not silent:
            self.log.append("activity", now, activity)
        return self._keep(Record((activity.id[:17], number), now, activity, event))

    def group(self) -> str:
        """A new id for activities that belong together."""
        return self._uuid(self._next())

    def _fill(
        self, order: Order, update: TradeUpdate, execution_id: str | None, qty: Amount | None, price: Amount | None
    ) -> None:
        now, number = update.timestamp or 0, self._next()
        ref, side = execution_id or self._uuid(number), order.side or "buy"
        size, cost = qty or Decimal(0), price or Decimal(0)
        leaves = amount((order.qty or order.filled_qty or Decimal(0)) - (order.filled_qty or Decimal(0)))
        when = sessions.new_york(now)
        activity = Activity(
            id=f"{when:%Y%m%d%H%M%S}{when.microsecond // 1000:03d}::{ref}",
            activity_type="FILL",
            transaction_time=Nanos(now),
            type=update.event,
            price=amount(cost),
            qty=amount(size),
            side=side,
            symbol=order.symbol,
            leaves_qty=leaves,
            order_id=order.id,
            cum_qty=amount(order.filled_qty or Decimal(0)),
            order_status=order.status,
        )
        event = ActivityEvent(
            event_id=ulid(now, number),
            activity_type="FILL",
            at=Nanos(now),
            executed_at=Nanos(now),
            status=_EXECUTED,
            settle_date=update.settle_date or when.date().isoformat(),
            currency="USD",
            ref_id=ref,
            price=amount(cost),
            qty=amount(size),
            details=ActivityDetails(
                order_id=order.id,
                client_order_id=order.client_order_id,
                side=side,
                symbol=order.symbol,
                asset_id=order.asset_id,
                cum_qty=activity.cum_qty,
                leaves_qty=leaves,
                order_status=order.status,
                execution_type="fill",
            ),
        )
        self._keep(Record((activity.id[:17], number), now, activity, event))

    def _keep(self, record: Record) -> Record:
        self.records.append(record)
        insort(self._sorted, record, key=_by_key)
        for listener in tuple(self._listeners):
            listener(record)
        return record

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _uuid(self, number: int) -> str:
        return str(uuid5(NAMESPACE_URL, f"activity:{self.account_id}:{number}"))


def _by_key(record: Record) -> tuple[str, int]:
    return record.key


def _shown(value: Decimal | None) -> Amount | None:
    return None if value is None else amount(value)


def _after(ordered: Sequence[Record], token: str) -> Iterator[Record]:
    """What follows the item with that id; everything, where there is no such item."""
    places = [index for index, each in enumerate(ordered) if each.activity.id == token]
    yield from ordered[places[0] + 1 :] if places else ordered


def utc_day(text: str) -> tuple[int, int]:
    """The bounds of a UTC day, both excluded, as ns."""
    start = int(datetime.fromisoformat(f"{text[:10]}T00:00:00+00:00").timestamp())
    end = start + int(timedelta(days=1).total_seconds())
    return start * 1_000_000_000 - 1, end * 1_000_000_000
