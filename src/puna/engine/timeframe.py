"""Timeframes: their length, and longer bars made of minutes."""

import re

from puna.core.types import Bar
from puna.errors import ConfigError

__all__ = ["MINUTE", "Aggregate", "minutes"]

MINUTE = 60_000_000_000
_WORD = re.compile(r"([1-9][0-9]?)Min")


def minutes(timeframe: str) -> int:
    """The length of a timeframe for `on_bar`, in minutes.

    Raises:
        ConfigError: it is not one to fifty-nine minutes that divide an hour.
    """
    found = _WORD.fullmatch(timeframe)
    length = int(found.group(1)) if found else 0
    if not length or 60 % length:
        raise ConfigError(
            f"A strategy cannot run on bars of {timeframe!r}.",
            why="live bars are of 1Min, or of minutes that divide an hour",
            state="Nothing was started.",
            remedy="Use 1Min, 2Min, 3Min, 5Min, 10Min, 15Min, 20Min or 30Min, put longer ones into warmup, and decide "
            "at a time of the day: docs/strategies.md, once a day. Backtests take 1Day as it is.",
            code="E613",
        )
    return length


class Aggregate:
    """Bars of several minutes, of one symbol, out of bars of one minute.

    A bar is complete with its last minute, or when a later one begins: minutes without trades have no bar.

    Args:
        length: in minutes.
    """

    def __init__(self, length: int) -> None:
        self._span = length * MINUTE
        self._bar: Bar | None = None

    def take(self, minute: Bar) -> list[Bar]:
        """The bars that are complete with this minute; none, one or two."""
        start = minute.ts_event - minute.ts_event % self._span
        done: list[Bar] = []
        if self._bar is not None and self._bar.ts_event != start:
            done.append(self._completed(minute.ts_init))
        self._bar = _joined(self._bar, minute, start)
        if minute.ts_event + MINUTE == start + self._span:
            done.append(self._completed(minute.ts_init))
        return done

    def _completed(self, ts_init: int) -> Bar:
        bar, self._bar = self._bar, None
        assert bar is not None  # noqa: S101 - both callers have one
        return Bar(bar.symbol, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_event, ts_init,
                   bar.trade_count, bar.vwap)  # fmt: skip


def _joined(bar: Bar | None, minute: Bar, start: int) -> Bar:
    if bar is None:
        return Bar(minute.symbol, minute.open, minute.high, minute.low, minute.close, minute.volume, start,
                   minute.ts_init, minute.trade_count, minute.vwap)  # fmt: skip
    volume = bar.volume + minute.volume
    vwap = (bar.vwap * bar.volume + minute.vwap * minute.volume) / volume if volume else bar.vwap
    high, low = max(bar.high, minute.high), min(bar.low, minute.low)
    return Bar(bar.symbol, bar.open, high, low, minute.close, volume, start, minute.ts_init,
               bar.trade_count + minute.trade_count, vwap)  # fmt: skip
