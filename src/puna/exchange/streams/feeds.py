"""What each data stream tells: the market's frames in a feed's own words, and what is made only for who asks for it.

A venue's frame carries quotes, prints, minute bars and halts. Daily bars, bands, imbalances, corrections, the books of
coins, options and news are made here, for a client that has subscribed to them: they cost nothing else, and are in no
log. Source: fact sheet, section 7.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from zlib import crc32

import msgspec

from puna.core.symbols import Option, is_symbol, parse
from puna.exchange.commands import DataFrame
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.market import Market
from puna.exchange.prices.newsroom import Newsroom
from puna.wire.codec import Nanos, Price
from puna.wire.crypto import CryptoOrderbook, Level
from puna.wire.stream import (
    BarMessage,
    CancelErrorMessage,
    CorrectionMessage,
    CryptoTradeMessage,
    DailyBarMessage,
    ImbalanceMessage,
    LuldMessage,
    NewsMessage,
    OrderbookMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    UpdatedBarMessage,
)

__all__ = ["CHANNELS", "Teller", "Wanted", "asked", "corrected_size", "revision", "teller"]

Wanted = Mapping[str, frozenset[str]]
"""The symbols of each channel; `*` is all of them."""

_STOCKS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "imbalances")
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "stocks": _STOCKS,
    "test": _STOCKS,
    "crypto": ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"),
    "options": ("trades", "quotes"),
    "news": ("news",),
}
"""The channels of each feed."""

_NOBODY: frozenset[str] = frozenset()
_MINUTE = 60_000_000_000
_DAY = 24 * 60 * _MINUTE
_DELAY = 15 * _MINUTE
_IMBALANCES = 10 * _MINUTE
_CHANNEL_OF: tuple[tuple[type, str], ...] = (
    (QuoteMessage, "quotes"),
    (TradeMessage, "trades"),
    (BarMessage, "bars"),
    (UpdatedBarMessage, "updatedBars"),
    (DailyBarMessage, "dailyBars"),
    (StatusMessage, "statuses"),
    (LuldMessage, "lulds"),
)


def asked(wanted: Wanted, channel: str, symbol: str) -> bool:
    """Whether a client has asked for this."""
    symbols = wanted.get(channel, _NOBODY)
    return symbol in symbols or "*" in symbols


class Teller:
    """What one client of a feed is told.

    Args:
        market: its prices.
        config: limits and chances.
    """

    def __init__(self, market: Market, config: ExchangeConfig) -> None:
        self.market = market
        self.config = config

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        """The messages of this frame for that client, in order."""
        raise NotImplementedError

    def begin(self, wanted: Wanted) -> list[object]:  # noqa: ARG002 - most feeds have nothing to begin with
        """What follows a subscription at once."""
        return []


class Stocks(Teller):
    """Stocks: what the market says, and bands, daily bars, imbalances and corrections minute by minute."""

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        found: list[object] = [each for each in frame.messages if self._asked(each, wanted)]
        if any(wanted.get(name) for name in ("dailyBars", "lulds", "imbalances")) or self.config.busts:
            for each in frame.messages:
                if isinstance(each, BarMessage) and "/" not in each.S:
                    found += self._after_minute(each, frame.ts, wanted)
        return found

    def _asked(self, message: object, wanted: Wanted) -> bool:
        for kind, channel in _CHANNEL_OF:
            if isinstance(message, kind):
                symbol: str = message.S  # type: ignore[attr-defined]  # every one of them has it
                return asked(wanted, channel, symbol) and "/" not in symbol
        return False

    def _after_minute(self, bar: BarMessage, now: int, wanted: Wanted) -> Iterator[object]:
        if asked(wanted, "dailyBars", bar.S):
            yield from _daily(self.market, bar.S, now)
        if asked(wanted, "lulds", bar.S):
            yield LuldMessage(S=bar.S, t=Nanos(now), u=_cents(bar.c * 1.05), d=_cents(bar.c * 0.95), i="B")
        if asked(wanted, "imbalances", bar.S) and self._before_close(now):
            yield ImbalanceMessage(S=bar.S, t=Nanos(now), p=bar.c)
        if self.config.busts and asked(wanted, "trades", bar.S):
            yield from self._revised(bar, now)

    def _before_close(self, now: int) -> bool:
        return any(each.close_ns - _IMBALANCES <= now <= each.close_ns + _MINUTE for each in self.market.sessions)

    def _revised(self, bar: BarMessage, now: int) -> Iterator[object]:
        """One print in so many was wrong: it is void, or was of fewer shares."""
        for each in self.market.trades(bar.S, bar.t, bar.t + _MINUTE - 1, now):
            match revision(each, self.config.busts):
                case "canceled":
                    fields = {name: getattr(each, name) for name in ("S", "i", "x", "p", "s", "z")}
                    yield CancelErrorMessage(**fields, t=Nanos(now), a="C")
                case "corrected":
                    yield CorrectionMessage(
                        S=each.S,
                        t=Nanos(now),
                        x=each.x,
                        oi=each.i,
                        op=each.p,
                        os=each.s,
                        oc=each.c,
                        ci=each.i,
                        cp=each.p,
                        cs=corrected_size(each.s),
                        cc=each.c,
                        z=each.z,
                    )


class Delayed(Stocks):
    """The same, a quarter of an hour later."""

    def __init__(self, market: Market, config: ExchangeConfig) -> None:
        super().__init__(market, config)
        self._held: deque[DataFrame] = deque()

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        self._held.append(frame)
        found: list[object] = []
        while self._held and self._held[0].ts + _DELAY <= frame.ts:
            found += super().tell(self._held.popleft(), wanted)
        return found


class Silent(Teller):
    """A feed that is there and has nothing to say: no night session is replayed."""

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:  # noqa: ARG002 - it says nothing to anybody
        return []


class _CoinQuote(msgspec.Struct, kw_only=True, tag_field="T", tag="q"):
    """A coin's quote has no exchanges, conditions or tape."""

    S: str
    t: Nanos
    bp: Price
    bs: Price
    ap: Price
    as_: Price = msgspec.field(name="as")


