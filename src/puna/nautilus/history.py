"""Market data by request, and the streams of the kinds of instruments: which call and which address serves what."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from nautilus_trader.model.data import BarSpecification

from puna.alpaca import feeds
from puna.alpaca.crypto import (
    get_crypto_bars,
    get_crypto_latest_orderbooks,
    get_crypto_quotes,
    get_crypto_trades,
)
from puna.alpaca.frames import StreamOptions, Subscription
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.market import get_bars, get_quotes, get_trades
from puna.alpaca.options import get_option_bars, get_option_trades
from puna.alpaca.request import Paged
from puna.alpaca.stream import Stream, market_data
from puna.errors import DataError
from puna.nautilus.config import AlpacaDataClientConfig
from puna.nautilus.connection import Connection
from puna.nautilus.parsing import timeframe_of
from puna.nautilus.subscriptions import Kind, kind_of
from puna.wire.crypto import CryptoOrderbook
from puna.wire.market import Bar

__all__ = ["bars", "book", "open_stream", "quotes", "take", "trades"]

T = TypeVar("T")

_NO_HISTORY = frozenset({"delayed_sip", "test"})  # streams only; their history is the consolidated tape's


def open_stream(
    kind: Kind,
    connection: Connection,
    config: AlpacaDataClientConfig,
    subscription: Subscription,
    options: StreamOptions,
) -> Stream[Any]:
    """The stream of a kind of instrument."""
    places = connection.places.endpoints()
    return market_data(places, connection.credentials, subscription, options, feed=_feed(kind, config))


async def bars(
    alpaca: AsyncAlpaca,
    symbol: str,
    spec: BarSpecification,
    config: AlpacaDataClientConfig,
    start: int | None = None,
    end: int | None = None,
    *,
    adjustment: str = "raw",
) -> AsyncIterator[Bar]:
    """Bars, oldest first.

    Raises:
        DataError: Alpaca has no such bars.
    """
    step, kind = timeframe_of(spec), kind_of(symbol)
    call: Paged[tuple[str, Bar]]
    if kind is Kind.CRYPTO:
        call = get_crypto_bars([symbol], step, start, end)
    elif kind is Kind.OPTION:
        call = get_option_bars([symbol], step, start, end)
    else:
        call = get_bars([symbol], step, start, end, adjustment=adjustment, feed=_history_feed(config))
    async for _, bar in alpaca(call):
        yield bar


async def quotes(
    alpaca: AsyncAlpaca, symbol: str, config: AlpacaDataClientConfig, start: int | None = None, end: int | None = None
) -> AsyncIterator[Any]:
    """Quotes, oldest first.

    Raises:
        DataError: of options there are none in the past.
    """
    kind = kind_of(symbol)
    if kind is Kind.OPTION:
        raise DataError("Alpaca has no historical quotes of options.", code="E614")
    call: Paged[tuple[str, Any]] = (
        get_crypto_quotes([symbol], start, end)
        if kind is Kind.CRYPTO
        else get_quotes([symbol], start, end, feed=_history_feed(config))
    )
    async for _, quote in alpaca(call):
        yield quote


async def trades(
    alpaca: AsyncAlpaca, symbol: str, config: AlpacaDataClientConfig, start: int | None = None, end: int | None = None
) -> AsyncIterator[Any]:
    """Trades, oldest first."""
    kind = kind_of(symbol)
    call: Paged[tuple[str, Any]]
    if kind is Kind.CRYPTO:
        call = get_crypto_trades([symbol], start, end)
    elif kind is Kind.OPTION:
        call = get_option_trades([symbol], start, end)
    else:
        call = get_trades([symbol], start, end, feed=_history_feed(config))
    async for _, trade in alpaca(call):
        yield trade


async def book(alpaca: AsyncAlpaca, symbol: str) -> CryptoOrderbook:
    """A coin's order book now.

    Raises:
        DataError: there is none.
    """
    found = (await alpaca(get_crypto_latest_orderbooks([symbol]))).get(symbol)
    if found is None:
        raise DataError(f"Alpaca has no order book of {symbol}.", code="E614")
    return found


async def take(source: AsyncIterator[T], limit: int) -> list[T]:
    """The items, at most `limit` of them if it is not 0."""
    found: list[T] = []
    async for item in source:
        found.append(item)
        if limit and len(found) >= limit:
            break
    return found


def _feed(kind: Kind, config: AlpacaDataClientConfig) -> feeds.Feed:
    if kind is Kind.CRYPTO:
        return feeds.crypto()
    return feeds.options(config.option_feed) if kind is Kind.OPTION else feeds.stocks(config.feed.value)


def _history_feed(config: AlpacaDataClientConfig) -> str | None:
    return "sip" if config.feed.value in _NO_HISTORY else config.feed.value
