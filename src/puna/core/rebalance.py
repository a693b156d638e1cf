"""From target weights to a list of trades: what to sell, what to buy, and what was left alone and why.

One price a symbol values and trades it, so a plan applied to itself is empty: each trade is the difference to the
target cut off toward zero in lots, and a difference of less than a lot, the drift band or the smallest trade is left
alone. Sells come first; buys fit into the cash that is there once the sells have filled, and `affordable` fits them
again into what the sells really brought in. Weights are fractions of equity; what they leave over stays cash.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

import msgspec

from puna.core.types import ZERO, Side
from puna.errors import DataError

__all__ = ["Holding", "Plan", "PlannedTrade", "Priced", "RebalanceRules", "Skipped", "affordable", "apply", "rebalance"]

ONE = Decimal(1)
SHORT_WEIGHT = Decimal("1.03")


class Priced(NamedTuple):
    """A price and when it was true (market time, ns)."""

    price: Decimal
    ts: int


class RebalanceRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan keeps to.

    Args:
        deployment: the fraction of equity that the weights divide; the rest stays cash.
        drift_band: a weight may be off by this much (a fraction of equity) before it is touched.
        minimum_trade: dollars; smaller trades are left alone.
        lot: shares or coins; `lots` overrides it by symbol.
        turnover_cap: the most that one plan trades, as a fraction of equity; None is no cap.
        cash_buffer: dollars that buys never touch.
        allow_short: whether negative weights are taken.
        stale_after: seconds after which a price is too old to trade on.
    """

    deployment: Decimal = ONE
    drift_band: Decimal = ZERO
    minimum_trade: Decimal = ONE
    lot: Decimal = ONE
    lots: dict[str, Decimal] = {}
    turnover_cap: Decimal | None = None
    cash_buffer: Decimal = ZERO
    allow_short: bool = False
    stale_after: int = 60

    def lot_of(self, symbol: str) -> Decimal:
        return self.lots.get(symbol, self.lot)


class PlannedTrade(msgspec.Struct, frozen=True):
    """One trade of a plan; `qty` is positive, `opens` says that it starts or enlarges a position."""

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    opens: bool

    @property
    def value(self) -> Decimal:
        return self.qty * self.price


class Skipped(NamedTuple):
    """A symbol that was left alone, wholly or in part, and why."""

    symbol: str
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """Sells, then buys; `cash_after` is the cash when all of them have filled at their prices."""

    sells: tuple[PlannedTrade, ...]
    buys: tuple[PlannedTrade, ...]
    skipped: tuple[Skipped, ...]
    equity: Decimal
    cash_after: Decimal

    @property
    def trades(self) -> tuple[PlannedTrade, ...]:
        return self.sells + self.buys

    @property
    def turnover(self) -> Decimal:
        """What is traded, as a fraction of equity."""
        return sum((trade.value for trade in self.trades), ZERO) / self.equity


class Holding(NamedTuple):
    """Positions in signed quantities, and cash."""

    positions: Mapping[str, Decimal]
    cash: Decimal


