"""Exits: together they never close more than is held, whatever the order of events, and all that is held is covered."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.exits import ExitState, Mode, covered, level, resumed, step
from puna.core.parent import (
    Action,
    Alarm,
    CancelChild,
    CancelEntry,
    ChildChanged,
    ChildRead,
    ChildRefused,
    Done,
    Event,
    Halted,
    Held,
    Parent,
    Protect,
    QuoteSeen,
    Reached,
    ReadChild,
    Stop,
    SubmitChild,
    Tick,
)
from puna.core.types import Quote, Side
from puna.wire.codec import parse_time

SECOND = 1_000_000_000
NOON = parse_time("2012-09-19T12:00:00-04:00")
EVENING = parse_time("2012-09-19T17:00:00-04:00")
D = Decimal


def quote(bid: float, symbol: str = "AAPL", ts: int = 0) -> Quote:
    return Quote(symbol, bid, 100, round(bid + 0.02, 2), 100, ts, ts)


def parent(side: Side = Side.SELL, symbol: str = "AAPL", **terms: Any) -> Parent:
    style = Protect(**terms)
    return Parent(symbol=symbol, side=side, qty=D(10), style=style, start=0, end=2**63 - 1)


def play(p: Parent, *events: Event, at: int = NOON) -> tuple[ExitState, list[Action]]:
    """The state and all actions after events, ten seconds apart."""
    state, actions = ExitState(), list[Action]()
    for number, event in enumerate(events):
        state, more = step(p, state, event, at + number * 10 * SECOND)
        actions += more
    return state, actions


def submits(actions: Iterable[Action]) -> list[tuple[int, Decimal | None, Decimal | None]]:
    return [(int(a.qty), a.limit, a.stop) for a in actions if isinstance(a, SubmitChild)]


HELD = Held(D(10), over=True)
TERMS: list[dict[str, Any]] = [
    {"stop": D(99)},
    {"take_profit": D(101)},
    {"stop": D(99), "take_profit": D(101)},
    {"trail": D(1)},
    {"stop": D(98), "take_profit": D(102), "trail_percent": D(1)},
]


class Broker:
    """A venue with an entry and its exits: fills and ends by chance, every message late, doubled, out of order."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.bought, self.entry_ended = wanted, 0, False
        self.qty: dict[int, int] = {}
        self.filled: dict[int, int] = {}
        self.ended: set[int] = set()
        self.cancelling: set[int] = set()
        self.entry_cancelling = False
        self.post: list[Event] = []
        self.done = False

    def take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case SubmitChild(number, qty):
                    assert not self.done
                    assert self.entry_ended, "an exit could meet its own entry"
                    self.qty[number], self.filled[number] = int(qty), 0
                case CancelChild(number):
                    self.cancelling.add(number)
                case CancelEntry():
                    self.entry_cancelling = True
                case ReadChild(number):
                    self.post.append(ChildRead(number, D(self.filled[number]), number in self.ended))
                case _:
                    pass

    @property
    def sold(self) -> int:
        return sum(self.filled.values())

    @property
    def leaves(self) -> int:
        return sum(self.qty[n] - self.filled[n] for n in self.qty if n not in self.ended)

    def buy(self, qty: int) -> None:
        if not self.entry_ended:
            self.bought = min(self.wanted, self.bought + qty)
            self.entry_ended = self.bought == self.wanted
            self.post.append(Held(D(self.bought), over=self.entry_ended))

    def end_entry(self, late: int) -> None:
        """The entry ends; its last fill is told of only when it is read again."""
        if not self.entry_ended:
            self.post.append(Held(D(self.bought)))
            self.bought, self.entry_ended = min(self.wanted, self.bought + late), True
            self.post.append(Held(D(self.bought), over=True))

    def fill(self, number: int, qty: int) -> None:
        if number not in self.ended:
            self.filled[number] += min(qty, self.qty[number] - self.filled[number])
            if self.filled[number] == self.qty[number]:
                self.ended.add(number)
            self.post.append(ChildChanged(number, D(self.filled[number]), number in self.ended))

    def end(self, number: int) -> None:
        """By cancel or expiry, told with a count that is older than a last fill."""
        if number not in self.ended:
            stale = self.filled[number]
            self.filled[number] += min(1, self.qty[number] - stale)
            self.ended.add(number)
            self.post.append(ChildChanged(number, D(stale), ended=True))

    def refuse(self, number: int) -> None:
        if not self.filled[number] and number not in self.ended:
            self.ended.add(number)
            self.post.append(ChildRefused(number, "no"))


def moved(broker: Broker, data: st.DataObject) -> None:
    """One thing that happens at the venue."""
    move = data.draw(st.integers(0, 6))
    some = sorted(broker.qty)
    if move <= 1:
        broker.buy(data.draw(st.integers(1, 5)))
    elif move == 2:
        broker.end_entry(data.draw(st.integers(0, 2)))
    elif some:
        number = data.draw(st.sampled_from(some))
        {3: lambda: broker.fill(number, data.draw(st.integers(1, 5))), 4: lambda: broker.end(number),
         5: lambda: broker.refuse(number), 6: lambda: broker.fill(number, 99)}[move]()  # fmt: skip


