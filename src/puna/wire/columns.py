"""A page of historical bars as NumPy columns, without a message object for each bar.

Where the native package is installed, it reads a page as it usually comes, and leaves every other page to the reference
here. Both give the same arrays and the same errors.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puna import native
from puna.wire.codec import decode, decoder, unreadable
from puna.wire.market import Bar, BarsPage

__all__ = ["BarColumns", "BarColumnsPage", "read_bars"]

_page = decoder(BarsPage)


class BarColumns(NamedTuple):
    """The bars of one symbol, oldest first as the page has them; `t` in nanoseconds is the left edge."""

    t: NDArray[np.int64]
    o: NDArray[np.float64]
    h: NDArray[np.float64]
    l: NDArray[np.float64]  # noqa: E741 - Alpaca's key
    c: NDArray[np.float64]
    v: NDArray[np.float64]
    n: NDArray[np.int64]
    vw: NDArray[np.float64]


class BarColumnsPage(NamedTuple):
    """GET /v2/stocks/bars, by symbol."""

    bars: dict[str, BarColumns]
    next_page_token: str | None = None


def read_bars(body: bytes) -> BarColumnsPage:
    """The columns of a page.

    Raises:
        ProtocolError: not JSON, not a page of bars, or a number beyond 64 bits.
    """
    found = native.read_bars_columns(body) if native.PRESENT else None
    if found is None:
        return _reference(body)
    bars, token = found
    return BarColumnsPage({symbol: _over(buffers) for symbol, buffers in bars}, token)


def _reference(body: bytes) -> BarColumnsPage:
    page = decode(_page, body)
    try:
        bars = {symbol: _columns(bars) for symbol, bars in (page.bars or {}).items()}
    except OverflowError as error:
        raise unreadable(error) from error
    return BarColumnsPage(bars, page.next_page_token)


def _columns(bars: list[Bar]) -> BarColumns:
    return BarColumns(
        t=np.array([bar.t for bar in bars], dtype=np.int64),
        o=np.array([bar.o for bar in bars], dtype=np.float64),
        h=np.array([bar.h for bar in bars], dtype=np.float64),
        l=np.array([bar.l for bar in bars], dtype=np.float64),
        c=np.array([bar.c for bar in bars], dtype=np.float64),
        v=np.array([bar.v for bar in bars], dtype=np.float64),
        n=np.array([bar.n for bar in bars], dtype=np.int64),
        vw=np.array([bar.vw for bar in bars], dtype=np.float64),
    )


def _over(buffers: list[bytearray]) -> BarColumns:
    """Arrays over the columns that the native reader has filled: nothing is copied."""
    t, o, h, low, c, v, n, vw = buffers
    whole, real = np.dtype(np.int64), np.dtype(np.float64)
    return BarColumns(
        np.frombuffer(t, whole),
        np.frombuffer(o, real),
        np.frombuffer(h, real),
        np.frombuffer(low, real),
        np.frombuffer(c, real),
        np.frombuffer(v, real),
        np.frombuffer(n, whole),
        np.frombuffer(vw, real),
    )
