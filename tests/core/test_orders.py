"""An order's life: one reducer, for which only the set of evidence counts."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from decimal import Decimal
from itertools import pairwise, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core.decimals import exactly
from puna.core.orders import LIFE, Order, Status, Update, from_intent, noted, reduce
from puna.core.types import ZERO, Fill, OrderIntent, OrderType, Side, TimeInForce
from puna.wire.codec import Amount

D = Decimal
CID = "puna-1-mean-7"


def intent(qty: str | int = 100, *, side: Side = Side.BUY, limit: str | None = "10") -> OrderIntent:
    return OrderIntent(
        client_order_id=CID,
        strategy="mean",
        symbol="AAPL",
        side=side,
        qty=D(qty),
        type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        ts=1,
        limit_price=D(limit) if limit else None,
    )


def rest(
    status: str, ts: int, cum: str | int = 0, average: str | None = None, *, event: str = "", reason: str = ""
) -> Update:
    price = D(average) if average else None
    return Update(
        client_order_id=CID,
        source="rest",
        status=status,
        ts=ts,
        broker_id="b1",
        cum_qty=D(cum),
        avg_price=price,
        event=event,
        reason=reason,
    )


def fill(cum: str | int, qty: str | int, price: str, ts: int, name: str, *, of: str | int = 100) -> Update:
    done = D(cum) >= D(of)
    return Update(
        client_order_id=CID,
        source="stream",
        event="fill" if done else "partial_fill",
        status="filled" if done else "partially_filled",
        ts=ts,
        broker_id="b1",
        cum_qty=D(cum),
        last_qty=D(qty),
        last_price=D(price),
        execution_id=name,
    )


def bust(name: str, ts: int, *, status: str = "filled") -> Update:
    return Update(
        client_order_id=CID,
        source="stream",
        event="trade_bust",
        status=status,
        ts=ts,
        broker_id="b1",
        execution_id=name,
    )


def told(order: Order, *updates: Update) -> tuple[Order, list[Fill]]:
    """The order after the updates, and all that was booked."""
    fills: list[Fill] = []
    for update in updates:
        order, more = reduce(order, update)
        fills.extend(more)
    return order, fills


@exactly
def booked(fills: list[Fill]) -> tuple[Decimal, Decimal]:
    return sum((f.qty for f in fills), ZERO), sum((f.notional for f in fills), ZERO)


# --- histories as a broker could produce them -------------------------------------------------------------------------

PRICES = st.integers(50_000, 150_000).map(lambda n: D(n) / 10_000)
ENDS = ("canceled", "expired", "replaced", "rejected")


@st.composite
def histories(draw: st.DrawFn, most: int = 6) -> tuple[OrderIntent, list[Update]]:
    """An order, and up to `most` of the updates that one consistent life of it gives off, from all sources."""
    parts = draw(st.lists(st.tuples(st.integers(1, 40), PRICES), min_size=0, max_size=4))
    rest_qty = draw(st.integers(0, 30))
    total = sum(qty for qty, _ in parts) + rest_qty or 1
    late = draw(st.booleans())  # the last execution is published after the end of the order
    end = draw(st.sampled_from(ENDS)) if rest_qty or not parts else draw(st.sampled_from(("filled", "canceled")))
    seen: list[Update] = [rest(word, 2 + n) for n, word in enumerate(("pending_new", "new"))]
    cum, worth, ts = 0, D(0), 10
    for number, (qty, price) in enumerate(parts):
        cum, worth, ts = cum + qty, worth + qty * price, ts + 10
        ended = late and number == len(parts) - 1
        status = end if ended and end != "filled" else "filled" if cum == total else "partially_filled"
        average = (worth / cum).quantize(D("0.0001"))
        name = f"x{number}"
        stream = fill(cum, qty, str(price), ts, name, of=total)
        activity = msgspec.structs.replace(
            stream, source="activity", event="fill", status="", execution_id=f"a{number}"
        )
        again = msgspec.structs.replace(stream, ts=ts + draw(st.integers(-3, 3)))
        seen += [stream, again, activity, rest(status, ts + 1, cum, str(average))]
        if draw(st.booleans()):
            seen.append(rest("pending_cancel", ts + 2, cum, str(average)))
        if draw(st.integers(0, 4)) == 0:
            seen.append(bust(draw(st.sampled_from((name, f"a{number}"))), ts + 500))
        if draw(st.integers(0, 4)) == 0:
            right = {"event": "trade_correct", "last_qty": D(qty), "last_price": price + 1}
            update = msgspec.structs.replace(bust(name, ts + 600), execution_id=f"c{number}", **right)
            seen.append(msgspec.structs.replace(update, previous_execution_id=name))
    if end != "filled":
        seen.append(rest(end, ts + 5, cum, str((worth / cum).quantize(D("0.0001"))) if cum else None))
    seen += [noted(CID, "sent", 2), noted(CID, "in_doubt", 3), rest("restated_by_venue", ts + 3, cum)]
    order = draw(st.permutations(seen))
    return intent(total, side=draw(st.sampled_from(list(Side)))), order[:most]


@given(histories())
@settings(max_examples=30)
def test_only_the_set_of_evidence_counts(history: tuple[OrderIntent, list[Update]]) -> None:
    """BRK-01, BRK-02, I5, I7: every permutation and duplication of up to 6 updates ends in an equal order.

    Shown for every subset: all ways to it meet in one value, an update that it holds already changes nothing, and what
    is booked on each step is the difference between the two states.
    """
    wanted, updates = history
    states: dict[frozenset[int], Order] = {frozenset(): from_intent(wanted)}
    for _ in updates:
        for known, order in list(states.items()):
            for number, update in enumerate(updates):
                after, fills = reduce(order, update)
                assert booked(list(fills)) == (
                    after.filled_qty - order.filled_qty,
                    exactly(D.__sub__)(after.filled_notional, order.filled_notional),
                )
                assert after == states.setdefault(known | {number}, after)
                assert not (number in known and fills)
    assert len(states) == 2 ** len(updates)


@given(histories(), st.data())
@settings(max_examples=4)
def test_every_permutation_ends_in_the_same_bytes(
    history: tuple[OrderIntent, list[Update]], data: st.DataObject
) -> None:
    """I7, I17: all 720 orders of arrival, with an update repeated somewhere, give one journal entry and one total."""
    wanted, updates = history
    again = data.draw(st.sampled_from(updates))
    ends = set()
    for arrangement in permutations(updates):
        order, fills = told(from_intent(wanted), *arrangement, again)
        qty, notional = booked(fills)
        assert (qty, notional) == (order.filled_qty, order.filled_notional)
        ends.add((msgspec.json.encode(order), qty, notional, order.status, order.average_price))
    assert len(ends) == 1


@given(histories(most=30))
def test_filled_quantity_falls_only_by_a_bust(history: tuple[OrderIntent, list[Update]]) -> None:
    """I6: cumulative never falls unless the update is a bust or a correction, or completes one that came first."""
    wanted, updates = history
    order = from_intent(wanted)
    for update in updates:
        after, fills = reduce(order, update)
        if not after.corrections:
            assert after.filled_qty == max(order.filled_qty, update.cum_qty)
            assert all(f.qty >= 0 for f in fills)
        order = after


@given(histories(most=30))
def test_an_end_stays_an_end(history: tuple[OrderIntent, list[Update]]) -> None:
    """R15: once ended, an order stays ended whatever comes later, and a filled one stays filled."""
    wanted, updates = history
    order, *steps = [from_intent(wanted)]
    for update in updates:
        steps.append(order := reduce(order, update)[0])
    for before, after in pairwise(steps):
        if before.ended:
            assert after.is_terminal
        if before.ended and before.ended.raw == "filled":
            assert after.status is Status.FILLED


@given(histories(most=30))
def test_the_journal_gives_back_the_same_order(history: tuple[OrderIntent, list[Update]]) -> None:
    """I17: orders, updates and fills survive JSON exactly."""
    wanted, updates = history
    order, fills = told(from_intent(wanted), *updates)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order
    assert msgspec.json.decode(msgspec.json.encode(updates), type=list[Update]) == updates
    assert msgspec.json.decode(msgspec.json.encode(fills), type=list[Fill]) == fills


@given(st.lists(st.tuples(st.integers(1, 40), PRICES), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_all_executions_known_is_exact(parts: list[tuple[int, Decimal]], random: object) -> None:
    """The worth is the sum over executions to the last digit as soon as they tile the range, whatever averages say."""
    cum, updates = 0, []
    for number, (qty, price) in enumerate(parts):
        cum += qty
        updates += [fill(cum, qty, str(price), number, f"x{number}", of=10**6), rest("new", number, cum, "10.0001")]
    random.shuffle(updates)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    order, _ = told(from_intent(intent(10**6)), *updates)
    assert order.filled_notional == sum(qty * price for qty, price in parts)
    assert (order.tally.averaged, order.tally.guessed) == (0, 0)


# --- rows of the catalogue --------------------------------------------------------------------------------------------


def test_increment_is_the_difference_of_cumulatives() -> None:
    """R7, R6, BRK-04: a stream fill, the same fill from REST, an activity with another id: booked once."""
    activity = msgspec.structs.replace(fill(40, 40, "10", 5, "other"), source="activity", status="")
    order, fills = told(
        from_intent(intent()), fill(40, 40, "10", 5, "x"), rest("partially_filled", 6, 40, "10"), activity
    )
    assert [(f.qty, f.price, f.cum_qty) for f in fills] == [(40, 10, 40)]
    assert order.leaves == 60


def test_missed_fills_are_found_by_a_snapshot() -> None:
    """R5, BRK-03: a REST snapshot books what the stream never said, at an average that makes the total right."""
    order, fills = told(from_intent(intent()), fill(10, 10, "9", 5, "x"), rest("filled", 9, 100, "9.9"))
    assert [(f.qty, f.price) for f in fills] == [(10, 9), (90, 10)]
    assert (order.status, order.filled_notional, order.tally.averaged) == (Status.FILLED, 990, 100)


def test_better_knowledge_corrects_the_price() -> None:
    """R34: the real executions replace what an average stood for; the difference is a step of quantity 0."""
    order, fills = told(
        from_intent(intent()),
        rest("filled", 9, 3, "3.333333333"),
        fill(1, 1, "3.33", 1, "x", of=3),
        fill(2, 1, "3.33", 2, "y", of=3),
        fill(3, 1, "3.34", 3, "z", of=3),
    )
    assert [f.qty for f in fills if f.qty] == [3]
    assert booked(fills) == (3, D(10))
    assert order.filled_notional == 10


def test_partial_fills_out_of_order() -> None:
    """R16: fills of one instant in the wrong order; the quantity in between is guessed until it is known."""
    first, fills = told(from_intent(intent()), fill(30, 20, "10", 5, "y"))
    assert (first.filled_qty, first.tally.guessed) == (30, 10)
    order, more = told(first, fill(10, 10, "9", 5, "x"))
    assert booked(fills + more) == (30, D(290))
    assert order.tally.guessed == 0


def test_fill_wins_over_cancel() -> None:
    """R15, BRK-06: canceled and filled at once, in either order, is filled."""
    for updates in (
        (rest("canceled", 9), fill(100, 100, "10", 8, "x")),
        (fill(100, 100, "10", 8, "x"), rest("canceled", 9)),
    ):
        order, fills = told(from_intent(intent()), *updates)
        assert (order.status, order.leaves, booked(fills)) == (Status.FILLED, 0, (100, 1000))


def test_late_fill_after_cancel_is_booked() -> None:
    """BRK-05, R43: a fill that arrives after `canceled` counts; the order stays canceled."""
    order, fills = told(from_intent(intent()), rest("canceled", 9, 10, "10"), fill(30, 20, "10", 8, "y"))
    assert (order.status, order.filled_qty, order.leaves, order.is_open) == (Status.CANCELED, 30, 0, False)
    assert booked(fills)[0] == 30


def test_rejected_after_it_was_taken() -> None:
    """R8, BRK-08: pending_new in the reply, rejected later with the broker's words."""
    order, _ = told(from_intent(intent()), rest("pending_new", 2), rest("rejected", 3, reason="no buying power"))
    assert (order.status, order.is_terminal, order.reason) == (Status.REJECTED, True, "no buying power")


