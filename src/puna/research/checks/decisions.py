"""What a strategy decided, as values that two runs can be compared by: orders, cancels, parent orders, failures."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from puna.core.types import Leg, OrderIntent
from puna.engine.entries import CancelAsked, Decision, Entry, Intent, Note, ParentBegun, ParentStopped, Refusal

__all__ = ["Choice", "Difference", "choices_of", "first_difference"]

_IDS = frozenset({"client_order_id", "replaces", "parent", "leg_of"})
_TERMS = (
    ("limit", "limit_price"),
    ("stop", "stop_price"),
    ("trail", "trail_price"),
    ("trail %", "trail_percent"),
)


class Choice(msgspec.Struct, frozen=True):
    """One thing that was decided.

    Args:
        ts: market time, ns.
        strategy: whose decision.
        symbol: what it is about; empty where that is not one.
        text: the decision in words: "buy 57 AAPL at market".
        terms: everything that the order says, ids left out.
        reason: what the strategy said of it: `because` and `seen`.
        failure: the strategy raised an error, and decides nothing more.
    """

    ts: int
    strategy: str
    symbol: str
    text: str
    terms: str
    reason: str = ""
    failure: bool = False

    def same(self, other: "Choice", *, reasons: bool) -> bool:
        """Whether both are one decision; with `reasons`, taken for the same ones."""
        alike = (self.ts, self.strategy, self.symbol, self.terms) == (
            other.ts, other.strategy, other.symbol, other.terms,
        )  # fmt: skip
        return alike and (not reasons or self.reason == other.reason)


class Difference(NamedTuple):
    """The first place where two runs part: what either decided there; None is nothing."""

    ts: int
    one: Choice | None
    other: Choice | None

    @property
    def some(self) -> Choice:
        """Whichever there is."""
        found = self.one or self.other
        assert found is not None  # noqa: S101 - a difference has a side
        return found

    @property
    def only_reasons(self) -> bool:
        """Both decided the same, for other reasons."""
        return self.one is not None and self.other is not None and self.one.same(self.other, reasons=False)


def choices_of(entries: Sequence[Entry]) -> list[Choice]:
    """The decisions of a journal, in order; an order that risk refused is one too."""
    return list(_choices(entries))


def first_difference(
    one: Sequence[Choice], other: Sequence[Choice], *, since: int = 0, until: int | None = None, reasons: bool = True
) -> Difference | None:
    """Where two lists of decisions part, between two moments; None where they do not.

    Args:
        one: decisions, in order of time.
        other: the same of another run.
        since: ns; what was decided before counts for nothing.
        until: ns; at this very moment `one` may go on in `other`, which ends then and cleans up; later counts nothing.
        reasons: whether `because` and `seen` must be the same too.
    """
    ours, theirs = (
        [each for each in side if each.ts >= since and (until is None or each.ts <= until)] for side in (one, other)
    )
    for at in range(max(len(ours), len(theirs))):
        left = ours[at] if at < len(ours) else None
        right = theirs[at] if at < len(theirs) else None
        if left is not None and right is not None and left.same(right, reasons=reasons):
            continue
        if left is None and right is not None and until is not None and right.ts == until and not right.failure:
            return None
        ts = min(each.ts for each in (left, right) if each is not None)
        return Difference(ts, _at(left, ts), _at(right, ts))
    return None


def _at(choice: Choice | None, ts: int) -> Choice | None:
    """What was decided later was not decided here."""
    return choice if choice is not None and choice.ts == ts else None


def _choices(entries: Sequence[Entry]) -> Iterator[Choice]:
    seen: dict[str, dict[str, float]] = {}
    owners: dict[str, tuple[str, str]] = {}
    for entry in entries:
        match entry:
            case Decision():
                seen[entry.client_order_id] = entry.seen
            case Intent():
                intent = entry.intent
                owners[intent.client_order_id] = intent.strategy, intent.symbol
                yield _order(intent, seen.pop(intent.client_order_id, {}))
            case Refusal():
                yield _order(entry.intent, entry.seen)
            case CancelAsked():
                strategy, symbol = owners.get(entry.client_order_id, ("", ""))
                yield Choice(entry.ts, strategy, symbol, f"cancel an order in {symbol}", "cancel", entry.because)
            case ParentBegun():
                owners[entry.parent_id] = entry.strategy, entry.parent.symbol
                yield _parent(entry)
            case ParentStopped():
                strategy, symbol = owners.get(entry.parent_id, ("", ""))
                yield Choice(entry.ts, strategy, symbol, f"stop working {symbol}", "stop", entry.reason)
            case Note(code="E910"):
                yield Choice(entry.ts, "", "", entry.text, "failed", "", failure=True)
            case _:
                pass


def _order(intent: OrderIntent, seen: dict[str, float]) -> Choice:
    terms = {
        name: str(value)
        for name, value in msgspec.structs.asdict(intent).items()
        if name not in _IDS | {"because", "ts", "strategy", "symbol"} and value is not None
    }
    return Choice(intent.ts, intent.strategy, intent.symbol, describe(intent), str(terms), _reason(intent, seen))


def describe(intent: OrderIntent) -> str:
    """An order for people: "buy 57 AAPL, limit 31.05, gtc"."""
    amount = f"{intent.qty:f}" if intent.notional is None else f"{intent.notional:f} USD of"
    words = [f"{intent.side} {amount} {_names(intent.legs) or intent.symbol}"]
    words += [f"{word} {getattr(intent, name):f}" for word, name in _TERMS if getattr(intent, name) is not None]
    if intent.take_profit is not None:
        words.append(f"take profit {intent.take_profit.limit_price:f}")
    if intent.stop_loss is not None:
        words.append(f"stop loss {intent.stop_loss.stop_price:f}")
    if str(intent.time_in_force) != "day":
        words.append(str(intent.time_in_force))
    return ", ".join(words)


def _names(legs: Sequence[Leg]) -> str:
    return " ".join(f"{leg.side.sign * leg.ratio:+d} {leg.symbol}" for leg in legs)


def _parent(entry: ParentBegun) -> Choice:
    parent: Any = entry.parent
    words = f"work {parent.side} {parent.qty:f} {parent.symbol}"
    return Choice(entry.ts, entry.strategy, parent.symbol, words, _plain(parent), entry.because)


def _plain(parent: object) -> str:
    """A parent order without the id of the entry that it waits for."""
    style = getattr(parent, "style", None)
    entry = getattr(style, "entry", "")
    text = repr(parent)
    return text.replace(repr(entry), "''") if entry else text


def _reason(intent: OrderIntent, seen: dict[str, float]) -> str:
    told = "".join(f"; {name} {value!r}" for name, value in seen.items())
    return f"{intent.because}{told}"
