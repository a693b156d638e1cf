"""Walk-forward by runs of their own: tests begin afresh, hear their warm-up, find an edge only where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest

from puna import Strategy
from puna.core import sessions
from puna.core.types import Bar
from puna.exchange.prices.bars import midnight
from puna.research.backtest.data import History, bundled_days, bundled_minutes, history_of
from puna.research.backtest.run import run_backtest
from puna.research.sweep.axes import Axis, Value, read_axes, typed
from puna.research.sweep.backtests import outcome_of, outcome_within
from puna.research.sweep.cells import Cell, Failure, Outcome, Row, Window
from puna.research.sweep.forward import Folding
from puna.research.sweep.judgement import Judgement, judge
from puna.research.sweep.run import run_cells, sweep
from puna.research.sweep.search import Grid
from puna.research.sweep.store import Store, stored
from puna.research.sweep.windows import cut, fitting, listening
from puna.research.sweep.words import doubts, verdict
from puna.research.sweep.workers import Here

DAYS = [each.date for each in sessions.trading_days(date(2004, 1, 1), date(2005, 3, 31))]


class Follower(Strategy):
    """Long after days that rose, and flat after days that fell; or the other way round."""

    timeframe = "1Day"
    lookback = 1
    follow = True

    def on_start(self) -> None:
        self.closes: dict[str, list[float]] = {}

    def on_bar(self, bar: Bar) -> None:
        closes = self.closes.setdefault(bar.symbol, [])
        closes.append(bar.close)
        if len(closes) > self.lookback:
            rose = closes[-1] > closes[-1 - self.lookback]
            self.target(bar.symbol, 0.1 if rose is self.follow else 0, because="yesterday")


@dataclass(frozen=True)
class Trial:
    """Cells of `Follower` as real backtests, whole and on windows."""

    history: History

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        return outcome_of(run_backtest(self._team(values, self.history), self.history))

    def within(self, values: Mapping[str, Value], window: Window) -> Outcome:
        part = cut(self.history, window)
        team = fitting(self._team(values, self.history), part)
        listening(team, window.after)
        return outcome_within(run_backtest(team, part), window)

    def _team(self, values: Mapping[str, Value], history: History) -> list[Strategy]:
        made = Follower()
        made.symbols, made.timeframe = history.symbols, history.timeframe
        for key, value in values.items():
            setattr(made, key, value)
        return [made]


def days_of(returns: Sequence[float], symbol: str = "AAPL", first: int = 0) -> History:
    """Days that open where the last one closed, so that what is seen at a close can be had."""
    closes = 100 * np.cumprod(1 + np.asarray(returns))
    opens = np.concatenate(([100.0], closes[:-1]))
    bars = {"open": opens, "close": closes, "high": np.maximum(opens, closes), "low": np.minimum(opens, closes)}
    times = [midnight(on) for on in DAYS[first : first + len(closes)]]
    return history_of("1Day", {symbol: {"time": times, "volume": np.full(len(closes), 1e7), **bars}})


def moves(seed: int, edge: float) -> list[float]:
    """Daily moves of which each goes on with `edge` of the last one's direction."""
    chance = np.random.default_rng(seed)
    made = [0.01]
    for shock in chance.normal(0, 0.01, 299):
        made.append(float(shock + edge * np.sign(made[-1])))
    return made


def axes() -> list[Axis]:
    lookback, follow = read_axes(["lookback=1..3", "follow=true,false"])
    return [typed(lookback, "whole"), typed(follow, "flag")]


def walked(history: History, folding: Folding, store: Store) -> Judgement:
    trial = Trial(history)
    with Here(trial) as here:
        rows = sweep(Grid(axes()), here, store)
        return judge(axes(), rows, folding=folding, afresh=lambda cells: run_cells(cells, here, store))


def test_tests_are_runs_of_their_own() -> None:
    """Fold by fold the returns of a plain backtest of the chosen values on those days, stitched in their order."""
    history = days_of(moves(1, 0.004)[:120])
    with stored(None) as store:
        found = walked(history, Folding(3, purge=2, embargo=1), store).forward
    assert found is not None
    assert found.fresh
    joined: list[float] = []
    for stretch in found.stretches:
        first, last = (sessions.date_of(ts) for ts in stretch.test)
        alone = Trial(history.between(first, last))(stretch.values)
        joined += alone.returns
        assert stretch.outside == pytest.approx(alone.metrics["sharpe"])
        assert stretch.gain == pytest.approx(alone.metrics["return"])
        assert stretch.held in (0, pytest.approx(0.1, abs=0.02))
    assert found.returns == pytest.approx(joined)
    assert found.gain == pytest.approx(np.prod(1 + np.array(joined)) - 1)
    assert len(found.ends) == len(set(found.ends)) == len(joined) == 90
    gap = [DAYS.index(sessions.date_of(each.test[0])) for each in found.stretches]
    assert [DAYS.index(sessions.date_of(each.train[1])) for each in found.stretches] == [n - 4 for n in gap]


