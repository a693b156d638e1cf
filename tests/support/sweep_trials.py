"""Trials for the tests of sweeps: a strategy on the prices that ship with Puna, noise, and trials that go wrong."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from puna.exchange.data import tape
from puna.research.sweep.axes import Value
from puna.research.sweep.cells import Outcome

__all__ = ["Crossing", "Endless", "Noise", "Perilous", "Stubborn", "outcome"]

_DAY = 86_400_000_000_000


def outcome(returns: list[float]) -> Outcome:
    """Daily returns with their Sharpe ratio."""
    values = np.array(returns)
    spread = float(values.std(ddof=1))
    sharpe = float(values.mean()) / spread * 252**0.5 if spread else None
    total = float(np.prod(1 + values)) - 1
    return Outcome({"sharpe": sharpe, "return": total}, [n * _DAY for n in range(len(returns))], returns)


@dataclass(frozen=True)
class Crossing:
    """Long while the fast average of the closes is above the slow one; decided at one close, held to the next."""

    symbol: str = "IBM"
    first: date = date(2004, 1, 1)
    last: date = date(2007, 12, 31)

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        closes = np.array([bar.close for day, bar in tape(self.symbol).days.items() if self.first <= day <= self.last])
        fast, slow = (_average(closes, int(values[name])) for name in ("fast", "slow"))
        held = np.nan_to_num(fast > slow)[:-1]
        moves = closes[1:] / closes[:-1] - 1
        return outcome([float(each) for each in held * moves])


def _average(closes: np.ndarray, length: int) -> np.ndarray:
    sums = np.cumsum(np.insert(closes.astype(float), 0, 0.0))
    means = np.full(len(closes), np.nan)
    means[length - 1 :] = (sums[length:] - sums[:-length]) / length
    return means


@dataclass(frozen=True)
class Noise:
    """Returns that no value has anything to do with; `edge` is what every period really earns."""

    periods: int = 500
    edge: float = 0.0
    seed: int = 1

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        chance = np.random.default_rng([self.seed, *(hash(each) & 0xFFFF for each in values.values())])
        return outcome([float(each) for each in chance.normal(self.edge, 0.01, self.periods)])


@dataclass(frozen=True)
class Perilous:
    """Value 3 kills its process the first time, 5 every time; 7 waits until a file `go` is in the folder."""

    folder: Path

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        died, go = self.folder / "died", self.folder / "go"
        if values["x"] == 5 or (values["x"] == 3 and not died.exists()):
            if values["x"] == 3:
                died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        while values["x"] == 7 and not go.exists():
            time.sleep(0.01)
        return outcome([float(values["x"]), 0.0, 0.01])


@dataclass(frozen=True)
class Endless:
    """Value 2 sleeps for ever and hears no error, until a file `mended` is in the folder; 3 kills its process once."""

    folder: Path

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        while values["x"] == 2 and not (self.folder / "mended").exists():
            try:
                time.sleep(3600)
            except BaseException:  # noqa: BLE001, S112 - so that nothing but the end of its process ends it
                continue
        died = self.folder / "died"
        if values["x"] == 3 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome([float(values["x"]), 0.0, 0.01])


@dataclass(frozen=True)
class Stubborn:
    """Fails for value 2, and writes a line for every try."""

    log: Path

    def __call__(self, values: Mapping[str, Value]) -> Outcome:
        with self.log.open("a") as log:
            log.write(f"{values['x']}\n")
        if values["x"] == 2:
            raise ValueError("no such luck")
        return outcome([float(values["x"]), 0.0, 0.01])
