"""Stocks: a replay of real days, from daily bars and a seeded path inside each day."""

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from puna.core import sessions as calendar
from puna.exchange.data import SYMBOLS, DailyBar, Split, Tape, tape
from puna.exchange.prices import bars as candles
from puna.exchange.prices.bars import MINUTE, SECOND, Candle, Timeframe
from puna.exchange.prices.halts import Halt, HaltChange, changes, is_halted
from puna.exchange.prices.market import BAR_DELAY, LATE_BY, MarketMessage, MarketStep
from puna.exchange.prices.path import Path
from puna.exchange.prices.playback import Playback, Session, bar_message, play, updated_bar_message
from puna.exchange.prices.replay_days import (
    asset_of,
    candle_of,
    check_numbers,
    close_in,
    crosses,
    is_over,
    session_on,
    sessions_before,
    sessions_of,
)
from puna.wire.codec import Nanos
from puna.wire.market import Bar, DailyAuctions
from puna.wire.stream import QuoteMessage, TradeMessage
from puna.wire.trading import Asset

__all__ = ["ReplayMarket"]

_AS_KEPT = {Timeframe(1, "Min"), Timeframe(1, "Day")}
_PLAYBACKS_KEPT = 64  # a symbol's day is about half a megabyte, and quick to make again


class _Instant(NamedTuple):
    """When something is due: a step of the path, a halt, late revisions or, else, the bars of a minute."""

    ts: int
    minute: int
    step: int | None
    session: Session
    late: bool = False
    change: HaltChange | None = None


def _when(instant: _Instant) -> int:
    return instant.ts


