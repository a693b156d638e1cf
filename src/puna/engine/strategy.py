"""Strategies: what a user writes. Three levels, each a step up: targets, orders, events.

    class Momentum(Strategy):
        symbols = ("AAPL", "MSFT")

        def on_bar(self, bar):
            rising = bar.close > bar.open
            self.target(bar.symbol, 0.3 if rising else 0.0, because="the last minute rose")

Callbacks are plain functions and are called one at a time. Whatever they ask for is checked by risk at once, written
down, then sent; answers come back as events. The same class runs in every mode.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal, Protocol

from puna.core import spreads
from puna.core.admission import MarginCheck, check_order
from puna.core.orders import Order
from puna.core.parent import Parent, Patient, Style
from puna.core.pricing import touch
from puna.core.sleeves import Sleeve
from puna.core.symbols import Option, parse, underlying
from puna.core.types import (
    ZERO,
    Bar,
    Fill,
    Leg,
    OrderIntent,
    Quote,
    Side,
    TimeInForce,
    Trade,
)
from puna.engine import intents
from puna.engine.entries import ParentBegun, ParentEnded
from puna.engine.intents import Amount
from puna.engine.working import Working

__all__ = ["Amount", "Desk", "Strategy"]

SECOND = 1_000_000_000


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

    def work(self, strategy: str, parent: Parent, because: str) -> str:
        """Works a parent order, and gives its id."""

    def guard(self, strategy: str, parent: Parent, because: str, entry: OrderIntent | None = None) -> str | None:
        """Lets exits be watched, of what is held, or of what an entry fills that is handed in with them."""

    def stop_work(self, parent_id: str, because: str) -> bool:
        """Lets a parent order end."""

    def working(self, strategy: str) -> list[Working]:
        """The parent orders of a strategy."""

    def new_id(self, strategy: str) -> str:
        """A client_order_id that was never used."""

    def order(self, client_order_id: str) -> Order | None:
        """An order."""

    def orders(self, strategy: str) -> list[Order]:
        """The open orders of a strategy."""

    def position(self, strategy: str, symbol: str) -> Decimal:
        """What a strategy holds."""

    def holding(self, symbol: str) -> Decimal:
        """What the whole account holds."""

    def sleeve(self, strategy: str) -> Sleeve:
        """A strategy's own cash and positions."""

    def marks(self, symbols: Iterable[str]) -> Mapping[str, Decimal]:
        """What a unit of each is worth now, of those that have a price."""

    def contracts(self, root: str) -> tuple[str, ...]:
        """The options on an underlying."""

    def watch(self, symbols: Iterable[str]) -> None:
        """Lets quotes of options be asked for."""

    def quote(self, symbol: str) -> Quote | None:
        """The latest quote."""

    def bars(self, symbol: str, timeframe: str) -> tuple[Bar, ...]:
        """Bars, oldest first, warm-up included."""

    def worth(self, strategy: str) -> Decimal | None:
        """What a strategy is worth; None when something it holds has no mark."""


