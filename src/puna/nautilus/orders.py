"""What an order of the framework becomes at Alpaca, or why it is denied. Pure functions; nothing is ever converted.

The framework's own risk engine skips balance checks on margin accounts, so what Alpaca is known to refuse is denied
here, per asset class (facts.md 5.1 to 5.3). What only the broker can know is left to the broker. For the margin that an
option order needs, see `puna.core.margin`, or `puna margin` in a terminal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from nautilus_trader.model.enums import (
    ContingencyType,
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.instruments import CurrencyPair, Instrument, OptionContract, OptionSpread
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import Order, OrderList

from puna.core import symbols
from puna.core.margin import OptionPosition, Right, check_order
from puna.errors import PunaError
from puna.nautilus.instruments import legs_of, symbol_of
from puna.wire.codec import Amount
from puna.wire.trading import LegRequest, OrderRequest, StopLossRequest, TakeProfitRequest

__all__ = ["SIDES", "TIMES", "TYPES", "Bracket", "Situation", "bracket_of", "bracket_request", "denial", "request_of"]

TYPES: Final = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP_MARKET: "trailing_stop",
}
TIMES: Final = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.AT_THE_OPEN: "opg",
    TimeInForce.AT_THE_CLOSE: "cls",
}
SIDES: Final = {OrderSide.BUY: "buy", OrderSide.SELL: "sell"}
_AUCTIONS = (TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE)
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
_PRICED = (OrderType.MARKET, OrderType.LIMIT)
_BASIS_POINTS = Decimal(100)
_LEAST_TRAIL = Decimal("0.1")
_LARGEST_COIN_ORDER = Decimal(200_000)
_ENOUGH = Decimal(10) ** 12  # what there is to pay with is for the broker to say


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision may depend on.

    Args:
        position: signed quantity that the framework holds in the instrument.
        extended: the order asks for extended hours.
    """

    position: Decimal = Decimal(0)
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Bracket:
    """An order list that Alpaca takes as one order.

    Args:
        entry: None for an OCO, which only exits.
        take_profit: a limit order.
        stop_loss: a stop or stop-limit order.
    """

    entry: Order | None
    take_profit: Order | None
    stop_loss: Order | None

    @property
    def parent(self) -> Order:
        """The order that the request names; of an OCO the one that takes profit (facts.md 5.3)."""
        return self.take_profit if self.entry is None else self.entry

    @property
    def order_class(self) -> str:
        """bracket, oco or oto."""
        if self.entry is None:
            return "oco"
        return "bracket" if self.take_profit is not None and self.stop_loss is not None else "oto"


def denial(order: Order, instrument: Instrument, here: Situation) -> str | None:
    """Why this order cannot be sent, or None."""
    rules = _COMMON + _RULES[_class(instrument)]
    return next((reason for rule in rules if (reason := rule(order, instrument, here))), None)


def request_of(order: Order, instrument: Instrument, *, extended: bool = False) -> OrderRequest:
    """The body of POST /v2/orders for an order that is not denied."""
    request = OrderRequest(
        side=SIDES[order.side],
        type=TYPES[order.order_type],
        time_in_force=TIMES[order.time_in_force],
        client_order_id=order.client_order_id.value,
    )
    for name, price in _prices(order).items():
        setattr(request, name, _amount(price))
    for name, offset in _trail(order, instrument).items():
        setattr(request, name, offset)
    quantity = Amount(f"{order.quantity.as_decimal():f}")
    if order.is_quote_quantity:
        request.notional = quantity
    else:
        request.qty = quantity
    if extended:
        request.extended_hours = True
    if isinstance(instrument, OptionSpread):
        return _multi_leg(request, order, instrument)
    request.symbol = symbol_of(instrument.id)
    return request


