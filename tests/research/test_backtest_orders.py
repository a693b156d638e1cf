"""What orders meet in a backtest: the market after their cause, at prices that the bars allow, and no others."""

from collections.abc import Callable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.types import Bar, Fill
from puna.engine.strategy import Strategy
from puna.errors import ConfigError, DataError
from puna.exchange.fees import FeeSchedule
from puna.research.backtest.data import Dividend, History, bundled_days, bundled_minutes, history_of
from puna.research.backtest.run import BacktestResult, run_backtest, run_backtests

DAY = date(2024, 3, 5)
OPEN = sessions.trading_days(DAY, DAY)[0].open
MINUTE = 60_000_000_000
FREE: dict[str, Any] = {"fees": None, "limits": RiskLimits(allow_short=True)}

Row = tuple[float, float, float, float]


def minutes_of(*rows: Row, volume: float = 1_000_000, symbol: str = "AAPL") -> History:
    """Minutes from the open of a day on: open, high, low, close."""
    prices = np.array(rows, dtype=float)
    named = dict(zip(("open", "high", "low", "close"), prices.T, strict=True))
    times = [OPEN + at * MINUTE for at in range(len(rows))]
    return history_of("1Min", {symbol: {"time": times, "volume": [volume] * len(rows), **named}})


class Script(Strategy):
    """Does something at given bars: number -> what."""

    symbols: Sequence[str] = ("AAPL",)
    name = "script"

    def __init__(self, deeds: dict[int, Callable[["Script"], Any]]) -> None:
        self.deeds = deeds
        self.bars: list[Bar] = []
        self.fills: list[Fill] = []

    def on_bar(self, bar: Bar) -> None:
        self.bars.append(bar)
        if deed := self.deeds.get(len(self.bars) - 1):
            deed(self)

    def on_fill(self, fill: Fill) -> None:
        self.fills.append(fill)


def play(history: History, deeds: dict[int, Callable[[Script], Any]], **wanted: Any) -> tuple[Script, BacktestResult]:
    script = Script(deeds)
    return script, run_backtest([script], history, **{**FREE, "fills": "optimistic", **wanted})


def paid(result: BacktestResult) -> list[tuple[str, float, float]]:
    return [(row.side, float(row.qty), float(row.price)) for row in result.record.fills]


RISE = [(100.0 + at, 100.9 + at, 99.9 + at, 100.5 + at) for at in range(6)]


def test_a_market_order_fills_at_the_next_open() -> None:
    """What is bought at a bar's end is paid at the open of the following one, not at the close that was seen."""
    _, result = play(minutes_of(*RISE), {1: lambda s: s.buy("AAPL", 10)})
    assert paid(result) == [("buy", 10, 102.0)]
    assert result.record.fills[0].ts > OPEN + 2 * MINUTE


def test_the_last_bar_fills_nothing() -> None:
    """An order of the last bar has no market to meet; it ends unfilled."""
    _, result = play(minutes_of(*RISE), {5: lambda s: s.buy("AAPL", 10)})
    assert paid(result) == []
    assert result.record.orders[0].status in ("canceled", "expired")


def test_a_limit_fills_at_its_price_and_at_a_better_open() -> None:
    """Inside of a bar a limit fills at its own price; where the bar opens beyond it, at the open."""
    flat, dip, gap = (100.0, 100.2, 99.8, 100.0), (100.0, 100.1, 98.5, 99.0), (97.0, 97.5, 96.5, 97.0)
    _, inside = play(minutes_of(flat, flat, dip, flat), {0: lambda s: s.buy("AAPL", 10, limit="99")})
    _, beyond = play(minutes_of(flat, flat, gap, flat), {0: lambda s: s.buy("AAPL", 10, limit="99")})
    assert paid(inside) == [("buy", 10, 99.0)]
    assert paid(beyond) == [("buy", 10, 97.0)]


