"""Health out of facts: each fact is looked at when somebody asks, and nobody ever sets a status by hand.

A fact that does not hold costs something: `ready` says whether the component is unfit for its work without it, `fatal`
whether it is unhealthy, which only a restart or a person can mend. Readiness that is lost restarts nothing; only a loop
that no longer turns does (`/live`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

__all__ = ["Fact", "Verdict", "judge"]

NANOS = 1_000_000_000


class Fact(NamedTuple):
    """Something that holds or does not.

    Args:
        name: one word or two.
        holds: whether it does.
        text: what is the case, for people, when it does not.
        ready: the component is not ready without it.
        fatal: the component is unhealthy without it, not only degraded.
    """

    name: str
    holds: bool
    text: str
    ready: bool = True
    fatal: bool = False


class Verdict(NamedTuple):
    """What the facts come to."""

    status: Literal["healthy", "degraded", "unhealthy"]
    ready: bool
    message: str

    @property
    def http_status(self) -> int:
        """Of /health: degraded is 200."""
        return 503 if self.status == "unhealthy" else 200

    def health(self, component: str, metrics: dict[str, Any], now: int) -> dict[str, Any]:
        """The body of /health."""
        return {
            "status": self.status,
            "component": component,
            "message": self.message,
            "metrics": metrics,
            "timestamp": _iso(now),
        }

    def readiness(self, component: str, now: int) -> dict[str, Any]:
        """The body of /ready."""
        return {"ready": self.ready, "component": component, "timestamp": _iso(now)}


def judge(facts: Iterable[Fact]) -> Verdict:
    """The status: unhealthy by a fatal fact, else degraded by any, else healthy; and whether it is ready."""
    failing = [fact for fact in facts if not fact.holds]
    fatal = any(fact.fatal for fact in failing)
    status: Literal["healthy", "degraded", "unhealthy"] = "healthy"
    if failing:
        status = "unhealthy" if fatal else "degraded"
    message = "; ".join(f"{fact.name}: {fact.text}" for fact in failing) or "all is well"
    return Verdict(status, not any(fact.ready or fact.fatal for fact in failing), message)


def _iso(now: int) -> str:
    return datetime.fromtimestamp(now / NANOS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