def rebalance(
    targets: Mapping[str, Decimal],
    holding: Holding,
    prices: Mapping[str, Priced],
    now: int,
    rules: RebalanceRules | None = None,
    *,
    resting: Iterable[tuple[str, Side]] = (),
    buying_power: Decimal | None = None,
) -> Plan:
    """The trades that bring `holding` to `targets`, as near as lots, cash and the rules allow.

    Args:
        targets: weight by symbol, negative is short; a symbol that is held and not named has the target 0.
        holding: what is held now.
        prices: a price for every symbol that is held or has a target.
        now: market time, ns.
        rules: what the plan keeps to.
        resting: open orders as (symbol, side); a symbol is left alone rather than traded against one (wash rule, PROT).
        buying_power: what all trades that open something may be worth together, shorts at 1.03 of their price, as the
            broker reckons (fact sheet 5.2); None is no limit beside the cash.

    Raises:
        DataError: a price is missing, stale or not positive, the weights exceed 1 in sum, a short is not allowed, or
            the equity is not positive. Nothing is planned on half of the facts.
    """
    rules = rules or RebalanceRules()
    symbols = sorted({*targets, *(s for s, qty in holding.positions.items() if qty)})
    _check_targets(targets, rules)
    marks = {symbol: _fresh(symbol, prices, now, rules) for symbol in symbols}
    equity = holding.cash + sum((holding.positions.get(s, ZERO) * marks[s] for s in symbols), ZERO)
    if equity <= 0:
        raise DataError(f"Equity is {equity}: there is nothing to divide.", remedy="Close positions or add cash first.")
    skipped: list[Skipped] = []
    washes = {(symbol, side.opposite) for symbol, side in resting}
    wanted: list[PlannedTrade] = []
    for symbol in symbols:
        held = holding.positions.get(symbol, ZERO)
        aim = targets.get(symbol, ZERO) * rules.deployment * equity / marks[symbol]
        wanted += _trades(symbol, held, aim, marks[symbol], equity, rules, skipped)
    wanted = [t for t in wanted if not _washes(t, washes, skipped)]
    wanted = _capped(wanted, equity, rules, skipped)
    wanted = _powered(wanted, buying_power, rules, skipped)
    sells = tuple(t for t in wanted if t.side is Side.SELL)
    cash = holding.cash + sum((t.value for t in sells), ZERO)
    buys, left = _fitted([t for t in wanted if t.side is Side.BUY], cash - rules.cash_buffer, rules, skipped)
    return Plan(sells, buys, tuple(skipped), equity, left + rules.cash_buffer)


def affordable(plan: Plan, cash: Decimal, rules: RebalanceRules | None = None) -> tuple[PlannedTrade, ...]:
    """The plan's buys, cut to the cash that is really there: held back when sells failed, in part or altogether."""
    rules = rules or RebalanceRules()
    return _fitted(list(plan.buys), cash - rules.cash_buffer, rules, [])[0]


def apply(plan: Plan, holding: Holding) -> Holding:
    """The holding when every trade of the plan has filled at its price."""
    positions, cash = dict(holding.positions), holding.cash
    for trade in plan.trades:
        positions[trade.symbol] = positions.get(trade.symbol, ZERO) + trade.side.sign * trade.qty
        cash -= trade.side.sign * trade.value
    return Holding({symbol: qty for symbol, qty in positions.items() if qty}, cash)


def _check_targets(targets: Mapping[str, Decimal], rules: RebalanceRules) -> None:
    for symbol, weight in targets.items():
        if not weight.is_finite():
            raise DataError(f"The target weight of {symbol} is {weight}.", state="Nothing was planned.", code="E042")
        if weight < 0 and not rules.allow_short:
            raise DataError(
                f"The target weight of {symbol} is {weight}, and shorts are not allowed.",
                remedy="Set allow_short, or leave the symbol out.",
                code="E042",
            )
    total = sum((abs(weight) for weight in targets.values()), ZERO)
    if total > 1:
        raise DataError(
            f"The target weights add up to {total:.2%}.", remedy="Let them add up to at most 100%.", code="E042"
        )


def _fresh(symbol: str, prices: Mapping[str, Priced], now: int, rules: RebalanceRules) -> Decimal:
    known = prices.get(symbol)
    if known is None or not (known.price.is_finite() and known.price > 0):
        raise DataError(f"{symbol} has no usable price.", state="Nothing was planned.")
    if now - known.ts > rules.stale_after * 1_000_000_000:
        age = (now - known.ts) / 1e9
        raise DataError(f"The price of {symbol} is {age:.0f} s old.", state="Nothing was planned.")
    return known.price


