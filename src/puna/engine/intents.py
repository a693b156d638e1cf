"""What a strategy's words become: intents for single orders, groups and packages, and parent orders.

A word that contradicts another is a mistake in the strategy and raises ValueError at once; what the broker's rules or
our limits do not admit is left to risk, which refuses with a code.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from puna.core.margin import OptionPosition, Right
from puna.core.parent import Parent, Participate, Patient, Protect, Sliced, Style, Sweep
from puna.core.pricing import Touch, Urgency
from puna.core.symbols import Option, asset_class, lot, parse, tick
from puna.core.types import (
    AssetClass,
    Leg,
    OrderClass,
    OrderIntent,
    OrderType,
    Quote,
    Side,
    StopLoss,
    TakeProfit,
    exact,
)

__all__ = [
    "Amount",
    "amount",
    "cap_for",
    "exits",
    "guard",
    "holdable",
    "option_position",
    "package",
    "parent",
    "single",
    "style_of",
]

Amount = Decimal | int | str | float
"""Money or a quantity; a float means the decimal that it prints as."""

SECOND = 1_000_000_000
FOREVER = 2**63 - 1
SLACK = Decimal("1.05")  # how much more than by the quote money may buy, for what is reserved


def amount(given: Amount) -> Decimal:
    """The decimal that was meant."""
    return Decimal(repr(given)) if isinstance(given, float) else Decimal(given)


def single(
    base: dict[str, Any],
    *,
    qty: Amount | None,
    notional: Amount | None,
    limit: Amount | None,
    stop: Amount | None,
    trail: Amount | None,
    trail_percent: Amount | None,
    take_profit: Amount | None,
    stop_loss: Amount | tuple[Amount, Amount] | None,
    quote: Quote | None,
) -> OrderIntent:
    """One order, or an entry with its exits: a bracket has both, an OTO order one of them.

    Raises:
        ValueError: neither or both of quantity and money, of trail and its percentage, or a trail with other prices.
    """
    if (qty is None) == (notional is None):
        raise ValueError("either a quantity or a notional")
    trails = [each for each in (trail, trail_percent) if each is not None]
    if len(trails) > 1 or (trails and (limit is not None or stop is not None)):
        raise ValueError("a trailing stop has one trail and no other price")
    gain, loss = _take_profit(take_profit), _stop_loss(stop_loss)
    money = _maybe(notional)
    return OrderIntent(
        qty=_units(money, quote) if money is not None else amount(qty or 0),
        notional=money,
        type=OrderType.TRAILING_STOP if trails else _type(limit, stop),
        limit_price=_maybe(limit),
        stop_price=_maybe(stop),
        trail_price=_maybe(trail),
        trail_percent=_maybe(trail_percent),
        order_class=_class(gain, loss),
        take_profit=gain,
        stop_loss=loss,
        **base,
    )


def exits(
    base: dict[str, Any], *, qty: Decimal, take_profit: Amount, stop_loss: Amount | tuple[Amount, Amount]
) -> OrderIntent:
    """An OCO order: whichever of its two exits fills first ends the other."""
    gain = TakeProfit(amount(take_profit))
    return OrderIntent(
        qty=qty,
        type=OrderType.LIMIT,
        limit_price=gain.limit_price,
        order_class=OrderClass.OCO,
        take_profit=gain,
        stop_loss=_stop_loss(stop_loss),
        **base,
    )


def guard(
    base: dict[str, Any],
    *,
    qty: Decimal,
    held: Decimal = Decimal(0),
    entry: str = "",
    take_profit: Amount | None,
    stop_loss: Amount | tuple[Amount, Amount] | None,
    trail: Amount | None,
    trail_percent: Amount | None,
    quote: Quote | None,
) -> Parent:
    """Exits that are watched here, as a parent order on the closing side; `base` is that of what closes.

    Raises:
        ValueError: no exit, both trails, a stop with a limit, or a profit that lies beyond the stop.
    """
    if isinstance(stop_loss, tuple):
        raise ValueError("exits that are watched here close at the market: give the stop alone")  # noqa: TRY004
    gain, stop = _maybe(take_profit), _maybe(stop_loss)
    side, symbol = base["side"], base["symbol"]
    if gain is not None and stop is not None and (gain - stop) * side.sign >= 0:
        raise ValueError("the profit must lie on the profitable side of the stop")
    style = Protect(
        held=held,
        entry=entry,
        stop=stop,
        take_profit=gain,
        trail=_maybe(trail),
        trail_percent=_maybe(trail_percent),
        extended=base["extended_hours"],
    )
    fractional = asset_class(symbol) is AssetClass.US_EQUITY and qty != qty.to_integral_value()
    return Parent(
        symbol=symbol,
        side=side,
        qty=qty,
        style=style,
        start=base["ts"],
        end=FOREVER,
        tick=_tick(symbol, stop or gain, quote),
        lot=Decimal("0.000000001") if fractional else lot(symbol),
    )


def holdable(symbol: str, qty: Decimal, *, extended: bool) -> bool:
    """Whether the broker takes exits beside an order: whole shares in the core session (facts.md 5.2, 5.3)."""
    return asset_class(symbol) is AssetClass.US_EQUITY and qty == qty.to_integral_value() and not extended


def package(base: dict[str, Any], legs: Sequence[Leg], qty: Amount, limit: Amount | None) -> OrderIntent:
    """A multi-leg order: market without a limit; the net price of a credit is negative."""
    return OrderIntent(
        qty=amount(qty),
        type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=_maybe(limit),
        order_class=OrderClass.MLEG,
        legs=tuple(legs),
        **base,
    )


def option_position(symbol: str, qty: int) -> OptionPosition:
    """An option as the margin rules see it.

    Raises:
        ValueError: it is no option.
    """
    option = parse(symbol)
    if not isinstance(option, Option):
        raise ValueError(f"{symbol} is no option")  # noqa: TRY004 - the word is wrong, not its type
    right = Right.CALL if option.right == "C" else Right.PUT
    return OptionPosition(option.root, option.expiration, right, option.strike, qty)


def style_of(
    name: str | Style,
    *,
    urgency: str = "normal",
    slices: int = 10,
    profile: Sequence[Amount] = (),
    rate: Amount = "0.1",
    seconds: float = 300,
) -> Style:
    """The style by its name: market, patient, twap, vwap, pov. A patient order's urgency is how fast it walks.

    Raises:
        ValueError: there is no such style or urgency.
    """
    if not isinstance(name, str):
        return name
    hurry = Urgency(urgency)
    match name:
        case "market":
            return Sweep()
        case "patient":
            steps = {Urgency.LOW: 10, Urgency.NORMAL: 5, Urgency.HIGH: 2}[hurry]
            return Patient(steps, max(1, int(seconds / (steps + 1))))
        case "twap" | "vwap":
            shares = tuple(amount(each) for each in profile)
            if name == "vwap" and not (shares and sum(shares) > 0 and min(shares) >= 0):
                raise ValueError("a vwap needs the volume profile of its slices, such as (3, 2, 1, 2, 3)")
            return Sliced(len(shares) or slices, shares, hurry)
        case "pov":
            return Participate(amount(rate), hurry)
    raise ValueError(f"there is no style {name!r}; there are market, patient, twap, vwap, pov")


def parent(
    symbol: str,
    side: Side,
    qty: Amount,
    style: Style,
    *,
    now: int,
    seconds: float,
    cap: Decimal,
    fractional: bool = False,
) -> Parent:
    """A parent order of one instrument."""
    return Parent(
        symbol=symbol,
        side=side,
        qty=amount(qty),
        style=style,
        start=now,
        end=now + round(seconds * SECOND),
        cap=cap,
        tick=tick(symbol, cap),
        lot=Decimal("0.000000001") if fractional else lot(symbol),
    )


def cap_for(side: Side, sides: Touch, allowed: Decimal) -> Decimal:
    """The worst price that is still accepted: so far beyond the far side."""
    return sides.far * (1 + side.sign * allowed)


def _tick(symbol: str, price: Decimal | None, quote: Quote | None) -> Decimal:
    """The tick near a price, else near the quote; of a coin the decimals of its quote, which stands on its ticks."""
    if quote is None or not quote.usable:
        return tick(symbol, price or Decimal(1))
    sides = (exact(quote.bid), exact(quote.ask))
    if asset_class(symbol) is not AssetClass.CRYPTO:
        return tick(symbol, price or sides[0])
    return min(Decimal(1).scaleb(min(0, int(each.normalize().as_tuple().exponent))) for each in sides)


def _units(money: Decimal, quote: Quote | None) -> Decimal:
    """The most that the money may buy, for reservations; without a quote risk will refuse anyway."""
    if quote is None or not quote.usable:
        return money
    return (money / exact(quote.bid) * SLACK).quantize(Decimal("0.000001"), ROUND_CEILING)


def _class(gain: TakeProfit | None, loss: StopLoss | None) -> OrderClass:
    if gain is not None and loss is not None:
        return OrderClass.BRACKET
    return OrderClass.SIMPLE if gain is None and loss is None else OrderClass.OTO


def _take_profit(given: Amount | None) -> TakeProfit | None:
    return None if given is None else TakeProfit(amount(given))


def _stop_loss(given: Amount | tuple[Amount, Amount] | None) -> StopLoss | None:
    if given is None:
        return None
    stop, limit = given if isinstance(given, tuple) else (given, None)
    return StopLoss(amount(stop), _maybe(limit))


def _maybe(given: Amount | None) -> Decimal | None:
    return None if given is None else amount(given)


def _type(limit: Amount | None, stop: Amount | None) -> OrderType:
    if limit is not None:
        return OrderType.LIMIT if stop is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if stop is None else OrderType.STOP
