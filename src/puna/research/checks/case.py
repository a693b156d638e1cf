"""What a check is made of: the strategies and their bars, the same bars cut short or begun later, and verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from puna.core.risk import RiskLimits
from puna.core.sessions import new_york
from puna.engine.strategy import Strategy
from puna.exchange.prices.bars import Timeframe
from puna.research.backtest.data import Columns, History
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.checks.decisions import Choice, choices_of

__all__ = ["CHECKS", "Case", "Finding", "Outcome", "Verdict", "ended_at", "known_times", "latest", "started_at", "when"]

CHECKS = ("look-ahead", "warm-up", "determinism", "order validity")
Outcome = Literal["passed", "found", "not checked"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong, and where it shows first.

    Args:
        code: for `puna explain`.
        what: what was found, in a sentence.
        why: what may have caused it.
        remedy: what to do.
        ts: market time of the first place, ns; 0 where there is none.
        strategy: whose decision.
        symbol: what it was about.
        before: what was decided in the run as it is.
        after: what was decided in the other run; or the answer.
        count: how often.
    """

    code: str
    what: str
    why: str
    remedy: str
    ts: int = 0
    strategy: str = ""
    symbol: str = ""
    before: str = ""
    after: str = ""
    count: int = 1


class Verdict(NamedTuple):
    """The answer to one question.

    Attributes:
        name: one of `CHECKS`.
        outcome: passed, found, or not checked.
        text: what was done, in a sentence; why it could not be checked.
        findings: what is wrong.
        notes: what to know beside it: what cannot be seen, what only looks odd.
    """

    name: str
    outcome: Outcome
    text: str
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """What is checked: how to make the strategies, and what they run on. Nothing is charged: cash moves by prices only.

    Args:
        make: fresh strategies.
        history: the bars.
        cash: what the account begins with.
        seed: of ids and chance at the venue.
        limits: risk limits.
        netting: whether opposite orders of two strategies are crossed inside the account.
    """

    make: Callable[[], Sequence[Strategy]]
    history: History
    cash: Decimal = Decimal(100_000)
    seed: int = 7
    limits: RiskLimits | None = None
    netting: bool = True

    @cached_property
    def team(self) -> Sequence[Strategy]:
        """The strategies of the run as it is; look at them after it."""
        return self.make()

    @cached_property
    def whole(self) -> BacktestResult:
        """The run as it is, over all bars."""
        return self._run(self.team, self.history)

    @cached_property
    def choices(self) -> list[Choice]:
        """What was decided in it."""
        return choices_of(self.whole.entries)

    def run(
        self,
        history: History,
        *,
        cash: Decimal | None = None,
        holding: dict[str, tuple[Decimal, Decimal]] | None = None,
    ) -> BacktestResult:
        """Fresh strategies over these bars, from other books where they are given."""
        return self._run(self.make(), history, cash, holding)

    def _run(
        self,
        team: Sequence[Strategy],
        history: History,
        cash: Decimal | None = None,
        holding: dict[str, tuple[Decimal, Decimal]] | None = None,
    ) -> BacktestResult:
        return run_backtest(
            team,
            history,
            cash=self.cash if cash is None else cash,
            seed=self.seed,
            limits=self.limits,
            netting=self.netting,
            fees=None,
            holding=holding or {},
        )


def known_times(history: History) -> list[int]:
    """When bars are over, ns, each moment once."""
    return [int(ts) for ts in np.unique(np.concatenate([each.known for each in history.columns.values()]))]


def ended_at(history: History, ts: int) -> History:
    """What was there at a moment: bars that were over then, and nothing that was known later."""
    on = new_york(ts).date()
    return replace(
        history,
        columns=_filled({symbol: _until(each, ts) for symbol, each in history.columns.items()}),
        daily=_filled({symbol: _until(each, ts) for symbol, each in history.daily.items()}),
        splits=tuple(each for each in history.splits if each.ex_date <= on),
        dividends=tuple(each for each in history.dividends if each.ex_date <= on),
    )


def started_at(history: History, ts: int) -> History:
    """The bars that begin at a moment or later; what lies before is the past, for warm-up."""
    past = {symbol: each.between(0, ts) for symbol, each in history.columns.items()}
    return replace(
        history,
        columns=_filled({symbol: each.between(ts, _FOREVER) for symbol, each in history.columns.items()}),
        past=_filled({symbol: _joined(history.past.get(symbol), each) for symbol, each in past.items()}),
    )


def latest(history: History, count: int) -> History:
    """The last so many moments at which bars are over; what lies before is the past."""
    times = known_times(history)
    if len(times) <= count:
        return history
    first = times[-count]
    begins = [
        int(each.begin[each.known.searchsorted(first)]) for each in history.columns.values() if each.known[-1] >= first
    ]
    return started_at(history, min(begins))


def when(ts: int, history: History) -> str:
    """A moment for people: of days the date, else the minute, New York."""
    at = new_york(ts)
    return f"{at:%Y-%m-%d %H:%M}" if Timeframe.parse(history.timeframe).intraday else f"{at:%Y-%m-%d}"


_FOREVER = 2**62


def _until(columns: Columns, ts: int) -> Columns:
    count = int(columns.known.searchsorted(ts, side="right"))
    return columns.between(0, _FOREVER if count == len(columns) else int(columns.begin[count]))


def _filled(columns: Mapping[str, Columns]) -> dict[str, Columns]:
    return {symbol: each for symbol, each in columns.items() if len(each)}


def _joined(first: Columns | None, second: Columns) -> Columns:
    """Both, one behind the other."""
    if first is None or not len(first):
        return second
    parts = (np.concatenate(pair) for pair in zip(first[1:], second[1:], strict=True))
    return Columns(second.symbol, *parts)
