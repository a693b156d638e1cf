"""What the gateway and the strategies of a backtest see of the market: columns and a place in them.

No quote, mark or bar is made that nobody asks for; a bar that goes by moves a number.
"""

from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from puna.alpaca import mapping
from puna.core import sessions
from puna.core.risk import Listing
from puna.core.types import AssetClass, Bar, Quote, exact
from puna.engine.market import MarketView
from puna.engine.past import is_complete, reach
from puna.research.backtest.data import Columns
from puna.research.backtest.market import BarMarket, Glass
from puna.research.backtest.stage import VirtualClock
from puna.wire import market as wire
from puna.wire.stream import StatusMessage

__all__ = ["HistoryView"]

STANDS = 7_200_000_000_000
"""So long after its bar a quote counts as standing: minutes without a trade are no minutes without a quote."""
OPTION_STANDS = 900_000_000_000
"""The same of an option: its price goes with another one, and what was paid for it a while ago says little."""


class HistoryView(MarketView):
    """A `MarketView` over bars.

    Args:
        market: the bars, and where in them we are.
        glasses: how prices become quotes, by symbol.
        clock: market time.
        option_days: underlying -> how many days ahead its contracts may end of which strategies want to know.
        warmup: symbol, timeframe -> how many bars strategies warm up on, of timeframes that nobody is told of.
    """

    def __init__(
        self,
        market: BarMarket,
        glasses: Mapping[str, Glass],
        clock: VirtualClock,
        option_days: Mapping[str, int] = MappingProxyType({}),
        warmup: Mapping[tuple[str, str], int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._warmup = warmup
        self._warmed: dict[tuple[str, str], date] = {}
        self._past: dict[tuple[str, str], list[wire.Bar]] = {}
        self._market = market
        self._glasses = glasses
        self._clock = clock
        self.quotes = _Quotes(self)
        self.live: dict[str, Quote] = {}
        self._told: dict[str, int] = {}
        self._kept: dict[str, tuple[tuple[int, int], Quote]] = {}
        self.options = _Options(market, clock, option_days)
        for symbol in market.chain:
            self.list([Listing(symbol=symbol, asset_class=AssetClass.US_OPTION)])
        self.timeframe = market.history.timeframe
        market.hear_status = self.hear_status

    def look(self, symbol: str) -> Quote | None:
        """The quote around the last close; within a bar that is being walked through, the one of that moment."""
        if (live := self.live.get(symbol)) is not None:
            return live
        glass, found = self._glasses.get(symbol), self._place(symbol)
        if glass is None or found is None:
            return None
        columns, at = found
        now, place = self._clock.time, (id(columns), at)
        if (kept := self._kept.get(symbol)) is not None and kept[0] == place and kept[1].ts_init == now:
            return kept[1]
        known = int(columns.known[at])
        close, size = float(columns.close[at]), float(columns.volume[at])
        bid, ask = self._market.history.stood(symbol, known, now) or glass.sides(close, glass.shape(columns, at))
        stands = OPTION_STANDS if symbol in self._market.chain else STANDS
        ts = now if now - known <= stands else known
        quote = Quote(symbol, bid, size, ask, size, ts, ts)
        self._kept[symbol] = place, quote
        return quote

    def take_quote(self, quote: Quote) -> bool:
        """The columns know better."""
        return quote.usable

    def hear_status(self, message: StatusMessage) -> None:
        """A stock stops trading, or goes on."""
        if (listing := self.listings.get(message.S)) is not None:
            self.list([replace(listing, halted=message.sc == "H")])

    def mark(self, symbol: str) -> Decimal | None:
        if (live := self.live.get(symbol)) is not None:
            return (exact(live.bid) + exact(live.ask)) / 2
        if symbol not in self._market.at:
            return None
        history = self._market.history
        if (history.quotes or history.tapes) and (quote := self.look(symbol)) is not None:
            return (exact(quote.bid) + exact(quote.ask)) / 2
        price = self._market.last(symbol)
        return None if price is None else exact(price)

    def marks(self, symbols: Iterable[str]) -> Mapping[str, Decimal]:
        return {symbol: mark for symbol in symbols if (mark := self.mark(symbol)) is not None}

    def bars(self, symbol: str, timeframe: str) -> tuple[Bar, ...]:
        """Oldest first; made, when asked for, of the rows since the last question."""
        if timeframe == self.timeframe and symbol in self._market.at:
            self._catch_up(symbol)
        elif (symbol, timeframe) in self._warmup and symbol in self._market.at:
            self._warm_up_again(symbol, timeframe)
        return super().bars(symbol, timeframe)

    def last_bar(self, symbol: str, timeframe: str) -> Bar | None:
        """The newest bar of the history's own timeframe stands for that of a minute."""
        at = self._market.at.get(symbol)
        if timeframe not in ("1Min", self.timeframe) or at < 0:
            return super().last_bar(symbol, timeframe)
        return _bar(self._market.history.columns[symbol], at)

    def take_bar(self, timeframe: str, bar: Bar) -> bool:
        """Those of the history's own timeframe are in the columns already."""
        if timeframe == self.timeframe and self._market.at.get(bar.symbol) >= 0:
            return True
        return super().take_bar(timeframe, bar)

    def _catch_up(self, symbol: str) -> None:
        kept, columns = self._bars[symbol, self.timeframe], self._market.history.columns[symbol]
        at = self._market.at[symbol]
        for row in range(max(self._told.get(symbol, -1) + 1, at + 1 - (kept.maxlen or 0)), at + 1):
            kept.append(_bar(columns, row))
        self._told[symbol] = at

    def _warm_up_again(self, symbol: str, timeframe: str) -> None:
        """What a process that starts on this day would be given: a live run starts anew each day, a backtest once.

        Only what has come since the last day on which somebody asked is made of the history's bars.
        """
        key, today = (symbol, timeframe), sessions.date_of(self._clock.time)
        if self._warmed.setdefault(key, sessions.date_of(self._market.history.span[0])) == today:
            return
        market, midnight = self._market, sessions.at(today, time())
        since, known = midnight - reach(timeframe, self._warmup[key]), self._past.get(key, [])
        if known and any(self._warmed[key] < each.ex_date <= today for each in market.splits(symbol)):
            known = []  # all prices change
        found = market.bars(symbol, timeframe, known[-1].t if known else since, None, midnight, "split")
        over = (each for each in (*known[:-1], *found) if each.t >= since and is_complete(each.t, timeframe, midnight))
        self._warmed[key], self._past[key] = today, [*over][-self._warmup[key] :]
        self._bars[key].clear()
        self._bars[key].extend(mapping.bar_of(symbol, each, midnight) for each in self._past[key])

    def _place(self, symbol: str) -> tuple[Columns, int] | None:
        at = self._market.at.get(symbol)
        if at >= 0:
            return self._market.history.columns[symbol], at
        past = self._market.history.past.get(symbol)
        return None if past is None else (past, len(past) - 1)


def _bar(columns: Columns, row: int) -> Bar:
    return Bar(
        columns.symbol,
        float(columns.open[row]),
        float(columns.high[row]),
        float(columns.low[row]),
        float(columns.close[row]),
        float(columns.volume[row]),
        int(columns.begin[row]),
        int(columns.known[row]),
        int(columns.trades[row]),
        float(columns.vwap[row]),
    )


class _Quotes(dict[str, Quote]):
    """Quotes that are made when somebody asks."""

    def __init__(self, view: HistoryView) -> None:
        super().__init__()
        self._view = view

    def get(self, symbol: str, default: Any = None) -> Any:
        found = self._view.look(symbol)
        return default if found is None else found


class _Options(dict[str, tuple[str, ...]]):
    """Contracts by underlying, as they are listed on the day on which somebody asks: a backtest has many days."""

    def __init__(self, market: BarMarket, clock: VirtualClock, days: Mapping[str, int]) -> None:
        super().__init__()
        self._market = market
        self._clock = clock
        self._days = days

    def get(self, root: str, default: Any = ()) -> Any:
        """Those that end within the days that were asked for, and those that strategies name."""
        now, named = self._clock.time, super().get(root, ())
        last = sessions.date_of(now) + timedelta(days=self._days.get(root, -1))
        listed = self._market.listed(root, now)
        return tuple(each for each in listed if each in named or self._market.chain.ends(each) <= last) or default