def test_pending_cancel_may_fall_back() -> None:
    """R13: a cancel that loses leaves the order as it was, by the broker's stamp and not by arrival."""
    later, earlier = rest("new", 9), rest("pending_cancel", 8)
    for updates in ((later, earlier), (earlier, later)):
        order, _ = told(from_intent(intent()), *updates)
        assert (order.status, order.leaves) == (Status.NEW, 100)


def test_stuck_in_pending_cancel_keeps_its_quantity() -> None:
    """R13, R14, BRK-07: nothing but evidence ends it."""
    order, _ = told(from_intent(intent()), rest("new", 2), rest("pending_cancel", 3))
    assert (order.status, order.is_open, order.leaves) == (Status.PENDING_CANCEL, True, 100)


def test_done_for_day_is_not_the_end() -> None:
    """BRK-38: done_for_day, new the next morning."""
    order, _ = told(from_intent(intent()), rest("done_for_day", 5))
    assert order.is_open
    assert told(order, rest("new", 6))[0].status is Status.NEW


def test_rank_breaks_ties_of_one_instant() -> None:
    """Two words with the same stamp: the one further along, in either order."""
    a, b = rest("pending_new", 5), rest("new", 5)
    assert told(from_intent(intent()), a, b)[0].status is told(from_intent(intent()), b, a)[0].status is Status.NEW


