"""The routes of corporate actions: the list by kind and dates, and the events as they are processed (SSE).

What happens to the replayed stocks is in their data: splits. Dividends and renames are written in the account's terms.
Each is processed on its ex-date, a dividend on the day it is paid.
"""

from collections.abc import Iterator
from datetime import date, time
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from puna.core import sessions
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.floor import Floor
from puna.exchange.orders.live import ulid
from puna.exchange.web.answers import answer, moment, number, words
from puna.exchange.web.data_options import day_of
from puna.exchange.web.pages import Place, choice, no, place_of, refusal, token
from puna.seams import Clock
from puna.wire.codec import Nanos, encode

__all__ = ["ActionsApi"]

_TYPES = (
    "reverse_split",
    "forward_split",
    "unit_split",
    "cash_dividend",
    "capital_gains_distribution",
    "stock_dividend",
    "spin_off",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "redemption",
    "name_change",
    "worthless_removal",
    "rights_distribution",
    "reorganization",
    "partial_call",
)
_REGIONS = ("all", "us", "non_us", "global", "usa")
_SUFFIX = "_corporateaction_event"
_TICK_SECONDS = 0.25


class _Action(NamedTuple):
    """One action, when it is processed, and how it is told."""

    process_date: date
    kind: str
    symbol: str
    body: dict[str, object]

    @property
    def id(self) -> str:
        return str(self.body["id"])


class _Event(NamedTuple):
    """An action told at the beginning of its day."""

    ts: int
    id: str
    kind: str
    line: bytes


