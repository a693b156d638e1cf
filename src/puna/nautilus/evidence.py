"""What comes back: trade updates and orders as read, turned into the framework's events, each exactly once.

The framework handles events in a queue of its own, so an order's state in its cache lags behind what was told. What was
told already is therefore kept here (`Tracking`), and never read from there.
"""

from decimal import Decimal

from nautilus_trader.model.enums import LiquiditySide, OrderSide
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, TradeId, VenueOrderId
from nautilus_trader.model.instruments import CurrencyPair, Instrument
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import Order

from puna.alpaca.account import get_activities
from puna.alpaca.stream import Stream
from puna.alpaca.trading import get_order, get_orders
from puna.errors import PunaError
from puna.nautilus.account import Account
from puna.nautilus.statements import Statements
from puna.nautilus.updates import Fill, fills_of
from puna.wire import trading as wire
from puna.wire.stream import UnknownMessage

__all__ = ["Evidence"]

_ZERO = Decimal(0)
_RETRY_SECONDS = 1.0
_FEE_BOUND = 20  # a coin's fee is far below a twentieth of what was bought; more is another cause
_BOOKED_LATER = ("trade_bust", "trade_correct")


class Evidence:
    """The way back into the framework.

    Args:
        account: whose.
        statements: makes reports of what the framework does not know.
    """

    def __init__(self, account: Account, statements: Statements) -> None:
        self._account = account
        self._statements = statements
        self._coins: dict[InstrumentId, Decimal] = {}
        self._differed: set[InstrumentId] = set()

    async def follow(self, stream: Stream[wire.TradeUpdate | UnknownMessage]) -> None:
        """Takes in the trading stream; after a hole in it the broker is asked what was missed."""
        async for frame in stream:
            if frame.gap is not None:
                await self.catch_up()
            for message in frame.messages:
                await self._hear(message)

    async def _hear(self, update: wire.TradeUpdate | UnknownMessage) -> None:
        account = self._account
        if isinstance(update, UnknownMessage):
            account.warn(f"A trade update could not be read, so the broker is asked: {update.why}")
            await self.catch_up()
            return
        try:
            await self.take(update)
        except PunaError as error:
            account.warn(f"The update {update.event} of {update.order.id} has to wait: {error.what}")
        except Exception as error:  # noqa: BLE001 - one update must not end the stream of all others
            account.fail(f"The update {update.event} of {update.order.id} failed", error)

    async def take(self, update: wire.TradeUpdate) -> None:
        """One trade update."""
        account = self._account
        name = account.tracking.learn(update.order)
        if update.event in _BOOKED_LATER:
            account.warn(f"{update.event} of {name!r}: the broker took back or changed a fill, so positions are read")
            await self._statements.send_positions()
            return
        for fill in fills_of(update):
            self.fill(fill, update.order)
        await self.absorb(update.order, event=update.event)
        if update.event in ("fill", "partial_fill", "canceled", "expired"):
            account.spawn(account.refresh(), "account")

    async def absorb(self, shown: wire.Order, *, event: str = "") -> None:
        """Takes in what the broker shows of an order: acceptance, changed terms, missing fills, its end."""
        account = self._account
        order = account.cache.order(account.tracking.learn(shown))
        if order is None:
            await self._statements.send_order(shown)
            return
        if account.tracking.lacks(shown) and shown.order_class != "mleg":
            await self._fetch_fills(shown)
        if shown.status not in ("rejected", "replaced"):
            self.accept(order, shown)
        await self._conclude(order, shown, event)
        for leg in shown.legs or () if shown.order_class != "mleg" else ():
            if account.tracking.name(leg.id) is not None:
                await self.absorb(leg)

    async def _conclude(self, order: Order, shown: wire.Order, event: str) -> None:
        """What it ends in, or what was refused of it."""
        account = self._account
        if shown.status == "replaced" and shown.replaced_by:
            await self._replaced(order, shown.replaced_by)
        elif event == "order_replace_rejected":
            self.refuse_modify(order, "the broker rejected the replace")
        elif event == "order_cancel_rejected":
            account.client.generate_order_cancel_rejected(
                *account.names(order), VenueOrderId(shown.id), "the broker rejected the cancel", account.now
            )
        elif shown.status == "filled":
            account.tracking.end(order.client_order_id)
        elif shown.status in ("canceled", "expired", "rejected"):
            self._end(order, shown)

    def accept(self, order: Order, shown: wire.Order) -> None:
        """The first evidence of an order; of a replacement that is in place, its new terms."""
        account = self._account
        told = account.tracking.told_id(order.client_order_id) or _value(order.venue_order_id)
        if told is None:
            account.tracking.tell_id(order.client_order_id, shown.id)
            moment = int(shown.submitted_at or shown.created_at or account.now)
            account.client.generate_order_accepted(*account.names(order), VenueOrderId(shown.id), moment)
        elif told != shown.id and shown.replaces and shown.status not in ("pending_new", "held"):
            account.tracking.tell_id(order.client_order_id, shown.id)
            self._update(order, shown)

    def refuse_modify(self, order: Order, reason: str) -> None:
        """A replace did not happen; the order is as it was."""
        account = self._account
        account.client.generate_order_modify_rejected(*account.names(order), order.venue_order_id, reason, account.now)

    def fill(self, fill: Fill, shown: wire.Order) -> None:
        """One execution, if it is new. Of a multi-leg order: its progress, and each leg's position."""
        account = self._account
        if not account.tracking.take(fill.order_id, fill.execution_id, fill.qty, fill.cumulative):
            return
        name = account.tracking.name(shown.id) or ClientOrderId(shown.client_order_id or shown.id)
        order = account.cache.order(name)
        instrument = account.instrument(fill.instrument(order))
        if instrument is None:
            account.warn(f"A fill of {fill.symbol or shown.id} is left to the check of positions: not loaded")
        elif order is None:
            self._statements.send_fill(fill, instrument, name)
        else:
            self._tell(fill, shown, order, instrument)

    def _tell(self, fill: Fill, shown: wire.Order, order: Order, instrument: Instrument) -> None:
        account, name = self._account, order.client_order_id
        if not fill.leg:
            self.accept(order, shown)
        if shown.notional is not None and shown.qty is None:
            self._count(order, shown, fill, instrument)
        price = -fill.price if fill.whole and order.side is OrderSide.SELL else fill.price
        account.client.generate_order_filled(
            strategy_id=order.strategy_id,
            instrument_id=instrument.id,
            client_order_id=ClientOrderId(f"{name.value}-LEG-{fill.symbol}") if fill.leg else name,
            venue_order_id=VenueOrderId(f"{shown.id}-LEG-{fill.leg}" if fill.leg else shown.id),
            venue_position_id=None,
            trade_id=TradeId(fill.execution_id),
            order_side=order.side if fill.whole else fill.side,
            order_type=order.order_type,
            last_qty=Quantity(fill.qty, instrument.size_precision),
            last_px=Price(price, instrument.price_precision),
            quote_currency=instrument.quote_currency,
            commission=self._commission(fill, instrument),
            liquidity_side=LiquiditySide.NO_LIQUIDITY_SIDE,
            ts_event=fill.ts_event,
        )

    def _count(self, order: Order, shown: wire.Order, fill: Fill, instrument: Instrument) -> None:
        """An order for money has no quantity before it fills: then what its money buys, in the end what it bought."""
        filled = shown.filled_qty or fill.qty
        bought = filled if shown.status == "filled" else max(filled, (shown.notional or filled) / fill.price)
        self._account.client.generate_order_updated(
            *self._account.names(order),
            VenueOrderId(shown.id),
            Quantity(bought, instrument.size_precision),
            None,
            None,
            fill.ts_event,
            venue_order_id_modified=False,
            is_quote_quantity=False,
        )

    def _commission(self, fill: Fill, instrument: Instrument) -> Money:
        """Alpaca takes a coin's fee out of the coins bought: what is missing from the position after the fill (R20)."""
        none = Money(0, instrument.quote_currency)
        if not isinstance(instrument, CurrencyPair) or fill.position_after is None:
            return none
        before = self._coins.get(instrument.id, self._account.held(instrument.id))
        self._coins[instrument.id] = fill.position_after
        missing = before + fill.qty - fill.position_after
        taken = fill.side is OrderSide.BUY and 0 < missing < fill.qty / _FEE_BOUND
        return Money(missing, instrument.base_currency) if taken else none

    async def catch_up(self) -> None:
        """After a hole in the stream: orders since the oldest that is open, and positions, until it succeeds."""
        account = self._account
        while True:
            try:
                shown = [each async for each in account.alpaca(get_orders("all", nested=True, after=self._since()))]
                for order in reversed(shown):
                    await self.absorb(order)
                await self._statements.send_positions()
                await account.refresh()
            except PunaError as error:
                account.warn(f"Catching up with the broker has to wait: {error.what}")
                await account.alpaca.clock.backoff(_RETRY_SECONDS)
            else:
                return

    async def sweep(self, seconds: float) -> None:
        """Asks about orders that are open here, now and then: a healthy stream proves nothing (reliability 0.3)."""
        account = self._account
        while True:
            await account.alpaca.clock.sleep(seconds)
            try:
                await self._compare()
                await self._compare_positions()
            except PunaError as error:
                account.warn(f"Orders and positions could not be compared: {error.what}")

    async def _compare(self) -> None:
        account = self._account
        here = {each.client_order_id for each in account.open_orders()}
        known = {order_id for name in here if (order_id := account.tracking.current(name)) is not None}
        if not known:
            return
        shown = {each.id: each async for each in account.alpaca(get_orders("open"))}
        for order_id in sorted(known):
            order = shown[order_id] if order_id in shown else await account.alpaca(get_order(order_id))
            await self.absorb(order)

    async def _compare_positions(self) -> None:
        """A position that differs twice in a row, with no order about, changed without one: an assignment, a split.

        The framework's own check adopts no position that it does not know yet; this tells it.
        """
        busy = {order.instrument_id for order in self._account.open_orders()}
        found = await self._statements.differing()
        for report in found:
            if report.instrument_id in self._differed and report.instrument_id not in busy:
                self._statements.send_position(report)
        self._differed = {report.instrument_id for report in found}

    def _since(self) -> int | None:
        """Just before the oldest order that is open here was submitted."""
        return min((order.ts_accepted - 1 for order in self._account.open_orders() if order.ts_accepted), default=None)

    async def _fetch_fills(self, shown: wire.Order) -> None:
        """The fills of an order that the stream did not tell, out of the account's activities."""
        account = self._account
        try:
            async for activity in account.alpaca(get_activities(["FILL"], order_id=shown.id, direction="asc")):
                if activity.order_id == shown.id:
                    self.fill(Fill.of_activity(activity), shown)
        except PunaError as error:
            account.warn(f"The fills of {shown.id} could not be read: {error.what}")

    async def _replaced(self, order: Order, by: str) -> None:
        account = self._account
        new = await account.alpaca(get_order(by))
        account.tracking.learn(new, order.client_order_id)
        await self.absorb(new)

    def _update(self, order: Order, shown: wire.Order) -> None:
        account = self._account
        instrument = account.instrument(order.instrument_id)
        if instrument is None:
            return
        told = [account.tracking.filled(each) for each in account.tracking.lineage(shown.id)[:-1]]
        quantity = sum(told, shown.qty or order.quantity.as_decimal())
        account.client.generate_order_updated(
            *account.names(order),
            VenueOrderId(shown.id),
            Quantity(quantity, instrument.size_precision),
            Price(shown.limit_price, instrument.price_precision) if shown.limit_price is not None else None,
            Price(shown.stop_price, instrument.price_precision) if shown.stop_price is not None else None,
            int(shown.updated_at or account.now),
            venue_order_id_modified=True,
        )

    def _end(self, order: Order, shown: wire.Order) -> None:
        account = self._account
        if order.is_closed or not account.tracking.end(order.client_order_id):
            return
        moment = int(shown.canceled_at or shown.expired_at or shown.failed_at or shown.updated_at or account.now)
        client, names = account.client, account.names(order)
        if shown.status == "rejected":
            client.generate_order_rejected(*names, "the broker rejected the order after it had taken it", moment)
        elif shown.status == "expired":
            client.generate_order_expired(*names, VenueOrderId(shown.id), moment)
        else:
            client.generate_order_canceled(*names, VenueOrderId(shown.id), moment)


def _value(venue_order_id: VenueOrderId | None) -> str | None:
    return venue_order_id.value if venue_order_id is not None else None