def test_a_touch_fills_only_for_the_optimist() -> None:
    """A limit at a bar's very low fills in the optimistic model; the others want the price to go through it."""
    flat, touch = (100.0, 100.2, 99.8, 100.0), (100.0, 100.1, 99.0, 99.5)
    counts = {}
    for name in ("optimistic", "realistic", "pessimistic"):
        _, result = play(minutes_of(flat, flat, touch, flat), {0: lambda s: s.buy("AAPL", 10, limit="99")}, fills=name)
        counts[name] = len(paid(result))
    assert counts == {"optimistic": 1, "realistic": 0, "pessimistic": 0}


def test_a_stop_fills_where_the_path_crosses_it_and_at_the_open_of_a_gap() -> None:
    """A sell stop inside a bar's range fills at the stop, not at the low; below a gap it fills at the open."""
    flat, fall, gap = (100.0, 100.2, 99.8, 100.0), (100.0, 100.1, 95.0, 96.0), (94.0, 94.5, 93.0, 94.0)
    deeds = {0: lambda s: s.buy("AAPL", 10), 1: lambda s: s.sell("AAPL", 10, stop="98")}
    _, inside = play(minutes_of(flat, flat, fall, flat), deeds)
    _, below = play(minutes_of(flat, flat, gap, flat), deeds)
    assert paid(inside)[1] == ("sell", 10, 98.0)
    assert paid(below)[1] == ("sell", 10, 94.0)


def test_a_bracket_ends_once() -> None:
    """Where a bar reaches profit and stop, the models differ about which was first, and never fill both."""
    flat, wide = (100.0, 100.2, 99.8, 100.0), (100.0, 104.0, 96.0, 100.0)
    deeds = {0: lambda s: s.buy("AAPL", 10, take_profit="103", stop_loss="97")}
    ends = {}
    for name in ("optimistic", "pessimistic"):
        _, result = play(minutes_of(flat, flat, wide, flat, flat), deeds, fills=name)
        assert len(paid(result)) == 2
        ends[name] = paid(result)[1][2]
    assert ends["optimistic"] == 103.0
    assert ends["pessimistic"] < 97.0


def test_a_trailing_stop_follows_and_sells() -> None:
    """A trail of 2 dollars under a price that rises to 110 and falls sells at 108."""
    rows = [(100.0, 100.0, 100.0, 100.0)] * 2 + [(100.0, 110.0, 100.0, 110.0), (110.0, 110.0, 105.0, 105.0)]
    deeds = {0: lambda s: s.buy("AAPL", 10), 1: lambda s: s.sell("AAPL", 10, trail="2")}
    _, result = play(minutes_of(*rows), deeds)
    assert paid(result)[1] == ("sell", 10, 108.0)


def test_a_large_order_fills_in_parts() -> None:
    """No more than a tenth of a bar's volume is ours in the realistic model: the rest waits for the next bars."""
    flat = (100.0, 100.0, 100.0, 100.0)
    _, result = play(minutes_of(*[flat] * 6, volume=1000), {0: lambda s: s.buy("AAPL", 250)}, fills="realistic")
    assert [qty for _, qty, _ in paid(result)] == [100, 100, 50]


def test_fractions_notionals_and_shorts() -> None:
    """Parts of shares, money instead of shares, and what is not owned: all through the venue's own rules."""
    flat = (100.0, 100.0, 100.0, 100.0)
    _, result = play(
        minutes_of(*[flat] * 6),
        {
            0: lambda s: s.buy("AAPL", "0.5"),
            1: lambda s: s.buy("AAPL", notional=250),
            2: lambda s: s.sell("AAPL", 3),
            3: lambda s: s.sell("AAPL", 5),
        },
    )
    assert [(side, qty) for side, qty, _ in paid(result)] == [("buy", 0.5), ("buy", 2.5), ("sell", 3), ("sell", 5)]