def bracket_of(orders: OrderList) -> Bracket | str | None:
    """The list as one order of Alpaca's; None when its orders do not depend on each other; or why it is denied."""
    if not any(order.contingency_type is not ContingencyType.NO_CONTINGENCY for order in orders.orders):
        return None
    entry = next((each for each in orders.orders if each.contingency_type is ContingencyType.OTO), None)
    exits = [each for each in orders.orders if each is not entry]
    profits = [each for each in exits if each.order_type is OrderType.LIMIT]
    losses = [each for each in exits if each.order_type in _STOPS]
    if len(profits) > 1 or len(losses) > 1 or len(profits) + len(losses) != len(exits):
        return "Alpaca's brackets have at most one limit order that takes profit and one stop order that limits loss"
    if entry is None and len(exits) != 2:
        return "Alpaca's OCO is one limit order and one stop order"
    found = Bracket(entry, next(iter(profits), None), next(iter(losses), None))
    return _odd_bracket(found, exits) or found


def bracket_request(bracket: Bracket, instrument: Instrument) -> OrderRequest:
    """One request for the whole list; the client ids of its exits are the broker's to choose."""
    request = request_of(bracket.parent, instrument)
    request.order_class = bracket.order_class
    if bracket.take_profit is not None:
        request.take_profit = TakeProfitRequest(limit_price=_amount(bracket.take_profit.price))
    if (loss := bracket.stop_loss) is not None:
        limit = _amount(loss.price) if loss.order_type is OrderType.STOP_LIMIT else None
        request.stop_loss = StopLossRequest(stop_price=_amount(loss.trigger_price), limit_price=limit)
    if bracket.entry is None:
        request.limit_price = None
    return request


# The rules. Each says why it objects, or None.

Rule = Callable[[Order, Instrument, Situation], str | None]


def _kind(order: Order, *_: object) -> str | None:
    return None if order.order_type in TYPES else f"Alpaca has no {order.type_string()} orders"


def _time(order: Order, *_: object) -> str | None:
    if order.time_in_force is TimeInForce.GTD:
        return "Alpaca has no GTD orders; cancel the order at its time, or use the framework's `manage_gtd_expiry`"
    return None if order.time_in_force in TIMES else f"Alpaca has no {order.tif_string()} orders"


def _flags(order: Order, *_: object) -> str | None:
    if order.is_post_only:
        return "Alpaca has no post-only orders"
    if getattr(order, "display_qty", None) is not None:
        return "Alpaca has no display quantity"
    if order.has_trigger_price and order.trigger_type not in (TriggerType.DEFAULT, TriggerType.LAST_PRICE):
        return "Alpaca's stops are elected by the last price"
    return None


def _reducing(order: Order, _: Instrument, here: Situation) -> str | None:
    """Alpaca has no such flag; the promise is kept here, by what is held when the order is sent."""
    if not order.is_reduce_only:
        return None
    against = here.position < 0 if order.side is OrderSide.BUY else here.position > 0
    if against and order.quantity.as_decimal() <= abs(here.position):
        return None
    return f"a reduce-only order for {order.quantity} with a position of {here.position} would not only reduce"


def _trailing(order: Order, instrument: Instrument, _: Situation) -> str | None:
    if order.order_type is not OrderType.TRAILING_STOP_MARKET:
        return None
    if order.activation_price is not None:
        return "Alpaca's trailing stops follow from the start; they have no activation price"
    if order.trailing_offset_type is TrailingOffsetType.PRICE_TIER:
        return "Alpaca's trailing stops are by price or by percent"
    if order.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return "Alpaca's trailing stops are DAY or GTC"
    percent = _trail(order, instrument).get("trail_percent")
    return "Alpaca's trailing stops are at least 0.1 % away" if percent is not None and percent < _LEAST_TRAIL else None


def _whole(order: Order, instrument: Instrument, _: Situation) -> str | None:
    if order.is_quote_quantity and instrument.size_precision == 0:
        return (
            "the framework's Equity takes whole shares only, and a notional order fills in fractions; load the stock "
            "with `fractional_shares=True` in the instrument provider's configuration"
        )
    return None


