"""The market of coins: quotes, prints, books and bars at all hours (facts.md 6 and 7).

Daily bars begin at midnight in Chicago, as recorded ones do (05:00Z in summer, 06:00Z in winter); other windows are
those of `bars`. Minutes exist for the replayed days and some before them; bars further back are coarser inside.
"""

import heapq
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from puna.errors import DataError
from puna.exchange.prices import bars as candles
from puna.exchange.prices import coins
from puna.exchange.prices.bars import MINUTE, SECOND, Candle, Timeframe
from puna.exchange.prices.coins import COINS, DAY_NS, NANO, Coin, CoinDay
from puna.exchange.prices.market import BAR_DELAY, MarketMessage, MarketStep
from puna.exchange.prices.playback import bar_message
from puna.wire.codec import Amount, Nanos
from puna.wire.crypto import CryptoOrderbook
from puna.wire.crypto import Level as WireLevel
from puna.wire.market import Bar
from puna.wire.stream import CryptoTradeMessage, QuoteMessage
from puna.wire.trading import Asset

__all__ = ["CoinMarket"]

_HISTORY_DAYS = 800
_HOUR = 60 * MINUTE
_DAYS_KEPT = 64
_AS_KEPT = Timeframe(1, "Min")


class _Instant(NamedTuple):
    """When something is due: quotes and prints, or, where `bars` is true, the bars of the minute before."""

    ts: int
    bars: bool


