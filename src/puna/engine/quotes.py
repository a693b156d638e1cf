"""The latest quotes over REST, of stocks, options and coins alike: whatever no stream brings."""

from collections.abc import Iterable

from puna.alpaca import mapping
from puna.alpaca.crypto import get_crypto_latest_quotes
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_latest_quotes
from puna.alpaca.options import get_option_latest_quotes
from puna.core.symbols import asset_class
from puna.core.types import AssetClass, Quote
from puna.seams import Clock

__all__ = ["MOST_OPTIONS", "latest_quotes"]

MOST_OPTIONS = 100
"""So many options a request answers (facts.md 6)."""


async def latest_quotes(
    alpaca: AsyncAlpaca, clock: Clock, symbols: Iterable[str], *, feed: str | None = None
) -> list[Quote]:
    """What the broker has of these, in the order of their names; a symbol without a quote is left out.

    Raises:
        PunaError: there was no answer.
    """
    names = sorted(set(symbols))
    options = [name for name in names if asset_class(name) is AssetClass.US_OPTION]
    stocks = [name for name in names if asset_class(name) is AssetClass.US_EQUITY]
    coins = [name for name in names if asset_class(name) is AssetClass.CRYPTO]
    found: list[Quote] = []
    if stocks:
        bodies = await alpaca(get_latest_quotes(stocks, feed=feed))
        found += [mapping.quote_of(symbol, bodies[symbol], clock.now()) for symbol in sorted(bodies)]
    if coins:
        shown = await alpaca(get_crypto_latest_quotes(coins))
        found += [mapping.coin_quote_of(symbol, shown[symbol], clock.now()) for symbol in sorted(shown)]
    for at in range(0, len(options), MOST_OPTIONS):
        answers = await alpaca(get_option_latest_quotes(options[at : at + MOST_OPTIONS]))
        found += [mapping.option_quote_of(symbol, answers[symbol], clock.now()) for symbol in sorted(answers)]
    return found