def test_noise_shows_no_edge_outside_and_an_edge_does() -> None:
    """The best cell looks good on both; the stitched tests tell which of the two it is, and so do the words."""
    with stored(None) as one, stored(None) as other:
        noise, planted = (
            walked(days_of(moves(6, 0.0)), Folding(4), one),
            walked(days_of(moves(6, 0.005)), Folding(4), other),
        )
    assert (noise.peak.score or 0) > 0.5
    assert noise.forward
    assert noise.forward.interval
    assert planted.forward
    assert planted.forward.interval
    assert noise.forward.interval.low < 0
    assert any("walk-forward" in each.lower() for each in doubts(noise))
    assert planted.forward.interval.low > 0
    assert planted.forward.distinct == 1
    assert planted.forward.steady == 1
    assert planted.forward.efficiency == pytest.approx(1, abs=0.5)
    assert (planted.forward.rank or 0) > 0.8
    assert "run afresh on what came after" in verdict(planted)


def test_warm_up_is_heard_and_not_traded() -> None:
    """A cell that remembers three closes trades from the first day on with a warm-up, and else not before the fifth."""
    history = days_of(moves(1, 0.0))
    known = history.columns["AAPL"].known
    whole = Trial(history)({"lookback": 3}).returns
    at = next(n for n in range(50, 200) if whole[n] == 0 and all(whole[n + 1 : n + 4]))  # bought at the open of n + 1

    def returns(heard: int) -> list[float]:
        window = Window(int(known[at - heard]), int(known[at]), int(known[at + 50]), daily=True)
        made = Trial(history).within({"lookback": 3}, window)
        assert made.ends == known[at + 1 : at + 51].tolist()
        return made.returns

    assert returns(0)[:4] == [0, 0, 0, 0]
    assert returns(20) == pytest.approx(whole[at + 1 : at + 51], abs=2e-5)  # the same positions, other cash


def test_a_window_may_be_bars_and_a_symbol_may_be_missing() -> None:
    """Half a day of minutes has the minutes that were asked for; who begins later is left out until it does."""
    minutes = bundled_minutes(["AAPL"], date(2010, 3, 1), 2)
    known = minutes.columns["AAPL"].known
    window = Window(int(known[199]), int(known[199]), int(known[299]), daily=False)
    made = Trial(minutes).within({}, window)
    assert made.ends == known[200:300].tolist()
    assert not made.daily
    early, late = days_of(moves(1, 0.0)), days_of(moves(2, 0.0)[:100], "MSFT", first=200)
    both = replace(early, columns={**early.columns, **late.columns})
    first = int(early.columns["AAPL"].known[99])
    part = cut(both, Window(first, first, int(early.columns["AAPL"].known[149]), daily=True))
    assert part.symbols == ("AAPL",)
    assert len(part.columns["AAPL"]) == 50
    assert len(part.past["AAPL"]) == 100
    assert (
        Trial(both).within({}, Window(first, first, int(part.columns["AAPL"].known[-1]), daily=True)).metrics["trades"]
    )


def test_the_past_of_a_window_is_everything_before_it() -> None:
    """Also what was past already: a declared warm-up reaches back over the beginning of the sweep."""
    history = bundled_days(["IBM"]).between(date(2005, 1, 1), date(2005, 12, 31))
    after = int(history.columns["IBM"].known[9])
    part = cut(history, Window(after, after, int(history.columns["IBM"].known[20]), daily=True))
    assert len(part.past["IBM"]) == len(history.past["IBM"]) + 10
    assert (np.diff(part.past["IBM"].begin) > 0).all()
    assert part.past["IBM"].known[-1] == after


def test_what_was_tested_is_not_tested_again() -> None:
    """The rows of tests stand in the store beside the cells; other folds run their own."""
    history = days_of(moves(1, 0.0)[:60])
    with stored(None) as store:
        first = walked(history, Folding(2), store)
        kept = len(store)
        assert walked(history, Folding(2), store).forward == first.forward
        assert len(store) == kept == 6 + 2
        walked(history, Folding(2, warmup=5), store)
        assert len(store) == 6 + 4


def test_a_test_that_fails_is_told() -> None:
    """It has no figures, the stitched equity goes on without it; periods that were not asked for are a failure too."""
    history = days_of(moves(1, 0.0)[:60])
    rows = [Row(cell, Trial(history)(cell.values)) for cell in Grid(axes()).ask([])]

    def afresh(cells: Sequence[Cell]) -> list[Row]:
        good = Trial(history)
        made = [Row(each, good.within(each.values, each.window)) for each in cells if each.window]
        short = made[2].result
        assert isinstance(short, Outcome)
        return [
            made[0],
            Row(cells[1], Failure("E683", "ValueError: no such luck")),
            Row(cells[2], Outcome({}, short.ends[1:], short.returns[1:])),
        ]

    judged = judge(axes(), rows, folding=Folding(3), afresh=afresh)
    assert judged.forward
    assert [each.failure.partition(" ")[0] for each in judged.forward.stretches] == ["", "E683", "E688"]
    assert [each.outside is None for each in judged.forward.stretches] == [False, True, True]
    assert len(judged.forward.returns) == len(judged.forward.ends) == 15
    assert any("Two tests of walk-forward failed" in each and "no such luck" in each for each in doubts(judged))


def test_a_search_that_saw_the_future_is_told() -> None:
    """Cells that were found by looking at the whole span are not out of sample, however they are divided."""
    history = days_of(moves(1, 0.0)[:60])
    rows = [Row(cell, Trial(history)(cell.values)) for cell in Grid(axes()).ask([])]
    judged = judge(axes(), rows, folding=Folding(2, hindsight=True))
    assert judged.forward
    assert not judged.forward.fresh
    assert any("not out of sample" in each for each in doubts(judged))