@pytest.mark.parametrize("word", ["pending_review", "restated", "FILLED", "sent"])
def test_unknown_words_have_no_effect_but_are_kept(word: str) -> None:
    """I27, R8: a status nobody knows is UNKNOWN with its raw word, open, and on the list of what to ask about."""
    order, fills = told(from_intent(intent()), rest("new", 2), rest(word, 3))
    assert (order.status, order.raw_status, order.is_open, order.leaves) == (Status.UNKNOWN, word, True, 100)
    assert not fills
    assert order.strange == (f"status:{word}",)
    known, _ = told(order, rest("new", 4, event="teleported"))
    assert known.status is Status.NEW
    assert set(known.strange) == {f"status:{word}", "event:teleported"}


def test_an_adopted_order_keeps_the_fill_of_its_first_event() -> None:
    """R9: the first thing ever seen of an order is a fill; it is booked."""
    order, fills = told(from_intent(intent()), fill(40, 40, "10", 5, "x"))
    assert (order.status, order.broker_id, booked(fills)) == (Status.PARTIALLY_FILLED, "b1", (40, 400))


def test_fill_known_from_an_activity_alone() -> None:
    """Activities name no status: the fill itself is the sign of life, and the last one fills the order."""
    activity = msgspec.structs.replace(fill(40, 40, "10", 5, "x"), source="activity", status="")
    order, _ = told(from_intent(intent()), noted(CID, "in_doubt", 4), activity)
    assert (order.status, order.in_doubt) == (Status.PARTIALLY_FILLED, False)
    last = msgspec.structs.replace(fill(100, 60, "10", 6, "y"), source="activity", status="")
    assert told(order, last)[0].status is Status.FILLED


