"""The ledger proof: after any days of commands in stocks, options and coins, nothing has come from nowhere.

A state machine gives commands in virtual time on three days of a seeded market: a Thursday, a Friday on which options
expire and before which a stock splits, and the Monday after a weekend on which coins trade. After each step an auditor,
who sees the fills that were told and the causes that the books name, reckons cash to the last decimal and quantities to
nine. `make proof` tries ten thousand days.
"""

import random
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from puna.core import symbols
from puna.exchange.account.commands import DoNotExercise, Exercise
from puna.exchange.data import Split
from puna.exchange.fees import FeeSchedule
from puna.exchange.ledger import Cause
from puna.exchange.orders.book import Honest, Paper
from puna.seams import seeded_rng
from puna.wire.trading import Order, TradeUpdate

DAYS = (date(2012, 9, 20), date(2012, 9, 21), date(2012, 9, 24))
DAY = 86_400.0
NEAR, FAR = "120921", "121019"
OPTIONS = [
    f"AAPL{day}{right}{strike:05d}000" for day in (NEAR, FAR) for right in "CP" for strike in (90, 95, 100, 105, 110)
]
HALVES = [f"{name[:-8]}{int(name[-8:]) // 2:08d}" for name in OPTIONS]
"""What two for one makes of them."""
STOCKS, COIN = ("AAPL", "IBM"), "BTC/USD"
NINE = Decimal("0.000000001")
SIDES = st.sampled_from(["buy", "sell"])
QTY = st.sampled_from([1, 2, 5, 10, 100, 250])
SEED = st.integers(0, 10**6)


def _rows(chance: random.Random, old: int, new: int) -> list[tuple[Any, ...]]:
    """Quotes and prints of the three days, every hour; options follow their stock, which splits after the first."""
    rows: list[tuple[Any, ...]] = []
    cents = {"AAPL": 10_000, "IBM": 4_000}
    for hour in range(-5, 24 * 4 + 11):
        second = hour * 3600.0
        coin = 50_000 + chance.randrange(-2_000, 2_001)
        rows += [(second, COIN, coin, coin + 10, 3), (second, COIN, coin + 5)]
        if not (0 <= hour % 24 <= 7 or hour % 24 == 22) or 48 <= hour < 92:
            continue
        if hour == 24:
            cents["AAPL"] = cents["AAPL"] * old // new
        for symbol in STOCKS:
            wide = chance.randrange(1, 20)
            cents[symbol] = max(500, cents[symbol] + chance.randrange(-200, 201))
            if symbol == "AAPL":
                rows += [(second, each, *_option(each, cents[symbol] / 100), 50) for each in (*OPTIONS, *HALVES)]
            rows.append((second, symbol, cents[symbol] / 100, (cents[symbol] + wide) / 100, chance.randrange(1, 800)))
            rows.append((second, symbol, (cents[symbol] + chance.randrange(wide + 1)) / 100))
    return rows


def _option(symbol: str, spot: float) -> tuple[float, float]:
    """A bid and an ask around intrinsic value and a little time."""
    strike, call = int(symbol[-8:]) / 1000, symbol[10] == "C"
    inside = max(spot - strike if call else strike - spot, 0.0)
    bid = int((inside + max(3.0 - abs(spot - strike) / 5, 0.05)) * 20) / 20
    return bid, round(bid + (0.05 if bid < 3 else 0.10), 2)