class _CoinTrade(msgspec.Struct, kw_only=True, tag_field="T", tag="t"):
    """A coin's print has a taker's side."""

    S: str
    t: Nanos
    p: Price
    s: Price
    i: int | str
    tks: str


class Crypto(Teller):
    """Coins: quotes and prints in their own shapes, bars, daily bars each minute, books: whole, then what changes."""

    def __init__(self, market: Market, config: ExchangeConfig) -> None:
        super().__init__(market, config)
        self._books: dict[str, CryptoOrderbook] = {}

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        found: list[object] = []
        for each in frame.messages:
            if "/" in each.S:
                found += self._told(each, frame.ts, wanted)
        return found

    def begin(self, wanted: Wanted) -> list[object]:
        """The whole book of what is newly wanted; what is not wanted any more is forgotten."""
        pairs = [each for each in self.market.symbols if "/" in each and asked(wanted, "orderbooks", each)]
        self._books = {pair: book for pair, book in self._books.items() if pair in pairs}
        return [self._whole(pair) for pair in pairs if pair not in self._books]

    def _told(self, message: object, now: int, wanted: Wanted) -> Iterator[object]:
        if isinstance(message, QuoteMessage):
            if asked(wanted, "quotes", message.S):
                yield _CoinQuote(S=message.S, t=message.t, bp=message.bp, bs=message.bs, ap=message.ap, as_=message.as_)
            if asked(wanted, "orderbooks", message.S):
                yield self._changes(message.S)
        elif isinstance(message, CryptoTradeMessage):
            if asked(wanted, "trades", message.S):
                yield _CoinTrade(S=message.S, t=message.t, p=message.p, s=message.s, i=message.i, tks=message.tks)
        elif isinstance(message, BarMessage):
            if asked(wanted, "bars", message.S):
                yield message
            if asked(wanted, "dailyBars", message.S):
                yield from _daily(self.market, message.S, now)

    def _whole(self, pair: str) -> OrderbookMessage:
        self._books[pair] = book = self.market.orderbook(pair) or CryptoOrderbook(t=Nanos(0))
        return OrderbookMessage(S=pair, t=book.t, b=book.b, a=book.a, r=True)

    def _changes(self, pair: str) -> OrderbookMessage:
        before, book = self._books.get(pair), self.market.orderbook(pair)
        if before is None or book is None:
            return self._whole(pair)
        self._books[pair] = book
        return OrderbookMessage(S=pair, t=book.t, b=_changed(before.b, book.b), a=_changed(before.a, book.a))


class _OptionQuote(msgspec.Struct, kw_only=True, tag_field="T", tag="q"):
    """An option's quote has one condition and no tape."""

    S: str
    t: Nanos
    bx: str
    bp: Price
    bs: Price
    ax: str
    ap: Price
    as_: Price = msgspec.field(name="as")
    c: str