def test_nothing_but_the_broker_ends_a_doubt() -> None:
    """I8, R40: in doubt outlives refusals of a second try and a passed deadline; any sign of life ends it."""
    order, _ = told(from_intent(intent()), noted(CID, "sent", 2), noted(CID, "in_doubt", 3))
    for word in ("sent", "refused", "abandoned"):
        assert told(order, noted(CID, word, 4))[0].in_doubt
    for status in ("new", "rejected", "pending_review"):
        assert not told(order, rest(status, 1))[0].in_doubt


def test_absent_after_the_doubt_frees_the_order() -> None:
    """CRA-03, I8: the broker knows no such order, so it may be sent again under its id, or abandoned."""
    doubt = [noted(CID, "sent", 2), noted(CID, "in_doubt", 3)]
    free, _ = told(from_intent(intent()), *doubt, noted(CID, "absent", 9))
    assert free.status is Status.PENDING
    assert told(free, noted(CID, "abandoned", 10))[0].status is Status.ABANDONED
    again, _ = told(free, noted(CID, "sent", 9))
    assert again.status is Status.SENT
    assert told(again, noted(CID, "refused", 10, "no"))[0].reason == "no"
    assert told(again, noted(CID, "in_doubt", 10))[0].in_doubt
    assert told(from_intent(intent()), *doubt, noted(CID, "absent", 3))[0].in_doubt
    assert told(free, fill(5, 5, "10", 1, "x"))[0].status is Status.PARTIALLY_FILLED