def test_an_order_in_on_fill_meets_what_comes_after_the_fill() -> None:
    """What a strategy orders when it hears of a fill inside of a bar is decided, checked and filled after it."""

    class Chain(Script):
        def on_fill(self, fill: Fill) -> None:
            super().on_fill(fill)
            if len(self.fills) == 1:
                self.sell("AAPL", 10, limit="101")

    flat, wide = (100.0, 100.2, 99.8, 100.0), (100.0, 102.0, 99.0, 100.0)
    chain = Chain({0: lambda s: s.buy("AAPL", 10)})
    result = run_backtest([chain], minutes_of(flat, wide, flat), **FREE, fills="optimistic")
    assert paid(result) == [("buy", 10, 100.0), ("sell", 10, 101.0)]
    assert result.record.fills[0].ts < result.record.fills[1].ts < OPEN + 2 * MINUTE


def test_immediate_or_cancel_meets_the_open() -> None:
    """An order that must fill at once meets the next bar's open, and what is not filled there ends."""
    flat = (100.0, 100.0, 100.0, 100.0)
    _, result = play(
        minutes_of(*[flat] * 4, volume=1000),
        {0: lambda s: s.buy("AAPL", 250, limit="101", tif="ioc")},
        fills="realistic",
    )
    assert [qty for _, qty, _ in paid(result)] == [100]
    assert result.record.orders[0].status == "canceled"


def test_a_split_keeps_the_worth_of_what_is_held() -> None:
    """Raw prices fall to a half on the day of a 2:1 split; shares become twice as many, equity stays."""
    history = bundled_days(["AAPL"], date(2005, 2, 22), date(2005, 3, 4))

    class Hold(Strategy):
        symbols, timeframe, name = ("AAPL",), "1Day", "hold"

        def on_start(self) -> None:
            self.bought = False

        def on_bar(self, bar: Bar) -> None:
            if not self.bought:
                self.bought = bool(self.buy("AAPL", 10))

    result = run_backtest([Hold()], history, fees=None)
    assert [float(row.qty) for row in result.record.positions] == [20]
    moves = np.abs(np.diff(result.equity)) / result.equity[1:]
    assert moves.max() < 0.01


def test_daily_bars_are_told_at_the_close_and_filled_at_the_next_open() -> None:
    """A decision on a day's close is executed at the next day's open."""
    history = bundled_days(["MSFT"], date(2012, 3, 5), date(2012, 3, 9))

    class Once(Strategy):
        symbols, timeframe, name = ("MSFT",), "1Day", "once"

        def on_start(self) -> None:
            self.when = list[int]()

        def on_bar(self, bar: Bar) -> None:
            self.when.append(self.now)
            if len(self.when) == 1:
                self.buy("MSFT", 10)

    once = Once()
    result = run_backtest([once], history, fees=None, fills="optimistic")
    days = sessions.trading_days(date(2012, 3, 5), date(2012, 3, 9))
    assert once.when == [day.close for day in days]
    assert paid(result) == [("buy", 10, float(history.columns["MSFT"].open[1]))]
    assert result.record.fills[0].ts // MINUTE == days[1].open // MINUTE


def days_of(count: int, **wanted: Any) -> History:
    """Flat days at 100 dollars."""
    days = sessions.trading_days(date(2024, 3, 4), date(2024, 4, 30))[:count]
    times = [sessions.at(day.date, time()) for day in days]
    flat = {name: [100.0] * count for name in ("open", "high", "low", "close")}
    return history_of("1Day", {"AAPL": {"time": times, "volume": [1e6] * count, **flat}}, **wanted)


class Days(Script):
    """The same on days."""

    timeframe = "1Day"