class Strategy:
    """The base of all strategies. Class attributes say what it needs; `params` of a configuration set them.

    Attributes:
        symbols: what it sees and may trade.
        timeframe: of the bars for `on_bar`: "1Min", "5Min" and the like.
        warmup: timeframe -> how many bars it wants to know before its first event; no orders come of them.
        option_days: underlying -> how many days ahead the options may expire that it wants to know of.
        capital: its part of what the account is worth when the books begin, 0 to 1; with 1 it has the whole account.
        drift: `target` leaves differences alone that are smaller than this part of its capital.
        cap_away: a parent order without a cap never trades further beyond the far side than this part of it.
        when_stopped: what becomes of its open orders when it ends or fails: "cancel" or "leave".
        name: as in orders, journal and reports.
        seen: what it decides by, by name, such as `{"rsi": 31.5}`; written down with each order, for `puna why`.
    """

    symbols: Sequence[str] = ()
    timeframe: str = "1Min"
    warmup: Mapping[str, int] = {}
    option_days: Mapping[str, int] = {}
    capital: Decimal = Decimal(1)
    drift: Decimal = Decimal("0.01")
    cap_away: Decimal = Decimal("0.02")
    when_stopped: Literal["cancel", "leave"] = "cancel"
    name: str = ""
    seen: Mapping[str, float] = {}

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

        The key of a fill is (client_order_id, cum_qty). An `internal` one was crossed with another strategy.
        """

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:
        """An order was not sent: risk said no (R...), or it could not be written down (E...)."""

    def on_parent(self, begun: ParentBegun, ended: ParentEnded) -> None:
        """A parent order of this strategy is over: what it was, how much of it was done, and why it ended.

        Its children come to `on_fill`, and not to `on_order` or `on_refused`.
        """

    def on_stop(self) -> None:
        """The session is over, or the run is being stopped."""

    # Targets.

    def target(self, symbol: str, weight: Amount, *, because: str = "") -> str | None:
        """Aims at `weight` of this strategy's capital in `symbol`, in whole shares, by market orders.

        What is open counts as done; while orders of the other side are open nothing is added. A position is taken
        through flat in two steps, and a symbol that a parent order works is left alone. The id of the order, or None
        when none is needed or nothing can be priced.
        """
        if any(each.parent.symbol == symbol for each in self.working()):
            return None
        mine = (order for order in self.orders() if order.intent.leg_of is None)
        open_orders = [order for order in mine if order.intent.symbol == symbol]
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
        return (self.buy if side is Side.BUY else self.sell)(symbol, abs(missing), because=because)

    # Orders.

    def buy(
        self,
        symbol: str,
        qty: Amount | None = None,
        *,
        notional: Amount | None = None,
        limit: Amount | None = None,
        stop: Amount | None = None,
        trail: Amount | None = None,
        trail_percent: Amount | None = None,
        take_profit: Amount | None = None,
        stop_loss: Amount | tuple[Amount, Amount] | None = None,
        trail_loss: Amount | None = None,
        trail_loss_percent: Amount | None = None,
        tif: str = "day",
        extended_hours: bool = False,
        because: str = "",
    ) -> str:
        """Buys at market, or with a limit, a stop, both, or a trail; gives the client_order_id.

        With `take_profit` (a limit price) and `stop_loss` (a stop price, or a stop and a limit price) it is a bracket,
        with one of them an OTO order: the exits rest at the broker. Where it takes none (fractions, coins, money,
        extended hours), or with `trail_loss`, a stop that follows the price at a distance, they are watched here, with
        a stop at the broker behind them. `notional` is money instead of a quantity.
        """
        return self._single(
            Side.BUY, symbol, qty, notional=notional, limit=limit, stop=stop, trail=trail, trail_percent=trail_percent,
            take_profit=take_profit, stop_loss=stop_loss, trail_loss=trail_loss, trail_loss_percent=trail_loss_percent,
            tif=tif, extended=extended_hours, because=because,
        )  # fmt: skip

    def sell(
        self,
        symbol: str,
        qty: Amount | None = None,
        *,
        notional: Amount | None = None,
        limit: Amount | None = None,
        stop: Amount | None = None,
        trail: Amount | None = None,
        trail_percent: Amount | None = None,
        take_profit: Amount | None = None,
        stop_loss: Amount | tuple[Amount, Amount] | None = None,
        trail_loss: Amount | None = None,
        trail_loss_percent: Amount | None = None,
        tif: str = "day",
        extended_hours: bool = False,
        because: str = "",
    ) -> str:
        """Sells at market, or with a limit, a stop, both, or a trail; gives the client_order_id.

        With exits it opens a short position and brings them along; to protect what is held use `protect`.
        """
        return self._single(
            Side.SELL, symbol, qty, notional=notional, limit=limit, stop=stop, trail=trail, trail_percent=trail_percent,
            take_profit=take_profit, stop_loss=stop_loss, trail_loss=trail_loss, trail_loss_percent=trail_loss_percent,
            tif=tif, extended=extended_hours, because=because,
        )  # fmt: skip

    def protect(
        self,
        symbol: str,
        *,
        take_profit: Amount | None = None,
        stop_loss: Amount | tuple[Amount, Amount] | None = None,
        trail: Amount | None = None,
        trail_percent: Amount | None = None,
        tif: str = "day",
        extended_hours: bool = False,
        because: str = "",
    ) -> str | None:
        """Exits for what this strategy holds, of which one ends the others; None when it holds nothing.

        A profit and a stop of whole shares are an OCO order at the broker. Anything else (one of the two alone, a
        trail, fractions, coins, extended hours) is watched here, and the id is that of a parent order: `stop_work`
        takes the protection away.

        Raises:
            ValueError: no exit, both trails, or prices that contradict each other.
        """
        held = self.position(symbol)
        if not held:
            return None
        side = Side.SELL if held > 0 else Side.BUY
        base = self._base(symbol, side, tif, because, extended=extended_hours)
        plain = trail is None and trail_percent is None and intents.holdable(symbol, held, extended=extended_hours)
        if plain and take_profit is not None and stop_loss is not None:
            return self._desk.submit(intents.exits(base, qty=abs(held), take_profit=take_profit, stop_loss=stop_loss))
        made = intents.guard(
            base, qty=abs(held), held=abs(held), take_profit=take_profit, stop_loss=stop_loss, trail=trail,
            trail_percent=trail_percent, quote=self.quote(symbol),
        )  # fmt: skip
        return self._desk.guard(self.name, made, because)

    def spread(
        self,
        kind: str,
        underlying: str,
        expiry: date,
        *strikes: Amount,
        qty: Amount = 1,
        limit: Amount | None = None,
        because: str = "",
    ) -> str:
        """Opens an option strategy by its name as one multi-leg order; gives the client_order_id.

        `limit` is the net price of one package, negative for a credit. The names are in `puna.core.spreads`:
        `self.spread("iron_condor", "SPY", date(2026, 3, 20), 470, 480, 520, 530, limit="-1.60")`.
        """
        legs = spreads.spread(kind, underlying, expiry, [_decimal(each) for each in strikes])
        return self.package(legs, qty, limit=limit, because=because)

    def package(self, legs: Sequence[Leg], qty: Amount = 1, *, limit: Amount | None = None, because: str = "") -> str:
        """Buys packages of two to four option legs as one order: all legs fill together, or none."""
        base = self._base(underlying(legs[0].symbol), Side.BUY, "day", because)
        return self._desk.submit(intents.package(base, legs, qty, limit))

    def margin_check(self, legs: Sequence[Leg], qty: Amount, price: Amount) -> MarginCheck:
        """What packages at a net price would do to the margin, judged by this strategy's own capital.

        Whether they are allowed, what they cost, which legs pair, and the largest quantity that fits.
        """
        mine = {leg.symbol: self.position(leg.symbol) for leg in legs}
        held = [intents.option_position(symbol, int(qty)) for symbol, qty in mine.items() if qty]
        wanted = [intents.option_position(leg.symbol, leg.side.sign * leg.ratio) for leg in legs]
        power = self.equity or ZERO
        return check_order(wanted, _decimal(price), int(_decimal(qty)), buying_power=power, positions=held)

    # Parent orders.

    def work(
        self,
        symbol: str,
        side: str,
        qty: Amount,
        *,
        style: str | Style = "patient",
        seconds: float = 300,
        urgency: str = "normal",
        cap: Amount | None = None,
        because: str = "",
        **terms: Any,
    ) -> str | None:
        """Lets a larger order be worked over time, in children; gives its id, and `on_parent` hears of its end.

        Args:
            symbol: what is traded.
            side: "buy" or "sell".
            qty: how much in all; children never exceed it.
            style: market, patient, twap, vwap, pov, or a style of `puna.core.parent`.
            seconds: how long it may take, in market time.
            urgency: low, normal, high: how much of the spread to give up.
            cap: the worst price; else `cap_away` beyond the far side of the present quote.
            because: the reason, for people.
            **terms: `slices` of a twap, `profile` of a vwap, `rate` of a pov.

        Returns:
            None when nothing can be priced.
        """
        chosen = intents.style_of(style, urgency=urgency, seconds=seconds, **terms)
        quote, way = self.quote(symbol), Side(side)
        sides = touch(way, quote) if quote is not None else None
        if cap is not None:
            worst = _decimal(cap)
        elif sides is not None:
            worst = intents.cap_for(way, sides, self.cap_away)
        else:
            return None
        made = intents.parent(symbol, way, qty, chosen, now=self.now, seconds=seconds, cap=worst)
        return self._desk.work(self.name, made, because)

    def work_package(
        self,
        legs: Sequence[Leg],
        qty: Amount = 1,
        *,
        cap: Amount,
        steps: int = 5,
        seconds_a_step: int = 10,
        because: str = "",
    ) -> str:
        """Buys packages at a price that starts where we wait and gives way step by step, never beyond `cap`.

        A step after the last it gives up: legs are never sent alone. A credit is a negative price.
        """
        length = (steps + 1) * seconds_a_step
        made = Parent(
            symbol=underlying(legs[0].symbol),
            side=Side.BUY,
            qty=_decimal(qty),
            style=Patient(steps, seconds_a_step),
            start=self.now,
            end=self.now + length * SECOND,
            cap=_decimal(cap),
            legs=tuple(legs),
        )
        return self._desk.work(self.name, made, because)

    def working(self) -> list[Working]:
        """The parent orders of this strategy that are not over."""
        return self._desk.working(self.name)

    def stop_work(self, parent_id: str, *, because: str = "") -> bool:
        """Lets a parent order end; False when it has ended already."""
        return self._desk.stop_work(parent_id, because)

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
        """What this strategy is worth: its own cash and positions; None when something held has no price.

        It began with its `capital`, and only its own fills, dividends and its share of deposits and fees have moved it
        since: what others gain or lose is theirs. With a capital of 1 it is what the account is worth.
        """
        return self._desk.worth(self.name)

    @property
    def cash(self) -> Decimal:
        """What this strategy has not invested: its capital at the beginning, less what its own orders paid."""
        return self._desk.sleeve(self.name).cash

    @property
    def profit(self) -> Decimal | None:
        """What its own fills have gained or lost, before fees; None when something it holds has no price."""
        sleeve = self._desk.sleeve(self.name)
        return sleeve.profit(self._desk.marks(sleeve.book.positions))

    def position(self, symbol: str) -> Decimal:
        """What this strategy holds, negative when short."""
        return self._desk.position(self.name, symbol)

    def history(self, symbol: str, timeframe: str | None = None) -> tuple[Bar, ...]:
        """Bars so far, oldest first, warm-up included."""
        return self._desk.bars(symbol, timeframe or self.timeframe)

    def contracts(self, root: str) -> tuple[Option, ...]:
        """The options on an underlying that `option_days` asked for: expiration, right, strike; `str` is the symbol."""
        found = (parse(symbol) for symbol in self._desk.contracts(root))
        return tuple(each for each in found if isinstance(each, Option))

    def watch(self, *symbols: str) -> None:
        """Lets the quotes of options be asked for twice a minute, held or not; those that are held are anyway."""
        self._desk.watch(symbols)

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

    def _single(
        self,
        side: Side,
        symbol: str,
        qty: Amount | None,
        *,
        tif: str,
        because: str,
        extended: bool,
        trail_loss: Amount | None,
        trail_loss_percent: Amount | None,
        **terms: Any,
    ) -> str:
        base = self._base(symbol, side, tif, because, extended=extended)
        alone = terms["take_profit"] is terms["stop_loss"] is trail_loss is trail_loss_percent is None
        quote = None if alone and terms["notional"] is None else self.quote(symbol)  # only money and exits need one
        if alone:
            return self._desk.submit(intents.single(base, qty=qty, quote=quote, **terms))
        trails: dict[str, Any] = {"trail": trail_loss, "trail_percent": trail_loss_percent}
        plain = {**terms, "take_profit": None, "stop_loss": None}
        entry = intents.single(base, qty=qty, quote=quote, **plain)
        broker = entry.notional is None and intents.holdable(symbol, entry.qty, extended=entry.extended_hours)
        if broker and all(each is None for each in trails.values()):
            return self._desk.submit(intents.single(base, qty=qty, quote=quote, **terms))
        made = intents.guard(
            {**base, "side": side.opposite}, qty=entry.qty, entry=entry.client_order_id,
            take_profit=terms["take_profit"], stop_loss=terms["stop_loss"], **trails, quote=quote,
        )  # fmt: skip
        self._desk.guard(self.name, made, entry.because, entry)
        return entry.client_order_id

    def _base(self, symbol: str, side: Side, tif: str, because: str, *, extended: bool = False) -> dict[str, Any]:
        """What every intent has."""
        return {
            "client_order_id": self._desk.new_id(self.name),
            "strategy": self.name,
            "symbol": symbol,
            "side": side,
            "time_in_force": TimeInForce(tif),
            "ts": self.now,
            "extended_hours": extended,
            "because": because,
        }

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


_decimal = intents.amount
