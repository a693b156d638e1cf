"""Latest quotes and history of stocks, options and crypto alike: the symbol says which call it takes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from puna.alpaca.crypto import get_crypto_bars, get_crypto_latest_quotes
from puna.alpaca.market import get_bars, get_latest_quotes
from puna.alpaca.options import get_option_bars, get_option_latest_quotes
from puna.alpaca.request import Composite, Lane, Moment, Paged, Request, Steps
from puna.core import symbols as names
from puna.core.types import AssetClass
from puna.errors import DataError
from puna.wire.market import Bar

__all__ = ["LatestQuote", "get_history", "get_quote", "get_quotes"]

BATCH = 100  # option symbols of one request [fact sheet 6]; the others take as many


@dataclass(frozen=True, slots=True)
class LatestQuote:
    """The best bid and ask; None where that side is empty. Sizes are shares, contracts or coins; `ts` in ns."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal
    ask_size: Decimal
    ts: int

    @property
    def mid(self) -> Decimal | None:
        """Halfway between bid and ask; None unless there are both."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid; negative in a crossed market; None unless there are both."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    @property
    def spread_bps(self) -> Decimal | None:
        """The spread in basis points of the mid."""
        return None if self.spread is None or not self.mid else self.spread / self.mid * 10_000


def get_quotes(symbols: Iterable[str], *, feed: str | None = None) -> Composite[dict[str, LatestQuote]]:
    """The latest quote of each symbol that has one, in as few calls as can be; `feed` is of stocks.

    Raises:
        DataError: E630, a text that is no symbol; before anything is sent.
    """
    batches = list(_batches(symbols))

    def steps() -> Steps[dict[str, LatestQuote]]:
        found: dict[str, LatestQuote] = {}
        for kind, batch in batches:
            answer = yield _latest(kind, batch, feed)
            found |= {symbol: _quote(symbol, body) for symbol, body in answer.items()}
        return found

    return Composite(steps)


def get_quote(symbol: str, *, feed: str | None = None) -> Composite[LatestQuote]:
    """The latest quote of one symbol.

    Raises:
        DataError: E630, no symbol; E616, the broker has no quote of it.
    """
    several, name = get_quotes([symbol], feed=feed), names.canonical(symbol)

    def steps() -> Steps[LatestQuote]:
        found = yield from several.steps()
        if name not in found:
            raise DataError(
                f"There is no quote of {name}.",
                why="the broker answered, and had none",
                state="Nothing was changed.",
                remedy="Check the symbol (`puna asset SYMBOL`), the feed of your plan, and whether it trades now.",
                code="E616",
            )
        return found[name]

    return Composite(steps)


def get_history(
    symbols: Sequence[str],
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    adjustment: str = "split",
    feed: str | None = None,
    lane: Lane = Lane.READ,
) -> Composite[list[tuple[str, Bar]]]:
    """Bars of symbols of any kind, by kind, symbol and time; `adjustment` and `feed` are of stocks.

    Raises:
        DataError: E630, a text that is no symbol; before anything is sent.
    """
    calls: dict[AssetClass, Callable[[list[str]], Paged[tuple[str, Bar]]]] = {
        AssetClass.US_EQUITY: lambda batch: get_bars(
            batch, timeframe, start, end, adjustment=adjustment, feed=feed, lane=lane
        ),
        AssetClass.US_OPTION: lambda batch: get_option_bars(batch, timeframe, start, end, lane=lane),
        AssetClass.CRYPTO: lambda batch: get_crypto_bars(batch, timeframe, start, end, lane=lane),
    }
    batches = list(_batches(symbols))

    def steps() -> Steps[list[tuple[str, Bar]]]:
        found: list[tuple[str, Bar]] = []
        for kind, batch in batches:
            found += yield calls[kind](batch)
        return found

    return Composite(steps)


def _batches(symbols: Iterable[str]) -> Iterator[tuple[AssetClass, list[str]]]:
    wanted = dict.fromkeys(names.canonical(symbol) for symbol in symbols)
    for kind in (AssetClass.US_EQUITY, AssetClass.US_OPTION, AssetClass.CRYPTO):
        batch = [symbol for symbol in wanted if names.asset_class(symbol) is kind]
        for at in range(0, len(batch), BATCH):
            yield kind, batch[at : at + BATCH]


def _latest(kind: AssetClass, batch: list[str], feed: str | None) -> Request[Any]:
    if kind is AssetClass.US_EQUITY:
        return get_latest_quotes(batch, feed=feed)
    return get_option_latest_quotes(batch) if kind is AssetClass.US_OPTION else get_crypto_latest_quotes(batch)


def _quote(symbol: str, body: Any) -> LatestQuote:
    """An empty side has a price of nought on the wire."""
    bid, ask = (_decimal(price) if price else None for price in (body.bp, body.ap))
    return LatestQuote(symbol, bid, ask, _decimal(body.bs), _decimal(body.as_), int(body.t))


def _decimal(value: float) -> Decimal:
    """The decimal that the float was printed as."""
    return Decimal(repr(value)).normalize() if value % 1 else Decimal(int(value))
