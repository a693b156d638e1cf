"""The small parts: what the market view believes, longer bars, targets, who goes first, a clock at a speed."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core.orders import from_intent
from puna.core.types import Bar, OrderIntent, OrderType, Quote, Side, TimeInForce, Trade
from puna.engine.market import MarketView, sound
from puna.engine.pacing import PacedClock
from puna.engine.sighting import Sighting
from puna.engine.strategy import Strategy
from puna.engine.tasks import Line, Rank, Tasks
from puna.engine.timeframe import MINUTE, Aggregate, minutes
from puna.errors import ConfigError, ProtocolError
from puna.wire.trading import Order

prices = st.floats(min_value=0.01, max_value=10_000, allow_nan=False)
NAN, INF = float("nan"), float("inf")


def bar(number: int, o: float = 10, h: float = 12, low: float = 9, c: float = 11, v: float = 100) -> Bar:
    return Bar("AAPL", o, h, low, c, v, number * MINUTE, (number + 1) * MINUTE, 5, 10.5)


def quote(bid: float, ask: float, ts: int = 1) -> Quote:
    return Quote("AAPL", bid, 100, ask, 100, ts, ts)


@pytest.mark.parametrize(
    "wrong",
    [bar(1, h=NAN), bar(1, low=11.5), bar(1, h=10.5), bar(1, o=0), bar(1, c=-1), bar(1, v=-1), bar(1, h=INF)],
)
def test_a_bar_that_cannot_be_true_is_not_taken(wrong: Bar) -> None:
    """NaN, infinity, a high below the close, a price of nothing: refused, counted, without effect."""
    view = MarketView()
    assert not sound(wrong)
    assert not view.take_bar("1Min", wrong)
    assert (view.bars("AAPL", "1Min"), view.mark("AAPL"), view.refused) == ((), None, 1)


def test_an_absurd_price_changes_nothing() -> None:
    """A hundredfold quote, print or bar between honest ones: refused, counted; quote, mark and bars stay (DAT-01)."""
    view = MarketView()
    assert view.take_quote(quote(100, 101))
    for bid, ask in ((10_000, 10_100), (1, 1.01)):
        assert not view.take_quote(quote(bid, ask, 2))
    assert not view.take_trade(Trade("AAPL", 1.0, 5, 3, 3))
    assert not view.take_bar("1Min", bar(1, 100, 101, 1, 100))
    assert not view.take_bar("1Min", bar(1, 10_000, 10_001, 9_999, 10_000))
    assert (view.quotes["AAPL"].bid, view.mark("AAPL"), view.refused) == (100, Decimal("100.5"), 5)
    assert view.bars("AAPL", "1Min") == ()
    option = "AAPL260320C00500000"
    for price in (0.05, 5.0):
        assert view.take_trade(Trade(option, price, 1, 1, 1))


def test_bars_come_in_order_and_once() -> None:
    """A bar twice, or an older one, is not taken; a revision takes the place of what it corrects."""
    view = MarketView(depth=3)
    assert [view.take_bar("1Min", bar(number)) for number in (1, 2, 2, 1, 3, 4)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]
    view.revise_bar("1Min", bar(3, c=9.5))
    view.revise_bar("1Min", bar(4, c=99))
    assert [each.close for each in view.bars("AAPL", "1Min")] == [11, 9.5, 11]
    assert view.last_bar("AAPL", "1Min") == bar(4)


def test_the_mark_is_the_middle_of_a_sound_quote_else_the_last_price() -> None:
    """An unusable quote replaces the old one, so that nobody trades on what is gone; the mark falls back."""
    view = MarketView()
    assert view.take_trade(Trade("AAPL", 9.5, 1, 1, 1))
    assert view.mark("AAPL") == Decimal("9.5")
    assert view.take_quote(quote(10, 10.01, 2))
    assert view.mark("AAPL") == Decimal("10.005")
    assert not view.take_quote(quote(11, 12, 1))
    assert not view.take_quote(quote(0, 12, 3))
    assert (view.mid("AAPL"), view.mark("AAPL")) == (None, Decimal("9.5"))
    assert not view.take_trade(Trade("AAPL", NAN, 1, 5, 5))


minute_bars = st.lists(
    st.tuples(st.integers(0, 40), prices, prices, st.floats(0, 1e6)), unique_by=lambda row: row[0], min_size=1
).map(lambda rows: [bar(n, o, max(o, c), min(o, c), c, v) for n, o, c, v in sorted(rows)])


@given(minute_bars, st.sampled_from([2, 5, 15]))
def test_longer_bars_hold_exactly_their_minutes(made: Sequence[Bar], length: int) -> None:
    """Each complete bar has the first open, last close, range and volume of its minutes; none is lost or doubled."""
    aggregate = Aggregate(length)
    longer = [done for each in made for done in aggregate.take(each)]
    assert [each.ts_event for each in longer] == sorted({each.ts_event for each in longer})
    for each in longer:
        own = [one for one in made if each.ts_event <= one.ts_event < each.ts_event + length * MINUTE]
        assert (each.open, each.close) == (own[0].open, own[-1].close)
        assert (each.high, each.low) == (max(one.high for one in own), min(one.low for one in own))
        assert each.volume == pytest.approx(sum(one.volume for one in own))
    covered = [one for one in made if longer and one.ts_event < longer[-1].ts_event + length * MINUTE]
    assert len(made) - len(covered) < length


@pytest.mark.parametrize("timeframe", ["1Day", "7Min", "0Min", "1Hour", "x", "90Min"])
def test_a_timeframe_that_cannot_be_live_is_refused(timeframe: str) -> None:
    """Only minutes that divide an hour."""
    with pytest.raises(ConfigError):
        minutes(timeframe)


class Table:
    """A desk without a market behind it: what it is handed is kept."""

    now = 0

    def __init__(self, equity: str, held: int, opened: Sequence[tuple[Side, int]], ask: float) -> None:
        self.handed: list[OrderIntent] = []
        self._equity, self._held, self._ask = Decimal(equity), Decimal(held), ask
        self._open = [from_intent(self._intent(side, qty)) for side, qty in opened]

    def _intent(self, side: Side, qty: int) -> OrderIntent:
        return OrderIntent(
            client_order_id=f"o{qty}", strategy="s", symbol="AAPL", side=side, qty=Decimal(qty),
            type=OrderType.MARKET, time_in_force=TimeInForce.DAY, ts=0,
        )  # fmt: skip

    def new_id(self, _: str) -> str:
        return "new"

    def submit(self, intent: OrderIntent) -> str:
        self.handed.append(intent)
        return intent.client_order_id

    def worth(self, _: str) -> Decimal:
        return self._equity

    def position(self, *_: str) -> Decimal:
        return self._held

    def orders(self, _: str) -> list[Any]:
        return self._open

    def working(self, _: str) -> list[Any]:
        return []

    def quote(self, _: str) -> Quote:
        return quote(self._ask - 0.01, self._ask)


def target(weight: Any, *, equity: str = "100000", held: int = 0, opened: Any = (), ask: float = 100.0) -> int:
    """How many shares the target brings, signed."""
    strategy = Strategy()
    table = Table(equity, held, opened, ask)
    strategy._desk = table  # type: ignore[assignment]
    strategy.target("AAPL", weight, because="so")
    return sum(int(each.qty) * each.side.sign for each in table.handed)


@pytest.mark.parametrize(
    ("case", "shares"),
    [
        ({"weight": 0.3}, 300),
        ({"weight": 0.3, "ask": 299.99}, 100),
        ({"weight": 0.3, "held": 300}, 0),
        ({"weight": 0.3, "held": 295}, 0),
        ({"weight": 0.3, "held": 200}, 100),
        ({"weight": 0.1, "held": 300}, -200),
        ({"weight": 0, "held": 3}, -3),
        ({"weight": 0, "held": -3}, 3),
        ({"weight": -0.2, "held": 300}, -300),
        ({"weight": -0.2}, -200),
        ({"weight": 0.3, "opened": [(Side.BUY, 100)]}, 200),
        ({"weight": 0.3, "opened": [(Side.BUY, 300)]}, 0),
        ({"weight": 0.3, "held": 100, "opened": [(Side.SELL, 50)]}, 0),
        ({"weight": 0, "held": 100, "opened": [(Side.SELL, 100)]}, 0),
        ({"weight": 0.3, "ask": NAN}, 0),
    ],
)
def test_a_target_brings_what_is_missing(case: dict[str, Any], shares: int) -> None:
    """Whole shares, less what is held and open; through flat in two steps; small differences are left alone."""
    assert target(**case) == shares


@given(
    weight=st.decimals(0, 1, places=2),
    held=st.integers(0, 2000),
    equity=st.decimals(1000, 10**6, places=2),
    ask=st.floats(1, 1000).map(lambda price: round(price, 2)),
)
def test_a_target_never_overshoots(weight: Decimal, held: int, equity: Decimal, ask: float) -> None:
    """After it the position is worth at most the weight, or what was held already; never short."""
    after = held + target(weight, equity=str(equity), held=held, ask=ask)
    assert after >= 0
    assert after * Decimal(repr(ask)) <= max(weight * equity, held * Decimal(repr(ask)))


def test_evidence_that_cannot_be_true_is_a_protocol_error() -> None:
    """A negative filled quantity is neither believed nor a crash."""
    body = Order(id="x", status="new", client_order_id="a", filled_qty=Decimal(-1))
    with pytest.raises(ProtocolError, match="cannot be true"):
        Sighting.of("rest", body)


async def test_cancels_go_before_what_waits() -> None:
    """One job at a time; of those that wait, cancels first, then first come, first served."""
    line, done = Line(), list[str]()

    def job(name: str) -> Any:
        async def work() -> None:
            await asyncio.sleep(0)
            done.append(name)

        return work

    for rank, name in [(Rank.ORDER, "a"), (Rank.ORDER, "b"), (Rank.CANCEL, "c"), (Rank.CANCEL, "d")]:
        line.put(rank, job(name))
    worker = asyncio.create_task(line.work())
    await line.idle()
    worker.cancel()
    assert done == ["c", "d", "a", "b"]


async def test_the_first_failure_of_a_task_is_raised() -> None:
    """Whoever waits for `failed` gets it; the others are ended by `close`."""
    tasks = Tasks()

    async def fail() -> None:
        raise ValueError("first")

    waiting = tasks.spawn(asyncio.sleep(60), "waiting")
    tasks.spawn(fail(), "failing")
    with pytest.raises(ValueError, match="first"):
        await tasks.failed()
    await tasks.close()
    assert waiting.cancelled()


async def test_who_sleeps_through_a_leap_of_the_market_wakes_with_it() -> None:
    """An hour of market time is an hour of the wall at this speed; the leap ends the sleep at once."""
    clock = PacedClock(1)
    clock.set(10**18)
    asleep = asyncio.create_task(clock.sleep(3600))
    later = asyncio.create_task(clock.sleep(7200))
    await asyncio.sleep(0.01)
    clock.observe(clock.now() + 3700 * 10**9)
    await asyncio.wait_for(asleep, 5)
    assert not later.done()
    later.cancel()


async def test_a_clock_at_a_speed_runs_so_many_times_as_fast() -> None:
    """Sleeping is market time; a leap of the exchange over a night is followed, small steps are not."""
    clock = PacedClock(1000)
    clock.set(10**18)
    began, wall = clock.now(), clock.monotonic()
    await clock.sleep(5)
    assert clock.now() - began >= 5 * 10**9
    assert clock.monotonic() - wall < 4 * 10**9
    clock.observe(clock.now() + 10**9)
    before = clock.now()
    clock.observe(before + 3600 * 10**9)
    assert clock.now() >= before + 3600 * 10**9