class Auditor:
    """Who sees what was told, and what the books say of themselves, and reckons again."""

    def __init__(self, world: Any, split: tuple[int, int]) -> None:
        self.world = world
        self.split = split
        self.moved = Decimal(0)
        self.cash = world.venue.ledger.cash
        self.held: dict[str, Decimal] = defaultdict(Decimal)
        self.causes: Counter[str] = Counter()
        self._seen = self._read = 0
        self._trades: list[tuple[str, Decimal, Decimal]] = []
        self._owed: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))

    def check(self) -> None:
        """Every law, for all that has happened since the last check."""
        self._hear(self.world.updates)
        self._follow(self.world.venue.ledger)
        ledger, account = self.world.venue.ledger, self.world.venue.account(self.world.now)
        assert ledger.imbalance == 0
        assert ledger.cash == self.cash
        assert {name: qty for name, (qty, _) in ledger.positions.items()} == {k: v for k, v in self.held.items() if v}
        assert self.moved == 0, "a contract became more or less than it was"
        assert not self._trades, "a fill was told and not booked"
        assert not any(any(owed) for owed in self._owed.values()), "an option was exercised without its delivery"
        assert all(qty % NINE == 0 for qty in self.held.values())
        assert abs(account.equity - account.cash - account.long_market_value - account.short_market_value) <= NINE
        assert account.buying_power >= 0
        for each in self.world.venue.positions():
            assert 0 <= each.qty_available * (1 if each.qty > 0 else -1) <= abs(each.qty)

    def _hear(self, updates: list[TradeUpdate]) -> None:
        for told in updates[self._seen :]:
            if told.event in ("fill", "partial_fill"):
                if not told.legs:
                    self._trade(told.order, told.qty, told.price)
                sides = {each.id: each for each in told.order.legs or ()}
                for leg in told.legs or ():
                    self._trade(sides[leg.order_id], leg.qty, leg.price)
                if told.legs:
                    self._net(told)
        self._seen = len(updates)

    def _trade(self, order: Order, qty: Decimal | None, price: Decimal | None) -> None:
        assert qty is not None
        assert price is not None
        assert qty > 0
        signed = qty if order.side == "buy" else -qty
        symbol = order.symbol or ""
        assert order.limit_price is None or (order.limit_price - price) * signed >= 0
        self._trades.append((symbol, signed, -signed * price * symbols.multiplier(symbol)))

    def _net(self, told: TradeUpdate) -> None:
        """A multi-leg fill is worth what its legs are."""
        sides = {each.id: 1 if each.side == "buy" else -1 for each in told.order.legs or ()}
        worth = sum(((leg.qty or 0) * (leg.price or 0) * sides[leg.order_id] for leg in told.legs or ()), Decimal(0))
        assert worth == (told.qty or 0) * (told.price or 0)
        assert told.order.limit_price is None or (told.price or 0) <= told.order.limit_price

    def _follow(self, ledger: Any) -> None:
        for change in ledger.changes[self._read :]:
            self.causes[change.cause] += 1
            self.cash += change.cash
            self.held[change.symbol] += change.qty
            self._judge(change)
        self._read = len(ledger.changes)

    def _judge(self, change: Any) -> None:
        """What each cause may do, and no more."""
        match change.cause:
            case Cause.TRADE:
                told = self._trades.pop(0) if self._trades else None
                assert told == (change.symbol, change.qty, change.cash), (self._trades, self.world.updates[-4:])
            case Cause.FEE:
                assert change.qty == 0 > change.cash
                assert change.cash % Decimal("0.01") == 0
            case Cause.COIN_FEE:
                assert change.symbol == COIN
                assert change.qty <= 0 >= change.cash
            case Cause.EXERCISE | Cause.ASSIGNMENT:
                self._owe(change)
            case Cause.DELIVERY:
                shares, cash = self._owed[change.symbol]
                self._owed[change.symbol] = (shares - change.qty, cash - change.cash)
            case Cause.EXPIRY:
                assert change.cash == 0
            case Cause.SPLIT:
                assert change.cash == 0
                self._split(change)
            case Cause.IN_LIEU if any(self._owed[change.symbol]):
                self._settle_odd(change)

    def _split(self, change: Any) -> None:
        """A contract that becomes another one keeps what it delivers: contracts times strike times their number."""
        option = symbols.parse(change.symbol)
        if isinstance(option, symbols.Option):
            self.moved += change.qty * option.strike
            self.causes["contracts adjusted"] += 1

    def _settle_odd(self, change: Any) -> None:
        """What a deliverable of another size leaves: a fraction of a share at its price then, and a rounded price."""
        shares, cash = self._owed.pop(change.symbol)
        mark = self.world.venue._desk.marks[change.symbol]
        assert abs(shares) < 1
        assert abs(change.cash - cash - shares * mark) <= abs(shares) * mark / 2 + Decimal("0.005")
        self.causes["odd deliveries"] += 1

    def _owe(self, change: Any) -> None:
        """A call delivers a hundred shares for each contract against the strike; a put the other way round.

        A contract with a deliverable of its own delivers what a hundred shares became, for the same sum.
        """
        assert change.cash == 0
        option = symbols.parse(change.symbol)
        assert isinstance(option, symbols.Option)
        contracts = -change.qty * (1 if option.right == "C" else -1)
        old, new = self.split if option.root == "AAPL1" else (1, 1)
        before = self._owed["AAPL"]
        shares = contracts * 100 * new / old
        self._owed["AAPL"] = (before[0] + shares, before[1] - contracts * 100 * option.strike)


