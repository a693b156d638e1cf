"""What an order would meet, without sending it: `preview(order)` asks the broker for facts and names every objection.

The broker decides; this says what it is known to refuse (fact sheet 5.2, 5.3, 11), what the order would cost, and what
would be left. An order without an objection can still be refused or stay unfilled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from puna.alpaca.contracts import get_contract
from puna.alpaca.quotes import LatestQuote, get_quotes
from puna.alpaca.request import Composite, Steps
from puna.alpaca.trading import get_account, get_asset, get_clock, get_positions
from puna.core import symbols
from puna.core.admission import MarginCheck, check_order
from puna.core.payoff import OptionPosition, Right
from puna.core.types import AssetClass
from puna.errors import DataError, PunaError
from puna.wire.contracts import OptionContract
from puna.wire.trading import Account, Asset, Clock, OrderRequest, Position

__all__ = ["Facts", "Preview", "examine", "preview"]

ZERO = Decimal(0)
SHORT_MARKUP = Decimal("1.03")  # an opening short is valued at 3 % above the ask [fact sheet 5.2, ORD]

TYPES = {
    AssetClass.US_EQUITY: {"market", "limit", "stop", "stop_limit", "trailing_stop"},
    AssetClass.US_OPTION: {"market", "limit", "stop", "stop_limit"},
    AssetClass.CRYPTO: {"market", "limit", "stop_limit"},
}
TIMES = {
    AssetClass.US_EQUITY: {"day", "gtc", "opg", "cls", "ioc", "fok"},
    AssetClass.US_OPTION: {"day", "gtc"},
    AssetClass.CRYPTO: {"gtc", "ioc"},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the broker says about everything that an order touches."""

    account: Account
    clock: Clock
    positions: tuple[Position, ...] = ()
    asset: Asset | None = None
    contract: OptionContract | None = None
    quotes: dict[str, LatestQuote] | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would meet.

    Args:
        objections: why it would be refused; empty when nothing is known against it.
        remarks: what one should know besides.
        price: what a unit is valued at, debit positive; None when there is no quote.
        cost: of the order, in dollars; negative for a credit; None when there is no price.
        buying_power: what it is held against.
        margin: of an option order: before, after, and which legs pair with which.
    """

    objections: tuple[str, ...]
    remarks: tuple[str, ...]
    price: Decimal | None
    cost: Decimal | None
    buying_power: Decimal
    margin: MarginCheck | None = None

    @property
    def allowed(self) -> bool:
        """Nothing is known against it."""
        return not self.objections

    @property
    def left(self) -> Decimal | None:
        """Buying power after it."""
        return None if self.cost is None else self.buying_power - max(self.cost, ZERO)


def preview(order: OrderRequest, *, feed: str | None = None) -> Composite[Preview]:
    """What the order would meet; reads only, nothing is sent.

    Raises:
        DataError: E630, a text that is no symbol.
        NotFoundError: the broker does not know the symbol.
    """
    traded = _traded(order)
    for symbol in traded:
        symbols.parse(symbol)

    def steps() -> Steps[Preview]:
        account = yield get_account()
        clock = yield get_clock()
        positions = yield get_positions()
        asset = contract = None
        if order.symbol and symbols.asset_class(order.symbol) is AssetClass.US_OPTION:
            contract = yield get_contract(symbols.canonical(order.symbol))
        elif order.symbol:
            asset = yield get_asset(symbols.canonical(order.symbol))
        try:
            quotes = yield from get_quotes(traded, feed=feed).steps()
        except PunaError:
            quotes = {}  # without a price there is no cost; everything else can still be told
        return examine(order, Facts(account, clock, tuple(positions), asset, contract, quotes))

    return Composite(steps)


def examine(order: OrderRequest, facts: Facts) -> Preview:
    """What the order would meet, by these facts."""
    quotes = {symbols.canonical(name): quote for name, quote in (facts.quotes or {}).items()}
    options = bool(order.legs) or _kind(order) is AssetClass.US_OPTION
    price = _package_price(order, quotes) if order.legs else _price(order, facts, quotes)
    margin = _margin(order, facts, price) if options else None
    power = _power(order, facts.account)
    cost = _cost(order, facts, price, margin)
    objections = [*_shape(order), *_blocks(facts.account), *_about_asset(order, facts), *_about_holding(order, facts)]
    if margin is not None:
        objections += margin.reasons
    elif cost is not None and cost > power:
        objections.append(f"insufficient buying power: needs {cost:f}, has {power:f}, short of {cost - power:f}")
    return Preview(
        objections=tuple(dict.fromkeys(objections)),
        remarks=tuple(_remarks(order, facts, price)),
        price=price,
        cost=cost,
        buying_power=power,
        margin=margin,
    )


def _traded(order: OrderRequest) -> list[str]:
    return [leg.symbol for leg in order.legs] if order.legs else [order.symbol or ""]


def _kind(order: OrderRequest) -> AssetClass:
    return AssetClass.US_OPTION if order.legs else symbols.asset_class(order.symbol or "")


def _shape(order: OrderRequest) -> Iterator[str]:
    """What is wrong with the order itself."""
    kind, amount = _kind(order), order.qty if order.qty is not None else order.notional
    if (order.qty is None) == (order.notional is None):
        yield "exactly one of quantity and notional is needed"
    elif amount is not None and amount <= 0:
        yield "quantity or notional must be above nought"
    if order.type not in TYPES[kind]:
        yield f"{order.type} is no type of order for {kind}: {', '.join(sorted(TYPES[kind]))}"
    if order.time_in_force not in TIMES[kind]:
        yield f"{order.time_in_force} is no time in force for {kind}: {', '.join(sorted(TIMES[kind]))}"
    if any(symbols.asset_class(leg.symbol) is not AssetClass.US_OPTION for leg in order.legs or ()):
        yield "every leg is an option"
    if order.legs and order.type not in ("market", "limit"):
        yield "a multi-leg order is market or limit"
    yield from _needed_prices(order)
    yield from _prices(order)
    yield from _hours_and_fractions(order, kind)


def _needed_prices(order: OrderRequest) -> Iterator[str]:
    if order.type in ("limit", "stop_limit") and order.limit_price is None:
        yield f"a {order.type} order needs a limit price"
    if order.type in ("stop", "stop_limit") and order.stop_price is None:
        yield f"a {order.type} order needs a stop price"
    if order.type == "trailing_stop" and (order.trail_price is None) == (order.trail_percent is None):
        yield "a trailing stop needs exactly one of trail price and trail percent"
    if order.type == "market" and (order.limit_price is not None or order.stop_price is not None):
        yield "a market order takes no limit and no stop price"


def _prices(order: OrderRequest) -> Iterator[str]:
    prices = {"limit": order.limit_price, "stop": order.stop_price}
    if order.take_profit is not None:
        prices["take-profit limit"] = order.take_profit.limit_price
    if order.stop_loss is not None:
        prices["stop-loss stop"] = order.stop_loss.stop_price
    for name, price in prices.items():
        if price is not None and not order.legs and not symbols.on_tick(order.symbol or "", price):
            yield f"the {name} price {price:f} is finer than the market takes"
    wanted = {"bracket": (True, True), "oco": (True, True)}.get(order.order_class or "", (False, False))
    if wanted[0] and order.take_profit is None:
        yield f"a {order.order_class} order needs a take-profit price"
    if wanted[1] and order.stop_loss is None:
        yield f"a {order.order_class} order needs a stop-loss price"
    if order.order_class == "oto" and (order.take_profit is None) == (order.stop_loss is None):
        yield "an oto order needs exactly one of take profit and stop loss"


def _hours_and_fractions(order: OrderRequest, kind: AssetClass) -> Iterator[str]:
    if order.extended_hours and not (order.type == "limit" and order.time_in_force in ("day", "gtc")):
        yield "outside regular hours only limit orders, day or gtc, are taken"
    broken = order.notional is not None or (order.qty is not None and order.qty % 1 != 0)
    if kind is AssetClass.US_EQUITY and broken:
        if order.time_in_force != "day":
            yield "fractional and notional orders must be day orders"
        if order.order_class not in (None, "simple"):
            yield "fractional and notional orders must be simple orders"
    if kind is AssetClass.US_OPTION and broken:
        yield "options trade in whole contracts"
    if order.notional is not None and order.notional < 1:
        yield "a notional order is of one dollar at least"


def _blocks(account: Account) -> Iterator[str]:
    if account.account_blocked or account.trading_blocked:
        yield "trading is blocked for this account"
    if account.trade_suspended_by_user:
        yield "trading is suspended in the account's own settings (suspend_trade)"


def _about_asset(order: OrderRequest, facts: Facts) -> Iterator[str]:
    asset, contract = facts.asset, facts.contract
    if asset is not None:
        if asset.tradable is False or asset.status == "inactive":
            yield f"{asset.symbol} is not tradable"
        broken = order.notional is not None or (order.qty is not None and order.qty % 1 != 0)
        if broken and asset.fractionable is False:
            yield f"{asset.symbol} is not fractionable"
        if asset.min_order_size is not None and order.qty is not None and order.qty < asset.min_order_size:
            yield f"the smallest order of {asset.symbol} is {asset.min_order_size:f}"
    if contract is not None and (contract.tradable is False or contract.status == "inactive"):
        yield f"{contract.symbol} is not tradable"
    if _kind(order) is AssetClass.US_OPTION and order.type == "market" and not facts.clock.is_open:
        yield "market orders in options are taken while the market is open only"


def _about_holding(order: OrderRequest, facts: Facts) -> Iterator[str]:
    """A sale of more than is free: no coins short, no turning from long to short in one order."""
    if order.side != "sell" or order.qty is None or order.legs or _kind(order) is AssetClass.US_OPTION:
        return
    held = _held(order, facts)
    free = ZERO if held is None else held.qty if held.qty_available is None else held.qty_available
    if order.qty <= max(free, ZERO):
        return
    if _kind(order) is AssetClass.CRYPTO or (held is not None and held.qty > 0):
        yield f"insufficient quantity: {order.qty:f} to sell, {max(free, ZERO):f} free"
    elif not facts.account.shorting_enabled or (facts.asset is not None and facts.asset.shortable is False):
        yield f"{order.symbol} cannot be sold short here"
    elif order.qty % 1 != 0:
        yield "short sales are of whole shares"


def _held(order: OrderRequest, facts: Facts) -> Position | None:
    wanted = symbols.canonical(order.symbol or "")
    return next((each for each in facts.positions if symbols.canonical(each.symbol) == wanted), None)


def _remarks(order: OrderRequest, facts: Facts, price: Decimal | None) -> Iterator[str]:
    if not facts.clock.is_open and _kind(order) is not AssetClass.CRYPTO and not order.extended_hours:
        yield "the market is closed: the order waits for its next session"
    if price is None:
        yield "there is no quote, so no cost"
    if order.type == "stop" and order.side == "buy":
        yield "the broker turns a buy stop into a stop limit, 4 % (from 50 dollars on 2.5 %) above the stop"


def _price(order: OrderRequest, facts: Facts, quotes: dict[str, LatestQuote]) -> Decimal | None:
    """What a unit is valued at: the limit, or the far side; an opening short at the larger of limit and 1.03 ask."""
    quote = quotes.get(symbols.canonical(order.symbol or ""))
    if order.side == "sell" and _kind(order) is AssetClass.US_EQUITY and not _closes(order, facts):
        marked = None if quote is None or quote.ask is None else quote.ask * SHORT_MARKUP
        return max((each for each in (order.limit_price, marked) if each is not None), default=None)
    if order.limit_price is not None:
        return order.limit_price
    if order.stop_price is not None and order.type == "stop":
        return order.stop_price
    if quote is None:
        return None
    return quote.ask if order.side == "buy" else quote.bid


def _closes(order: OrderRequest, facts: Facts) -> bool:
    held = _held(order, facts)
    return held is not None and held.qty != 0 and (held.qty > 0) == (order.side == "sell")


def _package_price(order: OrderRequest, quotes: dict[str, LatestQuote]) -> Decimal | None:
    if order.limit_price is not None:
        return order.limit_price
    total = ZERO
    for leg in order.legs or ():
        quote = quotes.get(symbols.canonical(leg.symbol))
        side = None if quote is None else quote.ask if _buys(leg) else quote.bid
        if side is None:
            return None
        total += leg.ratio_qty * (side if _buys(leg) else -side)
    return total


def _buys(leg: Any) -> bool:
    return bool((leg.side or leg.position_intent or "").startswith("buy"))


def _power(order: OrderRequest, account: Account) -> Decimal:
    power = {
        AssetClass.US_EQUITY: account.buying_power,
        AssetClass.US_OPTION: account.options_buying_power,
        AssetClass.CRYPTO: account.non_marginable_buying_power,
    }[_kind(order)]
    return power if power is not None else account.buying_power or ZERO


def _cost(order: OrderRequest, facts: Facts, price: Decimal | None, margin: MarginCheck | None) -> Decimal | None:
    if margin is not None:
        return margin.cost_basis
    if order.notional is not None:
        return order.notional if order.side == "buy" else ZERO
    if price is None or order.qty is None:
        return None
    return ZERO if _closes(order, facts) else price * order.qty


def _margin(order: OrderRequest, facts: Facts, price: Decimal | None) -> MarginCheck | None:
    if price is None or order.qty is None or order.qty % 1 != 0:
        return None
    if order.legs:
        legs = [_leg(leg.symbol, int(leg.ratio_qty), buys=_buys(leg)) for leg in order.legs]
        net = price
    else:
        legs = [_leg(order.symbol or "", 1, buys=order.side == "buy")]
        net = price if order.side == "buy" else -price
    held = [each for each in facts.positions if symbols.asset_class(each.symbol) is AssetClass.US_OPTION]
    shares = {each.symbol: int(each.qty) for each in facts.positions if each not in held and each.qty > 0}
    level = facts.account.options_trading_level
    try:
        return check_order(
            legs,
            net,
            int(order.qty),
            buying_power=_power(order, facts.account),
            level=int(level) if level is not None else 3,
            positions=[_leg(each.symbol, abs(int(each.qty)), buys=each.qty > 0) for each in held],
            shares=shares,
        )
    except PunaError:
        return None


def _leg(symbol: str, count: int, *, buys: bool) -> OptionPosition:
    option = symbols.parse(symbol)
    if not isinstance(option, symbols.Option):
        raise DataError(f"{symbol} is no option.", state="Nothing was sent.", code="E630")
    right = Right.CALL if option.right == "C" else Right.PUT
    return OptionPosition(option.root, option.expiration, right, option.strike, count if buys else -count)
