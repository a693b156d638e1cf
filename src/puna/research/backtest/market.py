"""A market made of bars, as the venue sees markets; and the path through a bar, which only those need who have orders.

Nothing is due here by itself: whoever drives puts a step in, and the venue takes it. Between the end of a bar and the
beginning of the next one the last price stands in a quote of no size: it can be looked at, and nothing fills at it, so
an order never meets a price that was known when it was decided.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, time
from itertools import groupby
from math import ceil, floor
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from puna.core import sessions
from puna.core.symbols import asset_class, tick
from puna.core.types import AssetClass, exact
from puna.errors import DataError
from puna.exchange.data import Listing, Split
from puna.exchange.prices.bars import SECOND, Timeframe, adjusts_splits
from puna.exchange.prices.blackscholes import Greeks
from puna.exchange.prices.coin_market import CoinMarket
from puna.exchange.prices.coins import COINS
from puna.exchange.prices.market import MarketStep, Session
from puna.exchange.prices.replay_days import asset_of
from puna.research.backtest.chain import Chain
from puna.research.backtest.data import Columns, History
from puna.research.backtest.fills import BarShape, Fills
from puna.research.backtest.frames import Places
from puna.research.backtest.halts import Halts
from puna.research.history.tables import Borrow
from puna.wire.codec import Amount, Nanos
from puna.wire.contracts import OptionContract
from puna.wire.crypto import CryptoOrderbook
from puna.wire.market import Bar, DailyAuctions
from puna.wire.stream import QuoteMessage, StatusMessage, TradeMessage
from puna.wire.trading import Asset

__all__ = ["ANY_SIZE", "BarMarket", "Glass", "down", "up"]

ANY_SIZE = 1e9


class BarMarket:
    """The bars of a history as a `Market`: see `puna.exchange.prices.market`.

    Args:
        history: the bars.

    Attributes:
        at: symbol -> the row of its last bar that is known; -1 before the first.
        hear_status: is told of halts, when the venue is.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.chain = Chain(history.symbols, self._close_before)
        self.symbols = tuple(each for each in history.symbols if each not in self.chain)
        self.sessions = _sessions(history)
        self.at = Places(history.columns)
        self.hear_status: Callable[[StatusMessage], None] = lambda _: None
        self._halts = Halts(history)
        self._changes = deque(self._halts.steps(self.chain))
        self._steps: deque[MarketStep] = deque()
        self._quotes: dict[str, QuoteMessage] = {}
        self._trades: dict[str, TradeMessage] = {}
        self._splits: dict[str, list[Split]] = {}
        for each in history.splits:
            self._splits.setdefault(each.symbol, []).append(each)

    def put(self, step: MarketStep) -> None:
        """The next step, not earlier than any before it."""
        self._steps.append(step)

    def next_due(self) -> int | None:
        """Of the steps that were put, and of halts and resumptions, which come by themselves."""
        due = self._steps[0].ts if self._steps else None
        if not self._changes:
            return due
        change = self._changes[0].ts
        return change if due is None else min(due, change)

    def step(self, now: int) -> MarketStep | None:
        due = self.next_due()
        if due is None or due > now:
            return None
        waiting = self._changes if self._changes and self._changes[0].ts == due else self._steps
        step = waiting.popleft()
        for message in step.messages:
            if isinstance(message, QuoteMessage):
                self._quotes[message.S] = message
            elif isinstance(message, TradeMessage):
                self._trades[message.S] = message
            elif isinstance(message, StatusMessage):
                self.hear_status(message)
        return step

    def resumes(self, symbol: str, ts: int) -> int:
        """When a symbol trades that does not at `ts`; else `ts`."""
        return self._halts.resumes(symbol, ts)

    def quote(self, symbol: str) -> QuoteMessage | None:
        return self._quotes.get(symbol)

    def trade(self, symbol: str) -> TradeMessage | None:
        return self._trades.get(symbol)

    def last(self, symbol: str) -> float | None:
        """The close of the last bar that is known."""
        at = self.at[symbol]
        if at >= 0:
            return float(self.history.columns[symbol].close[at])
        past = self.history.past.get(symbol)
        return float(past.close[-1]) if past is not None else None

    def close_of_day(self, symbol: str, now: int) -> float | None:
        """The close of the last bar that began before the last core session ended; after-hours do not count."""
        today = sessions.day(sessions.date_of(now))
        columns, at = self.history.columns[symbol], self.at[symbol]
        if today is not None and now >= today.close:
            at = min(at, int(columns.begin.searchsorted(today.close)) - 1)
        return float(columns.close[at]) if at >= 0 else self.last(symbol)

    def _close_before(self, symbol: str, on: date) -> tuple[float, date] | None:
        """The last close of an earlier day, and that day."""
        morning = sessions.at(on, time())
        for columns in (self.history.columns.get(symbol), self.history.past.get(symbol)):
            at = -1 if columns is None else int(columns.known.searchsorted(morning)) - 1
            if columns is not None and at >= 0:
                return float(columns.close[at]), sessions.date_of(int(columns.begin[at]))
        return None

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        frame, adjusts_ = Timeframe.parse(timeframe), adjusts_splits(adjustment)
        rows = [
            row
            for columns in (self.history.past.get(symbol), self.history.columns.get(symbol))
            if columns is not None
            for row in _rows(columns, start, now)
        ]
        splits = self._splits.get(symbol, ()) if adjusts_ and self.history.adjustment == "raw" else ()
        rows = [_adjusted(row, splits, now) for row in rows] if splits else rows
        if frame != Timeframe.parse(self.history.timeframe):
            rows = [row for row in _folded(rows, frame) if frame.end(row[0]) <= now or not frame.intraday]
            rows = [*self._days_before(symbol, start, rows[0][0] if rows else now, frame, splits, now), *rows]
        return [
            Bar(t=Nanos(t), o=o, h=h, l=low, c=c, v=v, n=n, vw=vw)
            for t, o, h, low, c, v, n, vw in rows
            if (start is None or start <= t) and (end is None or t <= end)
        ]

    def _days_before(
        self, symbol: str, start: int | None, end: int, frame: Timeframe, splits: Sequence[Split], now: int
    ) -> "list[_Row]":
        """Longer bars of days that lie before the bars, in the shares of `now` where splits are given."""
        daily = self.history.daily.get(symbol)
        if daily is None or frame.intraday:
            return []
        days = (_adjusted(row, splits, now) for row in _rows(daily, start, end))
        return [row for row in _folded(days, frame) if row[0] < end]

    def quotes(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[QuoteMessage]:  # noqa: ARG002
        """Bars hold none."""
        return iter(())

    def trades(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[TradeMessage]:  # noqa: ARG002
        """Bars hold none."""
        return iter(())

    def auctions(self, symbol: str, start: int, end: int | None, now: int) -> list[DailyAuctions]:  # noqa: ARG002
        """Bars hold none."""
        return []

    def assets(self) -> list[Asset]:
        return [lent(_asset(symbol), self.history.borrow.get(symbol, "easy")) for symbol in self.symbols]

    def splits(self, symbol: str) -> Sequence[Split]:
        return self._splits.get(symbol, ())

    def orderbook(self, symbol: str) -> CryptoOrderbook | None:  # noqa: ARG002
        """Bars hold none."""
        return None

    def contracts(self, underlying: str, now: int) -> list[OptionContract]:
        """Those whose bars the history holds."""
        found = (self.chain.contract(each, now) for each in self.chain.listed(underlying, now))
        return [each for each in found if each is not None]

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        return self.chain.listed(underlying, now)

    def contract(self, name: str, now: int) -> OptionContract | None:
        return self.chain.contract(name, now)

    def prints_at(self, underlying: str, ts: int) -> list[TradeMessage]:  # noqa: ARG002
        return []

    def greeks(self, symbol: str) -> Greeks | None:  # noqa: ARG002
        return None


class Glass:
    """What a fill model shows of one symbol's bars: quotes and prints around prices.

    Args:
        symbol: whose.
        fills: the model.
        sized: whether the bars have volumes; without them there is no end of size.
    """

    def __init__(self, symbol: str, fills: Fills, *, sized: bool) -> None:
        self.symbol = symbol
        self.fills = fills
        self._coin = asset_class(symbol) is AssetClass.CRYPTO
        self._option = asset_class(symbol) is AssetClass.US_OPTION
        self._sized = sized and fills.share is not None

    def shape(self, columns: Columns, at: int) -> BarShape:
        """One bar as fill models see it."""
        open_ = float(columns.open[at])
        return BarShape(
            open_,
            float(columns.high[at]),
            float(columns.low[at]),
            float(columns.close[at]),
            float(columns.volume[at]),
            self.tick(open_),
            self._option,
        )

    def tick(self, price: float) -> float:
        """The smallest step of price; a coin's is what its pair is known for, or a millionth of the price."""
        if not self._coin:
            return float(tick(self.symbol, exact(price)))
        coin = COINS.get(self.symbol)
        return coin.tick / 1e9 if coin is not None else float(f"{price * 1e-6:.0e}")

    def room(self, shape: BarShape) -> float:
        """How much of a bar's volume is ours; where a contract traded at all, one at least."""
        if not self._sized:
            return ANY_SIZE
        room = shape.volume * (self.fills.share or 0.0)
        return max(room, min(shape.volume, 1.0)) if self._option else room

    def sides(self, price: float, shape: BarShape) -> tuple[float, float]:
        """Bid and ask around a price."""
        half = self.fills.half_spread(shape)
        if not half:
            return price, price
        return max(shape.tick, down(price - half, shape.tick)), up(price + half, shape.tick)

    def step(self, ts: int, price: float, bid: float, ask: float, size: float, *, printed: bool = True) -> MarketStep:
        """One instant of the market."""
        t = Nanos(ts)
        quote = QuoteMessage(S=self.symbol, t=t, bp=bid, bs=size, ap=ask, as_=size)
        if not printed:
            return MarketStep(ts, (quote,))
        return MarketStep(ts, (quote, TradeMessage(S=self.symbol, t=t, p=price, s=max(size, 1.0))))


def up(price: float, step: float) -> float:
    """The next price on a tick, not below."""
    return round(ceil(price / step - 1e-7) * step, 9)


def down(price: float, step: float) -> float:
    """The next price on a tick, not above."""
    return round(floor(price / step + 1e-7) * step, 9)


_Row = tuple[int, float, float, float, float, float, int, float]


def _rows(columns: Columns, start: int | None, now: int) -> Iterator[_Row]:
    """Bars that are known at `now`, from those of the day of `start` on."""
    since = 0 if start is None else start - 86_400 * SECOND
    lo = int(columns.begin.searchsorted(since))
    hi = int(columns.known.searchsorted(now, side="right"))
    each: Sequence[Any] = [
        column[lo:hi].tolist()
        for column in (
            columns.begin, columns.open, columns.high, columns.low, columns.close, columns.volume, columns.trades,
            columns.vwap,
        )
    ]  # fmt: skip
    yield from zip(*each, strict=True)


def _folded(rows: Iterable[_Row], frame: Timeframe) -> Iterator[_Row]:
    """Longer bars."""
    for start, group in groupby(rows, key=lambda row: frame.start(row[0])):
        parts = list(group)
        volume = sum(part[5] for part in parts)
        value = sum((part[7] or part[4]) * part[5] for part in parts)
        yield (
            start,
            parts[0][1],
            max(part[2] for part in parts),
            min(part[3] for part in parts),
            parts[-1][4],
            volume,
            sum(part[6] for part in parts),
            value / volume if volume else 0.0,
        )


def _adjusted(row: _Row, splits: Iterable[Split], now: int) -> _Row:
    """In the shares of `now`."""
    on, today, factor = sessions.date_of(row[0]), sessions.date_of(now), 1.0
    for each in splits:
        if on < each.ex_date <= today:
            factor *= each.old_rate / each.new_rate
    if factor == 1.0:
        return row
    t, o, h, low, c, v, n, vw = row
    prices = (round(price * factor, 4) for price in (o, h, low, c))
    return (t, *prices, v / factor, n, vw * factor)  # type: ignore[return-value]  # four prices


def _sessions(history: History) -> tuple[Session, ...]:
    """Every trading day of the bars, and one before and after them, so that no bar lies outside."""
    first, last = (sessions.date_of(ts) for ts in history.span)
    try:
        days = [
            sessions.previous_trading_day(first),
            *sessions.trading_days(first, last),
            sessions.next_trading_day(last),
        ]
    except DataError as error:
        raise DataError(
            "The bars lie outside of the trading calendar.", why=error.why, state="Nothing was run.", code="E671"
        ) from error
    return tuple(Session(day.open, day.close, day.date) for day in days)


def lent(asset: Asset, how: Borrow) -> Asset:
    """A stock as it can be borrowed (facts.md 5.2: shorts need what is shortable, and easy to borrow or located)."""
    if how == "easy" or asset.asset_class != AssetClass.US_EQUITY:
        return asset
    status = "hard_to_borrow" if how == "hard" else "not_available"
    return msgspec.structs.replace(asset, shortable=how == "hard", easy_to_borrow=False, borrow_status=status)


def _asset(symbol: str) -> Asset:
    if asset_class(symbol) is not AssetClass.CRYPTO:
        return asset_of(Listing(symbol, "NASDAQ", symbol))
    if symbol in COINS:
        return CoinMarket([symbol], start=0, end=SECOND, seed=0).assets()[0]
    return Asset(
        id=str(uuid5(NAMESPACE_URL, f"crypto:{symbol}")),
        symbol=symbol,
        asset_class="crypto",
        exchange="CRYPTO",
        name=symbol,
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
        min_order_size=Amount("0.000000001"),
        min_trade_increment=Amount("0.000000001"),
        price_increment=Amount("0.000000001"),
        attributes=[],
    )
