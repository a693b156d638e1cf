"""The routes of news and of the screener (fact sheet, section 6)."""

import base64
from collections.abc import Iterable
from itertools import islice

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from puna.exchange.floor import Floor
from puna.exchange.prices.newsroom import Newsroom
from puna.exchange.web.answers import answer, boolean, number, words
from puna.exchange.web.names import Names
from puna.exchange.web.pages import between, choice, no, refusal
from puna.exchange.web.paths import is_stream
from puna.wire.codec import Nanos
from puna.wire.news import MostActive, MostActives, Mover, Movers, News, NewsPage

__all__ = ["NewsApi"]

_DAY = 86_400_000_000_000
_MINUTE = 60_000_000_000
_BACK = 30 * _DAY


class NewsApi:
    """GET /v1beta1/news, the most active stocks, the movers."""

    def __init__(self, floor: Floor, stream: Handler) -> None:
        self._floor = floor
        self._stream = stream
        self._newsroom = Newsroom(floor.market)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1beta1/news", self.news)
        router.add_get("/v1beta1/screener/stocks/most-actives", self.most_actives)
        router.add_get("/v1beta1/screener/{market}/movers", self.movers)

    async def news(self, request: web.Request) -> web.StreamResponse:
        """Without times: the last thirty days. Sorted by the time of their update, the newest first."""
        if is_stream(request):
            return await self._stream(request)
        query, now = request.query, self._floor.now
        limit = number(query, "limit", 10, 50, refusal)
        start, end = between(request)
        ascending = choice(request, "sort", ("desc", "asc")) == "asc"
        after = _place(query.get("page_token", ""))
        whole = boolean(query, "exclude_contentless")
        first, last = now - _BACK if start is None else start, now if end is None else min(end, now)
        if after is not None:
            first, last = (max(first, after[0]), last) if ascending else (first, min(last, after[0]))
        told = self._newsroom.articles(first, last, words(query, "symbols"), newest_first=not ascending)
        found = (each for each in told if each.content or not whole)
        rest = (each for each in found if after is None or _follows(each, after, ascending=ascending))
        page = list(islice(rest, limit + 1))  # no more than a page is ever written, however long the span
        shown, token = page[:limit], _token(page[limit - 1]) if len(page) > limit else None
        if not boolean(query, "include_content"):
            shown = [msgspec.structs.replace(each, content="") for each in shown]
        return answer(NewsPage(news=shown, next_page_token=token))

    async def most_actives(self, request: web.Request) -> web.Response:
        by = choice(request, "by", ("volume", "trades"))
        top = number(request.query, "top", 10, 100, refusal)
        market, now = self._floor.market, self._floor.now
        days = {each: market.bars(each, "1Day", now - 7 * _DAY, now, now) for each in self._symbols("stocks")}
        names = Names(market.symbols, self._floor.venue.renames)
        found = [
            MostActive(symbol=names.today(each), volume=bars[-1].v, trade_count=bars[-1].n)
            for each, bars in days.items()
            if bars
        ]
        found.sort(key=lambda each: each.volume if by == "volume" else each.trade_count, reverse=True)
        return answer(MostActives(most_actives=list(islice(found, top)), last_updated=self._updated))

    async def movers(self, request: web.Request) -> web.Response:
        if (kind := request.match_info["market"]) not in ("stocks", "crypto"):
            no(f"invalid market_type: {kind[:20]}")
        top = number(request.query, "top", 10, 50, refusal)
        found = sorted(filter(None, map(self._move, self._symbols(kind))), key=lambda each: each.percent_change)
        gainers = [each for each in found[::-1] if each.change > 0][:top]
        losers = [each for each in found if each.change < 0][:top]
        return answer(Movers(gainers=gainers, losers=losers, market_type=kind, last_updated=self._updated))

    @property
    def _updated(self) -> Nanos:
        return Nanos(self._floor.now - self._floor.now % _MINUTE)

    def _symbols(self, kind: str) -> Iterable[str]:
        return (each for each in self._floor.market.symbols if ("/" in each) is (kind == "crypto"))

    def _move(self, symbol: str) -> Mover | None:
        """Against the last close."""
        now, market = self._floor.now, self._floor.market
        days, trade = market.bars(symbol, "1Day", now - 10 * _DAY, now, now, "split"), market.trade(symbol)
        if len(days) < 2 or trade is None:
            return None
        before = days[-2].c
        return Mover(
            symbol=Names(market.symbols, self._floor.venue.renames).today(symbol),
            price=trade.p,
            change=round(trade.p - before, 4),
            percent_change=round(100 * (trade.p / before - 1), 2),
        )


def _follows(each: News, after: tuple[int, int], *, ascending: bool) -> bool:
    here = (int(each.updated_at), each.id)
    return here > after if ascending else here < after


def _token(each: News) -> str:
    """As Alpaca's look inside: the time and the id of the last article of the page."""
    return base64.b64encode(f"{int(each.updated_at)}|{each.id}".encode()).decode()


def _place(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        ts, number_ = base64.b64decode(text, validate=True).decode().split("|")
        return int(ts), int(number_)
    except ValueError:
        no("invalid page_token")
