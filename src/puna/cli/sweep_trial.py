"""One cell of `puna sweep`: the strategies with these values, a backtest, and what it tells."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

from puna.cli.backtest_data import history_for
from puna.cli.output import aside
from puna.cli.strategy_code import code_hash
from puna.cli.sweep_keys import Target, team_of
from puna.config import Config
from puna.engine.strategy import Strategy
from puna.research.backtest.data import History
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.sweep.axes import Value
from puna.research.sweep.backtests import outcome_of, outcome_within
from puna.research.sweep.cells import Outcome, Window
from puna.research.sweep.shared import Shared, mapped, share
from puna.research.sweep.windows import cut, fitting, listening

__all__ = ["BacktestTrial", "Bars"]


_READ: dict[tuple[object, ...], History] = {}  # histories are large, and the same for all cells


class Bars(NamedTuple):
    """Which bars: as the options of `puna backtest` name them."""

    start: date | None
    end: date | None
    store: Path
    bundled: bool
    timeframe: str | None
    feed: str | None
    adjust: str


@dataclass(frozen=True)
class BacktestTrial:
    """Runs a cell in whichever process it is called; history is read once in each, or mapped from `shared`.

    Attributes:
        path: the configuration, or a .py file.
        targets: where a cell's values go.
        bars: what it is run on.
        fills: the fill model.
        seed: the same for all cells, so that they differ by their values alone.
        shared: the history, its arrays in a file, by the process that starts the others.
    """

    path: Path
    targets: tuple[Target, ...]
    bars: Bars
    fills: str
    seed: int
    shared: Shared | None = None

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        with aside():
            config, team = team_of(self.path, self.targets, values)
            return outcome_of(self._run(config, team, self.history(config, team)))

    def within(self, values: Mapping[str, Value], window: Window) -> Outcome:
        """The cell as if it began with the window."""
        with aside():
            config, team = team_of(self.path, self.targets, values)
            part = cut(self.history(config, team), window)
            team = fitting(team, part)
            listening(team, window.after)
            return outcome_within(self._run(config, team, part), window)

    def _run(self, config: Config, team: list[Strategy], history: History) -> BacktestResult:
        return run_backtest(
            team,
            history,
            cash=config.sim.cash,
            fills=self.fills,
            seed=self.seed,
            limits=config.risk,
            netting=config.sleeves.netting,
        )

    def history(self, config: Config, team: list[Strategy]) -> History:
        """The bars that these strategies want."""
        wanted = self._wanted(team)
        if wanted not in _READ and self.shared is not None:
            _READ.update([mapped(self.shared)])
        if wanted not in _READ:
            _READ[wanted] = history_for(
                team,
                config,
                store=self.bars.store,
                bundled=self.bars.bundled,
                timeframe=self.bars.timeframe,
                feed=self.bars.feed,
                adjustment=self.bars.adjust,
                days=(self.bars.start, self.bars.end),
                seed=self.seed,
            )
        return _READ[wanted]

    def prepare(self) -> None:
        """What all cells need: the strategies' modules, and the history."""
        self.history(*team_of(self.path, (), {}))

    def sharing(self, folder: Path) -> "BacktestTrial":
        """The same trial with its history in a file that the processes of this machine map; itself if it cannot be."""
        team = team_of(self.path, (), {})
        try:
            shared = share((self._wanted(team[1]), self.history(*team)), folder / "history.map")
        except (OSError, TypeError):
            return self  # each process reads its own, then
        return replace(self, shared=shared)

    def _wanted(self, team: list[Strategy]) -> tuple[object, ...]:
        """What a history is known by."""
        symbols = tuple(sorted({symbol for each in team for symbol in each.symbols}))
        return (self.bars, self.seed, self.path, symbols, tuple(each.timeframe for each in team))

    def code(self) -> str:
        """The hash of the configuration, of the Python files that it names, and of what these import from beside."""
        return code_hash(self.path)
