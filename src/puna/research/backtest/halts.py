"""Halts in a backtest: when a stock stops and goes on, as the venue and the strategies' books hear of it."""

from collections.abc import Iterator

from puna.exchange.prices.bars import SECOND
from puna.exchange.prices.halts import Halt, changes
from puna.exchange.prices.market import MarketStep
from puna.research.backtest.chain import Chain
from puna.research.backtest.data import History

__all__ = ["Halts"]

NASDAQ = "C"


class Halts:
    """The halts of a history, those that touch made one.

    Args:
        history: `halts` in any order; of the one that begins first the reason holds.
    """

    def __init__(self, history: History) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {}
        self._halts: list[Halt] = []
        for symbol, start, end, reason in sorted(history.halts):
            spans = self._spans.setdefault(symbol, [])
            if spans and start <= spans[-1][1]:
                start, reason, end = spans[-1][0], self._halts.pop().reason, max(end, spans.pop()[1])  # noqa: PLW2901
            spans.append((start, end))
            self._halts.append(Halt(symbol, start, (end - start) / SECOND, reason))

    def steps(self, chain: Chain) -> Iterator[MarketStep]:
        """Every stop and resumption, in order of time; what stands on a stock stops with it."""
        for each in changes(self._halts):
            names = (each.symbol, *chain.on(each.symbol))
            yield MarketStep(each.ts, tuple(each._replace(symbol=name).message(NASDAQ) for name in names))

    def resumes(self, symbol: str, ts: int) -> int:
        """The end of the halt that `ts` lies in; `ts` where it lies in none."""
        return next((end for start, end in self._spans.get(symbol, ()) if start <= ts < end), ts)