def _on_tick(order: Order, instrument: Instrument, _: Situation) -> str | None:
    symbol = symbol_of(instrument.id)
    for name, price in _prices(order).items():
        if not symbols.on_tick(symbol, price.as_decimal()):
            return f"{name} {price} is finer than Alpaca accepts"
    return None


def _stock(order: Order, _: Instrument, here: Situation) -> str | None:
    if order.time_in_force in _AUCTIONS and order.order_type not in _PRICED:
        return "at the open and at the close only market and limit orders are accepted"
    if not here.extended:
        return None
    if order.order_type is OrderType.LIMIT and order.time_in_force in (TimeInForce.DAY, TimeInForce.GTC):
        return None
    return "in extended hours only DAY or GTC limit orders are accepted"


def _fraction(order: Order, _: Instrument, __: Situation) -> str | None:
    if not order.is_quote_quantity and order.quantity.as_decimal() % 1 == 0:
        return None
    if order.time_in_force is not TimeInForce.DAY or order.order_type is OrderType.TRAILING_STOP_MARKET:
        return "fractional and notional orders are DAY market, limit, stop or stop-limit orders"
    if order.is_quote_quantity and order.quantity.as_decimal() < 1:
        return "a notional order is at least 1.00"
    return None


def _short_stock(order: Order, _: Instrument, here: Situation) -> str | None:
    quantity = order.quantity.as_decimal()
    if order.side is OrderSide.SELL and 0 < here.position < quantity and not order.is_quote_quantity:
        return (
            f"Alpaca never takes a position through flat in one order: {here.position} are held; "
            "sell those, then sell short"
        )
    return None


def _coin(order: Order, instrument: Instrument, here: Situation) -> str | None:
    if order.order_type not in (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT):
        return "crypto orders are market, limit or stop-limit"
    if order.time_in_force not in (TimeInForce.GTC, TimeInForce.IOC):
        return "crypto orders are GTC or IOC"
    if here.extended:
        return "crypto trades around the clock; there are no extended hours"
    if order.side is OrderSide.SELL and not order.is_quote_quantity and order.quantity.as_decimal() > here.position:
        return f"crypto cannot be sold short: {here.position} are held"
    if order.is_quote_quantity and not 1 <= order.quantity.as_decimal() <= _LARGEST_COIN_ORDER:
        return "a crypto order is for 1 to 200,000 dollars"
    return _increments(order, instrument)


def _increments(order: Order, instrument: Instrument) -> str | None:
    for name, price in _prices(order).items():
        if price.as_decimal() % instrument.price_increment.as_decimal():
            return f"{name} {price} is no multiple of {instrument.price_increment}"
    if not order.is_quote_quantity and order.quantity.as_decimal() % instrument.size_increment.as_decimal():
        return f"quantity {order.quantity} is no multiple of {instrument.size_increment}"
    return None


def _option(order: Order, instrument: Instrument, here: Situation) -> str | None:
    if order.order_type not in (*_PRICED, *_STOPS):
        return "option orders are market, limit, stop or stop-limit"
    if order.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return "option orders are DAY or GTC"
    if here.extended or order.is_quote_quantity:
        return "option orders have whole quantities, and no extended hours"
    if not (instrument.info or {}).get("penny", True):
        for name, price in _prices(order).items():
            step = Decimal("0.05") if price.as_decimal() < 3 else Decimal("0.10")
            if price.as_decimal() % step:
                return f"{name} {price} is no multiple of {step}"
    return None


def _spread(order: Order, instrument: Instrument, here: Situation) -> str | None:
    if order.order_type not in _PRICED:
        return "multi-leg orders are market or limit"
    if order.time_in_force is not TimeInForce.DAY:
        return "multi-leg orders are DAY"
    if here.extended or order.is_quote_quantity:
        return "multi-leg orders have whole quantities, and no extended hours"
    return _odd_legs(order, instrument)


