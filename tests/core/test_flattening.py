"""The way to flat against a slow and moody broker: it never reverses, it ends, and it never claims what is not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core.flattening import Flattening, GiveUp, Held, Move, Proven, Resting, Sight, Wait, step

PATIENCE = 40


@dataclass
class Broker:
    """A few positions and orders, slow and moody: what is asked for may be refused, late, or filled in parts."""

    held: dict[str, int]
    orders: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # id -> symbol, status, what it still closes
    chance: Random = field(default_factory=Random)
    is_open: bool = True
    stubborn: frozenset[str] = frozenset()
    count: int = 0

    def sight(self) -> Sight:
        return Sight(
            is_open=self.is_open,
            opens="tomorrow",
            orders=tuple(Resting(id=key, symbol=row[0], status=row[1]) for key, row in self.orders.items()),
            positions=tuple(Held(symbol=name, qty=Decimal(n)) for name, n in self.held.items() if n),
        )

    def locked(self, symbol: str) -> bool:
        return any(row[0] == symbol for row in self.orders.values())

    def do(self, state: Flattening, move: Move) -> Flattening:
        for key in [*(self.orders if move.cancel_all else ()), *move.cancel]:
            if key in self.orders and (key in self.stubborn or self.chance.random() < 0.2):
                self.orders[key] = (self.orders[key][0], "pending_cancel", self.orders[key][2])
            else:
                self.orders.pop(key, None)
        for symbol in move.close:
            if not self.held.get(symbol) or self.locked(symbol) or symbol in self.stubborn:
                state = state.refusal(symbol, "insufficient qty available")
                continue
            self.count += 1
            key = f"c{self.count}"
            self.orders[key] = (symbol, "new", self.held[symbol])
            if self.chance.random() < 0.9:  # else the answer is lost
                state = state.closing(symbol, key)
        return state

    def passes(self) -> None:
        """Closing orders fill, in parts."""
        for key, (symbol, status, left) in list(self.orders.items()):
            if key.startswith("c") and self.is_open and self.chance.random() < 0.7:
                part = max(1, abs(left) // 2) * (1 if left > 0 else -1)
                self.held[symbol] -= part
                self.orders[key] = (symbol, status, left - part)
                if not left - part:
                    del self.orders[key]


def run(broker: Broker, watch: Callable[[], None] = lambda: None) -> tuple[Flattening, Proven | GiveUp, int]:
    state = Flattening()
    for looks in range(1, 2000):
        sight = broker.sight()
        state, action = step(state, sight, patience=PATIENCE)
        if isinstance(action, Move):
            state = broker.do(state, action)
        elif not isinstance(action, Wait):
            return state, action, looks
        broker.passes()
        watch()
    raise AssertionError("it never ends")


books = st.dictionaries(st.sampled_from(["AAPL", "MSFT", "SPY", "BTCUSD"]), st.integers(-30, 30), max_size=4)
rests = st.dictionaries(
    st.integers(1, 9).map(lambda n: f"o{n}"),
    st.tuples(st.sampled_from(["AAPL", "MSFT", "SPY"]), st.just("new"), st.just(0)),
    max_size=5,
)


@given(books, rests, st.integers(0, 10**6).map(Random))
@settings(max_examples=200)
def test_it_ends_flat_and_never_reverses(
    held: dict[str, int], orders: dict[str, tuple[str, str, int]], chance: Random
) -> None:
    """With partial fills, lost answers and cancels that need asking twice: flat in the end, each size only shrinks."""
    broker = Broker(dict(held), dict(orders), chance)
    sizes = {name: abs(n) for name, n in held.items()}

    def shrinks() -> None:
        for name, now in broker.held.items():
            assert 0 <= now * (1 if held[name] >= 0 else -1) <= sizes[name]
            sizes[name] = abs(now)

    _, action, _ = run(broker, shrinks)
    assert isinstance(action, Proven)
    assert broker.sight().flat


@given(books.filter(lambda held: any(held.values())), st.integers(0, 10**6).map(Random))
@settings(max_examples=100)
def test_what_cannot_be_closed_is_listed_with_the_brokers_words(held: dict[str, int], chance: Random) -> None:
    """A position that the broker will not close remains, alone, with the reason; flat is not claimed."""
    bad = next(name for name, n in held.items() if n)
    broker = Broker(dict(held), {}, chance, stubborn=frozenset({bad}))
    _, action, _ = run(broker)
    assert isinstance(action, GiveUp)
    assert [(row.symbol, row.qty) for row in action.remaining] == [(bad, Decimal(held[bad]))]
    assert "insufficient qty available" in action.remaining[0].why


def test_an_order_that_does_not_end_is_listed() -> None:
    """Pending cancel for ever: asked again and again, then named with its state."""
    broker = Broker({}, {"o1": ("AAPL", "new", 0)}, Random(1), stubborn=frozenset({"o1"}))
    _, action, looks = run(broker)
    assert isinstance(action, GiveUp)
    assert action.remaining[0].what == "order"
    assert "pending_cancel" in action.remaining[0].why
    assert looks >= PATIENCE


def test_a_closed_market_is_named_at_once() -> None:
    """Closing orders that only wait for the open are left in place and told of, without waiting for patience."""
    broker = Broker({"AAPL": 5}, {}, Random(3), is_open=False)
    _, action, looks = run(broker)
    assert isinstance(action, GiveUp)
    assert "waits for the open at tomorrow" in action.remaining[0].why
    assert looks <= 5
    assert len(broker.orders) == 1


def test_flat_is_believed_when_seen_twice() -> None:
    """One empty look is no proof; an order that shows up after it begins the work."""
    state, action = step(Flattening(), Broker({}).sight(), patience=PATIENCE)
    assert action == Wait()
    late = Broker({"AAPL": 1}).sight()
    state, action = step(state, late, patience=PATIENCE)
    assert action == Move(cancel_all=False, cancel=(), close=("AAPL",))
    state, action = step(state, Broker({}).sight(), patience=PATIENCE)
    assert action == Wait()
    assert step(state, Broker({}).sight(), patience=PATIENCE)[1] == Proven()


def test_short_options_are_closed_before_what_covers_them() -> None:
    """The long wing stays until the short one is gone; other underlyings do not wait for it."""
    short, long, other = "SPY260320C00520000", "SPY260320C00530000", "QQQ260320C00500000"
    sight = Broker({short: -1, long: 1, other: 1, "AAPL": 3}).sight()
    state, action = step(Flattening(), sight, patience=PATIENCE)
    assert action == Move(cancel_all=False, cancel=(), close=(short, other, "AAPL"))
    assert step(state, Broker({long: 1}).sight(), patience=PATIENCE)[1] == Move(
        cancel_all=False, cancel=(), close=(long,)
    )


def test_what_was_left_half_done_is_taken_up() -> None:
    """A new machine that finds the closing order of an earlier one cancels it and closes anew (CRA-24)."""
    broker = Broker({"AAPL": 8}, {"c0": ("AAPL", "new", 8)}, Random(5))
    _, action, _ = run(broker)
    assert isinstance(action, Proven)
    assert broker.held["AAPL"] == 0
