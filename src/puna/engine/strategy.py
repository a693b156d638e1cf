"""Strategies: what a user writes. Three levels, each a step up: targets, orders, events.

    class Momentum(Strategy):
        symbols = ("AAPL", "MSFT")

        def on_bar(self, bar):
            rising = bar.close > bar.open
            self.target(bar.symbol, 0.3 if rising else 0.0, because="the last minute rose")

Callbacks are plain functions and are called one at a time. Whatever they ask for is checked by risk at once, written
down, then sent; answers come back as events. The same class runs in every mode.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Literal, Protocol

from puna.core.orders import Order
from puna.core.types import (
    ZERO,
    Bar,
    Fill,
    OrderIntent,
    OrderType,
    Quote,
    Side,
    TimeInForce,
    Trade,
)

__all__ = ["Amount", "Desk", "Strategy"]

Amount = Decimal | int | str | float
"""Money or a quantity; a float means the decimal that it prints as."""


class Desk(Protocol):
    """What a strategy stands on: the one that runs it."""

    @property
    def now(self) -> int:
        """Market time, ns."""

    def submit(self, intent: OrderIntent) -> str:
        """Hands an order in, and gives its client_order_id."""

    def replace(self, client_order_id: str, intent: OrderIntent) -> str:
        """Lets an order take the place of another."""

    def cancel(self, client_order_id: str, because: str) -> bool:
        """Asks for the end of an order."""

    def new_id(self, strategy: str) -> str:
        """A client_order_id that was never used."""

    def order(self, client_order_id: str) -> Order | None:
        """An order."""

    def orders(self, strategy: str) -> list[Order]:
        """The open orders of a strategy."""

    def position(self, strategy: str, symbol: str) -> Decimal:
        """What a strategy holds."""

    def quote(self, symbol: str) -> Quote | None:
        """The latest quote."""

    def bars(self, symbol: str, timeframe: str) -> tuple[Bar, ...]:
        """Bars, oldest first, warm-up included."""

    def equity(self) -> Decimal | None:
        """What the account is worth; None when a position has no mark."""


class Strategy:
    """The base of all strategies. Class attributes say what it needs; `params` of a configuration set them.

    Attributes:
        symbols: what it sees and may trade.
        timeframe: of the bars for `on_bar`: "1Min", "5Min" and the like.
        warmup: timeframe -> how many bars it wants to know before its first event; no orders come of them.
        capital: its part of the account's equity, 0 to 1.
        drift: `target` leaves differences alone that are smaller than this part of its capital.
        when_stopped: what becomes of its open orders when it ends or fails: "cancel" or "leave".
        name: as in orders, journal and reports.
    """

    symbols: Sequence[str] = ()
    timeframe: str = "1Min"
    warmup: Mapping[str, int] = {}
    capital: Decimal = Decimal(1)
    drift: Decimal = Decimal("0.01")
    when_stopped: Literal["cancel", "leave"] = "cancel"
    name: str = ""

    _desk: Desk

    # Events: override what you need.

    def on_start(self) -> None:
        """The books agree with the broker's and warm-up bars are there; nothing has happened yet."""

    def on_bar(self, bar: Bar) -> None:
        """A bar of `timeframe` is complete."""

    def on_quote(self, quote: Quote) -> None:
        """A sound quote, newer than the last."""

    def on_trade(self, trade: Trade) -> None:
        """A print on the tape. Prints are subscribed to only if a strategy overrides this."""

    def on_order(self, order: Order) -> None:
        """An order of this strategy changed; durable and booked already."""

    def on_fill(self, fill: Fill) -> None:
        """A fill of this strategy, booked already; the last ones may be told again after a restart.

        The key of a fill is (client_order_id, cum_qty).
        """

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:
        """An order was not sent: risk said no (R...), or it could not be written down (E...)."""

    def on_stop(self) -> None:
        """The session is over, or the run is being stopped."""

    # Targets.

    def target(self, symbol: str, weight: Amount, *, because: str = "") -> str | None:
        """Aims at `weight` of this strategy's capital in `symbol`, in whole shares, by market orders.

        What is open counts as done; while orders of the other side are open nothing is added. A position is taken
        through flat in two steps. The id of the order, or None when none is needed or nothing can be priced.
        """
        open_orders = [order for order in self.orders() if order.intent.symbol == symbol]
        wanted = self._wanted(symbol, _decimal(weight))
        if wanted is None:
            return None
        held = self.position(symbol)
        coming = sum((order.intent.side.sign * order.leaves for order in open_orders), ZERO)
        missing = wanted - held - coming
        if held and missing * held < 0 and abs(missing) > abs(held):
            missing = -held
        side = Side.BUY if missing > 0 else Side.SELL
        against = any(order.intent.side is not side for order in open_orders)
        if against or not missing or (wanted and self._is_small(symbol, missing)):
            return None
        return self._order(symbol, side, abs(missing), None, None, TimeInForce.DAY, because, extended=False)

    # Orders.

    def buy(
        self,
        symbol: str,
        qty: Amount,
        *,
        limit: Amount | None = None,
        stop: Amount | None = None,
        tif: str = "day",
        extended_hours: bool = False,
        because: str = "",
    ) -> str:
        """Buys at market, or with a limit, a stop, or both; gives the client_order_id."""
        return self._order(symbol, Side.BUY, qty, limit, stop, TimeInForce(tif), because, extended=extended_hours)

    def sell(
        self,
        symbol: str,
        qty: Amount,
        *,
        limit: Amount | None = None,
        stop: Amount | None = None,
        tif: str = "day",
        extended_hours: bool = False,
        because: str = "",
    ) -> str:
        """Sells at market, or with a limit, a stop, or both; gives the client_order_id."""
        return self._order(symbol, Side.SELL, qty, limit, stop, TimeInForce(tif), because, extended=extended_hours)

    def replace(
        self,
        client_order_id: str,
        *,
        qty: Amount | None = None,
        limit: Amount | None = None,
        stop: Amount | None = None,
        because: str = "",
    ) -> str:
        """Asks for an order with other terms in the place of this one; gives its new client_order_id.

        Raises:
            KeyError: there is no such order.
        """
        order = self.order(client_order_id)
        if order is None:
            raise KeyError(client_order_id)
        old = order.intent
        intent = OrderIntent(
            client_order_id=self._desk.new_id(self.name),
            strategy=self.name,
            symbol=old.symbol,
            side=old.side,
            qty=old.qty if qty is None else _decimal(qty),
            type=old.type,
            time_in_force=old.time_in_force,
            ts=self.now,
            limit_price=old.limit_price if limit is None else _decimal(limit),
            stop_price=old.stop_price if stop is None else _decimal(stop),
            extended_hours=old.extended_hours,
            because=because,
        )
        return self._desk.replace(client_order_id, intent)

    def cancel(self, client_order_id: str, *, because: str = "") -> bool:
        """Asks for the end of an order; False when it has ended already. The end itself comes as an event."""
        return self._desk.cancel(client_order_id, because)

    # What is known.

    @property
    def now(self) -> int:
        """Market time, nanoseconds since the epoch, UTC."""
        return self._desk.now

    @property
    def equity(self) -> Decimal | None:
        """This strategy's part of what the account is worth; None when something held has no price."""
        whole = self._desk.equity()
        return None if whole is None else whole * self.capital

    def position(self, symbol: str) -> Decimal:
        """What this strategy holds, negative when short."""
        return self._desk.position(self.name, symbol)

    def history(self, symbol: str, timeframe: str | None = None) -> tuple[Bar, ...]:
        """Bars so far, oldest first, warm-up included."""
        return self._desk.bars(symbol, timeframe or self.timeframe)

    def quote(self, symbol: str) -> Quote | None:
        """The latest quote."""
        return self._desk.quote(symbol)

    def order(self, client_order_id: str) -> Order | None:
        """An order, by its client_order_id."""
        return self._desk.order(client_order_id)

    def orders(self) -> list[Order]:
        """The open orders of this strategy."""
        return self._desk.orders(self.name)

    # Inside.

    def _order(
        self,
        symbol: str,
        side: Side,
        qty: Amount,
        limit: Amount | None,
        stop: Amount | None,
        tif: TimeInForce,
        because: str,
        *,
        extended: bool,
    ) -> str:
        intent = OrderIntent(
            client_order_id=self._desk.new_id(self.name),
            strategy=self.name,
            symbol=symbol,
            side=side,
            qty=_decimal(qty),
            type=_type(limit, stop),
            time_in_force=tif,
            ts=self.now,
            limit_price=None if limit is None else _decimal(limit),
            stop_price=None if stop is None else _decimal(stop),
            extended_hours=extended,
            because=because,
        )
        return self._desk.submit(intent)

    def _wanted(self, symbol: str, weight: Decimal) -> Decimal | None:
        """The position that the weight asks for, in whole shares; 0 needs no price."""
        if not weight:
            return ZERO
        worth, price = self.equity, self._price(symbol)
        if worth is None or price is None:
            return None
        return (weight * worth / price).to_integral_value(ROUND_DOWN)

    def _price(self, symbol: str) -> Decimal | None:
        quote = self.quote(symbol)
        return Decimal(repr(quote.ask)) if quote is not None and quote.usable else None

    def _is_small(self, symbol: str, missing: Decimal) -> bool:
        worth, price = self.equity, self._price(symbol)
        return worth is None or price is None or abs(missing) * price < self.drift * worth


def _decimal(amount: Amount) -> Decimal:
    return Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)


def _type(limit: Amount | None, stop: Amount | None) -> OrderType:
    if limit is not None:
        return OrderType.LIMIT if stop is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if stop is None else OrderType.STOP