class ReplayMarket:
    """Real days again: daily bars from the tapes, and between them a seeded path that meets each day's bar exactly.

    Every `step_seconds` each symbol has a new quote, and a print if anything trades; a minute's bars come half a second
    after it. `quote` and `trade` keep the last of the day before until the next open.

    Daily, weekly and monthly bars go back to the beginning of the tapes. Minute bars exist for the replayed days and
    for `history_days` sessions before them. Bars before the replay come from daily data, which counts no trades:
    there `n` and `vw` are 0.

    facts.md does not say whether a bar whose window still runs is told over REST. The broker sends the day so far as
    daily bar all day long (facts.md 7), so a window that still runs is told, made of the minutes known so far;
    `running_bars=False` keeps it back until it is over. A running minute is never told.

    Args:
        first: the first day, a trading day of the tapes.
        days: how many trading days in a row.
        symbols: what trades, if it does on these days; a symbol not yet listed is absent.
        seed: the same seed gives the same prints and quotes.
        step_seconds: seconds between steps; must divide a minute.
        history_days: sessions before `first` that have minute bars.
        running_bars: whether `bars` tells windows that are not over.
        tapes: where the daily data comes from.
        halts: when which stock does not trade.
        paths: the way through a day, where it was recorded: (symbol, session, ns a step) -> path or None.
        late: the part of the minute bars that are revised, because a print came late (measured: 0.0006 to 0.0036).

    Raises:
        DataError: a day that is not in the data, no trading day, or has no symbol; an unknown symbol.
        ConfigError: a number that makes no replay.
    """

    def __init__(
        self,
        *,
        first: date,
        days: int = 1,
        symbols: Sequence[str] = SYMBOLS,
        seed: int,
        step_seconds: int = 15,
        history_days: int = 5,
        running_bars: bool = True,
        tapes: Callable[[str], Tape] = tape,
        halts: Sequence[Halt] = (),
        late: float = 0.0,
        paths: Callable[[str, Session, int], Path | None] | None = None,
    ) -> None:
        check_numbers(days, step_seconds, history_days)
        found = {symbol: tapes(symbol) for symbol in sorted(set(symbols))}
        self.sessions = sessions_of(found, first, days)
        self._tapes = {
            symbol: each for symbol, each in found.items() if any(s.date in each.days for s in self.sessions)
        }
        self.symbols = tuple(self._tapes)
        self._seed = seed
        self._step_ns = step_seconds * SECOND
        self._running_bars = running_bars
        self._halts = tuple(halts)
        self._late = late
        self._paths = paths
        self._replayed = {session.date: session for session in self.sessions}
        self._recent = (*sessions_before(self._tapes, first, history_days), *self.sessions)
        self._play = lru_cache(maxsize=_PLAYBACKS_KEPT)(self._playback)
        self._closes = lru_cache(maxsize=256)(self._closes_of)
        self._whole_days: dict[tuple[str, date], Candle] = {}
        self._quotes: dict[str, QuoteMessage] = {}
        self._trades: dict[str, TradeMessage] = {}
        self._instants = self._schedule()
        self._next = next(self._instants, None)

    # The past, for what is priced by it.

    @property
    def step_ns(self) -> int:
        """From one quote to the next."""
        return self._step_ns

    def recent(self, symbol: str) -> list[Session]:
        """The sessions that have minutes, the replayed ones among them, oldest first."""
        days = self._tapes[symbol].days if symbol in self._tapes else {}
        return [each for each in self._recent if each.date in days]

    def middle(self, symbol: str, session: Session, step: int) -> float:
        """Half way between bid and ask at a step of a recent session."""
        path = self._play(symbol, session).path
        return (path.bid[step] + path.ask[step]) / 200

    def close_before(self, symbol: str, on: date) -> int | None:
        """The last close before that day, in cents of a share of that day."""
        return next(iter(self.closes_before(symbol, on, 1)), None)

    def closes_before(self, symbol: str, on: date, count: int) -> Sequence[int]:
        """The last closes before that day, oldest first, in cents of a share of that day."""
        return self._closes(symbol, on, count)

    def _closes_of(self, symbol: str, on: date, count: int) -> Sequence[int]:
        each = self._tapes.get(symbol)
        if each is None:
            return ()
        days = list(each.days)
        last = bisect_left(days, on)
        return tuple(close_in(each, day, on) for day in days[max(0, last - count) : last])

    def next_due(self) -> int | None:
        return self._next.ts if self._next else None

    def step(self, now: int) -> MarketStep | None:
        while self._next is not None and self._next.ts <= now:
            here, self._next = self._next, next(self._instants, None)
            if messages := tuple(self._messages(here)):
                return MarketStep(here.ts, messages)
        return None

    def quote(self, symbol: str) -> QuoteMessage | None:
        return self._quotes.get(symbol)

    def trade(self, symbol: str) -> TradeMessage | None:
        return self._trades.get(symbol)

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        frame, adjusted = Timeframe.parse(timeframe), candles.adjusts_splits(adjustment)
        if symbol not in self._tapes:
            return []
        known = self._known_minutes(symbol, start, end, now) if frame.intraday else self._known_days(symbol, start, now)
        if adjusted:
            splits, today = self._tapes[symbol].splits, calendar.date_of(now)
            known = (candles.split_adjusted(each, splits, today) for each in known)
        return [
            candles.wire_bar(each)
            for each in (known if frame in _AS_KEPT else candles.fold(known, frame))
            if (start is None or start <= each.start)
            and (end is None or each.start <= end)
            and self._told(each, frame, now)
        ]

    def quotes(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[QuoteMessage]:
        for playback, step, ts in self._steps(symbol, start, end, now):
            if not is_halted(self._halts, symbol, ts):
                yield playback.quote(step, ts)

    def trades(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[TradeMessage]:
        for playback, step, ts in self._steps(symbol, start, end, now):
            if trade := playback.trade(step, ts):
                yield trade

    def auctions(self, symbol: str, start: int, end: int | None, now: int) -> list[DailyAuctions]:
        each = self._tapes.get(symbol)
        if each is None:
            return []
        last = calendar.date_of(now if end is None else min(end, now))
        days = [on for on in each.days if calendar.date_of(start) <= on <= last]
        return [found for on in days if (found := crosses(each.listing, each.days[on], session_on(on), now)).o]

    def assets(self) -> list[Asset]:
        return [asset_of(each.listing) for each in self._tapes.values()]

    def splits(self, symbol: str) -> Sequence[Split]:
        return self._tapes[symbol].splits if symbol in self._tapes else ()

    def _steps(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[tuple[Playback, int, Nanos]]:
        """The steps of recent sessions between two times, both included, that are over at `now`."""
        last = now if end is None else min(end, now)
        for session in self.recent(symbol):
            if session.open_ns <= last and start < session.close_ns:
                playback = self._play(symbol, session)
                first = max(0, -(-(start - session.open_ns) // self._step_ns))
                until = min(last, session.close_ns - 1)
                for step in range(first, (until - session.open_ns) // self._step_ns + 1):
                    yield playback, step, Nanos(session.open_ns + step * self._step_ns)

    def _schedule(self) -> Iterator[_Instant]:
        per_minute = MINUTE // self._step_ns
        for session in self.sessions:
            steps = range(session.open_ns, session.close_ns, self._step_ns)
            minutes = range(session.open_ns, session.close_ns, MINUTE)
            yield from heapq.merge(
                (_Instant(each.ts, 0, None, session, change=each) for each in self._changes(session)),
                (_Instant(ts, step // per_minute, step, session) for step, ts in enumerate(steps)),
                (_Instant(ts + MINUTE + BAR_DELAY, minute, None, session) for minute, ts in enumerate(minutes)),
                (
                    _Instant(ts + MINUTE + LATE_BY, minute, None, session, late=True)
                    for minute, ts in enumerate(minutes)
                    if self._late
                ),
                key=_when,
            )

    def _playback(self, symbol: str, session: Session) -> Playback:
        each = self._tapes[symbol]
        quiet = (lambda ts: is_halted(self._halts, symbol, ts)) if self._halts else None
        return play(
            each.listing,
            each.days[session.date],
            session,
            self._step_ns,
            self._seed,
            late=self._late,
            quiet=quiet,
            path=self._paths(symbol, session, self._step_ns) if self._paths else None,
        )

    def _changes(self, session: Session) -> list[HaltChange]:
        return [
            each
            for each in changes(self._halts)
            if session.open_ns <= each.ts < session.close_ns and each.symbol in self._tapes
        ]

    def _playing(self, session: Session) -> Iterator[Playback]:
        for symbol, each in self._tapes.items():
            if session.date in each.days:
                yield self._play(symbol, session)

    def _messages(self, here: _Instant) -> Iterator[MarketMessage]:
        for playback in self._playing(here.session):
            if here.step is not None:
                yield from self._tick(playback, here.step, Nanos(here.ts))
            elif here.change is not None:
                if here.change.symbol == playback.symbol:
                    yield here.change.message(playback.tape)
            elif here.late:
                if here.minute in playback.late and (whole := playback.minutes[here.minute]):
                    yield updated_bar_message(playback.symbol, candles.wire_bar(whole))
            elif first := playback.first(here.minute):
                yield bar_message(playback.symbol, candles.wire_bar(first))

    def _tick(self, playback: Playback, step: int, ts: int) -> Iterator[MarketMessage]:
        if self._halts and is_halted(self._halts, playback.symbol, ts):
            return
        self._quotes[playback.symbol] = quote = playback.quote(step, ts)
        yield quote
        if trade := playback.trade(step, ts):
            self._trades[playback.symbol] = trade
            yield trade

    def _known_minutes(self, symbol: str, start: int | None, end: int | None, now: int) -> Iterator[Candle]:
        # A bar that begins before `end` may go on behind it: at most to the end of the day.
        last = now if end is None else min(now, end + 1440 * MINUTE)
        for session in self._recent:
            wanted = session.open_ns <= last and (start is None or start < session.close_ns)
            if wanted and session.date in self._tapes[symbol].days:
                yield from self._minutes_of(symbol, session, now)

    def _minutes_of(self, symbol: str, session: Session, now: int) -> Iterator[Candle]:
        playback = self._play(symbol, session)
        for minute, whole in enumerate(playback.minutes):
            if whole and whole.start + MINUTE + BAR_DELAY <= now:
                early = minute in playback.late and now < whole.start + MINUTE + LATE_BY
                yield (playback.first(minute) if early else whole) or whole

    def _known_days(self, symbol: str, start: int | None, now: int) -> Iterator[Candle]:
        since = date.min if start is None else calendar.date_of(start)
        today = calendar.date_of(now)
        for on, bar in self._tapes[symbol].days.items():
            if since <= on <= today and (each := self._day(symbol, on, bar, now)):
                yield each

    def _day(self, symbol: str, on: date, bar: DailyBar, now: int) -> Candle | None:
        """A day as it is known at `now`: whole when its last minute is, before that the minutes so far."""
        session = self._replayed.get(on)
        if session is None:
            return candle_of(on, bar) if is_over(on, now) else None
        if now < session.close_ns + BAR_DELAY:
            return self._put_together(symbol, session, now) if self._running_bars else None
        whole = self._whole_days.get((symbol, on)) or self._put_together(symbol, session, now)
        if whole:
            self._whole_days[symbol, on] = whole
        return whole

    def _put_together(self, symbol: str, session: Session, now: int) -> Candle | None:
        return next(candles.fold(self._minutes_of(symbol, session, now), Timeframe(1, "Day")), None)

    def _told(self, each: Candle, frame: Timeframe, now: int) -> bool:
        if self._running_bars or frame.unit == "Day":
            return True
        return frame.end(each.start) + (BAR_DELAY if frame.intraday else 0) <= now
