"""Facts about the calls to the broker: how many, with which outcome, how long, how often again."""

from collections import Counter
from typing import Any

from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.request import Request
from puna.errors import PunaError
from puna.services.metrics import Metrics

__all__ = ["CallFacts"]

NANOS = 1_000_000_000
UNREACHABLE = {"E011", "E012", "E013", "E014", "E250"}
PATIENCE = 3


class CallFacts:
    """What the client's calls came to.

    Args:
        alpaca: whose calls; its hooks are set here.
        metrics: takes the histograms.
        placements: whether the component places orders, and has a histogram for that.

    Attributes:
        outcomes: calls by outcome: ok, or the code of the error.
        retries: repeated calls by the code of the error before.
        failing: how many calls in a row did not reach the broker.
    """

    def __init__(self, alpaca: AsyncAlpaca, metrics: Metrics, *, placements: bool = False) -> None:
        self.outcomes: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()
        self.failing = 0
        self._metrics = metrics
        self._placements = placements
        alpaca.on_call = self._called
        alpaca.on_retry = self._again

    @property
    def reachable(self) -> bool:
        """False after several calls in a row without an answer."""
        return self.failing < PATIENCE

    def adopt(self, older: "CallFacts") -> None:
        """Goes on counting where an earlier client ended."""
        self.outcomes.update(older.outcomes)
        self.retries.update(older.retries)

    def numbers(self) -> dict[str, Any]:
        """For the catalogue."""
        return {
            "api_calls": dict(self.outcomes),
            "api_retries": dict(self.retries),
            "breaker_open": float(not self.reachable),
        }

    def _called(self, request: Request[Any], outcome: str, nanos: int) -> None:
        self.outcomes[outcome] += 1
        self.failing = self.failing + 1 if outcome in UNREACHABLE else 0
        self._metrics.observe("api_seconds", nanos / NANOS)
        if self._placements and request.method == "POST" and request.target == "/v2/orders":
            self._metrics.observe("order_placement_seconds", nanos / NANOS)

    def _again(self, _request: Request[Any], error: PunaError) -> None:
        self.retries[error.code] += 1