def _trades(
    symbol: str,
    held: Decimal,
    aim: Decimal,
    price: Decimal,
    equity: Decimal,
    rules: RebalanceRules,
    skipped: list[Skipped],
) -> list[PlannedTrade]:
    """None, or one trade toward the aim. A position never flips in one order (fact sheet 5.2): it is closed first."""
    crosses = held * aim < 0
    goal = ZERO if crosses else aim
    lot = rules.lot_of(symbol)
    change = goal - held
    # A position that is to be closed is closed whole, odd lots included.
    qty = abs(change) if goal == 0 else (abs(change) / lot).to_integral_value(ROUND_DOWN) * lot
    if qty == 0:
        return []
    if abs(change) * price < rules.drift_band * equity and goal != 0:
        skipped.append(Skipped(symbol, "within the drift band"))
        return []
    if qty * price < rules.minimum_trade:
        skipped.append(Skipped(symbol, "smaller than the smallest trade"))
        return []
    if crosses:
        skipped.append(Skipped(symbol, "closes first; the other side opens with the next plan"))
    side = Side.BUY if change > 0 else Side.SELL
    return [PlannedTrade(symbol, side, qty, price, opens=abs(goal) > abs(held))]


def _washes(trade: PlannedTrade, washes: set[tuple[str, Side]], skipped: list[Skipped]) -> bool:
    if (trade.symbol, trade.side) not in washes:
        return False
    skipped.append(Skipped(trade.symbol, "an order of the other side is open"))
    return True


def _capped(
    wanted: list[PlannedTrade], equity: Decimal, rules: RebalanceRules, skipped: list[Skipped]
) -> list[PlannedTrade]:
    """The trades within the turnover cap: those that close or reduce first, then the largest."""
    if rules.turnover_cap is None:
        return wanted
    left = rules.turnover_cap * equity
    kept = []
    for trade in sorted(wanted, key=lambda t: (t.opens, -t.value, t.symbol)):
        if cut := _cut(trade, left, rules):
            kept.append(cut)
            left -= cut.value
        if cut != trade:
            skipped.append(Skipped(trade.symbol, "cut by the turnover cap"))
    return sorted(kept, key=lambda t: t.symbol)


def _powered(
    wanted: list[PlannedTrade], power: Decimal | None, rules: RebalanceRules, skipped: list[Skipped]
) -> list[PlannedTrade]:
    """The trades within the buying power: what closes or reduces needs none, what opens does, the largest first."""
    if power is None:
        return wanted
    kept, left = [trade for trade in wanted if not trade.opens], power
    for trade in sorted((t for t in wanted if t.opens), key=lambda t: (-t.value, t.symbol)):
        weight = ONE if trade.side is Side.BUY else SHORT_WEIGHT
        if cut := _cut(trade, left / weight, rules):
            kept.append(cut)
            left -= cut.value * weight
        if cut != trade:
            skipped.append(Skipped(trade.symbol, "cut by the buying power"))
    return sorted(kept, key=lambda t: t.symbol)


def _fitted(
    buys: list[PlannedTrade], cash: Decimal, rules: RebalanceRules, skipped: list[Skipped]
) -> tuple[tuple[PlannedTrade, ...], Decimal]:
    """The buys that the cash pays for, and the cash left: those that close shorts first, then in the order of size."""
    kept = []
    for trade in sorted(buys, key=lambda t: (t.opens, -t.value, t.symbol)):
        if cut := _cut(trade, cash, rules):
            kept.append(cut)
            cash -= cut.value
        if cut != trade:
            skipped.append(Skipped(trade.symbol, "cut by the cash at hand"))
    return tuple(sorted(kept, key=lambda t: t.symbol)), cash


def _cut(trade: PlannedTrade, money: Decimal, rules: RebalanceRules) -> PlannedTrade | None:
    """As much of the trade as `money` pays for, in lots; None when that is nothing or too small."""
    if trade.value <= money:
        return trade
    lot = rules.lot_of(trade.symbol)
    qty = (max(money, ZERO) / trade.price / lot).to_integral_value(ROUND_DOWN) * lot
    if qty == 0 or qty * trade.price < rules.minimum_trade:
        return None
    return msgspec.structs.replace(trade, qty=qty)
