"""The routes of what there is to trade and when: assets, clocks, calendars, locates (SPEC-T; facts.md 5.6)."""

from datetime import date, timedelta

from aiohttp import web

from puna.core import sessions
from puna.exchange.account.commands import RequestLocate
from puna.exchange.account.corporate import Sought
from puna.exchange.calendars import MARKETS, UsMarket, calendar_days, calendar_v3, clock_v3, local
from puna.exchange.floor import Floor
from puna.exchange.refusals import Refusal
from puna.exchange.web.answers import RefusedRequest, answer, error, moment, number, words
from puna.exchange.web.bodies import asset_told, without_nulls
from puna.exchange.web.requests import body_of, choice, date_of, invalid, refused
from puna.wire.codec import decoder
from puna.wire.locates import Locate, LocateRequest
from puna.wire.trading import Asset

__all__ = ["CatalogApi"]

_LOCATE = decoder(LocateRequest)
_LOCATES_PAGE, _MOST_LOCATES = 1000, 10_000
_LOCATE_STATUS = ("", "active", "expired", "rejected")
_DEFAULT_MARKET = "NYSE"
_LONGEST_KEY = 128
_LONGEST = timedelta(days=90)
_CA_TYPES = {"dividend", "merger", "spinoff", "split", "reorg"}