def _odd_legs(order: Order, instrument: Instrument) -> str | None:
    """What Alpaca would not admit, by the universal spread rule."""
    sign = 1 if order.side is OrderSide.BUY else -1
    legs = [_position(symbol_of(leg), sign * ratio) for leg, ratio in legs_of(instrument.id)]
    try:
        check = check_order(legs, Decimal(0), int(order.quantity), buying_power=_ENOUGH)
    except PunaError as error:
        return f"{error.what} {error.why}".strip()
    return None if check.allowed else "; ".join(check.reasons)


def _position(symbol: str, quantity: int) -> OptionPosition:
    option = symbols.parse(symbol)
    if not isinstance(option, symbols.Option):
        raise TypeError(f"{symbol} is no option")
    right = Right.CALL if option.right == "C" else Right.PUT
    return OptionPosition(option.root, option.expiration, right, option.strike, quantity)


_COMMON: tuple[Rule, ...] = (_kind, _time, _flags, _reducing)
_RULES: Mapping[str, tuple[Rule, ...]] = {
    "stock": (_trailing, _whole, _on_tick, _stock, _fraction, _short_stock),
    "coin": (_coin,),
    "option": (_option,),
    "spread": (_spread,),
}


def _class(instrument: Instrument) -> str:
    if isinstance(instrument, OptionSpread):
        return "spread"
    if isinstance(instrument, OptionContract):
        return "option"
    return "coin" if isinstance(instrument, CurrencyPair) else "stock"


def _odd_bracket(bracket: Bracket, exits: Sequence[Order]) -> str | None:
    if len({each.quantity.as_decimal() for each in exits}) > 1 or len({each.side for each in exits}) > 1:
        return "the exits of a bracket have one side and one quantity"
    if bracket.entry is None:
        return None
    if bracket.entry.order_type is OrderType.TRAILING_STOP_MARKET:
        return "the entry of a bracket is no trailing stop"
    if any(each.quantity != bracket.entry.quantity or each.side == bracket.entry.side for each in exits):
        return "the exits of a bracket close what its entry opens, no more and no less"
    if bracket.entry.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return "brackets are DAY or GTC"
    return None


def _multi_leg(request: OrderRequest, order: Order, spread: OptionSpread) -> OrderRequest:
    """Buying a spread buys its positive legs; selling it turns every leg around, and the sign of the net price."""
    sign = 1 if order.side is OrderSide.BUY else -1
    request.order_class, request.side = "mleg", None
    request.legs = [
        LegRequest(symbol=symbol_of(leg), ratio_qty=Amount(abs(ratio)), side="buy" if ratio * sign > 0 else "sell")
        for leg, ratio in legs_of(spread.id)
    ]
    if request.limit_price is not None:
        request.limit_price = Amount(f"{sign * request.limit_price:f}")
    return request


def _prices(order: Order) -> dict[str, Price]:
    prices = {}
    if order.has_price:
        prices["limit_price"] = order.price
    if order.has_trigger_price and order.order_type in _STOPS:
        prices["stop_price"] = order.trigger_price
    return prices


def _trail(order: Order, instrument: Instrument) -> dict[str, Decimal]:
    if order.order_type is not OrderType.TRAILING_STOP_MARKET:
        return {}
    offset = Decimal(order.trailing_offset)
    if order.trailing_offset_type is TrailingOffsetType.BASIS_POINTS:
        return {"trail_percent": Amount(f"{offset / _BASIS_POINTS:f}")}
    ticks = order.trailing_offset_type is TrailingOffsetType.TICKS
    return {"trail_price": Amount(f"{offset * instrument.price_increment.as_decimal() if ticks else offset:f}")}


def _amount(price: Price) -> Decimal:
    return Amount(f"{price.as_decimal():f}")
