"""What the market last showed: quotes, marks, bars, listings. Only sound, newer data gets in; the rest is counted."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isfinite

from puna.core.plausible import FACTOR, Plausibility
from puna.core.risk import Listing
from puna.core.types import AssetClass, Bar, Quote, Trade, exact

__all__ = ["MarketView", "sound"]

DEPTH = 1000


def sound(bar: Bar) -> bool:
    """Whether a bar can be true: finite, positive prices, the high above all and the low beneath."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    return (
        all(isfinite(price) and price > 0 for price in prices)
        and bar.low == min(prices)
        and bar.high == max(prices)
        and bar.volume >= 0
    )


class MarketView:
    """The latest of everything, by symbol.

    Args:
        depth: how many bars are kept of each symbol and timeframe.
    """

    def __init__(self, *, depth: int = DEPTH) -> None:
        self.listings: dict[str, Listing] = {}
        self.quotes: dict[str, Quote] = {}
        self.options: dict[str, tuple[str, ...]] = {}
        self.refused = 0
        self._plausible = Plausibility(_moves_slowly)
        self._prices: dict[str, tuple[int, float]] = {}
        self._bars: dict[tuple[str, str], deque[Bar]] = defaultdict(lambda: deque(maxlen=depth))

    def list(self, listings: Iterable[Listing]) -> None:
        """Takes what the broker says about instruments."""
        self.listings.update((each.symbol, each) for each in listings)

    def list_options(self, root: str, symbols: Iterable[str]) -> None:
        """Takes which options there are on an underlying; all of these can be traded."""
        names = list(symbols)
        self.options[root] = tuple(sorted({*self.options.get(root, ()), *names}))
        self.list(Listing(symbol=name, asset_class=AssetClass.US_OPTION) for name in names)

    def take_quote(self, quote: Quote) -> bool:
        """False when it is older than what is known, cannot be believed, or cannot be used.

        An unusable one still replaces the old; one that cannot be believed does not.
        """
        known = self.quotes.get(quote.symbol)
        late = known is not None and quote.ts_event < known.ts_event
        if late or (quote.usable and not self._plausible.believes(quote.symbol, quote.ts_event, quote.mid)):
            self.refused += 1
            return False
        self.quotes[quote.symbol] = quote
        return quote.usable

    def take_trade(self, trade: Trade) -> bool:
        """False when it is no price, older than what is known, or cannot be believed."""
        if trade.price > 0 and not self._plausible.believes(trade.symbol, trade.ts_event, trade.price):
            self.refused += 1
            return False
        return self._price(trade.symbol, trade.ts_event, trade.price)

    def take_bar(self, timeframe: str, bar: Bar) -> bool:
        """False when it is not sound, not newer than the last one, or cannot be believed."""
        bars = self._bars[bar.symbol, timeframe]
        if not sound(bar) or (bars and bar.ts_event <= bars[-1].ts_event) or not self._believable(timeframe, bar):
            self.refused += 1
            return False
        bars.append(bar)
        self._price(bar.symbol, bar.ts_init, bar.close)
        return True

    def revise_bar(self, timeframe: str, bar: Bar) -> None:
        """Puts a corrected bar in the place of the one that it corrects."""
        bars = self._bars[bar.symbol, timeframe]
        for at in range(len(bars) - 1, -1, -1):
            if bars[at].ts_event == bar.ts_event and sound(bar):
                bars[at] = bar
                return

    def bars(self, symbol: str, timeframe: str) -> tuple[Bar, ...]:
        """Oldest first."""
        return tuple(self._bars.get((symbol, timeframe), ()))

    def last_bar(self, symbol: str, timeframe: str) -> Bar | None:
        """The newest bar, if any."""
        bars = self._bars.get((symbol, timeframe))
        return bars[-1] if bars else None

    def mid(self, symbol: str) -> float | None:
        """The middle of the latest quote, when it can be used."""
        quote = self.quotes.get(symbol)
        return quote.mid if quote is not None and quote.usable else None

    def mark(self, symbol: str) -> Decimal | None:
        """What one unit is worth now: the middle of the quote, else the last price on the tape.

        An option for which nobody bids is worth half of what is asked for it.
        """
        quote = self.quotes.get(symbol)
        if quote is not None and (quote.usable or (quote.bid == 0 < quote.ask < 1)):
            return (exact(quote.bid) + exact(quote.ask)) / 2
        price = self._prices.get(symbol)
        return None if price is None else exact(price[1])

    def marks(self, symbols: Iterable[str]) -> Mapping[str, Decimal]:
        """Marks of those that have one."""
        return {symbol: mark for symbol in symbols if (mark := self.mark(symbol)) is not None}

    def _believable(self, timeframe: str, bar: Bar) -> bool:
        """Whether a minute's bar goes on from what is known, and does not span tenfold within itself."""
        if not timeframe.endswith("Min") or not _moves_slowly(bar.symbol):
            return True
        return bar.high < FACTOR * bar.low and self._plausible.believes(bar.symbol, bar.ts_init, bar.close)

    def _price(self, symbol: str, ts: int, price: float) -> bool:
        known = self._prices.get(symbol)
        if not (isfinite(price) and price > 0) or (known is not None and ts < known[0]):
            self.refused += 1
            return False
        self._prices[symbol] = (ts, price)
        return True


def _moves_slowly(symbol: str) -> bool:
    """Stocks and coins; an option that costs cents may well be worth ten times as much."""
    return not symbol[-8:].isdigit()
