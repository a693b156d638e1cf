"""The market-data routes of US stocks: history in pages, the latest, snapshots, auctions (fact sheet, section 6).

All feeds carry the same prices here. `delayed_sip` is a quarter of an hour late; `boats`, `overnight` and `otc` are
known and empty, since no night session and no such stock is replayed.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import TypeVar

import msgspec
from aiohttp import web

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.floor import Floor
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.bars import Timeframe, adjusts_splits
from puna.exchange.streams.feeds import revision
from puna.exchange.web import pages
from puna.exchange.web.answers import RefusedRequest, answer, error
from puna.exchange.web.bodies import without_nulls
from puna.exchange.web.names import Names, Span
from puna.exchange.web.pages import Window, choice, no, refusal, required, several
from puna.wire.market import (
    AuctionsPage,
    Bar,
    BarsPage,
    DailyAuctions,
    LatestBars,
    LatestQuotes,
    LatestTrades,
    Quote,
    QuotesPage,
    Snapshot,
    SymbolAuctionsPage,
    SymbolBarsPage,
    SymbolQuotesPage,
    SymbolTradesPage,
    Trade,
    TradesPage,
)
from puna.wire.stream import TradeMessage

__all__ = ["StocksApi", "bare"]

MINUTE = 60_000_000_000
_DAY = 24 * 60 * MINUTE
_DELAY = 15 * MINUTE
_DELAYED_BACK = 5 * _DAY
_HISTORICAL = ("sip", "iex", "boats", "otc")
_LATEST = ("sip", "iex", "delayed_sip", "boats", "overnight", "otc")
_EMPTY = {"boats", "overnight", "otc"}
_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,11}")

T = TypeVar("T", bound=msgspec.Struct)
Latest = Quote | Trade | Bar


class StocksApi:
    """GET /v2/stocks/...: what the market knows at the present market time, and what the plan lets one see of it."""

    def __init__(self, floor: Floor, config: ExchangeConfig) -> None:
        self._floor = floor
        self._config = config

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/stocks/{what:quotes|trades|bars}/latest", self.latest)
        router.add_get("/v2/stocks/{what:quotes|trades|bars|auctions}", self.history)
        router.add_get("/v2/stocks/snapshots", self.snapshots)
        router.add_get("/v2/stocks/{symbol}/{what:quotes|trades|bars}/latest", self.latest_of_one)
        router.add_get("/v2/stocks/{symbol}/{what:quotes|trades|bars|auctions}", self.history_of_one)
        router.add_get("/v2/stocks/{symbol}/snapshot", self.snapshot)

    async def history(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        found, token = self._page(request, what, several(request, is_stock, upper=True))
        return answer(_PAGES[what](**{what: found}, next_page_token=token))

    async def history_of_one(self, request: web.Request) -> web.Response:
        what, symbol = request.match_info["what"], _one(request)
        found, token = self._page(request, what, (symbol,))
        return answer(_PAGES_OF_ONE[what](symbol=symbol, **{what: found.get(symbol, [])}, next_page_token=token))

    async def latest(self, request: web.Request) -> web.Response:
        what, at = request.match_info["what"], self._latest_at(request)
        found = {each: self._latest(what, each, at) for each in several(request, is_stock, upper=True)}
        return answer(_LATEST_OF[what](**{what: {each: item for each, item in found.items() if item is not None}}))

    async def latest_of_one(self, request: web.Request) -> web.Response:
        what, symbol = request.match_info["what"], _one(request)
        if (item := self._latest(what, symbol, self._latest_at(request))) is None:
            return error(404, None, f"no {what[:-1]} found for {symbol}")
        return answer({"symbol": symbol, what[:-1]: item})

    async def snapshots(self, request: web.Request) -> web.Response:
        at = self._latest_at(request)
        found = {each: self._snapshot(each, at) for each in several(request, is_stock, upper=True)}
        return answer({each: without_nulls(snapshot) for each, snapshot in found.items() if snapshot is not None})

    async def snapshot(self, request: web.Request) -> web.Response:
        symbol, at = _one(request), self._latest_at(request)
        if (found := self._snapshot(symbol, at)) is None:
            return error(404, None, f"no snapshot found for {symbol}")
        return answer({"symbol": symbol, **without_nulls(found)})

    # History.

    def _page(
        self, request: web.Request, what: str, symbols: Sequence[str]
    ) -> tuple[dict[str, list[Latest]] | dict[str, list[DailyAuctions]], str | None]:
        wanted = pages.window(request, self._floor.now)
        asof = self._asof(request)
        _check_currency(request)
        if what == "auctions":
            choice(request, "feed", ("sip",))
            return self._auctions(wanted, symbols, asof)
        timeframe, adjustment = _bar_words(request) if what == "bars" else ("", "")
        known_at = self._known_at(request, wanted)

        def told(symbol: str, start: int, end: int | None, at: int) -> Sequence[Latest]:
            if what == "bars":
                return self._floor.market.bars(symbol, timeframe, start, end, at, adjustment)
            if what == "quotes":
                return _bared(self._floor.market.quotes(symbol, start, end, at), Quote, wanted)
            trades = _bared(self._floor.market.trades(symbol, start, end, at), Trade, wanted)
            return [self._revised(symbol, each) for each in trades] if self._config.busts else trades

        def find(symbol: str, start: int, end: int | None) -> Sequence[Latest]:
            if known_at is None:
                return ()
            within = self._meant(symbol, asof, start, end)
            return [each for span, s, e in within for each in told(span.symbol, s, e, span.known(known_at))]

        return pages.page(wanted, symbols, find, timeframe.lstrip("0123456789")[:1])

    def _revised(self, symbol: str, trade: Trade) -> Trade:
        """A print that was voided or corrected says so once its minute is over (facts.md 6)."""
        told = TradeMessage(S=self._names.at(symbol, int(trade.t)), t=trade.t, p=trade.p, s=trade.s, i=trade.i)
        found = revision(told, self._config.busts)
        if found and trade.t - trade.t % MINUTE + MINUTE <= self._floor.now:
            trade.u = found
        return trade

    def _auctions(
        self, wanted: Window, symbols: Sequence[str], asof: date | None
    ) -> tuple[dict[str, list[DailyAuctions]], str | None]:
        """Each day counts as one item."""
        market, now = self._floor.market, self._floor.now

        def find(symbol: str, start: int, end: int | None) -> list[_Day]:
            within = self._meant(symbol, asof, start, end)
            days = [each for span, s, e in within for each in market.auctions(span.symbol, s, e, now)]
            return [_Day(each) for each in days if each.o and start <= each.o[0].t]

        found, token = pages.page(wanted, symbols, find)
        return {symbol: [each.auctions for each in days] for symbol, days in found.items()}, token

    @property
    def _names(self) -> Names:
        return Names(self._floor.market.symbols, self._floor.venue.renames)

    def _asof(self, request: web.Request) -> date | None:
        """The day on which symbols are to be understood, today where none is given; None for "-", as they are."""
        if (text := request.query.get("asof", "")) == "-":
            return None
        try:
            return date.fromisoformat(text) if text else sessions.date_of(self._floor.now)
        except ValueError:
            no(f"invalid asof: {text[:40]}")

    def _meant(
        self, symbol: str, asof: date | None, start: int, end: int | None
    ) -> Iterator[tuple[Span, int, int | None]]:
        """What a symbol stands for, with the part of a window in which it does."""
        for span in self._names.meant(symbol, asof):
            first, last = span.bounds(start, end)
            if last is None or first <= last:
                yield span, first, last

    def _known_at(self, request: web.Request, wanted: Window) -> int | None:
        """As of when history may be told; None where the feed has nothing.

        Raises:
            RefusedRequest: the plan does not include it.
        """
        feed, now = self._feed(request, _HISTORICAL), self._floor.now
        if feed in _EMPTY:
            return None
        if feed != "sip" or self._config.data_plan == "plus":
            return now
        if max(wanted.start, wanted.end or 0) > now - _DELAY:
            raise RefusedRequest(_not_permitted())
        return now - _DELAY

    # The latest.

    def _latest_at(self, request: web.Request) -> int | None:
        """As of when the latest is told; None where the feed has nothing."""
        feed = self._feed(request, _LATEST)
        _check_currency(request)
        if feed == "sip" and self._config.data_plan == "basic":
            raise RefusedRequest(_not_permitted())
        if feed in _EMPTY:
            return None
        return self._floor.now - _DELAY if feed == "delayed_sip" else self._floor.now

    def _feed(self, request: web.Request, known: Sequence[str]) -> str:
        """The feed that is asked for; the best of the plan when nothing is said (FAQ)."""
        best = "sip" if self._config.data_plan == "plus" else "iex"
        return choice(request, "feed", (best, *known))

    def _latest(self, what: str, symbol: str, at: int | None) -> Latest | None:
        market = self._floor.market
        if at is None or (span := self._borne(symbol)) is None:
            return None
        symbol, at = span.symbol, span.known(at)
        if what == "bars":
            bars = market.bars(symbol, "1Min", at - _DELAYED_BACK, at, at)
            return bars[-1] if bars else None
        kind: type[Quote | Trade] = Quote if what == "quotes" else Trade
        if at == self._floor.now:
            return bare(market.quote(symbol) if kind is Quote else market.trade(symbol), kind)
        find = market.quotes if kind is Quote else market.trades
        kept = deque(find(symbol, at - _DELAYED_BACK, at, at), maxlen=1)
        return bare(kept[0], kind) if kept else None

    def _borne(self, symbol: str) -> Span | None:
        """Whose latest a symbol tells: its bearer's of today, else, where that is chosen, its last one's."""
        spans = self._names.meant(symbol, sessions.date_of(self._floor.now))
        if not spans or (spans[-1].end is not None and self._config.old_symbols == "absent"):
            return None
        return spans[-1]

    def _snapshot(self, symbol: str, at: int | None) -> Snapshot | None:
        market = self._floor.market
        if at is None or (span := self._borne(symbol)) is None:
            return None
        last = span.known(at)
        days = market.bars(span.symbol, "1Day", last - 10 * _DAY, last, last)
        quote, trade, minute = (self._latest(what, symbol, at) for what in ("quotes", "trades", "bars"))
        return Snapshot(
            latest_trade=trade if isinstance(trade, Trade) else None,
            latest_quote=quote if isinstance(quote, Quote) else None,
            minute_bar=minute if isinstance(minute, Bar) else None,
            daily_bar=days[-1] if days else None,
            prev_daily_bar=days[-2] if len(days) > 1 else None,
        )


class _Day:
    """A day's auctions as an item with a time."""

    def __init__(self, auctions: DailyAuctions) -> None:
        self.auctions = auctions
        self.t = int((auctions.o or [])[0].t)


