"""Execution: asked 10 is never bought 11, whatever the order of events; each style works the way it says."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.execution import (
    Action,
    AskQuote,
    CancelChild,
    ChildChanged,
    ChildRead,
    ChildRefused,
    Done,
    Event,
    Parent,
    Participate,
    Patient,
    QuoteSeen,
    ReadChild,
    Sliced,
    State,
    Stop,
    Style,
    SubmitChild,
    Sweep,
    Tick,
    VolumeSeen,
    resumed,
    step,
)
from puna.core.pricing import Urgency, limit_price, on_tick, walked_price
from puna.core.types import Leg, Quote, Side

SECOND = 1_000_000_000


def quote(bid: float, ask: float) -> Quote:
    return Quote("AAPL", bid, 100, ask, 100, 0, 0)


def parent(style: Style, qty: int = 10, side: Side = Side.BUY, cap: str | None = None) -> Parent:
    limit = None if cap is None else Decimal(cap)
    return Parent(symbol="AAPL", side=side, qty=Decimal(qty), style=style, start=0, end=100 * SECOND, cap=limit)


def play(p: Parent, *events: tuple[int, Event]) -> tuple[State, list[Action]]:
    """The state and all actions after events at the given seconds."""
    state = State()
    actions: list[Action] = []
    for second, event in events:
        state, more = step(p, state, event, second * SECOND)
        actions += more
    return state, actions


def submits(actions: Iterable[Action]) -> list[tuple[int, str]]:
    return [(int(a.qty), f"{a.limit:.2f}") for a in actions if isinstance(a, SubmitChild)]


class Broker:
    """A venue for one parent: children fill and end when chance says so, and every message may be late or doubled."""

    def __init__(self) -> None:
        self.qty: dict[int, int] = {}
        self.filled: dict[int, int] = {}
        self.ended: set[int] = set()
        self.cancelling: set[int] = set()
        self.post: list[Event] = []

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case SubmitChild(number, qty, _):
                    self.qty[number], self.filled[number] = int(qty), 0
                case CancelChild(number):
                    self.cancelling.add(number)
                case ReadChild(number):
                    self.post.append(ChildRead(number, Decimal(self.filled[number]), number in self.ended))
                case _:
                    pass

    def fill(self, number: int, qty: int) -> None:
        if number not in self.ended:
            self.filled[number] += min(qty, self.qty[number] - self.filled[number])
            if self.filled[number] == self.qty[number]:
                self.ended.add(number)
            self.tell(number)

    def end(self, number: int) -> None:
        """Cancels, telling of the end with a count that may be older than the last fill."""
        if number in self.cancelling and number not in self.ended:
            stale = self.filled[number]
            self.filled[number] += min(1, self.qty[number] - stale)
            self.ended.add(number)
            self.post.append(ChildChanged(number, Decimal(stale), ended=True))

    def refuse(self, number: int) -> None:
        """Says no before anything was filled."""
        if not self.filled[number] and number not in self.ended:
            self.ended.add(number)
            self.post.append(ChildRefused(number, "no"))

    def tell(self, number: int) -> None:
        self.post.append(ChildChanged(number, Decimal(self.filled[number]), number in self.ended))


styles: st.SearchStrategy[Style] = st.sampled_from(
    [Sweep(), Patient(steps=3, seconds_a_step=5), Sliced(slices=4), Sliced(4, (Decimal(1), Decimal(3))),
     Participate(Decimal("0.5"), Urgency.HIGH)]
)  # fmt: skip


@given(styles, st.integers(1, 12), st.sampled_from(list(Side)), st.data())
def test_asked_ten_is_never_bought_eleven(style: Style, qty: int, side: Side, data: st.DataObject) -> None:
    """Fills before, during and after cancels, late, doubled, out of order: never more than the parent, and it ends."""
    p, state, broker, now = parent(style, qty, side), State(), Broker(), 0
    chance = st.integers(0, 7)
    for _ in range(60):
        now += data.draw(st.integers(0, 3)) * SECOND
        move = data.draw(chance)
        event: Event = Tick()
        if move == 0:
            bid = data.draw(st.integers(1000, 1010)) / 100
            event = QuoteSeen(quote(bid, bid + 0.04))
        elif move == 1:
            event = VolumeSeen(Decimal(data.draw(st.integers(0, 20))))
        elif move in {2, 3} and broker.qty:
            broker.fill(data.draw(st.sampled_from(sorted(broker.qty))), data.draw(st.integers(1, 5)))
        elif move == 4 and broker.qty:
            broker.end(data.draw(st.sampled_from(sorted(broker.qty))))
        elif move == 7 and broker.qty:
            broker.refuse(data.draw(st.sampled_from(sorted(broker.qty))))
        if move in {5, 6} and broker.post:
            at = data.draw(st.integers(0, len(broker.post) - 1))
            event = broker.post[at] if data.draw(st.booleans()) else broker.post.pop(at)
        state, actions = step(p, state, event, now)
        broker.take(actions)
        assert sum(broker.filled.values()) <= qty
        open_ = sum(broker.qty[n] - broker.filled[n] for n in broker.qty if n not in broker.ended)
        assert sum(broker.filled.values()) + open_ <= qty
    state = settle(p, state, broker)
    assert state.filled == sum(broker.filled.values()) <= qty


@given(st.integers(2, 12), st.data())
def test_a_parent_that_is_taken_up_again_never_buys_eleven(qty: int, data: st.DataObject) -> None:
    """At any moment all is forgotten but the children as last told; every one that has ended is read again first."""
    style: Style = data.draw(styles)
    p, state, broker, now = parent(style, qty), State(), Broker(), 0
    for _ in range(40):
        now += data.draw(st.integers(0, 3)) * SECOND
        event: Event = QuoteSeen(quote(10.00, 10.04))
        move = data.draw(st.integers(0, 5))
        if move == 1 and broker.qty:
            broker.fill(data.draw(st.sampled_from(sorted(broker.qty))), data.draw(st.integers(1, 5)))
        elif move == 2 and broker.qty:
            broker.end(data.draw(st.sampled_from(sorted(broker.qty))))
        elif move == 3 and broker.post:
            event = broker.post.pop(data.draw(st.integers(0, len(broker.post) - 1)))
        elif move == 4:
            event = VolumeSeen(Decimal(5))
        elif move == 5:
            state, actions = resumed(p, state.children)
            broker.take(actions)
        state, actions = step(p, state, event, now)
        broker.take(actions)
        leaves = sum(broker.qty[n] - broker.filled[n] for n in broker.qty if n not in broker.ended)
        assert sum(broker.filled.values()) + leaves <= qty
    assert settle(p, state, broker).filled == sum(broker.filled.values()) <= qty


def settle(p: Parent, state: State, broker: Broker) -> State:
    """Time is up and the broker answers everything: the parent must come to its end."""
    for _ in range(50):
        state, actions = step(p, state, broker.post.pop(0) if broker.post else Tick(), p.end)
        broker.take(actions)
        for number in list(broker.cancelling):
            broker.end(number)
        if state.done and not broker.post:
            return state
    raise AssertionError(f"never done: {state}")


def test_a_sweep_goes_through_the_far_side_and_no_further_than_its_cap() -> None:
    """One order at the ask, or at the cap where that is lower."""
    assert submits(play(parent(Sweep()), (0, QuoteSeen(quote(10.00, 10.10))))[1]) == [(10, "10.10")]
    capped = parent(Sweep(), cap="10.05")
    assert submits(play(capped, (0, QuoteSeen(quote(10.00, 10.10))))[1]) == [(10, "10.05")]
    assert submits(play(capped, (0, QuoteSeen(quote(10.06, 10.10))))[1]) == []


def test_a_patient_order_walks_from_bid_to_ask_and_waits_for_each_cancel_to_be_read() -> None:
    """At the bid first; a step later the old child must be cancelled and read before the next one goes out."""
    p, q = parent(Patient(steps=2, seconds_a_step=10)), QuoteSeen(quote(10.00, 10.04))
    state, actions = play(p, (0, q), (10, q))
    assert submits(actions) == [(10, "10.00")]
    assert CancelChild(0) in actions
    state, more = step(p, state, ChildChanged(0, Decimal(3), ended=True), 11 * SECOND)
    assert ReadChild(0) in more
    assert submits(more) == []
    state, more = step(p, state, ChildRead(0, Decimal(4), ended=True), 12 * SECOND)
    assert submits(more) == [(6, "10.02")]


def test_an_old_reading_frees_nothing() -> None:
    """A reading from before the end is asked for again, because a fill may have come in between."""
    p, q = parent(Patient(steps=2, seconds_a_step=10)), QuoteSeen(quote(10.00, 10.04))
    state, _ = play(p, (0, q), (10, q), (11, ChildChanged(0, Decimal(0), ended=True)))
    state, more = step(p, state, ChildRead(0, Decimal(0), ended=False), 12 * SECOND)
    assert more[0] == ReadChild(0)
    assert submits(more) == []


def test_twap_takes_an_even_share_of_each_slice() -> None:
    """Ten shares in five slices: two at once, and two more with each slice that begins."""
    p, q = parent(Sliced(slices=5, urgency=Urgency.HIGH)), QuoteSeen(quote(10.00, 10.01))
    filled = [(1, ChildChanged(0, Decimal(2), ended=True))]
    _, actions = play(p, (0, q), *filled, (20, Tick()), (30, Tick()))
    assert [qty for qty, _ in submits(actions)] == [2, 2]


def test_vwap_follows_its_profile() -> None:
    """A profile of 1 to 4 takes a fifth in the first half."""
    p = parent(Sliced(2, (Decimal(1), Decimal(4)), Urgency.HIGH))
    q = QuoteSeen(quote(10.00, 10.01))
    _, actions = play(p, (0, q), (1, ChildChanged(0, Decimal(2), ended=True)), (50, Tick()))
    assert [qty for qty, _ in submits(actions)] == [2, 8]


def test_participation_never_takes_more_than_its_share_of_the_volume() -> None:
    """A tenth of what was traded."""
    p = parent(Participate(Decimal("0.1"), Urgency.HIGH), qty=100)
    q = QuoteSeen(quote(10.00, 10.01))
    _, actions = play(p, (0, q), (1, VolumeSeen(Decimal(55))), (2, VolumeSeen(Decimal(45))))
    assert [qty for qty, _ in submits(actions)] == [5, 5]


def test_what_a_slice_leaves_goes_through_the_far_side_in_its_second_half() -> None:
    """At mid first; ten seconds later the child is taken away, read, and sent again at the ask."""
    p, q = parent(Sliced(slices=5)), QuoteSeen(quote(10.00, 10.02))
    state, actions = play(p, (0, q), (10, Tick()))
    assert submits(actions) == [(2, "10.01")]
    assert CancelChild(0) in actions
    state, _ = step(p, state, ChildChanged(0, Decimal(0), ended=True), 11 * SECOND)
    _, more = step(p, state, ChildRead(0, Decimal(0), ended=True), 12 * SECOND)
    assert submits(more) == [(2, "10.02")]


def test_a_step_of_a_patient_order_waits_for_a_fresh_quote() -> None:
    """The quote of the step before is not good enough: a new one is asked for, once, and only then a price moves."""
    p = parent(Patient(steps=2, seconds_a_step=10))
    state, actions = play(p, (0, Tick()), (1, QuoteSeen(quote(10.00, 10.04))), (10, Tick()), (11, Tick()))
    assert actions.count(AskQuote()) == 2
    assert not any(isinstance(action, CancelChild) for action in actions)
    _, more = step(p, state, QuoteSeen(quote(10.00, 10.04)), 12 * SECOND)
    assert CancelChild(0) in more


def test_a_refused_child_is_tried_again_later_and_not_for_ever() -> None:
    """Nothing is sent within the pause; the third refusal ends the parent with the reason."""
    p, q = parent(Sweep()), QuoteSeen(quote(10.00, 10.01))
    state, actions = play(p, (0, q), (1, ChildRefused(0, "R110 quote")), (2, q), (6, q), (7, ChildRefused(1, "R110")))
    assert len(submits(actions)) == 2
    state, _ = step(p, state, q, 20 * SECOND)
    _, more = step(p, state, ChildRefused(2, "R110 quote"), 21 * SECOND)
    assert list(more) == [Done(Decimal(0), "refused 3 times: R110 quote")]


def test_a_child_that_was_refused_and_lives_is_cancelled() -> None:
    """The broker's evidence overrides; what stands too much is taken away at once."""
    p, q = parent(Sweep()), QuoteSeen(quote(10.00, 10.01))
    state, _ = play(p, (0, q), (1, ChildRefused(0, "no")), (7, q))
    assert state.taken == 10
    state, more = step(p, state, ChildChanged(0, Decimal(4)), 12 * SECOND)
    assert state.taken == 20
    assert {CancelChild(0), CancelChild(1)} <= set(more)


