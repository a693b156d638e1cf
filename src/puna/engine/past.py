"""Bars of the past over REST, of stocks, options and coins alike: each kind has a route of its own."""

from collections.abc import AsyncIterator, Iterable

from puna.alpaca.crypto import get_crypto_bars
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars
from puna.alpaca.options import get_option_bars
from puna.core.symbols import asset_class
from puna.core.types import AssetClass
from puna.engine.quotes import MOST_OPTIONS
from puna.wire.market import Bar

__all__ = ["bars_between"]


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