def bare(message: msgspec.Struct | None, kind: type[T]) -> T | None:
    """A stream's message as REST shows it: without its symbol."""
    if message is None:
        return None
    shared = set(kind.__struct_fields__) & set(message.__struct_fields__)
    return kind(**{name: getattr(message, name) for name in shared})


def is_stock(symbol: str) -> bool:
    """Whether it could be one."""
    return _SYMBOL.fullmatch(symbol) is not None


def _bared(messages: Iterable[msgspec.Struct], kind: type[T], wanted: Window) -> Sequence[T]:
    """No more of them than a page can hold, when that is known."""
    found: list[T] = []
    for each in messages:
        if not wanted.descending and len(found) > wanted.limit:
            break
        if (item := bare(each, kind)) is not None:
            found.append(item)
    return found


def _bar_words(request: web.Request) -> tuple[str, str]:
    """Timeframe and adjustment, both of Alpaca's words."""
    timeframe, adjustment = required(request, "timeframe"), request.query.get("adjustment", "") or "raw"
    try:
        Timeframe.parse(timeframe)
        adjusts_splits(adjustment)
    except DataError as refused:
        raise RefusedRequest(refusal(refused.what)) from refused
    return timeframe, adjustment


def _check_currency(request: web.Request) -> None:
    if (currency := request.query.get("currency", "") or "USD") != "USD":
        no(f"invalid currency: {currency[:10]}; only USD is served here")


def _one(request: web.Request) -> str:
    symbol = request.match_info["symbol"].upper()
    if not is_stock(symbol):
        no(f"invalid symbol: {symbol[:40]}")
    return symbol


def _not_permitted() -> web.Response:
    """facts.md 3: this one carries a code, and one of another status."""
    return error(403, 42210000, "subscription does not permit querying recent SIP data")


_PAGES = {"bars": BarsPage, "quotes": QuotesPage, "trades": TradesPage, "auctions": AuctionsPage}
_PAGES_OF_ONE = {
    "bars": SymbolBarsPage,
    "quotes": SymbolQuotesPage,
    "trades": SymbolTradesPage,
    "auctions": SymbolAuctionsPage,
}
_LATEST_OF = {"bars": LatestBars, "quotes": LatestQuotes, "trades": LatestTrades}
