"""Models that a strategy uses, and on which days they were trained: the days of a check must not be among them."""

from collections.abc import Iterator, Mapping
from typing import Any

from puna.engine.models.saved import SavedModel
from puna.research.checks.case import Case, Finding, when

__all__ = ["trained_on_these_days"]

_DEEP = 3


def trained_on_these_days(case: Case) -> Finding | None:
    """The model that has seen the latest of these days; None where none has, as far as strategies hold saved models."""
    first, last = case.history.span
    seen = [
        (model.manifest.trained.last, strategy.name, model)
        for strategy in case.team
        for model in _models(vars(strategy), _DEEP)
        if model.manifest.trained.last >= first and model.manifest.trained.first <= last
    ]
    if not seen:
        return None
    until, name, model = max(seen, key=lambda each: each[0])
    trained = model.manifest.trained
    days = f"{when(trained.first, case.history)} to {when(until, case.history)}"
    return Finding(
        code="E690",
        what=f"The model {model.id[:12]} was trained on bars from {days}: days that it is tried on here.",
        why=f"It knows how these days ended: its labels look {trained.horizon:,} bars ahead.",
        remedy=f"Check and backtest on days after {when(until, case.history)} only, or train it on earlier ones.",
        ts=max(first, trained.first),
        strategy=name,
    )


def _models(found: object, deep: int) -> Iterator[SavedModel]:
    """Saved models in attributes, in lists and dictionaries, and in the attributes of what serves them."""
    if isinstance(found, SavedModel):
        yield found
        return
    if not deep:
        return
    inner: list[Any] = []
    if isinstance(found, Mapping):
        inner = list(found.values())
    elif isinstance(found, list | tuple | set):
        inner = list(found)
    elif type(found).__module__.startswith("puna.engine.models"):
        inner = list(vars(found).values())
    for each in inner:
        yield from _models(each, deep - 1)