def test_refused_ends_unless_life_turns_up() -> None:
    """R23, R42: a synchronous refusal is the end; evidence of life wins over it all the same."""
    order, _ = told(from_intent(intent()), noted(CID, "sent", 2), noted(CID, "refused", 3, "wash trade"))
    assert (order.status, order.leaves, order.reason) == (Status.REFUSED, 0, "wash trade")
    alive, _ = told(order, rest("new", 1))
    assert (alive.status, alive.leaves) == (Status.NEW, 100)


def test_abandoned_only_what_was_never_sent() -> None:
    """R25, I8: a passed deadline ends a pending order and no other."""
    order = from_intent(intent())
    assert told(order, noted(CID, "abandoned", 2))[0].status is Status.ABANDONED
    assert told(order, noted(CID, "sent", 2), noted(CID, "abandoned", 3))[0].status is Status.SENT


def test_bust_takes_back_what_was_booked() -> None:
    """BRK-31: a bust lowers the quantity by a compensating step; twice, or under the other source's id, only once."""
    activity = msgspec.structs.replace(fill(100, 60, "11", 6, "other"), source="activity", status="")
    order, fills = told(from_intent(intent()), fill(40, 40, "10", 5, "x"), fill(100, 60, "11", 6, "y"), activity)
    after, back = told(order, bust("y", 90), bust("y", 91), bust("other", 95), rest("filled", 6, 100, "10.6"))
    assert [(f.qty, f.price) for f in back] == [(-60, 11)]
    assert (after.filled_qty, after.filled_notional, after.status) == (40, 400, Status.FILLED)
    assert booked(fills + back) == (40, 400)


def test_counting_goes_on_from_the_busted_quantity() -> None:
    """BRK-31: after a bust the broker's cumulative continues lower, and reaching an old level again is a new fill."""
    order, fills = told(
        from_intent(intent()),
        fill(40, 40, "10", 5, "x"),
        bust("x", 10, status="new"),
        rest("new", 11, 0),
        fill(40, 40, "12", 20, "y"),
    )
    assert [(f.qty, f.price) for f in fills] == [(40, 10), (-40, 10), (40, 12)]
    assert (order.filled_qty, order.filled_notional) == (40, 480)


def test_correction_restates_the_price_then_a_bust_of_the_new_one() -> None:
    """BRK-31: trade_correct gives an execution a new id and price; a bust by the new id takes all of it back."""
    right = msgspec.structs.replace(
        bust("x2", 50), event="trade_correct", last_qty=D(40), last_price=D("9.5"), previous_execution_id="x"
    )
    order, fills = told(from_intent(intent()), fill(40, 40, "10", 5, "x"), right)
    assert (order.filled_qty, order.filled_notional, booked(fills)) == (40, 380, (40, 380))
    gone, more = told(order, bust("x2", 60))
    assert (gone.filled_qty, gone.filled_notional, booked(fills + more)) == (0, 0, (0, 0))


