"""The loop over bars: what goes by without a stop is the same as if it had stopped everywhere."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from puna.core import sessions
from puna.core.types import Bar, Fill
from puna.engine.strategy import Strategy
from puna.exchange.commands import Submit
from puna.exchange.data import Split
from puna.exchange.fees import FeeSchedule
from puna.exchange.log import EventLog
from puna.exchange.venue import Venue
from puna.research.backtest.data import History, history_of
from puna.research.backtest.fills import OPTIMISTIC
from puna.research.backtest.frames import Frames, Places
from puna.research.backtest.market import BarMarket, Glass
from puna.research.backtest.quiet import QuietVenue
from puna.research.backtest.run import run_backtest, venue_options
from puna.seams import SeededIds, seeded_rng
from puna.wire.trading import OrderRequest

MINUTE = 60_000_000_000
FIRST = date(2024, 3, 4)


def walk(symbols: Sequence[str], days: int, *, step: int = 5, splits: Sequence[Split] = ()) -> History:
    """Seeded minutes of core sessions, one in `step`; every symbol leaves some of its own out."""
    bars = {}
    for at, symbol in enumerate(symbols):
        rng = np.random.default_rng(at)
        spans = sessions.trading_days(FIRST, FIRST + timedelta(days=days))
        times = np.concatenate([np.arange(each.open, each.close, step * MINUTE) for each in spans])
        times = times[rng.random(len(times)) < 0.9]
        close = np.round(100 + np.cumsum(rng.normal(0, 0.05, len(times))), 2)
        open_ = np.r_[100.0, close[:-1]]
        sides = {"high": np.maximum(open_, close), "low": np.minimum(open_, close)}
        bars[symbol] = {"time": times, "open": open_, "close": close, "volume": np.full(len(times), 1e6), **sides}
    return history_of("1Min", bars, splits=splits)


class Breaks(Strategy):
    """Buys with its first bar, and breaks when that is filled."""

    symbols = ("AAPL",)
    name = "breaks"

    def __init__(self) -> None:
        self.heard = 0

    def on_bar(self, bar: Bar) -> None:
        self.heard += 1
        if self.heard == 1:
            self.buy(bar.symbol, 1)

    def on_fill(self, fill: Fill) -> None:
        raise RuntimeError(fill.client_order_id)


class Watcher(Strategy):
    """Notes with each bar the last closes of all symbols; may keep an order open all the time."""

    symbols: Sequence[str] = ("A", "B", "C")
    name = "watcher"

    def __init__(self, *, waits: bool) -> None:
        self.waits = waits
        self.known: list[tuple[str, ...]] = []

    def on_bar(self, bar: Bar) -> None:
        if self.waits and not self.known:
            self.buy("A", 1, limit="60.00", tif="gtc")
        bars = (self.history(symbol) for symbol in self.symbols)
        self.known.append((bar.symbol, *(repr(each[-1:]) for each in bars)))


def test_a_strategy_that_broke_outside_of_on_bar_hears_no_more_bars() -> None:
    """Also where bars are told without a stop; another one on the same symbol hears them all."""

    class Other(Watcher):
        symbols = ("AAPL",)
        name = "other"

    alone, beside, other = Breaks(), Breaks(), Other(waits=False)
    history = walk(["AAPL"], 2)
    run_backtest([alone], history)
    run_backtest([beside, other], history)
    assert alone.heard == beside.heard < 5
    assert len(other.known) == history.rows


def test_what_is_known_at_an_instant_is_known_to_all() -> None:
    """What a strategy sees of other symbols does not hang on whether somebody has an order, which stops the loop."""
    free, waiting = Watcher(waits=False), Watcher(waits=True)
    for each in (free, waiting):
        run_backtest([each], walk(each.symbols, 3))
    assert free.known == waiting.known


@given(minutes=st.lists(st.integers(0, 14_000), min_size=1, max_size=12), has_split=st.booleans())
@example(minutes=[10, 20, 700, 7300], has_split=False)  # fees after the close, then days without a trace
@example(minutes=[10, 20, 7300], has_split=False)
@example(minutes=[1440], has_split=False)  # the market's only step is of a day before
@settings(max_examples=25)
def test_days_without_a_trace_leave_none(minutes: list[int], has_split: bool) -> None:
    """A venue that leaves idle days out shows what one shows that lives through each: account, orders, books."""
    history = walk(["AAPL"], 11, splits=[Split("AAPL", date(2024, 3, 11), 1, 2)] if has_split else [])
    options = venue_options(history, cash=Decimal(100_000), fees=FeeSchedule())
    glass, start = Glass("AAPL", OPTIMISTIC, sized=False), history.span[0]
    shown = []
    for kind in (Venue, QuietVenue):
        market = BarMarket(history)
        venue = kind(market, ids=SeededIds(seeded_rng("ids")), options=options, log=EventLog())
        market.put(glass.step(start, 100.0, 100.0, 100.0, 0.0))  # without a price there is nothing to buy at
        seen: list[object] = []
        for at, minute in enumerate(sorted(set(minutes))):
            now = start + minute * MINUTE
            venue.advance(now)
            if at % 3 < 2:
                side, price = ("buy", "sell")[at % 3], 100.0 + minute % 7
                request = OrderRequest(
                    symbol="AAPL", qty=Decimal(10), side=side, type="market", time_in_force="day",
                    client_order_id=f"o-{at}",
                )  # fmt: skip
                seen.append(venue.handle(Submit(request), now)[0])
                market.put(glass.step(now + 2, price, price, price, 1e6))
                venue.advance(now + 2)
            seen += [asdict(venue.account(now)), venue.orders(status="all"), venue.positions(), venue.ledger.changes[:]]
        venue.advance(history.span[1])
        shown.append([*seen, asdict(venue.account(history.span[1]))])
    assert shown[0] == shown[1]


def test_frames_tell_every_bar_once_in_order() -> None:
    """By the time at which it is known, then by symbol; the last of each instant is marked."""
    history = walk(["B", "A", "C"], 2)
    frames = Frames(history)
    told = [(bar is bars[-1], bar) for bars in frames.left for bar in bars]
    keys = [(bar.ts_init, bar.symbol) for _, bar in told]
    assert keys == sorted(keys)
    assert sorted(bar.symbol for _, bar in told) == sorted(s for s in history.order for _ in history.columns[s].begin)
    after = [*keys[1:], (0, "")]
    assert [last for last, _ in told] == [here[0] != then[0] for here, then in zip(keys, after, strict=True)]


@given(st.integers(-5, 800))
def test_places_are_the_last_rows_known(minute: int) -> None:
    """As counting says."""
    history = walk(["A", "B"], 1)
    places = Places(history.columns)
    places.time = history.span[0] + minute * MINUTE
    for symbol, columns in history.columns.items():
        assert places[symbol] == int((columns.known <= places.time).sum()) - 1
    assert places.get("Z") == -1
