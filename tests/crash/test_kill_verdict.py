"""The judge finds what it is there to find, and a trial can be run again."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from campaign import Campaign
from script import LIFE
from trial import Kill, Trial
from verdict import Source, judge

from puna.engine.entries import Intent, Reconciled

WANTED = {step.name: step.end for step in LIFE if not step.cancels}
CENT = Decimal("0.01")


@pytest.fixture(scope="session")
def source(campaign: Campaign) -> Source:
    """What an undisturbed session leaves behind."""
    found = campaign.run(Trial()).source
    assert found is not None
    return found


def without_last_execution(source: Source) -> Source:
    last = max(line["n"] for line in source.log if line["kind"] == "fill")
    return replace(source, log=[line for line in source.log if line["n"] != last])


def with_stranger(source: Source) -> Source:
    stranger = msgspec.structs.replace(source.closed.orders[0], client_order_id="somebody-else")
    return replace(source, closed=msgspec.structs.replace(source.closed, orders=[*source.closed.orders, stranger]))


def with_second_order(source: Source) -> Source:
    """The same wish once more, under another id, which the journal knows as well."""
    first = next(entry for _, entry in source.entries if isinstance(entry, Intent))
    again = msgspec.structs.replace(first.intent, client_order_id="again")
    order = msgspec.structs.replace(source.orders[first.key], client_order_id="again", id="again")
    entries = [*source.entries, (10_000, msgspec.structs.replace(first, intent=again))]
    closed = msgspec.structs.replace(source.closed, orders=[*source.closed.orders, order])
    return replace(source, entries=entries, closed=closed)


def without_intent(source: Source) -> Source:
    first = next(seq for seq, entry in source.entries if isinstance(entry, Intent))
    return replace(source, entries=[each for each in source.entries if each[0] != first])


def without_evidence(source: Source) -> Source:
    last = max(each.seq for each in source.blotter.booked)
    return replace(source, entries=[each for each in source.entries if each[0] != last])


def untold(source: Source) -> Source:
    last = max(at for at, each in enumerate(source.told) if each.told == "fill")
    return replace(source, told=[each for at, each in enumerate(source.told) if at != last])


def told_too_much(source: Source) -> Source:
    fill = next(each for each in source.told if each.told == "fill")
    return replace(source, told=[*source.told, msgspec.structs.replace(fill, cum_qty=fill.cum_qty + 1)])


def with_other_cash(source: Source) -> Source:
    closed = msgspec.structs.replace(source.closed, cash=source.closed.cash + CENT)
    return replace(source, closed=closed)


def with_other_memory(source: Source) -> Source:
    assert source.final is not None
    return replace(source, final=msgspec.structs.replace(source.final, digest="other"))


def with_unequal_books(source: Source) -> Source:
    entry = Reconciled(ts=0, broker_ts=0, equal=False, summary="they differ")
    return replace(source, entries=[*source.entries, (10_000, entry)])


def test_an_undisturbed_session_is_clean(source: Source) -> None:
    """Nothing is wrong where nothing went wrong, and a broker's refusal stood at the exchange."""
    assert judge(source, wanted=WANTED) == []
    assert [line["body"]["status"] for line in source.log if line["kind"] == "refusal"] == [403]


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        (without_last_execution, "I5"),
        (without_last_execution, "ledger"),
        (with_stranger, "I1"),
        (with_second_order, "I1"),
        (without_intent, "I16"),
        (without_evidence, "I5"),
        (without_evidence, "I4"),
        (without_evidence, "I3"),
        (without_evidence, "I17"),
        (untold, "R33"),
        (told_too_much, "R33"),
        (with_other_cash, "I4"),
        (with_other_memory, "I17"),
        (with_unequal_books, "I18"),
    ],
)
def test_differences_are_found(source: Source, change: Callable[[Source], Source], invariant: str) -> None:
    """Each source is believed as little as the others: change any of them, and the judge names the invariant."""
    assert any(invariant in text for text in judge(change(source), wanted=WANTED))


@pytest.mark.parametrize("kills", [(), (Kill("ack-durable", 4),), (Kill("fill-read", 6), Kill("reconcile-orders"))])
def test_a_trial_can_be_run_again(campaign: Campaign, kills: tuple[Kill, ...]) -> None:
    """The same line gives the same event log at the exchange, to the last byte; another seed gives another."""
    trial = Trial(seed=3, kills=kills)
    again = msgspec.json.decode(trial.line(), type=Trial)
    first, second, other = (campaign.run(each).log_hash for each in (trial, again, Trial(seed=4, kills=kills)))
    assert first == second != other