@given(st.sampled_from(TERMS), st.sampled_from(list(Side)), st.integers(1, 12), st.data())
def test_exits_never_close_more_than_is_held(terms: dict[str, Any], side: Side, qty: int, data: st.DataObject) -> None:
    """Partial and late fills, cancels, refusals, restarts, halts: sold and to be sold is never more than bought.

    Every unit is at the broker or watched, and in the end the position is closed or covered.
    """
    p, state, broker, now = parent(side, **terms), ExitState(), Broker(qty), NOON
    for _ in range(50):
        now += data.draw(st.integers(0, 20)) * SECOND
        event: Event = Tick()
        act = data.draw(st.integers(0, 7))
        if act <= 1:
            event = QuoteSeen(quote(data.draw(st.integers(970, 1030)) / 10, ts=now))
        elif act <= 3:
            moved(broker, data)
        elif act <= 5 and broker.post:
            at = data.draw(st.integers(0, len(broker.post) - 1))
            event = broker.post[at] if data.draw(st.booleans()) else broker.post.pop(at)
        elif act == 6:
            event = Halted(data.draw(st.booleans()))
        elif act == 7 and data.draw(st.booleans()):  # a restart: all is forgotten but what the journal holds
            known = (state.bought, state.over)
            state, actions = resumed(p, state.children, state.told)
            broker.take(actions)
            event = Held(known[0], over=known[1])
        state, actions = step(p, state, event, now)
        broker.take(actions)
        assert broker.sold + broker.leaves <= broker.bought
        at_broker, watched = covered(state)
        exact = all(child.settled or not child.ended for child in state.children)  # else the worst case
        assert state.done or (
            at_broker + watched == state.remaining if exact else at_broker + watched >= state.remaining
        )
    state = settle(p, state, broker, now)
    at_broker, watched = covered(state)
    assert state.remaining == broker.bought - broker.sold == at_broker + watched
    assert at_broker == broker.leaves
    assert state.done == (state.remaining == 0)


def settle(p: Parent, state: ExitState, broker: Broker, now: int) -> ExitState:
    """The entry ends, and every message arrives."""
    broker.end_entry(0)
    state, actions = step(p, state, Halted(on=False), now)
    broker.take(actions)
    broker.post.append(Held(D(broker.bought), over=True))
    for number in list(broker.qty):
        broker.post.append(ChildChanged(number, D(broker.filled[number]), number in broker.ended))
    for number in broker.cancelling:
        broker.end(number)
    for _ in range(400):
        if not broker.post:
            return state
        state, actions = step(p, state, broker.post.pop(0), now)
        broker.take(actions)
        for number in broker.cancelling - broker.ended:
            broker.end(number)
    raise AssertionError("it never comes to rest")


def test_a_net_rests_once_the_entry_is_over() -> None:
    """While the entry may fill, all is watched here; then a plain stop rests at the broker for all of it."""
    p = parent(stop=D(99), take_profit=D(101))
    state, actions = play(p, Held(D(4)), QuoteSeen(quote(100)))
    assert submits(actions) == []
    assert covered(state) == (D(0), D(4))
    state, actions = play(p, Held(D(4)), QuoteSeen(quote(100)), Held(D(6), over=True))
    assert submits(actions) == [(6, None, D(99))]
    assert covered(state) == (D(6), D(0))


def test_an_exit_ends_its_entry_first() -> None:
    """The stop is crossed while the entry still rests: it is canceled once, and what it filled by then is sold."""
    p = parent(stop=D(99))
    state, actions = play(p, Held(D(4)), QuoteSeen(quote(98.5)), Tick(), Held(D(5), over=True))
    assert [type(each).__name__ for each in actions] == ["CancelEntry", "SubmitChild"]
    assert submits(actions) == [(5, None, None)]
    assert state.mode is Mode.OUT


def test_the_profit_takes_the_net_in_before_it_stands() -> None:
    """The net is canceled and read again before the limit order leaves; when the price goes back, the net returns."""
    p = parent(stop=D(99), take_profit=D(101))
    events: list[Event] = [HELD, QuoteSeen(quote(100)), QuoteSeen(quote(101))]
    state, actions = play(p, *events)
    assert actions[-1] == CancelChild(0)
    assert len(submits(actions)) == 1
    events += [ChildChanged(0, D(0), ended=True), ChildRead(0, D(2), ended=True)]
    state, actions = play(p, *events)
    assert submits(actions)[1:] == [(8, D(101), None)]
    assert covered(state) == (D(8), D(0))
    events += [QuoteSeen(quote(100)), Tick(), ChildChanged(1, D(0), ended=True), ChildRead(1, D(0), ended=True)]
    _, actions = play(p, *events)
    assert submits(actions)[2:] == [(8, None, D(99))]