def test_a_dividend_is_paid_to_who_holds_on_the_ex_date() -> None:
    """A hundred shares bought two days before receive 0.75 a share; bought on the ex-date they receive nothing."""
    paid_out = [Dividend("AAPL", date(2024, 3, 7), 0.75)]
    history = days_of(8, dividends=paid_out)
    early = run_backtest([Days({0: lambda s: s.buy("AAPL", 100)})], history, **FREE, fills="optimistic")
    late = run_backtest([Days({2: lambda s: s.buy("AAPL", 100)})], history, **FREE, fills="optimistic")
    assert early.equity[-1] - early.equity[0] == pytest.approx(75.0)
    assert late.equity[-1] == late.equity[0]
    assert [(row.kind, row.cash) for row in early.record.actions] == [("dividend", Decimal(75))]


def test_a_debit_costs_interest() -> None:
    """Three days' margin on twice the account: what is owed is charged nightly, a 360th part of 6.25 % a day."""
    history = days_of(4)
    wide = RiskLimits(
        max_order_value=Decimal(10**7), max_order_percent=Decimal(1000), max_position_value=Decimal(10**7),
        max_position_percent=Decimal(1000), max_gross_percent=Decimal(1000), max_net_value=Decimal(10**7),
        max_net_percent=Decimal(1000), max_open_percent=Decimal(1000),
    )  # fmt: skip
    result = run_backtest([Days({0: lambda s: s.buy("AAPL", 1500)})], history, limits=wide, fills="optimistic")
    owed = 50_000 * 0.0625 / 360
    interest = [float(row.cash) for row in result.record.actions if row.kind == "interest"]
    assert interest[0] == pytest.approx(-owed, abs=0.01)
    assert result.record.books is not None
    assert result.record.books.equal


def test_coins_trade_at_all_hours() -> None:
    """Bars of a pair on a weekend are told, and orders fill."""
    saturday = 1_709_337_600_000_000_000
    times = [saturday + at * MINUTE for at in range(6)]
    flat = {name: [50_000.0] * 6 for name in ("open", "high", "low", "close")}
    history = history_of("1Min", {"BTC/USD": {"time": times, "volume": [5.0] * 6, **flat}})

    class Coin(Script):
        symbols = ("BTC/USD",)

    coin = Coin({1: lambda s: s.buy("BTC/USD", "0.1", tif="gtc")})
    result = run_backtest([coin], history, fees=None, fills="optimistic")
    assert paid(result) == [("buy", 0.1, 50_000.0)]


def test_the_same_seed_gives_the_same_result_and_models_stand_in_order() -> None:
    """Two runs are equal to the last bit; the optimist never does worse than the pessimist on a simple strategy."""
    history = bundled_minutes(["AAPL", "MSFT"], date(2012, 9, 19), 1)

    class Swing(Strategy):
        symbols, name = ("AAPL", "MSFT"), "swing"

        def on_start(self) -> None:
            self.count = 0

        def on_bar(self, bar: Bar) -> None:
            self.count += 1
            if self.count % 30 < 2:
                self.target(bar.symbol, 0.2 if not self.position(bar.symbol) else 0)

    first = run_backtests(lambda: [Swing()], history, **FREE)
    again = run_backtests(lambda: [Swing()], history, **FREE)
    for name, result in first.items():
        assert (result.equity == again[name].equity).all()
        assert [row.cid for row in result.record.fills] == [row.cid for row in again[name].record.fills]
        assert result.record.fills
    assert first["optimistic"].profit >= first["realistic"].profit >= first["pessimistic"].profit


def test_a_strategy_that_raises_is_stopped_and_the_others_go_on() -> None:
    """Its failure is noted, and the next strategy hears every bar."""

    class Broken(Script):
        name = "broken"

        def on_bar(self, bar: Bar) -> None:
            raise RuntimeError("no")

    script = Script({})
    result = run_backtest([Broken({}), script], minutes_of(*RISE), **FREE)
    assert len(script.bars) == len(RISE)
    assert [note.code for note in result.record.notes] == ["E910"]


