"""A strategy that brings a portfolio to target weights: plan, sell, see what the sells brought, then buy.

    [[strategy]]
    name = "rebalance"
    use = "puna.engine.rebalance:Rebalance"
    symbols = ["IBM", "MSFT"]
    params = { targets = { IBM = "50%", MSFT = "30%" }, at = "10:00", style = "twap", seconds = 1800 }

Trades are worked as parent orders. The buys are planned again when the sells are over, from what is then held and paid,
so sells that failed hold buys back. After a restart it waits for what the journal still works, and plans from there.
"""

from collections.abc import Callable, Mapping
from datetime import time
from decimal import Decimal

from puna.core import sessions
from puna.core.parent import Parent
from puna.core.pricing import touch
from puna.core.rebalance import Holding, Plan, PlannedTrade, Priced, RebalanceRules, affordable, rebalance
from puna.core.types import ZERO, Bar, exact
from puna.engine import intents
from puna.engine.entries import ParentBegun, ParentEnded
from puna.engine.strategy import Strategy
from puna.errors import DataError

__all__ = ["Rebalance", "weight"]

MINUTE = 60_000_000_000


def weight(given: Decimal | str | float) -> Decimal:
    """A weight as people write it: 0.4, "40%".

    Raises:
        ValueError: it is no number.
    """
    text = str(given).strip()
    try:
        return Decimal(text.removesuffix("%")) / 100 if text.endswith("%") else Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is no weight: 0.4 or 40%") from error


class Rebalance(Strategy):
    """Brings what it holds to `targets` once, and is then at rest.

    Attributes:
        targets: weight of its capital by symbol; what is held and not named is sold.
        at: New York time from which it may begin; empty is at once.
        style: of the parent orders: market, patient, twap.
        seconds: how long each of the two halves (sells, buys) may take.
        slices: of a twap.
        urgency: low, normal, high.
        rules: what a plan keeps to.
        account_wide: plans with all that the account holds of its symbols, whoever bought it.
        plan: the first plan, once it is made.
        done: nothing is left to do.
        problem: why nothing could be planned; it is tried again with the next bar.
    """

    targets: Mapping[str, Decimal | int | str | float] = {}
    at: str = ""
    style: str = "patient"
    seconds: float = 300
    slices: int = 10
    urgency: str = "normal"
    rules: RebalanceRules = RebalanceRules(drift_band=Decimal("0.01"))
    account_wide: bool = False

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.done = False
        self.problem = ""
        self.on_done: Callable[[], None] = lambda: None
        self._buying = False
        self._left: set[str] = set()

    def position(self, symbol: str) -> Decimal:
        """What it plans with."""
        return self._desk.holding(symbol) if self.account_wide else super().position(symbol)

    def on_start(self) -> None:
        self._left = {each.id for each in self.working()}
        if not self.at and not self._left:
            self.begin()

    def on_bar(self, bar: Bar) -> None:  # noqa: ARG002 - the time is what counts
        if self.plan is None and not self._left and not self.done and self._is_time():
            self.begin()

    def on_parent(self, begun: ParentBegun, ended: ParentEnded) -> None:  # noqa: ARG002 - what is held tells
        self._left.discard(begun.parent_id)
        if self._left or self.done:
            return
        if self._buying:
            self._finish()
        else:
            self._buy()

    def begin(self) -> None:
        """Plans, and works the sells; without any, the buys."""
        plan = self.planned()
        if plan is None:
            return
        self.plan = plan
        self._left = {key for trade in plan.sells if (key := self._work(trade)) is not None}
        if not self._left:
            self._buy()

    def planned(self) -> Plan | None:
        """The plan from what is held and priced now; None, and the reason in `problem`, when there can be none."""
        worth, prices = self.equity, self._prices()
        if worth is None:
            self.problem = "something that is held has no price"
            return None
        held = {symbol: qty for symbol in self.symbols if (qty := self.position(symbol))}
        invested = sum((qty * prices[symbol].price for symbol, qty in held.items() if symbol in prices), ZERO)
        targets = {symbol: weight(given) for symbol, given in self.targets.items()}
        resting = [(order.intent.symbol, order.intent.side) for order in self.orders()]
        try:
            plan = rebalance(targets, Holding(held, worth - invested), prices, self.now, self.rules, resting=resting)
        except DataError as error:
            self.problem = f"{error.what}"
            return None
        self.problem = ""
        return plan

    def _buy(self) -> None:
        """The buys that what is there now pays for."""
        self._buying = True
        plan = self.planned()
        if plan is not None:
            self.plan = self.plan or plan
            cash = plan.cash_after + sum((buy.value for buy in plan.buys), ZERO)
            cash -= sum((sell.value for sell in plan.sells), ZERO)  # what is still to be sold has brought nothing
            buys = affordable(plan, cash, self.rules)
            self._left = {key for trade in buys if (key := self._work(trade)) is not None}
        if not self._left:
            self._finish()

    def _finish(self) -> None:
        self.done = True
        self.on_done()

    def _work(self, trade: PlannedTrade) -> str | None:
        if self.style == "twap":
            style = intents.style_of("twap", urgency=self.urgency, slices=self.slices)
        else:
            style = intents.style_of(self.style, urgency=self.urgency, seconds=self.seconds)
        quote = self.quote(trade.symbol)
        sides = touch(trade.side, quote) if quote is not None else None
        if sides is None:
            return None
        parent: Parent = intents.parent(
            trade.symbol,
            trade.side,
            trade.qty,
            style,
            now=self.now,
            seconds=self.seconds,
            cap=intents.cap_for(trade.side, sides, self.cap_away),
            fractional=trade.qty != trade.qty.to_integral_value(),
        )
        return self._desk.work(self.name, parent, f"{trade.side} to {self._goal(trade.symbol)}")

    def _goal(self, symbol: str) -> str:
        goal = weight(self.targets.get(symbol, 0)) * 100
        return f"{goal.normalize():f} % of its capital"

    def _prices(self) -> dict[str, Priced]:
        """The middle of each quote, and its time."""
        found = {}
        for symbol in {*self.symbols, *self.targets}:
            quote = self.quote(symbol)
            if quote is not None and quote.usable:
                found[symbol] = Priced((exact(quote.bid) + exact(quote.ask)) / 2, quote.ts_event)
        return found

    def _is_time(self) -> bool:
        if not self.at:
            return True
        hour, minute = self.at.split(":")
        return self.now >= sessions.at(sessions.date_of(self.now), time(int(hour), int(minute)))