def test_a_trail_only_ever_climbs_and_takes_the_net_along() -> None:
    """The level follows the best bid, a restart goes on from what was written down, and the net follows in steps."""
    p = parent(stop=D(95), trail=D(1))
    events: list[Event] = [QuoteSeen(quote(100)), HELD]
    events += [QuoteSeen(quote(bid)) for bid in (100.1, 101, 100.5, 102, 101.5, 101.4, 101.3, 101.2)]
    state, actions = play(p, *events)
    assert level(p, state) == D(101)
    assert submits(actions) == [(10, None, D(99))]
    assert CancelChild(0) in actions
    assert [each.price for each in actions if isinstance(each, Reached)] == [D(100), D(101), D(102)]
    after, _ = resumed(p, state.children, D(102))
    assert level(p, after) == D(101)


def test_a_short_position_is_protected_the_other_way_round() -> None:
    """Closed by buying: the stop lies above, the trail follows the ask down."""
    p = parent(Side.BUY, stop=D(105), trail=D(1))
    state, actions = play(p, QuoteSeen(quote(99.98)), HELD, QuoteSeen(quote(98.98)), QuoteSeen(quote(99.98)))
    assert state.mode is Mode.OUT
    assert submits(actions) == [(10, None, D(101))]


def test_a_coin_has_a_net_with_a_limit() -> None:
    """The broker takes no plain stops of coins: a stop-limit order that may give way by `slip`, at any hour."""
    p = parent(symbol="BTC/USD", stop=D(99))
    _, actions = play(p, HELD, QuoteSeen(quote(100, "BTC/USD")), at=EVENING)
    assert submits(actions) == [(10, D("97.02"), D(99))]


@pytest.mark.parametrize(("extended", "sent"), [(True, [(10, D("96.53"), None)]), (False, [])])
def test_outside_the_core_session_only_limits_close(extended: bool, sent: list[Any]) -> None:
    """With leave for extended hours a limit order below the bid; without, it waits for the next session."""
    p = parent(stop=D(99), extended=extended)
    state, actions = play(p, HELD, QuoteSeen(quote(98.5)), at=EVENING)
    assert submits(actions) == sent
    assert state.mode is Mode.OUT


def test_a_broker_without_nets_leaves_it_watched() -> None:
    """Three refusals: a person is told, nothing more is sent, and the stop still closes when it is crossed."""
    p = parent(stop=D(99))
    events: list[Event] = [HELD]
    for number in range(3):
        events += [ChildRefused(number, "no stops"), *[Tick()] * 3]
    state, actions = play(p, *events)
    assert len([each for each in actions if isinstance(each, Alarm)]) == 1
    assert len(submits(actions)) == 3
    assert covered(state) == (D(0), D(10))
    _, actions = play(p, *events, QuoteSeen(quote(98)))
    assert submits(actions)[3:] == [(10, None, None)]


def test_what_left_by_another_order_is_not_protected() -> None:
    """The strategy sold four itself: the net for ten is taken in, one for six rests; nothing is left of ten: done."""
    p = parent(stop=D(99))
    ended: list[Event] = [ChildChanged(0, D(0), ended=True), ChildRead(0, D(0), ended=True)]
    _, actions = play(p, HELD, Held(D(10), D(4), over=True), *ended)
    assert submits(actions) == [(10, None, D(99)), (6, None, D(99))]
    state, actions = play(p, HELD, Held(D(10), D(10), over=True), *ended)
    assert actions[-1] == Done(D(0), "nothing was held")
    assert state.done


def test_taking_the_protection_away_takes_the_net_in() -> None:
    """Stop: cancels, and is done when the net has ended."""
    p = parent(stop=D(99))
    events: list[Event] = [HELD, Stop("enough"), ChildChanged(0, D(0), ended=True), ChildRead(0, D(0), ended=True)]
    _, actions = play(p, *events)
    assert actions[-1] == Done(D(0), "enough")


def test_a_halt_leaves_the_net_where_it_is() -> None:
    """Nothing is canceled that could not be sent again; the stop closes once trading goes on."""
    p = parent(stop=D(99))
    events: list[Event] = [HELD, Halted(on=True), QuoteSeen(quote(98))]
    _, actions = play(p, *events)
    assert CancelChild(0) not in actions
    _, actions = play(p, *events, Halted(on=False))
    assert CancelChild(0) in actions


@pytest.mark.parametrize("terms", [{}, {"stop": D(0)}, {"trail": D(1), "trail_percent": D(1)}, {"stop": D("NaN")}])
def test_exits_that_are_none_are_refused(terms: dict[str, Any]) -> None:
    """No exit, two trails, or no price."""
    with pytest.raises(ValueError, match=r"exits need|a trail is"):
        Protect(**terms)