def machine(world: Any, seen: Counter[str]) -> type[RuleBasedStateMachine]:
    """The state machine over a way to make worlds; `seen` counts the days and the causes of all its runs."""

    class Days(RuleBasedStateMachine):
        """Commands of a careless client in virtual time."""

        @initialize(
            seed=SEED,
            paper=st.booleans(),
            fees=st.booleans(),
            formula=st.sampled_from(["maintenance", "exposure"]),
            split=st.sampled_from([(1, 1), (1, 2), (1, 2), (2, 3), (3, 1)]),
        )
        def begin(self, seed: int, paper: bool, fees: bool, formula: str, split: tuple[int, int]) -> None:
            self.chance = random.Random(seed)
            coin = {"asset_class": "crypto", "marginable": False, "shortable": False}
            assets = [world.asset(each) for each in STOCKS] + [world.asset(COIN, **coin)]
            self.world = world.make(
                *_rows(self.chance, *split),
                days=DAYS,
                assets=assets,
                contracts=dict.fromkeys([*OPTIONS, *HALVES], True),
                closes={"AAPL": 100.0, "IBM": 40.0, COIN: 50_000.0},
                splits=[Split("IBM", DAYS[1], 2, 3), *([Split("AAPL", DAYS[1], *split)] if split != (1, 1) else [])],
                fills=Paper(seeded_rng(seed)) if paper else Honest(),
                fees=FeeSchedule() if fees else None,
                buying_power=formula,
            )
            self.auditor = Auditor(self.world, split)
            self.world.to(-4 * 3600)
            self.orders: list[str] = []

        @rule(seconds=st.sampled_from([0.02, 1.0, 3600.0, 3600.0, 4 * 3600.0, 7 * 3600.0, 20 * 3600.0]))
        def wait(self, seconds: float) -> None:
            self.world.to((self.world.now - self.world.open) / 1e9 + seconds)

        @rule()
        def come_to_the_open(self) -> None:
            """The next core session, ten minutes after its first prints."""
            here = (self.world.now - self.world.open) / 1e9
            later = [start for start in (0.0, DAY, 4 * DAY) if start + 610 > here]
            self.world.to((later[0] if later else here) + 611)

        @rule(symbol=st.sampled_from(STOCKS), side=SIDES, qty=QTY, kind=st.integers(0, 5), off=st.integers(-150, 150))
        def trade_a_stock(self, symbol: str, side: str, qty: int, kind: int, off: int) -> None:
            price = max(self._mark(symbol) + Decimal(off) / 100, Decimal(2))
            exits = {"take_profit": str(price + 1), "stop_loss": str(price - 1)}
            asked: list[dict[str, Any]] = [
                {},
                {"type": "limit", "limit_price": price},
                {"type": "limit", "limit_price": price, "time_in_force": "gtc", "extended_hours": True},
                {"type": "trailing_stop", "trail_percent": 1},
                {"order_class": "bracket", **exits} if side == "buy" else {"time_in_force": "cls"},
                {"qty": None, "notional": Decimal(qty * 37) / 7 // NINE * NINE},
            ]
            self._submit(**{"symbol": symbol, "side": side, "qty": qty, **asked[kind]})

        @rule(symbol=st.sampled_from([*OPTIONS, *HALVES]), side=SIDES, qty=st.integers(1, 5), market=st.booleans())
        def trade_an_option(self, symbol: str, side: str, qty: int, market: bool) -> None:
            limit = {} if market else {"type": "limit", "limit_price": 8 if side == "buy" else "0.05"}
            self._submit(symbol=symbol, side=side, qty=qty, **limit)

        @rule(
            which=st.integers(0, 10**6),
            day=st.sampled_from([NEAR, FAR]),
            count=st.integers(2, 4),
            debit=st.integers(-3, 6),
        )
        def trade_a_spread(self, which: int, day: str, count: int, debit: int) -> None:
            chance = random.Random(which)
            names = chance.sample([each for each in OPTIONS if day in each], count)
            legs = [f"{chance.choice(['buy', 'sell'])} {chance.randrange(1, 3)} {name}" for name in names]
            self._keep(self.world.multileg(*legs, qty=chance.randrange(1, 4), limit_price=debit))

        @rule(side=SIDES, size=st.integers(1, 10**8), kind=st.integers(0, 2))
        def trade_a_coin(self, side: str, size: int, kind: int) -> None:
            qty, price = Decimal(size) / 10**9, self._mark(COIN).quantize(Decimal(1))
            asked: list[dict[str, Any]] = [{}, {"type": "limit", "limit_price": price}, {"qty": None, "notional": 500}]
            self._submit(**{"symbol": COIN, "side": side, "qty": qty, "time_in_force": "gtc", **asked[kind]})

        @rule(which=st.integers(0, 100), off=st.integers(-100, 100))
        def replace(self, which: int, off: int) -> None:
            if found := self.world.venue.orders(limit=500):
                order = found[which % len(found)]
                limit = order.limit_price and order.limit_price + Decimal(off) / 100
                self._keep(self.world.replace(order.id, limit_price=limit))

        @rule(which=st.integers(0, 100))
        def cancel(self, which: int) -> None:
            if self.orders:
                self.world.cancel(self.orders[-1 - which % len(self.orders)])

        @rule(which=st.integers(0, 100), percentage=st.sampled_from([30, 100, 100]))
        def close(self, which: int, percentage: int) -> None:
            if held := self.world.venue.positions():
                self._keep(self.world.close(held[which % len(held)].symbol, percentage=percentage))

        @rule(cancel_orders=st.booleans())
        def close_all(self, cancel_orders: bool) -> None:
            self.world.close_all(cancel_orders=cancel_orders)

        @rule(symbol=st.sampled_from([*OPTIONS, *HALVES]), refrain=st.booleans(), odd=st.booleans())
        def exercise(self, symbol: str, refrain: bool, odd: bool) -> None:
            symbol = symbol.replace("AAPL", "AAPL1") if odd else symbol
            self.world.do(DoNotExercise(symbol) if refrain else Exercise(symbol))

        @invariant()
        def conserved(self) -> None:
            if hasattr(self, "auditor"):
                self.auditor.check()

        def teardown(self) -> None:
            if hasattr(self, "auditor"):
                self.world.to(max(5 * DAY, (self.world.now - self.world.open) / 1e9 + 60))
                self.auditor.check()
                assert {each.status for each in self.world.venue.orders()} <= {"new", "accepted", "partially_filled"}
                seen.update(self.auditor.causes)
                seen["days"] += len(DAYS)
                seen["multi-leg fills"] += sum(bool(each.legs) for each in self.world.updates)

        def _mark(self, symbol: str) -> Decimal:
            mark: Decimal = self.world.venue._desk.marks[symbol]
            return mark.quantize(Decimal("0.01"))

        def _submit(self, **fields: Any) -> None:
            self._keep(self.world.submit(**fields))

        def _keep(self, reply: Any) -> None:
            if isinstance(reply, Order):
                self.orders.append(reply.id)

    return Days


class Worlds:
    """How worlds and assets are made."""

    def __init__(self, make: Any, asset: Any) -> None:
        self.make = make
        self.asset = asset


def _prove(worlds: Worlds, examples: int, steps: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    run_state_machine_as_test(
        machine(worlds, seen),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return seen


def test_nothing_comes_from_nowhere(world: Any, make_asset: Any) -> None:
    """Some hundred days: every law after every command, and trades, fees and splits among what happened."""
    seen = _prove(Worlds(world, make_asset), 40, 30)
    assert {Cause.TRADE, Cause.FEE} <= set(seen)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_nothing_comes_from_nowhere_in_ten_thousand_days(world: Any, make_asset: Any) -> None:
    """The same for ten thousand days; everything that moves money or shares is among them."""
    seen = _prove(Worlds(world, make_asset), 3400, 40)
    assert seen["days"] >= 10_000
    assert seen["multi-leg fills"] > 100
    moved = {Cause.TRADE, Cause.FEE, Cause.COIN_FEE, Cause.SPLIT, Cause.IN_LIEU}
    assert moved | {Cause.EXERCISE, Cause.ASSIGNMENT, Cause.DELIVERY, Cause.EXPIRY} <= set(seen)
    assert {"contracts adjusted", "odd deliveries"} <= set(seen)
