"""Stocks, their options and coins as one market."""

import heapq
from collections.abc import Iterator, Sequence

from puna.core import sessions
from puna.exchange.data import SYMBOLS, Split, tape
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.bars import SECOND
from puna.exchange.prices.blackscholes import Greeks
from puna.exchange.prices.chains import Chains
from puna.exchange.prices.coin_market import CoinMarket
from puna.exchange.prices.market import MarketStep, Session
from puna.exchange.prices.recorded import load
from puna.exchange.prices.stocks import ReplayMarket
from puna.wire.contracts import OptionContract
from puna.wire.crypto import CryptoOrderbook
from puna.wire.market import Bar, DailyAuctions
from puna.wire.stream import QuoteMessage, TradeMessage
from puna.wire.trading import Asset

__all__ = ["JointMarket", "build_market"]


class JointMarket:
    """A market of several kinds of instruments; each question goes to the part that knows the symbol.

    Steps of the same instant stay separate, stocks first.

    Args:
        stocks: gives the sessions.
        coins: around the clock, or None.
        chains: options on the stocks, or None.
    """

    def __init__(self, stocks: ReplayMarket, coins: CoinMarket | None = None, chains: Chains | None = None) -> None:
        self.stocks = stocks
        self.coins = coins
        self.chains = chains
        self._parts: tuple[ReplayMarket | CoinMarket, ...] = (stocks,) if coins is None else (stocks, coins)
        self._part_of = {symbol: part for part in self._parts for symbol in part.symbols}
        self.symbols = tuple(heapq.merge(*(part.symbols for part in self._parts)))

    @property
    def sessions(self) -> tuple[Session, ...]:
        return self.stocks.sessions

    def next_due(self) -> int | None:
        return min((due for part in self._parts if (due := part.next_due()) is not None), default=None)

    def step(self, now: int) -> MarketStep | None:
        while (due := self.next_due()) is not None and due <= now:
            if step := next(part for part in self._parts if part.next_due() == due).step(due):
                return step
        return None

    def quote(self, symbol: str) -> QuoteMessage | None:
        if part := self._part_of.get(symbol):
            return part.quote(symbol)
        return self.chains.quote(symbol) if self.chains else None

    def trade(self, symbol: str) -> TradeMessage | None:
        if part := self._part_of.get(symbol):
            return part.trade(symbol)
        return self.chains.trade(symbol) if self.chains else None

    def bars(
        self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int, adjustment: str = "raw"
    ) -> list[Bar]:
        if part := self._part_of.get(symbol):
            return part.bars(symbol, timeframe, start, end, now, adjustment)
        return self.chains.bars(symbol, timeframe, start, end, now) if self.chains else []

    def quotes(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[QuoteMessage]:
        part = self._part_of.get(symbol)
        return part.quotes(symbol, start, end, now) if part else iter(())

    def trades(self, symbol: str, start: int, end: int | None, now: int) -> Iterator[TradeMessage]:
        if part := self._part_of.get(symbol):
            return iter(part.trades(symbol, start, end, now))
        return iter(self.chains.trades(symbol, start, end, now) if self.chains else ())

    def auctions(self, symbol: str, start: int, end: int | None, now: int) -> list[DailyAuctions]:
        return self.stocks.auctions(symbol, start, end, now)

    def assets(self) -> list[Asset]:
        found = [asset for part in self._parts for asset in part.assets()]
        for asset in found if self.chains else ():
            if asset.asset_class == "us_equity":
                asset.attributes = ["has_options"]
        return found

    def splits(self, symbol: str) -> Sequence[Split]:
        return self.stocks.splits(symbol)

    def orderbook(self, symbol: str) -> CryptoOrderbook | None:
        return self.coins.orderbook(symbol) if self.coins else None

    def contracts(self, underlying: str, now: int) -> list[OptionContract]:
        return self.chains.contracts(underlying, now) if self.chains else []

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        return self.chains.listed(underlying, now) if self.chains else ()

    def contract(self, name: str, now: int) -> OptionContract | None:
        return self.chains.contract(name, now) if self.chains else None

    def prints_at(self, underlying: str, ts: int) -> list[TradeMessage]:
        return self.chains.prints_at(underlying, ts) if self.chains else []

    def greeks(self, symbol: str) -> Greeks | None:
        return self.chains.greeks(symbol) if self.chains else None


def build_market(config: ExchangeConfig) -> JointMarket:
    """The market that a config asks for: coins if any are named, options unless they are switched off.

    Raises:
        DataError: a symbol without prices, or a day without data.
        ConfigError: no stock is named.
    """
    recording = load(config.recording, config.seed) if config.recording else None
    named = config.symbols or (recording.symbols if recording else SYMBOLS)
    stocks = ReplayMarket(
        first=config.day,
        days=config.days,
        symbols=[each for each in named if "/" not in each],
        seed=config.seed,
        step_seconds=config.step_seconds,
        history_days=config.history_days,
        halts=config.halts,
        tapes=recording.tape if recording else tape,
        paths=recording.path if recording else None,
        late=config.late_bars,
    )
    pairs = [each for each in named if "/" in each]
    coins = _coins(config, stocks, pairs) if pairs else None
    chains = Chains(stocks, seed=config.seed, splits=_splits(config)) if config.options else None
    return JointMarket(stocks, coins, chains)


def _splits(config: ExchangeConfig) -> Iterator[Split]:
    """Those that are written in the terms; the data has its own."""
    for each in config.venue.account.actions:
        if each.kind == "split":
            yield Split(each.symbol, each.ex_date, each.old_rate, each.new_rate)


def _coins(config: ExchangeConfig, stocks: ReplayMarket, pairs: Sequence[str]) -> CoinMarket:
    """Coins trade from the moment the exchange starts until the after-hours of the last day are over."""
    first, last = stocks.sessions[0], sessions.day(stocks.sessions[-1].date)
    return CoinMarket(
        pairs,
        start=first.open_ns - config.lead_seconds * SECOND,
        end=last.post_close if last else stocks.sessions[-1].close_ns,
        seed=config.seed,
        step_seconds=config.step_seconds,
    )
