"""Stored quotes and prints beside the bars: what orders meet, what strategies see, and how much of it is in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.types import Bar, Quote, Trade
from puna.engine.strategy import Strategy
from puna.research.backtest.data import stored
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.history.series import Row, Series
from puna.research.history.store import Store, about
from puna.research.report.run_report import report

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


def test_the_report_knows_the_feed_of_each_symbol(store: Store) -> None:
    """Stocks of iex beside options of opra: each row has its own, and the thin volume is distrusted."""
    contract = Series("bars", "AAPL240315C00100000", "1Min", "opra")
    keep(store, BARS, bars(FLAT, FLAT, FLAT))
    keep(store, contract, [("AAPL240315C00100000", *row[1:]) for row in bars(FLAT, FLAT, FLAT)])
    result = run_backtest([Script({0: lambda s: s.buy("AAPL", 1)})], stored(store, [BARS, contract]), fees=None)
    assert {row.symbol: row.feed for row in result.record.data} == {"AAPL": "iex", "AAPL240315C00100000": "opra"}
    assert any("IEX" in doubt.short + doubt.text for doubt in report(result.record).distrust)


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
    assert sum(len(column) for column in held) == 5 * 1000


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


class Listener(Script):
    """Hears quotes and prints too, and does something at given quotes."""

    name = "listener"

    def __init__(self, at_quotes: Mapping[int, Callable[["Listener"], Any]], at_bars: Mapping[int, Any] = {}) -> None:
        super().__init__(at_bars)
        self.at_quotes = at_quotes
        self.told: list[tuple[str, int, float]] = []

    def on_bar(self, bar: Bar) -> None:
        self.told.append(("bar", self.now - OPEN, bar.close))
        super().on_bar(bar)

    def on_quote(self, quote: Quote) -> None:
        assert quote.ts_event <= self.now
        count = sum(kind == "quote" for kind, _, _ in self.told)
        self.told.append(("quote", quote.ts_event - OPEN, quote.ask))
        if deed := self.at_quotes.get(count):
            deed(self)

    def on_trade(self, trade: Trade) -> None:
        self.told.append(("print", trade.ts_event - OPEN, trade.price))


def listen(store: Store, *deeds: Mapping[int, Any], fills: str = "optimistic") -> tuple[Listener, BacktestResult]:
    listener = Listener(*deeds)
    return listener, run_backtest([listener], stored(store, [BARS]), fills=fills, fees=None)


def test_who_listens_hears_every_quote_and_print_at_its_time_and_bars_between_them(store: Store) -> None:
    """In the order in which they came, each once, none before its time, and nothing that stands for nobody."""
    keep(store, BARS, bars(FLAT, FLAT))
    told = {5: (99.0, 101.0), 20: (99.5, 100.5), 30: (101.0, 99.0), 70: (99.9, 100.1)}
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes({OPEN + at * SECOND: sides for at, sides in told.items()}))
    keep(store, Series("trades", "AAPL", "", "iex"), prints({OPEN + at * SECOND: 100.0 for at in (10, 110)}))
    listener, result = listen(store, {})
    assert [(kind, round(at / SECOND, 3), price) for kind, at, price in listener.told] == [
        ("quote", 5, 101.0), ("print", 10, 100.0), ("quote", 20, 100.5), ("bar", 60, 100.0),
        ("quote", 70, 100.1), ("print", 110, 100.0), ("bar", 120, 100.0),
    ]  # fmt: skip
    assert any("every stored quote" in each for each in result.differences)


def test_what_is_decided_on_a_quote_meets_the_next_one(store: Store) -> None:
    """Bought on the first quote, paid at the second's ask, inside of the same bar; a limit waits for its price."""
    keep(store, BARS, bars(FLAT, FLAT))
    told = {5: (99.0, 101.0), 20: (99.5, 100.5), 40: (98.0, 98.5), 70: (99.9, 100.1)}
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes({OPEN + at * SECOND: sides for at, sides in told.items()}))
    deeds = {0: lambda s: (s.buy("AAPL", 1), s.buy("AAPL", 2, limit="99"))}
    _, result = listen(store, deeds)
    assert [(row.qty, float(row.price), (row.ts - OPEN) // SECOND) for row in result.record.fills] == [
        (Decimal(1), 100.5, 20), (Decimal(2), 98.5, 40)
    ]  # fmt: skip
    assert result.record.books is not None
    assert result.record.books.equal


def test_a_stop_is_elected_by_a_print_and_filled_at_the_quote(store: Store) -> None:
    """A print at 97.90 elects the stop at 98; what was bid then is what it brings. The bar's own way is not gone."""
    keep(store, BARS, bars(FLAT, FLAT, (100.0, 100.0, 95.0, 97.0), FLAT))
    told = {5: (99.9, 100.1), 65: (99.9, 100.1), 125: (97.8, 98.0), 150: (96.0, 96.5), 185: (97.0, 97.2)}
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes({OPEN + at * SECOND: sides for at, sides in told.items()}))
    keep(store, Series("trades", "AAPL", "", "iex"), prints({OPEN + 130 * SECOND: 97.9}))
    _, result = listen(store, {0: lambda s: s.buy("AAPL", 10)}, {1: lambda s: s.sell("AAPL", 10, stop="98")})
    assert [(float(row.price), (row.ts - OPEN) // SECOND) for row in result.record.fills] == [(100.1, 65), (97.8, 130)]


def test_days_without_quotes_are_played_by_bars_for_listeners_too(store: Store) -> None:
    """On the day that has none, an order meets the next open."""
    second = sessions.trading_days(DAYS[1], DAYS[1])[0].open
    keep(store, BARS, [*bars(FLAT, FLAT), *bars(FLAT, FLAT, FLAT, begin=second)])
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes({OPEN + SECOND: (99.0, 101.0)}))
    listener, result = listen(store, {}, {2: lambda s: s.buy("AAPL", 1)})
    assert [kind for kind, _, _ in listener.told] == ["quote", "bar", "bar", *["quote", "bar"] * 3]
    assert [float(row.price) for row in result.record.fills] == [100.0]


@settings(max_examples=20, deadline=None)
@given(
    told=st.lists(
        st.tuples(st.integers(0, 170), st.integers(9000, 9900), st.integers(1, 300)), min_size=2, max_size=25
    ),
    wishes=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["buy", "sell", "limit"])), max_size=8),
    fills=st.sampled_from(["optimistic", "realistic", "pessimistic"]),
)
def test_every_fill_is_at_a_quote_that_came_after_its_order(
    tmp_path_factory: pytest.TempPathFactory,
    told: list[tuple[int, int, int]],
    wishes: list[tuple[int, str]],
    fills: str,
) -> None:
    """At its ask or its bid, of a later one than the decision saw; and the books are the venue's."""
    store = Store(tmp_path_factory.mktemp("store"))
    sides = {OPEN + at * SECOND: (bid / 100, (bid + width) / 100) for at, bid, width in sorted(told)}
    keep(store, BARS, bars(*[(100.0, 101.0, 90.0, 95.0)] * 3))
    keep(store, Series("quotes", "AAPL", "", "iex"), quotes(sides))
    ways: dict[str, Callable[[Listener], Any]] = {
        "buy": lambda s: s.buy("AAPL", 1),
        "sell": lambda s: s.sell("AAPL", s.position("AAPL")) if s.position("AAPL") > 0 else None,
        "limit": lambda s: s.buy("AAPL", 1, limit="95"),
    }
    _, result = listen(store, {at: ways[way] for at, way in wishes}, fills=fills)
    record = result.record
    assert record.books is not None
    assert record.books.equal
    decided = {order.client_order_id: order.ts_decision for order in record.orders}
    for row in record.fills:
        last = max(ts for ts in sides if ts <= row.ts)
        assert last > decided[row.cid]
        if fills == "optimistic":
            assert float(row.price) == sides[last][row.side == "buy"]
