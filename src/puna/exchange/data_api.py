"""The market-data routes for US stocks: bars with pages, latest quotes, trades and bars (fact sheet, section 6)."""

import base64
from collections.abc import Iterator, Sequence
from datetime import time
from typing import NamedTuple, TypeVar

import msgspec
from aiohttp import web

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.answers import RefusedRequest, answer, error, moment, number, words
from puna.exchange.floor import Floor
from puna.wire.market import Bar, BarsPage, Quote, Trade
from puna.wire.stream import QuoteMessage, TradeMessage

__all__ = ["DataApi"]

_LIMIT, _MOST = 1_000, 10_000
_DAY_NS = 86_400_000_000_000

T = TypeVar("T", bound=msgspec.Struct)


class _Place(NamedTuple):
    """The last item of a page."""

    symbol: str
    ts: int


class DataApi:
    """GET /v2/stocks/...: what the market knows at the present market time."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/stocks/bars", self.bars)
        router.add_get("/v2/stocks/{what:quotes|trades|bars}/latest", self.latest)
        router.add_get("/v2/stocks/{symbol}/bars", self.bars_of_one)
        router.add_get("/v2/stocks/{symbol}/{what:quotes|trades|bars}/latest", self.latest_of_one)

    async def bars(self, request: web.Request) -> web.Response:
        found, token = self._page(request, _symbols(request))
        pages: dict[str, list[Bar]] = {}
        for symbol, bar in found:
            pages.setdefault(symbol, []).append(bar)
        return answer(BarsPage(bars=pages, next_page_token=token))

    async def bars_of_one(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"].upper()
        found, token = self._page(request, (symbol,))
        return answer({"symbol": symbol, "bars": [bar for _, bar in found], "next_page_token": token})

    async def latest(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        found = {symbol: self._latest(what, symbol) for symbol in _symbols(request)}
        return answer({what: {symbol: item for symbol, item in found.items() if item is not None}})

    async def latest_of_one(self, request: web.Request) -> web.Response:
        symbol, what = request.match_info["symbol"].upper(), request.match_info["what"]
        if (item := self._latest(what, symbol)) is None:
            return error(404, None, f"no {what[:-1]} found for {symbol}")
        return answer({"symbol": symbol, what[:-1]: item})

    def _latest(self, what: str, symbol: str) -> Quote | Trade | Bar | None:
        market = self._floor.market
        if symbol not in market.symbols:
            return None
        if what == "quotes":
            return _bare(market.quote(symbol), Quote)
        if what == "trades":
            return _bare(market.trade(symbol), Trade)
        now = self._floor.now
        bars = market.bars(symbol, "1Min", now - _DAY_NS, now, now)
        return bars[-1] if bars else None

    def _page(self, request: web.Request, symbols: Sequence[str]) -> tuple[list[tuple[str, Bar]], str | None]:
        """The bars of one page, and the token of the next."""
        limit = number(request.query, "limit", _LIMIT, _MOST, _refuse)
        timeframe = _required(request, "timeframe")
        found: list[tuple[str, Bar]] = []
        for item in self._after(request, symbols, timeframe):
            if len(found) == limit:
                return found, _token(_Place(found[-1][0], found[-1][1].t), timeframe)
            found.append(item)
        return found, None

    def _after(self, request: web.Request, symbols: Sequence[str], timeframe: str) -> Iterator[tuple[str, Bar]]:
        """Every bar that is asked for, symbol by symbol, from where the page token points on."""
        place = _place(request.query.get("page_token", ""))
        backwards = request.query.get("sort", "asc") == "desc"
        for symbol in sorted(symbols):
            if symbol in self._floor.market.symbols and (place is None or symbol >= place.symbol):
                bars = self._bars(request, symbol, timeframe)
                for bar in reversed(bars) if backwards else bars:
                    if not _passed(place, symbol, bar, backwards=backwards):
                        yield symbol, bar

    def _bars(self, request: web.Request, symbol: str, timeframe: str) -> list[Bar]:
        now, query = self._floor.now, request.query
        start, end = moment(query, "start", _refuse), moment(query, "end", _refuse)
        if start is None:
            start = sessions.at(sessions.date_of(now), time())
        try:
            return self._floor.market.bars(symbol, timeframe, start, end, now, query.get("adjustment", "raw"))
        except DataError as refusal:
            raise RefusedRequest(_refuse(refusal.what)) from refusal


def _passed(place: _Place | None, symbol: str, bar: Bar, *, backwards: bool) -> bool:
    """True for a bar of an earlier page."""
    if place is None or symbol != place.symbol:
        return False
    return bar.t >= place.ts if backwards else bar.t <= place.ts


def _symbols(request: web.Request) -> tuple[str, ...]:
    _required(request, "symbols")
    return words(request.query, "symbols")


def _required(request: web.Request, name: str) -> str:
    if not (value := request.query.get(name, "")):
        raise RefusedRequest(_refuse(f"{name} is required"))
    return value


def _refuse(message: str) -> web.Response:
    return error(400, None, message)


def _bare(message: QuoteMessage | TradeMessage | None, kind: type[T]) -> T | None:
    """A stream's message as REST shows it: without its symbol."""
    if message is None:
        return None
    shared = set(kind.__struct_fields__) & set(message.__struct_fields__)
    return kind(**{name: getattr(message, name) for name in shared})


def _token(last: _Place, timeframe: str) -> str:
    """As Alpaca's tokens look inside: symbol, unit, and time of the last item of the page."""
    unit = timeframe.lstrip("0123456789")[:1]
    return base64.b64encode(f"{last.symbol}|{unit}|{last.ts:d}".encode()).decode()


def _place(token: str) -> _Place | None:
    if not token:
        return None
    try:
        symbol, _, ts = base64.b64decode(token, validate=True).decode().split("|")
        return _Place(symbol, int(ts))
    except ValueError:
        raise RefusedRequest(_refuse("invalid page_token")) from None
