"""A day of the exchange without its wire: the same market, venue, latencies and steps as over sockets in lockstep.

Where a backtest on bars guesses what happened inside of them, this hears every quote and print that the exchange would
send, options and coins included; it is what a run over sockets is compared with (`puna parity`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from puna.alpaca.frames import Frame, Subscription
from puna.alpaca.session import MarketMessage as Told
from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.sessions import trading_days
from puna.engine.market import MarketView
from puna.engine.record import RunRecord
from puna.engine.strategy import Strategy
from puna.exchange.commands import DataFrame
from puna.exchange.faults import FaultScript
from puna.exchange.floor import Batch, Floor, seconds
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.joint import build_market
from puna.exchange.prices.market import MarketMessage
from puna.exchange.venue import Venue
from puna.research.backtest.house import House
from puna.research.backtest.quiet import Quiet
from puna.research.backtest.stage import VirtualClock
from puna.seams import SeededIds, SystemClock, seeded_rng
from puna.wire.stream import BarMessage, QuoteMessage, StatusMessage, TradeMessage, UpdatedBarMessage
from puna.wire.trading import TradeUpdate

__all__ = ["play_replay", "run_replay"]

NANOS = 1_000_000_000
MINUTE = 60 * NANOS
GRACE = 2 * NANOS  # as in the trader: the last minute's bars come after the close
QUIET = NANOS // 4
QUIET_TRIES = 40


def run_replay(
    strategies: Sequence[Strategy],
    config: ExchangeConfig,
    *,
    limits: RiskLimits | None = None,
    netting: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> RunRecord:
    """Runs strategies through the days of an exchange, in this process: what `puna run` with mode sim does, no sockets.

    Faults of the wire (lost connections, broken answers) have nothing to befall here and are left out; everything else
    of the configuration holds: seed, days, symbols, options, halts, recording, latencies, fills, fees.

    Args:
        strategies: fresh objects, each with a name of its own.
        config: what the exchange replays.
        limits: risk limits.
        netting: as in `puna run`.
        progress: hears how many minutes of market time are over, of how many.

    Raises:
        DataError: a symbol without prices, or a day without data.
        PunaError: E672, the books do not add up.
    """
    return play_replay(strategies, config, limits or RiskLimits(), netting=netting, progress=progress)[0]


def play_replay(
    strategies: Sequence[Strategy],
    config: ExchangeConfig,
    limits: RiskLimits,
    *,
    netting: bool = True,
    night: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[RunRecord, House]:
    """The same, and the house in which it was played: its journal, and its books at every moment.

    `night`: the last day goes on to the end of after-hours, when fees are charged and options end.
    """
    wall = SystemClock()
    began = wall.monotonic()
    replay = _Replay(strategies, config, limits, netting=netting)
    replay.play(progress, night=night)
    record = replay.record((wall.monotonic() - began) / NANOS)
    record.seed = config.seed
    return record, replay.house


class _Replay:
    def __init__(
        self, strategies: Sequence[Strategy], config: ExchangeConfig, limits: RiskLimits, *, netting: bool
    ) -> None:
        market = build_market(config)
        options = replace(config.venue, cash=config.cash)
        venue = Venue(market, ids=SeededIds(seeded_rng(f"venue {config.seed}")), options=options, log=Quiet())
        script = FaultScript((), seeded_rng(f"faults {config.seed}"))
        floor = Floor(venue, market, script, start=market.sessions[0].open_ns - seconds(config.lead_seconds))
        clock = VirtualClock(floor.now)
        self.house = House(strategies, floor, MarketView(), clock, limits=limits, config=config, netting=netting)
        self.end = _end(config)
        self.house.feed.end = self.end
        self._heard: Subscription = self.house.feed.subscription

    def play(self, progress: Callable[[int, int], None], *, night: bool) -> None:
        """From the first connection to the comparison of the books."""
        house, floor = self.house, self.house.floor
        house.begin()
        first = house.clock.time
        self._heard = house.feed.subscription
        self._leave()
        while not self._is_over():
            due = floor.next_due()
            if due is None:
                break
            floor.advance(due)
            if not self._leave():
                self._pass_to(floor.now)
            house.book_movements()
            progress((house.clock.time - first) // MINUTE, (self.end - first) // MINUTE)
        house.end(over=True)
        self._leave()
        self._quiet()
        if night:
            self._go_on(_after_hours(self.end))
        house.reconcile()
        house.close()
        house.check_conservation()
        house.recorder.point(house.clock.time, house.desk.equity())

    def record(self, elapsed: float) -> RunRecord:
        house = self.house
        made = house.recorder.record(
            "backtest", house.clock.time, elapsed, outcome=house.outcome, state=str(house.state)
        )
        made.symbols, made.strategies = house.desk.symbols, list(house.desk.strategies)
        return made

    def _is_over(self) -> bool:
        now = self.house.clock.time
        return now >= self.end and (self.house.feed.last_bars.is_set() or now >= self.end + GRACE)

    def _quiet(self) -> None:
        """Until no order moves any more: what was cancelled ends."""
        house, floor = self.house, self.house.floor
        for _ in range(QUIET_TRIES):
            if not any(order.client_order_id in house.gateway.blotter.cancels for order in house.gateway.open_orders()):
                return
            due = floor.next_due()
            if due is None or due > house.clock.time + QUIET:
                return
            floor.advance(due)
            self._leave()

    def _go_on(self, to: int) -> None:
        """Through what happens by itself until then."""
        house, floor = self.house, self.house.floor
        while (due := floor.next_due()) is not None and due <= to:
            floor.advance(due)
            if not self._leave():
                self._pass_to(floor.now)
            house.book_movements()

    def _leave(self) -> bool:
        """Tells what leaves the floor now, step by step, until nothing does; whether there was anything."""
        left = False
        while steps := self.house.floor.ready():
            for step in steps:
                if isinstance(step, Batch):
                    self._tell(step)
            left = True
        return left

    def _pass_to(self, now: int) -> None:
        """Market time goes on to `now`; who waits for a moment until then goes on in it."""
        house = self.house
        while (due := house.turns.next_due()) <= now:
            house.clock.time = max(house.clock.time, due)
            house.turns.wake(due)
            house.settle()
        house.clock.time = max(house.clock.time, now)

    def _tell(self, batch: Batch) -> None:
        house = self.house
        self._pass_to(house.floor.now)
        for event in batch.events:
            if isinstance(event, TradeUpdate):
                house.absorb([event])
            elif messages := self._wanted(event):
                house.gateway.guard.look()
                house.feed.hear(Frame(messages, house.clock.time))
            house.settle()

    def _wanted(self, frame: DataFrame) -> list[Told]:
        """What of a frame was subscribed to."""
        wanted = self._heard
        kinds: Iterable[tuple[type[MarketMessage], Iterable[str]]] = (
            (QuoteMessage, wanted.quotes),
            (TradeMessage, wanted.trades),
            (UpdatedBarMessage, wanted.updated_bars),
            (BarMessage, wanted.bars),
            (StatusMessage, wanted.statuses),
        )
        names = dict(kinds)
        return [each for each in frame.messages if each.S in names.get(type(each), ())]


def _end(config: ExchangeConfig) -> int:
    """The close of the last day."""
    days = trading_days(config.day, config.day + timedelta(days=2 * config.days + 10))
    return days[config.days - 1].close


def _after_hours(close: int) -> int:
    """When the venue has closed its books of that day."""
    day = sessions.day(sessions.date_of(close))
    return day.post_close if day is not None else close