def test_bust_before_its_fill() -> None:
    """BRK-02, BRK-31: a bust of an execution nobody has seen waits for it, and says so."""
    order, fills = told(from_intent(intent()), bust("x", 50, status="new"))
    assert (order.filled_qty, order.tally.unmatched) == (0, ("x",))
    after, more = told(order, fill(40, 40, "10", 5, "x"))
    assert (after.filled_qty, after.tally.unmatched, booked(fills + more)) == (0, (), (0, 0))


def test_a_correction_cannot_precede_its_execution() -> None:
    """BRK-31: the bust's stamp lies before the fill's, because two clocks differ; it takes effect all the same."""
    order, _ = told(from_intent(intent()), fill(40, 40, "10", 50, "x"), bust("x", 49, status="new"))
    assert order.filled_qty == 0


def test_a_snapshot_of_the_same_instant_does_not_undo_a_bust() -> None:
    """BRK-31: evidence stamped with the bust's own instant belongs before it; a later one is believed."""
    order, _ = told(from_intent(intent()), fill(40, 40, "10", 5, "x"), bust("x", 50), rest("new", 50, 40, "10"))
    assert order.filled_qty == 0
    assert told(order, rest("new", 51, 40, "10"))[0].filled_qty == 40


def test_two_busts_of_one_level() -> None:
    """BRK-31: 40 filled, busted, filled again, busted again: a level of another epoch is another execution."""
    order, fills = told(
        from_intent(intent()),
        fill(40, 40, "10", 5, "x"),
        bust("x", 10),
        fill(40, 40, "12", 20, "y"),
        bust("y", 30),
    )
    assert (order.filled_qty, booked(fills)) == (0, (0, 0))


def test_an_average_counts_before_a_guess() -> None:
    """R16, R34: a hole beneath an execution is priced by a snapshot above it, not by the neighbour's price."""
    order, _ = told(from_intent(intent()), fill(30, 20, "10", 5, "y"), rest("new", 6, 30, "9.7"))
    assert (order.filled_notional, order.tally.averaged, order.tally.guessed) == (291, 30, 0)


def test_a_guess_has_no_endless_decimals() -> None:
    """I4: a guessed price is cut to nine decimals, so that bookings stay exact and writable."""
    parts = [fill(1, 1, "3.33", 1, "x"), fill(2, 1, "3.33", 2, "y"), fill(3, 1, "3.34", 3, "z")]
    order, fills = told(from_intent(intent()), *parts, rest("new", 4, 7))
    assert (order.filled_notional, order.tally.guessed) == (10 + 4 * D("3.333333333"), 4)
    assert booked(fills) == (7, order.filled_notional)


def test_filled_wins_by_word_too() -> None:
    """R15: `filled` beats a later `canceled` even while the fills themselves have not been seen."""
    for updates in ((rest("filled", 5), rest("canceled", 9)), (rest("canceled", 9), rest("filled", 5))):
        assert told(from_intent(intent()), *updates)[0].status is Status.FILLED


def test_an_execution_larger_than_the_total_is_no_execution() -> None:
    """R7: details that contradict the cumulative quantity are not used; the cumulative quantity is."""
    order, fills = told(from_intent(intent()), fill(40, 50, "10", 5, "x"))
    assert (order.executions, order.filled_qty, [f.qty for f in fills]) == ((), 40, [40])


def test_the_latest_local_word_counts() -> None:
    """I8: an older doubt does not replace a newer one, whatever is read from the journal first."""
    words = [noted(CID, "in_doubt", 9), noted(CID, "in_doubt", 3), noted(CID, "absent", 5)]
    for arrangement in permutations(words):
        assert told(from_intent(intent()), *arrangement)[0].in_doubt


def test_falling_back_to_new_with_fills_is_partially_filled() -> None:
    """R13: after a lost cancel the broker's word may be `new`; the fills are still there, and forbid a replace."""
    order, _ = told(from_intent(intent()), fill(10, 10, "10", 5, "x"), rest("pending_cancel", 6), rest("new", 7))
    assert (order.status, order.replaceable) == (Status.PARTIALLY_FILLED, False)
    assert not told(order, rest("done_for_day", 8))[0].replaceable