class ActionsApi:
    """GET /v1/corporate-actions and its stream of events."""

    def __init__(self, floor: Floor, clock: Clock) -> None:
        self._floor = floor
        self._clock = clock

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/corporate-actions", self.actions)
        router.add_get("/v1beta1/events/corporate-actions", self.events)

    async def actions(self, request: web.Request) -> web.Response:
        query = request.query
        limit = number(query, "limit", 100, 1_000, refusal)
        descending = choice(request, "sort", ("asc", "desc")) == "desc"
        found = [each for each in self._all() if self._takes(request, each)]
        found.sort(key=lambda each: (each.process_date, each.id), reverse=descending)
        if place := place_of(query.get("page_token", "")):
            ids = [each.id for each in found]
            found = found[ids.index(place.symbol) + 1 :] if place.symbol in ids else []
        shown: dict[str, list[dict[str, object]]] = {}
        for each in found[:limit]:
            shown.setdefault(f"{each.kind}s", []).append(each.body)
        following = token(Place(found[limit - 1].id, 0), "") if len(found) > limit else None
        return answer({"corporate_actions": shown, "next_page_token": following})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What has happened since a time or an id, and what happens from now on, until a time or an id."""
        bounds = self._bounds(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        told = -1
        while True:
            self._floor.catch_up()
            for event in self._events():
                if event.ts <= self._floor.now and event.ts > told and bounds.takes(event):
                    told = event.ts
                    await response.write(event.line)
            if bounds.over(self._floor.now, told):
                return response
            await self._clock.sleep(_TICK_SECONDS)

    def _bounds(self, request: web.Request) -> "_Bounds":
        query = request.query
        since, until = moment(query, "since", refusal), moment(query, "until", refusal)
        since_id = query.get("since_id") or request.headers.get("Last-Event-Id") or None
        until_id = query.get("until_id") or None
        if since is not None and query.get("since_id"):
            no("since and since_id are mutually exclusive")
        if until is not None and since is None:
            no("until requires since")
        if until_id is not None and since_id is None:
            no("until_id requires since_id")
        if until is not None and until > self._floor.now:
            no("until cannot be in the future")
        kinds = tuple(part.removesuffix(_SUFFIX) for part in query.get("type", "").split(",") if part)
        if bad := next((each for each in kinds if each not in _TYPES and each != "equity_partial_call"), None):
            no(f"invalid type: {bad[:40]}")
        region = choice(request, "region", ("all", "us", "non_us"))
        start = self._floor.now if since is None and since_id is None else since or 0
        return _Bounds(start, since_id or "", until, until_id, kinds, region != "non_us")

    def _takes(self, request: web.Request, each: _Action) -> bool:
        query = request.query
        ids, symbols = query.get("ids", ""), words(query, "symbols")
        if ids:
            return each.id in ids.split(",")
        kinds = tuple(part for part in query.get("types", "").split(",") if part)
        if bad := next((kind for kind in kinds if kind not in _TYPES), None):
            no(f"invalid types: {bad[:40]}")
        today = sessions.date_of(self._floor.now)
        first, last = day_of(request, "start") or today, day_of(request, "end") or today
        if last < first and query.get("start") and query.get("end"):
            no("end should not be before start")
        cusips = words(query, "cusips")
        return (
            first <= each.process_date <= last
            and (not symbols or each.symbol in symbols)
            and (not cusips or each.body.get("cusip") in cusips)
            and (not kinds or each.kind in kinds)
        )

    def _all(self) -> Iterator[_Action]:
        """Everything that is known today: actions are announced before they are processed."""
        for event in self._floor.venue.office.corporate.events:
            yield _TOLD[event.kind](event)

    def _events(self) -> list[_Event]:
        found = [_event(each) for each in self._all()]
        return sorted(found)


class _Bounds(NamedTuple):
    """What a listener wants to hear."""

    since: int
    since_id: str
    until: int | None
    until_id: str | None
    kinds: tuple[str, ...]
    ours: bool

    def takes(self, event: _Event) -> bool:
        return (
            self.ours
            and event.ts >= self.since
            and event.id >= self.since_id
            and (self.until is None or event.ts <= self.until)
            and (self.until_id is None or event.id <= self.until_id)
            and (not self.kinds or event.kind in self.kinds)
        )

    def over(self, now: int, told: int) -> bool:
        """Whether nothing can follow any more."""
        return (self.until is not None and now >= self.until) or (self.until_id is not None and told >= 0)


def _split(split: CorporateEvent) -> _Action:
    forward = split.new_rate > split.old_rate
    kind, on = "forward_split" if forward else "reverse_split", split.ex_date.isoformat()
    body: dict[str, object] = {
        "id": str(uuid5(NAMESPACE_URL, f"{kind}:{split.symbol}:{on}")),
        "symbol": split.symbol,
        "old_rate": split.old_rate,
        "new_rate": split.new_rate,
        "process_date": on,
        "ex_date": on,
        "record_date": sessions.previous_trading_day(split.ex_date).date.isoformat(),
        "payable_date": on,
    }
    cusip = _cusip(split.symbol)
    names = {"cusip": cusip} if forward else {"old_cusip": cusip, "new_cusip": _cusip(f"{split.symbol} {on}")}
    return _Action(split.ex_date, kind, split.symbol, {**body, **names})


def _dividend(event: CorporateEvent) -> _Action:
    body: dict[str, object] = {
        "id": event.id,
        "symbol": event.symbol,
        "cusip": _cusip(event.symbol),
        "rate": float(event.cash),
        "special": False,
        "foreign": False,
        "process_date": event.payable.isoformat(),
        "ex_date": event.ex_date.isoformat(),
        "record_date": event.record_date.isoformat(),
        "payable_date": event.payable.isoformat(),
    }
    return _Action(event.payable, "cash_dividend", event.symbol, body)


def _rename(event: CorporateEvent) -> _Action:
    body: dict[str, object] = {
        "id": event.id,
        "old_symbol": event.symbol,
        "new_symbol": event.new_symbol,
        "old_cusip": _cusip(event.symbol),
        "new_cusip": _cusip(event.new_symbol),
        "process_date": event.ex_date.isoformat(),
    }
    return _Action(event.ex_date, "name_change", event.symbol, body)


_TOLD = {"split": _split, "dividend": _dividend, "rename": _rename}


def _cusip(name: str) -> str:
    """Nine characters that are no real company's."""
    return f"S{uuid5(NAMESPACE_URL, name).int % 100_000_000:08d}"


def _event(each: _Action) -> _Event:
    ts = sessions.at(each.process_date, time(4))
    name = ulid(ts, uuid5(NAMESPACE_URL, each.id).int & 0xFFFFFFFF)
    kind = f"{each.kind}{_SUFFIX}"
    body = {"event_id": name, "event_type": kind, "at": Nanos(ts), "action": "insert", "region": "us", "ca": each.body}
    return _Event(ts, name, each.kind, b"id: " + name.encode() + b"\ndata: " + encode(body) + b"\n\n")