class CoinMarket:
    """Coins from `start` to `end` of market time, ns.

    Args:
        pairs: which; all of `COINS` can be had.
        start: the first step is the first one not before this.
        end: the last step is before this.
        seed: the same seed gives the same prices.
        step_seconds: seconds between steps; must divide a minute.
        history_days: days before `start` that have minutes, quotes and prints.

    Raises:
        DataError: an unknown pair.
    """

    def __init__(
        self,
        pairs: Sequence[str],
        *,
        start: int,
        end: int,
        seed: int,
        step_seconds: int = 15,
        history_days: int = 5,
    ) -> None:
        self._coins = {pair: _coin(pair) for pair in sorted(set(pairs))}
        self.symbols = tuple(self._coins)
        self._step_ns = step_seconds * SECOND
        self._start, self._end = start, end
        self._seed = seed
        self._first_fine = start // DAY_NS - history_days
        self._day = lru_cache(maxsize=_DAYS_KEPT)(self._day_of)
        self._minutes = lru_cache(maxsize=_DAYS_KEPT)(self._minutes_of)
        self._past = lru_cache(maxsize=_HISTORY_DAYS * len(self._coins) + 1)(self._past_of)
        self._now = start
        self._instants = self._schedule()
        self._next = next(self._instants, None)

    def next_due(self) -> int | None:
        return self._next.ts if self._next else None

    def step(self, now: int) -> MarketStep | None:
        while self._next is not None and self._next.ts <= now:
            here, self._next = self._next, next(self._instants, None)
            self._now = here.ts
            if messages := tuple(self._messages(here)):
                return MarketStep(here.ts, messages)
        return None

    def quote(self, symbol: str) -> QuoteMessage | None:
        """As of the last step; before the first, as of `start`."""
        coin = self._coins.get(symbol)
        return None if coin is None else self._quote(coin, self._now // self._step_ns * self._step_ns)

    def trade(self, symbol: str) -> CryptoTradeMessage | None:
        coin = self._coins.get(symbol)
        return None if coin is None else next(self._trades_back(coin, self._now), None)

    def orderbook(self, symbol: str) -> CryptoOrderbook | None:
        coin = self._coins.get(symbol)
        if coin is None:
            return None
        ts = self._now // self._step_ns * self._step_ns
        day, step = self._at(coin, ts)
        bids, asks = coins.book(day.quote(step), coin.tick, day.bits[step])
        return CryptoOrderbook(t=Nanos(ts), b=list(map(_level, bids)), a=list(map(_level, asks)))

    def quotes(self, symbol: str, start: int | None, end: int | None, now: int) -> Iterator[QuoteMessage]:
        """Quotes between two times, both included, as far as they are known at `now`; oldest first."""
        if coin := self._coins.get(symbol):
            for ts in self._steps(start, end, now):
                yield self._quote(coin, ts)

    def trades(self, symbol: str, start: int | None, end: int | None, now: int) -> Iterator[CryptoTradeMessage]:
        """Prints between two times, both included, as far as they are known at `now`; oldest first."""
        if coin := self._coins.get(symbol):
            yield from filter(None, (self._trade(coin, ts) for ts in self._steps(start, end, now)))

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        frame = Timeframe.parse(timeframe)
        candles.adjusts_splits(adjustment)
        coin = self._coins.get(symbol)
        if coin is None:
            return []
        since = max(start or 0, (self._start // DAY_NS - _HISTORY_DAYS) * DAY_NS)
        known = self._known(coin, _window(frame, since), now)
        return [
            _bar(each)
            for each in (known if frame == _AS_KEPT else _fold(known, frame))
            if (start is None or start <= each.start) and (end is None or each.start <= end)
        ]

    def assets(self) -> list[Asset]:
        return [_asset(coin) for coin in self._coins.values()]

    def _schedule(self) -> Iterator[_Instant]:
        first = -(-self._start // self._step_ns) * self._step_ns
        minute = -(-self._start // MINUTE) * MINUTE
        return heapq.merge(
            (_Instant(ts, bars=False) for ts in range(first, self._end, self._step_ns)),
            (_Instant(ts + BAR_DELAY, bars=True) for ts in range(minute, self._end, MINUTE)),
        )

    def _messages(self, here: _Instant) -> Iterator[MarketMessage]:
        for coin in self._coins.values():
            if here.bars:
                start = here.ts - BAR_DELAY - MINUTE
                if each := self._minutes(coin, start // DAY_NS)[start % DAY_NS // MINUTE]:
                    bar = _bar(each)
                    yield bar_message(coin.pair, bar)
                continue
            yield self._quote(coin, here.ts)
            if trade := self._trade(coin, here.ts):
                yield trade

    def _quote(self, coin: Coin, ts: int) -> QuoteMessage:
        day, step = self._at(coin, ts)
        quote = day.quote(step)
        return QuoteMessage(
            S=coin.pair,
            t=Nanos(ts),
            bp=quote.bid / NANO,
            bs=quote.bid_size / NANO,
            ap=quote.ask / NANO,
            as_=quote.ask_size / NANO,
        )

    def _trade(self, coin: Coin, ts: int) -> CryptoTradeMessage | None:
        day, step = self._at(coin, ts)
        if (found := day.trade(step)) is None:
            return None
        price, size, buys = found
        return CryptoTradeMessage(
            S=coin.pair, t=Nanos(ts), p=price / NANO, s=size / NANO, i=ts // self._step_ns, tks="B" if buys else "S"
        )

    def _trades_back(self, coin: Coin, now: int) -> Iterator[CryptoTradeMessage]:
        for ts in reversed(self._steps(None, None, now)):
            if trade := self._trade(coin, ts):
                yield trade

    def _steps(self, start: int | None, end: int | None, now: int) -> range:
        """The steps between two times, both included, that are over at `now`."""
        first = max(start or 0, self._first_fine * DAY_NS)
        last = min(now, self._end - 1) if end is None else min(end, now, self._end - 1)
        return range(-(-first // self._step_ns) * self._step_ns, last + 1, self._step_ns)

    def _at(self, coin: Coin, ts: int) -> tuple[CoinDay, int]:
        return self._day(coin, ts // DAY_NS), ts % DAY_NS // self._step_ns

    def _day_of(self, coin: Coin, day: int) -> CoinDay:
        return coins.coin_day(coin, day, DAY_NS // self._step_ns, self._seed)

    def _minutes_of(self, coin: Coin, day: int) -> list[Candle | None]:
        path, width = self._day(coin, day), MINUTE // self._step_ns
        prints = [path.trade(step) or (0, 0, False) for step in range(len(path.middle))]
        prices, sizes = [each[0] for each in prints], [each[1] for each in prints]
        return [
            candles.candle(day * DAY_NS + at * self._step_ns, prices[at : at + width], sizes[at : at + width])
            for at in range(0, len(prints), width)
        ]

    def _past_of(self, coin: Coin, day: int) -> list[Candle]:
        return coins.coarse_day(coin, day, self._seed)

    def _known(self, coin: Coin, since: int, now: int) -> Iterator[Candle]:
        for day in range(since // DAY_NS, min(now, self._end) // DAY_NS + 1):
            if day < self._first_fine:
                yield from self._past(coin, day)
                continue
            for each in self._minutes(coin, day):
                if each and each.start + MINUTE + BAR_DELAY <= now:
                    yield each


def _coin(pair: str) -> Coin:
    if pair not in COINS:
        raise DataError(
            f"There are no prices for {pair[:20]!r}.", remedy=f"choose among {', '.join(COINS)}", code="E611"
        )
    return COINS[pair]


def _window(frame: Timeframe, ts: int) -> int:
    """The left edge of a coin's window: days and longer begin an hour after New York's midnight."""
    return frame.start(ts) if frame.intraday else frame.start(ts - _HOUR) + _HOUR


def _fold(known: Iterator[Candle], frame: Timeframe) -> Iterator[Candle]:
    if frame.intraday:
        yield from candles.fold(known, frame)
        return
    earlier = (each._replace(start=each.start - _HOUR) for each in known)
    for each in candles.fold(earlier, frame):
        yield each._replace(start=each.start + _HOUR)


def _bar(each: Candle) -> Bar:
    price = (2 * each.notional + each.volume) // (2 * each.volume)
    return Bar(
        t=Nanos(each.start),
        o=each.open / NANO,
        h=each.high / NANO,
        l=each.low / NANO,
        c=each.close / NANO,
        v=each.volume / NANO,
        n=each.prints,
        vw=price / NANO,
    )


def _level(each: coins.Level) -> WireLevel:
    return WireLevel(p=each.price / NANO, s=each.size / NANO)


def _asset(coin: Coin) -> Asset:
    return Asset(
        id=str(uuid5(NAMESPACE_URL, f"crypto:{coin.pair}")),
        symbol=coin.pair,
        asset_class="crypto",
        exchange="CRYPTO",
        name=coin.name,
        status="active",
        tradable=True,
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        borrow_status="not_available",
        fractionable=True,
        maintenance_margin_requirement=Amount(100),
        margin_requirement_long=Amount(100),
        margin_requirement_short=Amount(100),
        min_order_size=_amount(coin.least),
        min_trade_increment=_amount(1),
        price_increment=_amount(coin.tick),
        attributes=[],
    )


def _amount(billionths: int) -> Amount:
    return Amount((Amount(billionths) / NANO).normalize())
