"""The market-data routes of crypto: history in pages, the latest, books, snapshots (fact sheet, section 6).

Every location has the same prices here. No credentials are needed [ABOUT].
"""

import re
from collections.abc import Iterable

from aiohttp import web

from puna.errors import DataError
from puna.exchange.floor import Floor
from puna.exchange.prices.bars import Timeframe
from puna.exchange.web import pages
from puna.exchange.web.answers import RefusedRequest, answer
from puna.exchange.web.bodies import without_nulls
from puna.exchange.web.data_stocks import MINUTE, bare
from puna.exchange.web.pages import no, refusal, required, several
from puna.wire.crypto import (
    CryptoBarsPage,
    CryptoLatestBars,
    CryptoLatestOrderbooks,
    CryptoLatestQuotes,
    CryptoLatestTrades,
    CryptoQuote,
    CryptoQuotesPage,
    CryptoSnapshot,
    CryptoTrade,
    CryptoTradesPage,
)
from puna.wire.market import Bar

__all__ = ["CryptoApi", "timeframe_of"]

_LOCATIONS = ("us", "us-1", "us-2", "eu-1", "bs-1")
_PAIR = re.compile(r"[A-Z]+/[A-Z]+")
_DAYS = 3 * 24 * 60 * MINUTE

Item = CryptoQuote | CryptoTrade | Bar


class CryptoApi:
    """GET /v1beta3/crypto/{loc}/..."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1beta3/crypto/{loc}/{what:bars|quotes|trades}", self.history)
        router.add_get("/v1beta3/crypto/{loc}/latest/{what:bars|quotes|trades|orderbooks}", self.latest)
        router.add_get("/v1beta3/crypto/{loc}/snapshots", self.snapshots)

    async def history(self, request: web.Request) -> web.Response:
        what, symbols = request.match_info["what"], _pairs(request)
        wanted = pages.window(request, self._floor.now)
        timeframe = timeframe_of(request) if what == "bars" else ""

        def find(symbol: str, start: int, end: int | None) -> Iterable[Item]:
            now, market = self._floor.now, self._floor.market
            if symbol not in market.symbols:
                return ()
            if what == "bars":
                return market.bars(symbol, timeframe, start, end, now)
            if what == "quotes":
                return filter(None, (bare(each, CryptoQuote) for each in market.quotes(symbol, start, end, now)))
            return filter(None, (bare(each, CryptoTrade) for each in market.trades(symbol, start, end, now)))

        found, token = pages.page(wanted, symbols, find)
        kind = {"bars": CryptoBarsPage, "quotes": CryptoQuotesPage, "trades": CryptoTradesPage}[what]
        return answer(kind(**{what: found}, next_page_token=token))

    async def latest(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        found = {each: self._latest(what, each) for each in _pairs(request)}
        return answer(_LATEST[what](**{what: {each: item for each, item in found.items() if item is not None}}))

    async def snapshots(self, request: web.Request) -> web.Response:
        known = [each for each in _pairs(request) if each in self._floor.market.symbols]
        return answer({"snapshots": {each: without_nulls(self._snapshot(each)) for each in known}})

    def _latest(self, what: str, symbol: str) -> object:
        market, now = self._floor.market, self._floor.now
        if symbol not in market.symbols:
            return None
        if what == "orderbooks":
            return market.orderbook(symbol)
        if what == "quotes":
            return bare(market.quote(symbol), CryptoQuote)
        if what == "trades":
            return bare(market.trade(symbol), CryptoTrade)
        bars = market.bars(symbol, "1Min", now - _DAYS, now, now)
        return bars[-1] if bars else None

    def _snapshot(self, symbol: str) -> CryptoSnapshot:
        market, now = self._floor.market, self._floor.now
        days = market.bars(symbol, "1Day", now - _DAYS, now, now)
        minutes = market.bars(symbol, "1Min", now - _DAYS, now, now)
        return CryptoSnapshot(
            latest_trade=bare(market.trade(symbol), CryptoTrade),
            latest_quote=bare(market.quote(symbol), CryptoQuote),
            minute_bar=minutes[-1] if minutes else None,
            daily_bar=days[-1] if days else None,
            prev_daily_bar=days[-2] if len(days) > 1 else None,
        )


def _pairs(request: web.Request) -> tuple[str, ...]:
    if (where := request.match_info["loc"]) not in _LOCATIONS:
        no(f"invalid loc: {where[:20]}")
    found = several(request, bool)
    for each in found:
        if not _PAIR.fullmatch(each):
            no(f"invalid symbol: {each[:40]} does not match ^[A-Z]+/[A-Z]+$")
    return found


def timeframe_of(request: web.Request) -> str:
    """The timeframe of a query, which must be one of Alpaca's words."""
    timeframe = required(request, "timeframe")
    try:
        Timeframe.parse(timeframe)
    except DataError as refused:
        raise RefusedRequest(refusal(refused.what)) from refused
    return timeframe


_LATEST = {
    "bars": CryptoLatestBars,
    "quotes": CryptoLatestQuotes,
    "trades": CryptoLatestTrades,
    "orderbooks": CryptoLatestOrderbooks,
}