LEGS = (Leg("SPY260320P00470000", Side.BUY, 1), Leg("SPY260320P00480000", Side.SELL, 1))


def leg_quotes(second: int) -> list[tuple[int, Event]]:
    """A put spread worth a credit of 1.60 in the middle, 1.70 to who waits, 1.50 to who takes."""
    lower, upper = Quote(LEGS[0].symbol, 2.00, 9, 2.10, 9, 0, 0), Quote(LEGS[1].symbol, 3.60, 9, 3.70, 9, 0, 0)
    return [(second, QuoteSeen(lower)), (second, QuoteSeen(upper))]


def test_a_package_walks_from_its_near_side_to_its_far_side_and_gives_up_in_time() -> None:
    """A credit is a negative price: -1.70 first, -1.60 in the middle, never worse than the cap, and then no more."""
    p = Parent(symbol="SPY", side=Side.BUY, qty=Decimal(2), style=Patient(steps=2, seconds_a_step=10), start=0,
               end=30 * SECOND, cap=Decimal("-1.55"), legs=LEGS)  # fmt: skip
    state, actions = play(p, (0, Tick()), *leg_quotes(0), (10, Tick()), *leg_quotes(10))
    assert submits(actions) == [(2, "-1.70")]
    ends: list[Event] = [ChildChanged(0, Decimal(0), ended=True), ChildRead(0, Decimal(0), ended=True)]
    for end in ends:
        state, more = step(p, state, end, 11 * SECOND)
    assert submits(more) == [(2, "-1.60")]
    for second, event in leg_quotes(20):
        state, more = step(p, state, event, second * SECOND)
    ends = [ChildChanged(1, Decimal(0), ended=True), ChildRead(1, Decimal(0), ended=True)]
    for end in ends:
        state, more = step(p, state, end, 21 * SECOND)
    assert submits(more) == [(2, "-1.55")]
    state, more = step(p, state, Tick(), 30 * SECOND)
    assert list(more) == [CancelChild(2)]