class _OptionTrade(msgspec.Struct, kw_only=True, tag_field="T", tag="t"):
    """An option's print has one condition, no id and no tape."""

    S: str
    t: Nanos
    p: Price
    s: Price
    x: str
    c: str


class Options(Teller):
    """Options: a quote whenever the stock has a new one and something changed; prints at their moment."""

    def __init__(self, market: Market, config: ExchangeConfig) -> None:
        super().__init__(market, config)
        self._last: dict[str, tuple[float, ...]] = {}

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        moved = {each.S for each in frame.messages if isinstance(each, QuoteMessage) and "/" not in each.S}
        if not moved:
            return []
        found: list[object] = []
        for symbol in sorted(wanted.get("quotes", ())):
            if root(symbol) in moved:
                found += self._quote(symbol)
        trades = wanted.get("trades", frozenset())
        for under in sorted(moved) if trades else ():
            printed = self.market.prints_at(under, frame.ts)
            found += [_print(each) for each in printed if "*" in trades or each.S in trades]
        return found

    def _quote(self, symbol: str) -> Iterator[object]:
        quote = self.market.quote(symbol)
        if quote is None:
            return
        now = (quote.bp, quote.bs, quote.ap, quote.as_)
        if self._last.get(symbol) != now:
            self._last[symbol] = now
            fields = {name: getattr(quote, name) for name in ("S", "t", "bx", "bp", "bs", "ax", "ap", "as_")}
            yield _OptionQuote(**fields, c=str(quote.c))


class News(Teller):
    """Articles, told with the first frame at or after their time."""

    def __init__(self, market: Market, config: ExchangeConfig) -> None:
        super().__init__(market, config)
        self._newsroom = Newsroom(market)
        self._until: int | None = None

    def tell(self, frame: DataFrame, wanted: Wanted) -> list[object]:
        since, self._until = frame.ts if self._until is None else self._until + 1, frame.ts
        symbols = wanted.get("news", frozenset())
        if not symbols or since > frame.ts:
            return []
        about = () if "*" in symbols else tuple(sorted(symbols))
        return [_news(each) for each in self._newsroom.articles(since, frame.ts, about)]


def teller(path: str, feed: str, market: Market, config: ExchangeConfig) -> Teller:
    """Who tells a client of this path."""
    if feed in ("crypto", "options", "news"):
        return {"crypto": Crypto, "options": Options, "news": News}[feed](market, config)
    kinds: Mapping[str, type[Teller]] = {"delayed_sip": Delayed, "boats": Silent, "overnight": Silent, "test": Silent}
    return kinds.get(path.rsplit("/", 1)[-1], Stocks)(market, config)


def root(symbol: str) -> str:
    """The stock of an option."""
    found = parse(symbol) if is_symbol(symbol) else None
    return found.root if isinstance(found, Option) else ""


def revision(trade: TradeMessage, one_in: int) -> str | None:
    """What becomes of a print, by its own bits: `canceled`, `corrected`, or nothing."""
    bits = crc32(f"{trade.S}:{trade.i}:{trade.t:d}".encode())
    return None if not one_in or bits % one_in else "canceled" if bits & 0x10000 else "corrected"


def corrected_size(size: float) -> float:
    """What a print that was too large really was."""
    return max(1.0, size // 2)


def _daily(market: Market, symbol: str, now: int) -> Iterator[DailyBarMessage]:
    bars = market.bars(symbol, "1Day", now - 2 * _DAY, None, now)
    if bars:
        bar = bars[-1]
        yield DailyBarMessage(S=symbol, t=bar.t, o=bar.o, h=bar.h, l=bar.l, c=bar.c, v=bar.v, n=bar.n, vw=bar.vw)


def _changed(before: Iterable[Level], after: Iterable[Level]) -> list[Level]:
    """Levels that are new or of another size, and those that are gone, at size 0."""
    old, new = {each.p: each.s for each in before}, {each.p: each.s for each in after}
    gone = [Level(p=price, s=0.0) for price in old if price not in new]
    return [*(Level(p=price, s=size) for price, size in new.items() if old.get(price) != size), *gone]


def _print(each: TradeMessage) -> _OptionTrade:
    return _OptionTrade(S=each.S, t=each.t, p=each.p, s=each.s, x=each.x, c=str(each.c))


def _news(article: object) -> NewsMessage:
    shared = {name: getattr(article, name) for name in NewsMessage.__struct_fields__}
    return NewsMessage(**shared)


def _cents(price: float) -> float:
    return round(price * 100) / 100