class CatalogApi:
    """Assets, time, and shares to borrow."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/assets", self.assets)
        router.add_get("/v2/assets/{asset:.+}", self.asset)
        router.add_get("/v2/corporate_actions/announcements", self.announcements)
        router.add_get("/v2/corporate_actions/announcements/{announcement}", self.announcement)
        router.add_get("/v2/clock", self.clock)
        router.add_get("/v2/calendar", self.calendar)
        router.add_get("/v3/clock", self.clock_v3)
        router.add_get("/v3/calendar/{market}", self.calendar_v3)
        router.add_get("/v1/locates", self.locates)
        router.add_post("/v1/locates", self.create_locate)
        router.add_get("/v1/locates/quotes", self.locate_quotes)
        router.add_get("/v1/locates/{locate}", self.locate)

    async def assets(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = {name: query[name] for name in ("status", "exchange") if query.get(name)}
        wanted["asset_class"] = query.get("asset_class") or "us_equity"
        attributes = {word.lower() for word in words(query, "attributes")}
        found = [each for each in self._floor.market.assets() if _has(each, wanted) and _has_any(each, attributes)]
        return answer([asset_told(each) for each in sorted(found, key=_place)])

    async def asset(self, request: web.Request) -> web.Response:
        name = request.match_info["asset"]
        found = self._floor.venue.asset(name)
        if found is None:
            return error(404, 40410000, f"asset not found for {name[:40]}")
        return answer(asset_told(found))

    async def announcements(self, request: web.Request) -> web.Response:
        found = self._floor.venue.office.corporate.announcements(_sought(request))
        return answer([without_nulls(each) for each in found])

    async def announcement(self, request: web.Request) -> web.Response:
        found = self._floor.venue.office.corporate.announcement(request.match_info["announcement"])
        return error(404, 40410000, "announcement not found") if found is None else answer(without_nulls(found))

    async def clock(self, _: web.Request) -> web.Response:
        clock = self._floor.venue.clock(self._floor.now)
        times = {name: local(getattr(clock, name)) for name in ("timestamp", "next_open", "next_close")}
        return answer({"timestamp": times.pop("timestamp"), "is_open": clock.is_open, **times})

    async def calendar(self, request: web.Request) -> web.Response:
        query = request.query
        by_settlement = choice(query, "date_type", ("trading", "settlement")) == "settlement"
        start, end = date_of(query, "start"), date_of(query, "end")
        return answer(calendar_days(start, end, by_settlement=by_settlement))

    async def clock_v3(self, request: web.Request) -> web.Response:
        names = words(request.query, "markets") or (_DEFAULT_MARKET,)
        now = moment(request.query, "time", _wrong)
        markets = [_market(name) for name in names]
        return answer(clock_v3(markets, _inside(self._floor.now if now is None else now)))

    async def calendar_v3(self, request: web.Request) -> web.Response:
        market = _market(request.match_info["market"].upper())
        start = _date(request, "start") or sessions.date_of(self._floor.now)
        end = _date(request, "end") or min(start, sessions.LAST_DATE) + timedelta(days=7)
        zone = request.query.get("timezone", "")
        if zone not in ("", "UTC"):
            raise RefusedRequest(_wrong(f"invalid timezone: {zone[:40]}"))
        return answer(calendar_v3(market, start, end, utc=zone == "UTC"))

    async def locates(self, request: web.Request) -> web.Response:
        query = request.query
        found = self._floor.venue.office.locates.all(
            self._floor.now,
            status=_locate_word(query.get("status", "")),
            symbol=query.get("symbol") or None,
            start=_locate_date(request, "start"),
            end=_locate_date(request, "end"),
        )
        return answer(_locate_page(request, found))

    async def locate(self, request: web.Request) -> web.Response:
        found = self._floor.venue.office.locates.get(request.match_info["locate"], self._floor.now)
        return error(404, None, "locate not found") if found is None else answer(without_nulls(found))

    async def locate_quotes(self, request: web.Request) -> web.Response:
        found = self._floor.venue.office.locates.quotes(words(request.query, "symbols"), self._floor.now)
        if isinstance(found, Refusal):
            return refused(found)
        body = {"quotes": [without_nulls(each) for each in found.quotes]}
        return answer({**body, "errors": found.errors} if found.errors else body)

    async def create_locate(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key") or None
        if key and len(key) > _LONGEST_KEY:
            return _locate_error("invalid_input", "invalid input: idempotency key is too long")
        try:
            wanted = await body_of(request, _LOCATE)
        except RefusedRequest:
            return _locate_error("invalid_request_body", "invalid request body")
        reply = self._floor.execute(RequestLocate(wanted, key))
        if isinstance(reply, Refusal):
            return refused(reply)
        return answer(without_nulls(reply) if isinstance(reply, Locate) else {}, 201)


def _has(asset: Asset, wanted: dict[str, str]) -> bool:
    return all((getattr(asset, name) or "").lower() == value.lower() for name, value in wanted.items())


def _has_any(asset: Asset, attributes: set[str]) -> bool:
    return not attributes or bool(attributes & set(asset.attributes or ()))


def _place(asset: Asset) -> tuple[str, str, str]:
    """By class, exchange and symbol (SPEC-T)."""
    return asset.asset_class, asset.exchange or "", asset.symbol


def _sought(request: web.Request) -> Sought:
    """What announcements are wanted: types and both dates are required, at most 90 days apart (SPEC-T)."""
    query = request.query
    types = frozenset(word.lower() for word in words(query, "ca_types"))
    if not types or not types <= _CA_TYPES:
        raise RefusedRequest(invalid("invalid ca_types"))
    since, until = date_of(query, "since"), date_of(query, "until")
    if since is None or until is None:
        raise RefusedRequest(invalid("since and until are required"))
    if not timedelta(0) <= until - since <= _LONGEST:
        raise RefusedRequest(invalid("the date range is limited to 90 days"))
    kind = choice(query, "date_type", ("declaration_date", "ex_date", "record_date", "payable_date"))
    return Sought(types, since, until, kind, query.get("symbol") or None, query.get("cusip") or None)


def _wrong(message: str) -> web.Response:
    """Version 3 answers 400 (SPEC-T)."""
    return error(400, 40010001, message)


def _market(name: str) -> UsMarket:
    if (found := MARKETS.get(name)) is None:
        raise RefusedRequest(_wrong(f"market {name[:20]} is not served by this exchange"))
    return found


def _date(request: web.Request, name: str) -> date | None:
    try:
        return date_of(request.query, name)
    except RefusedRequest:
        raise RefusedRequest(_wrong(f"failed to parse {name}")) from None


def _inside(ts: int) -> int:
    """An instant that the session table knows enough about."""
    first, last = sessions.FIRST_DATE + timedelta(days=21), sessions.LAST_DATE - timedelta(days=21)
    if not first <= sessions.date_of(ts) <= last:
        raise RefusedRequest(_wrong(f"time must be between {first} and {last}"))
    return ts


def _locate_error(word: str, message: str) -> web.Response:
    return error(400, word, message)


def _locate_word(text: str) -> str | None:
    if text.lower() not in _LOCATE_STATUS:
        raise RefusedRequest(_locate_error("invalid_input", "invalid input: status"))
    return text.lower() or None


def _locate_date(request: web.Request, name: str) -> date | None:
    try:
        return date_of(request.query, name)
    except RefusedRequest:
        raise RefusedRequest(_locate_error("invalid_input", f"invalid input: {name}")) from None


def _locate_page(request: web.Request, found: list[Locate]) -> dict[str, object]:
    """One page; the token is the id of its last locate."""
    size = number(request.query, "limit", _LOCATES_PAGE, _MOST_LOCATES, _bad_limit)
    token = request.query.get("page_token", "")
    places = [index for index, each in enumerate(found) if each.id == token]
    rest = found[places[0] + 1 :] if places else found
    more = rest[size - 1].id if len(rest) > size else None
    return {"locates": [without_nulls(each) for each in rest[:size]], "next_page_token": more}


def _bad_limit(message: str) -> web.Response:
    return _locate_error("invalid_input", f"invalid input: {message}")
