"""The market-data routes of options: bars, trades, the latest, snapshots, chains (fact sheet, section 6).

Both feeds carry the same prices here. There are no historical quotes, as at Alpaca.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from aiohttp import web

from puna.core import sessions
from puna.core.symbols import Option, is_symbol, parse
from puna.exchange.floor import Floor
from puna.exchange.options import ExchangeConfig
from puna.exchange.web import pages
from puna.exchange.web.answers import answer, moment, number
from puna.exchange.web.data_crypto import timeframe_of
from puna.exchange.web.data_stocks import MINUTE, bare
from puna.exchange.web.pages import Place, choice, no, refusal, several
from puna.wire.market import Bar
from puna.wire.options import (
    Greeks,
    OptionBarsPage,
    OptionLatestQuotes,
    OptionLatestTrades,
    OptionQuote,
    OptionSnapshot,
    OptionSnapshotsPage,
    OptionTrade,
    OptionTradesPage,
)

__all__ = ["ChainFilter", "OptionsApi", "day_of", "is_option", "price_of"]

_MOST_SYMBOLS = 100
_DAYS = 5 * 24 * 60 * MINUTE


class OptionsApi:
    """GET /v1beta1/options/..."""

    def __init__(self, floor: Floor, config: ExchangeConfig) -> None:
        self._floor = floor
        self._feeds = ("opra", "indicative") if config.data_plan == "plus" else ("indicative", "opra")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1beta1/options/bars", self.bars)
        router.add_get("/v1beta1/options/trades", self.trades)
        router.add_get("/v1beta1/options/quotes/latest", self.latest_quotes)
        router.add_get("/v1beta1/options/trades/latest", self.latest_trades)
        router.add_get("/v1beta1/options/snapshots", self.snapshots)
        router.add_get("/v1beta1/options/snapshots/{underlying}", self.chain)

    async def bars(self, request: web.Request) -> web.Response:
        timeframe = timeframe_of(request)

        def find(symbol: str, start: int, end: int | None) -> Iterable[Bar]:
            return self._floor.market.bars(symbol, timeframe, start, end, self._floor.now)

        found, token = pages.page(pages.window(request, self._floor.now), several(request, is_option, upper=True), find)
        return answer(OptionBarsPage(bars=found, next_page_token=token, currency="USD"))

    async def trades(self, request: web.Request) -> web.Response:
        def find(symbol: str, start: int, end: int | None) -> Iterable[OptionTrade]:
            prints = self._floor.market.trades(symbol, start, end, self._floor.now)
            return filter(None, (bare(each, OptionTrade) for each in prints))

        found, token = pages.page(pages.window(request, self._floor.now), several(request, is_option, upper=True), find)
        return answer(OptionTradesPage(trades=found, next_page_token=token, currency="USD"))

    async def latest_quotes(self, request: web.Request) -> web.Response:
        quotes = {each: bare(self._floor.market.quote(each), OptionQuote) for each in self._symbols(request)}
        return answer(OptionLatestQuotes(quotes={each: quote for each, quote in quotes.items() if quote}))

    async def latest_trades(self, request: web.Request) -> web.Response:
        trades = {each: bare(self._floor.market.trade(each), OptionTrade) for each in self._symbols(request)}
        return answer(OptionLatestTrades(trades={each: trade for each, trade in trades.items() if trade}))

    async def snapshots(self, request: web.Request) -> web.Response:
        return self._snapshots(request, sorted(self._symbols(request)))

    async def chain(self, request: web.Request) -> web.Response:
        underlying = request.match_info["underlying"].upper()
        choice(request, "feed", self._feeds)
        wanted = ChainFilter.of(request)
        listed = self._floor.market.listed(underlying, self._floor.now)
        return self._snapshots(request, [symbol for symbol in listed if wanted.takes(symbol)])

    def _symbols(self, request: web.Request) -> Sequence[str]:
        choice(request, "feed", self._feeds)
        return several(request, is_option, _MOST_SYMBOLS, upper=True)

    def _snapshots(self, request: web.Request, symbols: Sequence[str]) -> web.Response:
        """A page of snapshots; contracts of which nothing is known are absent."""
        limit = number(request.query, "limit", 100, 1_000, refusal)
        since = moment(request.query, "updated_since", refusal)
        place = pages.place_of(request.query.get("page_token", ""))
        found: dict[str, OptionSnapshot] = {}
        for symbol, snapshot in self._known(symbols, place, since):
            if len(found) == limit:
                token = pages.token(Place(max(found), 0), "")
                return answer(OptionSnapshotsPage(snapshots=found, next_page_token=token))
            found[symbol] = snapshot
        return answer(OptionSnapshotsPage(snapshots=found))

    def _known(
        self, symbols: Sequence[str], place: Place | None, since: int | None
    ) -> Iterator[tuple[str, OptionSnapshot]]:
        for symbol in symbols:
            if place is not None and symbol <= place.symbol:
                continue
            quote = bare(self._floor.market.quote(symbol), OptionQuote)
            trade = bare(self._floor.market.trade(symbol), OptionTrade)
            newest = max((int(each.t) for each in (quote, trade) if each), default=None)
            if newest is not None and (since is None or newest >= since):
                yield symbol, self._snapshot(symbol, quote, trade)

    def _snapshot(self, symbol: str, quote: OptionQuote | None, trade: OptionTrade | None) -> OptionSnapshot:
        market, now = self._floor.market, self._floor.now
        minutes = market.bars(symbol, "1Min", now - _DAYS, now, now) if trade else []
        days = market.bars(symbol, "1Day", now - _DAYS, now, now) if trade else []
        found = market.greeks(symbol)
        return OptionSnapshot(
            latest_quote=quote,
            latest_trade=trade,
            minute_bar=minutes[-1] if minutes else None,
            daily_bar=days[-1] if days else None,
            prev_daily_bar=days[-2] if len(days) > 1 else None,
            greeks=Greeks(**found.sensitivities._asdict()) if found else None,
            implied_volatility=found.implied_volatility if found else None,
        )


class ChainFilter:
    """Which contracts of a chain are asked for: type, strikes, expirations, root."""

    def __init__(
        self,
        *,
        right: str | None,
        strikes: tuple[float | None, float | None],
        expirations: tuple[date | None, date | None],
        root: str | None,
    ) -> None:
        self._right = right
        self._strikes = strikes
        self._expirations = expirations
        self._root = root

    @classmethod
    def of(cls, request: web.Request) -> "ChainFilter":
        query = request.query
        on = day_of(request, "expiration_date")
        return cls(
            right=choice(request, "type", ("call", "put")) if query.get("type") else None,
            strikes=(price_of(request, "strike_price_gte"), price_of(request, "strike_price_lte")),
            expirations=(
                on or day_of(request, "expiration_date_gte"),
                on or day_of(request, "expiration_date_lte"),
            ),
            root=query.get("root_symbol") or None,
        )

    def takes(self, symbol: str) -> bool:
        """Whether the contract of that symbol is one of them."""
        each = parse(symbol)
        if not isinstance(each, Option):
            return False
        (lowest, highest), (first, last) = self._strikes, self._expirations
        strike, expires = float(each.strike), each.expiration
        return (
            self._right in (None, "call" if each.right == "C" else "put")
            and self._root in (None, each.root)
            and (lowest is None or lowest <= strike)
            and (highest is None or strike <= highest)
            and (first is None or first <= expires)
            and (last is None or expires <= last)
        )


def is_option(symbol: str) -> bool:
    """Whether it is an OCC symbol."""
    return is_symbol(symbol) and isinstance(parse(symbol), Option)


def day_of(request: web.Request, name: str) -> date | None:
    """A date of the query."""
    if not (text := request.query.get(name, "")):
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        no(f"invalid {name}: {text[:40]}")
    return max(found, sessions.FIRST_DATE)


def price_of(request: web.Request, name: str) -> float | None:
    """A price of the query."""
    if not (text := request.query.get(name, "")):
        return None
    try:
        value = float(text)
    except ValueError:
        no(f"invalid {name}: {text[:40]}")
    if not -1e15 < value < 1e15:
        no(f"invalid {name}: {text[:40]}")
    return value
