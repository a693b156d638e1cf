"""Stored quotes and prints beside the bars: what orders meet, what strategies see, and how much of it is in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.types import Bar
from puna.engine.strategy import Strategy
from puna.research.backtest.data import stored
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.history.series import Row, Series
from puna.research.history.store import Store, about

DAYS = (date(2024, 3, 5), date(2024, 3, 6))
OPEN = sessions.trading_days(DAYS[0], DAYS[0])[0].open
SECOND, MINUTE = 1_000_000_000, 60_000_000_000
BARS = Series("bars", "AAPL", "1Min", "iex")


def keep(store: Store, series: Series, rows: Sequence[Row], on: date = DAYS[0]) -> None:
    """Puts the file of a period there, as a download does."""
    period = series.period(on)
    draft = store.draft(series, period)
    draft.add(rows)
    draft.finish(about(series, period.first, period.last, 0))


def bars(*rows: tuple[float, float, float, float], begin: int = OPEN) -> list[Row]:
    return [("AAPL", begin + at * MINUTE, *row, 1e6, 0.0, 10) for at, row in enumerate(rows)]


def quotes(told: Mapping[int, tuple[float, float]]) -> list[Row]:
    return [("AAPL", ts, bid, 100.0, ask, 100.0, "V", "V", ["R"], "C") for ts, (bid, ask) in told.items()]


def prints(told: Mapping[int, float]) -> list[Row]:
    return [("AAPL", ts, price, 100.0, "1", "V", ["@"], "C", None, None) for ts, price in told.items()]


class Script(Strategy):
    """Does something at given bars: number -> what; keeps what it is quoted."""

    symbols = ("AAPL",)
    name = "script"

    def __init__(self, deeds: Mapping[int, Callable[["Script"], Any]]) -> None:
        self.deeds = deeds
        self.bars = 0
        self.quoted: list[tuple[float, float]] = []

    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        quote = self.quote("AAPL")
        assert quote is not None
        self.quoted.append((quote.bid, quote.ask))
        if deed := self.deeds.get(self.bars - 1):
            deed(self)


def play(
    store: Store, deeds: Mapping[int, Callable[[Script], Any]], fills: str = "realistic"
) -> tuple[Script, BacktestResult]:
    script = Script(deeds)
    return script, run_backtest([script], stored(store, [BARS]), fills=fills, fees=None)


FLAT = (100.0, 100.0, 100.0, 100.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize("fills", ["optimistic", "realistic", "pessimistic"])
def test_a_market_order_meets_the_quote_that_stood_at_its_moment(store: Store, fills: str) -> None:
    """Not a guess of any model: bought at the ask, sold at the bid, of the last quote before the order."""
    keep(store, BARS, bars(*[FLAT] * 5))
    told = {
        OPEN: (99.0, 101.0),
        OPEN + MINUTE: (99.9, 100.2),
        OPEN + MINUTE + 1: (1.0, 500.0),
        OPEN + 150 * SECOND: (99.7, 99.8),
    }
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes(told))
    script, result = play(store, {0: lambda s: s.buy("AAPL", 10), 2: lambda s: s.sell("AAPL", 10)}, fills)
    assert [float(row.price) for row in result.record.fills] == [100.2, 99.7]
    assert script.quoted == [(99.9, 100.2), (1.0, 500.0), (99.7, 99.8), (99.7, 99.8), (99.7, 99.8)]
    assert result.record.books is not None
    assert result.record.books.equal
    assert any("AAPL 1 days" in each for each in result.differences)


def test_without_a_quote_before_it_an_order_meets_the_model(store: Store) -> None:
    """The first quote of the day comes later, those before are crossed, one-sided or no numbers: nothing stands."""
    keep(store, BARS, bars(*[FLAT] * 4))
    told = {
        OPEN: (101.0, 99.0),
        OPEN + 1: (0.0, 100.0),
        OPEN + 2: (float("nan"), 100.0),
        OPEN + 150 * SECOND: (90.0, 110.0),
    }
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes(told))
    _, result = play(store, {0: lambda s: s.buy("AAPL", 10)})
    assert [float(row.price) for row in result.record.fills] == [pytest.approx(100.01, abs=0.011)]


def test_a_stop_inside_of_a_bar_meets_the_spread_of_its_moment(store: Store) -> None:
    """The path falls through the stop at 98; the quotes then stood 30 cents apart, so it is sold 15 cents below."""
    keep(store, BARS, bars(FLAT, FLAT, (100.0, 100.0, 96.0, 97.0), FLAT))
    told = {OPEN: (99.99, 100.01), OPEN + 121 * SECOND: (97.85, 98.15)}
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes(told))
    deeds = {0: lambda s: s.buy("AAPL", 10), 1: lambda s: s.sell("AAPL", 10, stop="98")}
    _, result = play(store, deeds, "optimistic")
    assert [float(row.price) for row in result.record.fills] == [100.01, 97.85]


@pytest.mark.parametrize(("first", "end"), [("high", 103.0), ("low", 97.0)])
def test_stored_prints_say_which_exit_of_a_bracket_was_first(store: Store, first: str, end: float) -> None:
    """A bar reaches both exits: the prints decide, whatever the model would like, and the fill is at their moment."""
    wide = (100.0, 104.0, 96.0, 100.0)
    keep(store, BARS, bars(FLAT, FLAT, wide, FLAT))
    extremes = (104.0, 96.0) if first == "high" else (96.0, 104.0)
    begin = OPEN + 2 * MINUTE
    told = {begin: 100.0, begin + 7 * SECOND: extremes[0], begin + 50 * SECOND: extremes[1], begin + 59 * SECOND: 100.0}
    keep(store, Series("trades", "AAPL", "", "iex"), prints(told))
    deeds = {0: lambda s: s.buy("AAPL", 10, take_profit="103", stop_loss="97")}
    for fills in ("optimistic", "pessimistic"):
        _, result = play(store, deeds, fills)
        assert abs(float(result.record.fills[1].price) - end) < 2.5
        assert (float(result.record.fills[1].price) > 100) is (first == "high")
        assert result.record.fills[1].ts // SECOND == (begin + 7 * SECOND) // SECOND


def test_days_without_quotes_are_guessed_and_the_next_day_s_are_not_yesterday_s(store: Store) -> None:
    """Of two days one has quotes; on the other the model's spread is met, and yesterday's last quote is forgotten."""
    second = sessions.trading_days(DAYS[1], DAYS[1])[0].open
    keep(store, BARS, [*bars(FLAT, FLAT, FLAT), *bars(FLAT, FLAT, FLAT, begin=second)])
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes({OPEN: (95.0, 105.0)}))
    _, result = play(store, {0: lambda s: s.buy("AAPL", 1), 3: lambda s: s.buy("AAPL", 1)}, "optimistic")
    assert [float(row.price) for row in result.record.fills] == [105.0, 100.0]


def test_one_day_is_in_memory_at_a_time(store: Store) -> None:
    """However many days are stored, the arrays of one are held."""
    series = Series("quotes", "AAPL", "", "iex")
    rows = []
    for day in sessions.trading_days(date(2024, 3, 4), date(2024, 3, 15)):
        rows += bars(FLAT, FLAT, begin=day.open)
        keep(store, series, quotes({day.open + at: (99.0, 101.0) for at in range(1000)}), day.date)
    keep(store, BARS, rows)
    history = stored(store, [BARS])
    run_backtest([Script({0: lambda s: s.buy("AAPL", 1)})], history, fees=None)
    tape = history.tapes["AAPL"]
    assert tape.quotes == 10
    held = tape._quotes._rows  # type: ignore[union-attr]
    assert held is not None
    assert sum(len(column) for column in held) == 3 * 1000


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(1, 200), st.floats(0, 5)), min_size=1, max_size=30),
    st.lists(st.integers(-10, 320), min_size=1, max_size=20),
)
def test_the_quote_that_stood_is_the_last_one_before(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, float, float]], asked: list[int]
) -> None:
    """As a plain search through all of them says, for any moments in any order."""
    store = Store(tmp_path_factory.mktemp("store"))
    rows = sorted({OPEN + at * SECOND: (bid, bid + width) for at, bid, width in told}.items())
    keep(store, BARS, bars(FLAT))
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes(dict(rows)))
    tape = stored(store, [BARS]).tapes["AAPL"]
    for at in asked:
        before = [sides for ts, sides in rows if ts <= OPEN + at * SECOND]
        assert tape.stood(OPEN + at * SECOND) == (before[-1] if before else None)