def test_what_does_not_fit_is_refused_with_a_code() -> None:
    """Symbols without bars, a timeframe that the bars are not of, columns that are none, days without bars."""
    history = minutes_of(*RISE)

    class Other(Script):
        symbols = ("MSFT",)

    class Long(Script):
        timeframe = "1Day"

    for wrong in (Other({}), Long({})):
        with pytest.raises(ConfigError) as raised:
            run_backtest([wrong], history)
        assert raised.value.code == "E674"
    with pytest.raises(ConfigError) as unknown:
        run_backtest([Script({})], history, fills="magic")
    assert unknown.value.code == "E673"
    with pytest.raises(DataError) as bad:
        minutes_of((100.0, 99.0, 98.0, 100.0))
    assert bad.value.code == "E671"
    with pytest.raises(DataError) as none:
        history.between(date(2025, 1, 2), None)
    assert none.value.code == "E670"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["market", "limit", "stop"]), st.booleans()), max_size=12),
    st.sampled_from(["optimistic", "realistic", "pessimistic"]),
    st.integers(0, 1000),
)
def test_cash_and_positions_are_conserved(wishes: list[tuple[int, str, bool]], model: str, seed: int) -> None:
    """Whatever is ordered: books equal the venue's, equity is cash and holdings at marks, fills lie in their bar."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.003, 42))), 2)
    open_ = np.round(np.r_[100.0, close[:-1]] + rng.normal(0, 0.05, 42), 2)
    high = np.maximum(open_, close) + np.round(rng.random(42) * 0.3, 2)
    low = np.minimum(open_, close) - np.round(rng.random(42) * 0.3, 2)
    history = minutes_of(*zip(open_.tolist(), high.tolist(), low.tolist(), close.tolist(), strict=True), volume=5000)

    def deed(kind: str, buys: bool) -> Callable[[Script], Any]:
        def order(script: Script) -> None:
            price = Decimal(str(round(script.bars[-1].close * (0.999 if buys is (kind == "limit") else 1.001), 2)))
            terms: dict[str, Any] = {} if kind == "market" else {kind: price}
            (script.buy if buys else script.sell)("AAPL", 7, **terms)

        return order

    deeds = {at: deed(kind, buys) for at, kind, buys in wishes}
    _, result = play(history, deeds, fills=model, fees=FeeSchedule())
    record = result.record
    assert record.books is not None
    assert record.books.equal
    held = sum(float(row.qty) for row in record.positions)
    assert result.equity[-1] == pytest.approx(float(record.cash) + held * close[-1], abs=1e-6)
    for row in record.fills:
        at = int((row.ts - OPEN) // MINUTE)
        slack = 0.0 if model == "optimistic" else high[at] - low[at] + 0.3
        assert low[at] - slack - 1e-9 <= float(row.price) <= high[at] + slack + 1e-9


@pytest.mark.parametrize("netting", [True, False])
def test_two_strategies_are_netted_as_they_are_live(netting: bool) -> None:
    """What one sells of what it holds while the other buys is crossed at the quote of the decision; else refused."""
    one = Script({0: lambda s: s.buy("AAPL", 10), 3: lambda s: s.sell("AAPL", 10)})
    two = Script({3: lambda s: s.buy("AAPL", 4)})
    one.name, two.name = "one", "two"
    one.capital = two.capital = Decimal("0.5")
    result = run_backtest([one, two], minutes_of(*RISE), **FREE, fills="optimistic", netting=netting)
    inside = [(row.strategy, row.side, float(row.qty), float(row.price)) for row in result.record.fills if row.internal]
    assert inside == ([("two", "buy", 4, 103.5), ("one", "sell", 4, 103.5)] if netting else [])
    assert [row.refusal_code for row in result.record.orders if row.refusal_code] == ([] if netting else ["R114"])
    assert sum(row.qty for row in result.record.positions) == (4 if netting else 0)
    assert result.record.books is not None
    assert result.record.books.equal