def test_overfill_is_booked_and_flagged() -> None:
    """I2: more than was asked for is not hidden."""
    order, fills = told(from_intent(intent()), fill(100, 100, "10", 5, "x"), fill(130, 30, "10", 6, "y"))
    assert (order.filled_qty, order.overfill, order.leaves, booked(fills)[0]) == (130, 30, 0, 130)


def test_broker_decimals_leave_no_trace() -> None:
    """R41: 40 and 40.000 from two sources are one value, in one spelling, of the plain type that JSON takes."""
    wire = Update(
        client_order_id=CID, source="rest", status="new", ts=5, cum_qty=Amount("40.000"), avg_price=Amount("10.0")
    )
    plainly = msgspec.structs.replace(wire, cum_qty=D(40), avg_price=D(10))
    one, other = told(from_intent(intent()), wire)[0], told(from_intent(intent()), plainly)[0]
    assert msgspec.json.encode(one) == msgspec.json.encode(other)
    odd = msgspec.structs.replace(intent(), qty=Amount("100.0"))
    assert msgspec.json.encode(from_intent(odd)) == msgspec.json.encode(from_intent(intent()))


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-1", "1E+1000000"])
def test_no_absurd_amounts(number: str) -> None:
    """Finding 10: what is no amount never becomes evidence."""
    with pytest.raises(ValueError, match=r"amount|negative"):
        rest("new", 1, number)


def test_evidence_of_another_order_is_refused() -> None:
    """R37: evidence is never applied to an order it does not name, and a local word is one of the known ones."""
    with pytest.raises(ValueError, match="evidence of"):
        reduce(from_intent(intent()), msgspec.structs.replace(rest("new", 1), client_order_id="else"))
    with pytest.raises(ValueError, match="local state"):
        noted(CID, "filled", 1)
    with pytest.raises(ValueError, match="local state"):
        reduce(from_intent(intent()), msgspec.structs.replace(rest("new", 1), source="local"))


def test_what_the_broker_takes_in_each_state() -> None:
    """BRK-12, R10: no cancel while a replace is pending; no replace while unsettled or partly filled."""
    assert {s for s, stage in LIFE.items() if stage.cancelable and stage.terminal} == set()
    order, _ = told(from_intent(intent()), rest("pending_replace", 2))
    assert (order.cancelable, order.replaceable) == (False, False)
    working, _ = told(order, rest("new", 3))
    assert (working.cancelable, working.replaceable) == (True, True)
    partly, _ = told(working, fill(1, 1, "10", 4, "x"))
    assert (partly.cancelable, partly.replaceable) == (True, False)
    for word in ("accepted", "pending_new", "pending_cancel"):
        assert not told(from_intent(intent()), rest(word, 2))[0].replaceable


def test_two_broker_ids_for_one_intent_are_both_kept() -> None:
    """I1: two live orders under one id would be a broken promise; nothing hides it."""
    other = msgspec.structs.replace(rest("new", 3), broker_id="b2")
    assert told(from_intent(intent()), rest("new", 2), other)[0].broker_ids == ("b1", "b2")


def test_what_was_asked_is_no_part_of_an_order() -> None:
    """Status and fills are kept once somebody asked; equality, JSON and a changed copy know nothing of it."""
    asked, fresh = from_intent(intent()), from_intent(intent())
    assert (asked.status, asked.is_terminal, asked.filled_qty) == (Status.PENDING, False, ZERO)
    assert asked == fresh
    assert msgspec.json.encode(asked) == msgspec.json.encode(fresh)
    sent = noted(asked.client_order_id, "sent", 1)
    assert reduce(asked, sent)[0].status is Status.SENT


def test_nothing_filled_is_written_down() -> None:
    """The journal says how much was filled also where it is nothing: its records keep their bytes, and their hashes."""
    assert b'"cum_qty":"0"' in msgspec.json.encode(noted(CID, "sent", 1))
    assert b'"cum_qty":"0"' in msgspec.json.encode(rest("new", 1))