def test_stopping_cancels_and_starts_nothing() -> None:
    """After a stop the working child is cancelled, and the end says why."""
    p = parent(Sweep())
    state, actions = play(p, (0, QuoteSeen(quote(10.00, 10.01))), (1, Stop("halted")))
    assert CancelChild(0) in actions
    state, _ = step(p, state, ChildChanged(0, Decimal(1), ended=True), 2 * SECOND)
    state, more = step(p, state, ChildRead(0, Decimal(1), ended=True), 3 * SECOND)
    assert list(more) == [Done(Decimal(1), "halted")]


@pytest.mark.parametrize(
    ("side", "urgency", "price"),
    [
        (Side.BUY, Urgency.LOW, "10.00"), (Side.BUY, Urgency.NORMAL, "10.02"), (Side.BUY, Urgency.HIGH, "10.05"),
        (Side.SELL, Urgency.LOW, "10.05"), (Side.SELL, Urgency.NORMAL, "10.03"), (Side.SELL, Urgency.HIGH, "10.00"),
    ],
)  # fmt: skip
def test_urgency_gives_up_none_half_or_all_of_the_spread(side: Side, urgency: Urgency, price: str) -> None:
    """Between ticks the price rounds toward the patient side."""
    assert limit_price(side, quote(10.00, 10.05), urgency, Decimal("0.01")) == Decimal(price)


@given(
    st.integers(100, 10_000),
    st.integers(0, 200),
    st.sampled_from(list(Side)),
    st.integers(0, 10),
    st.integers(90, 11_000),
)
def test_a_price_stays_inside_the_quote_and_its_cap(bid: int, spread: int, side: Side, tenths: int, cap: int) -> None:
    """On a tick, between bid and ask, never beyond the cap; None only when the cap lies behind the near side."""
    q, limit, tick = quote(bid / 100, (bid + spread) / 100), Decimal(cap) / 100, Decimal("0.01")
    price = walked_price(side, q, Decimal(tenths) / 10, tick, limit)
    near = bid if side is Side.BUY else bid + spread
    if price is None:
        assert (cap - near) * side.sign < 0
        return
    assert on_tick(price, tick, side) == price
    assert bid <= price * 100 <= bid + spread
    assert (limit - price) * side.sign >= 0


def test_an_unusable_quote_prices_nothing() -> None:
    """Crossed, one-sided and NaN quotes give no price."""
    for bad in (quote(10.01, 10.00), quote(0, 10), quote(float("nan"), 10)):
        assert limit_price(Side.BUY, bad, Urgency.HIGH, Decimal("0.01")) is None
