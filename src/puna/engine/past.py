"""Bars of the past, for warm-up: asked for over REST, by a route for each kind; how far back, and which are over."""

from collections.abc import AsyncIterator, Iterable

from puna.alpaca.crypto import get_crypto_bars
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars
from puna.alpaca.options import get_option_bars
from puna.core import sessions
from puna.core.symbols import asset_class
from puna.core.types import AssetClass
from puna.engine.quotes import MOST_OPTIONS
from puna.engine.timeframe import MINUTE, minutes
from puna.wire.market import Bar

__all__ = ["bars_between", "is_complete", "reach"]

DAY = 86_400 * 1_000_000_000


async def bars_between(
    alpaca: AsyncAlpaca, symbols: Iterable[str], timeframe: str, start: int, end: int, *, feed: str | None = None
) -> AsyncIterator[tuple[str, Bar]]:
    """Each bar with its symbol, by kind, symbol and time; stocks adjusted for splits. Times are ns, both inclusive.

    Raises:
        PunaError: there was no answer.
    """
    names = sorted(set(symbols))
    stocks, options, coins = (
        [name for name in names if asset_class(name) is kind]
        for kind in (AssetClass.US_EQUITY, AssetClass.US_OPTION, AssetClass.CRYPTO)
    )
    if stocks:
        async for row in alpaca(get_bars(stocks, timeframe, start, end, adjustment="split", feed=feed)):
            yield row
    for at in range(0, len(options), MOST_OPTIONS):
        async for row in alpaca(get_option_bars(options[at : at + MOST_OPTIONS], timeframe, start, end)):
            yield row
    if coins:
        async for row in alpaca(get_crypto_bars(coins, timeframe, start, end)):
            yield row


def reach(timeframe: str, count: int) -> int:
    """How far back `count` bars may lie: nights, weekends and holidays are in between."""
    if timeframe.endswith("Min"):
        return (count * minutes(timeframe) // 390 + 1) * 2 * DAY + 5 * DAY
    days = {"Hour": count // 6 + 1, "Day": count, "Week": 7 * count, "Month": 31 * count}
    unit = next((name for name in days if timeframe.endswith(name)), "Month")
    factor = int(timeframe.removesuffix(unit) or 1)
    return (days[unit] * factor * 8 // 5 + 10) * DAY


def is_complete(ts_event: int, timeframe: str, now: int) -> bool:
    """Whether a bar that begins then has ended by now."""
    if timeframe.endswith("Min"):
        return ts_event + minutes(timeframe) * MINUTE <= now
    if timeframe.endswith("Hour"):
        return ts_event + int(timeframe.removesuffix("Hour") or 1) * 60 * MINUTE <= now
    return sessions.date_of(ts_event) < sessions.date_of(now)
