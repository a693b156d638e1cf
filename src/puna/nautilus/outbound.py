"""What leaves: submits, replaces and cancels, and what becomes of those that are not answered.

No clear answer is a doubt, never a rejection: the order stays SUBMITTED while the broker is asked for it by its
client_order_id. If it is steadily not there it is sent again, under the same id, which cannot make a second order. A
replace is never sent twice: the links of the old order tell what became of it (R11).
"""

from collections.abc import Sequence

from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, VenueOrderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import Order

from puna.alpaca.refusals import Reason, reason_of
from puna.alpaca.trading import cancel_order, get_order, get_order_by_client_id, replace_order, submit_order
from puna.errors import BrokerError, NotFoundError, PunaError
from puna.nautilus import reports
from puna.nautilus.account import Account
from puna.nautilus.evidence import Evidence
from puna.wire import trading as wire
from puna.wire.codec import Amount

__all__ = ["Outbound"]

_PAUSE = 0.01
_EXITS = {"limit": "LIMIT", "stop": "STOP_MARKET", "stop_limit": "STOP_LIMIT"}


class Outbound:
    """The way out of one account.

    Args:
        account: whose.
        evidence: takes in what answers show.
        settle: seconds that an order may take to become visible.
        reads: how many reads in a row must miss it before its absence counts.
    """

    def __init__(self, account: Account, evidence: Evidence, *, settle: float, reads: int) -> None:
        self._account = account
        self._evidence = evidence
        self._settle = settle
        self._reads = reads
        self._in_doubt: set[ClientOrderId] = set()
        self._waiting: set[ClientOrderId] = set()
        self._ending: dict[ClientOrderId, InstrumentId] = {}

    # Submits.

    def deny(self, orders: Sequence[Order], reason: str) -> None:
        """Nothing was sent, and why."""
        for order in orders:
            self._account.client.generate_order_denied(*self._account.names(order), reason, self._account.now)

    async def submit(self, orders: Sequence[Order], request: wire.OrderRequest) -> None:
        """Sends one request, which stands for all of these orders; the first is the one that the request names."""
        account = self._account
        await self._cancels_done(orders[0].instrument_id)
        for order in orders:
            account.client.generate_order_submitted(*account.names(order), account.now)
        try:
            answer = await account.alpaca(submit_order(request))
        except PunaError as error:
            self._not_answered(orders, request, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is known about the order
            account.fail("A submit failed in an unforeseen way; the broker will be asked", error)
            self._doubt(orders, request)
        else:
            self._learn(orders, answer)

    def _not_answered(self, orders: Sequence[Order], request: wire.OrderRequest, error: PunaError) -> None:
        account = self._account
        duplicate = isinstance(error, BrokerError) and (
            reason_of(error.status, error.broker_code, error.message) is Reason.DUPLICATE_ID
        )
        if error.in_doubt or duplicate:
            account.warn(f"{orders[0].client_order_id!r} is in doubt: {error.what} {error.why}")
            self._doubt(orders, request)
            return
        said = error.message if isinstance(error, BrokerError) and error.message else error.what
        for order in orders:
            account.client.generate_order_rejected(*account.names(order), said, account.now)

    def _learn(self, orders: Sequence[Order], answer: wire.Order) -> None:
        """The answer teaches the broker's ids; of a bracket those of its exits too, which tell of themselves late."""
        tracking = self._account.tracking
        tracking.learn(answer, orders[0].client_order_id)
        for leg in answer.legs or () if answer.order_class != "mleg" else ():
            named = next((each for each in orders[1:] if each.type_string() == _EXITS.get(leg.type or "")), None)
            if named is not None:
                tracking.learn(leg, named.client_order_id)
                self._evidence.accept(named, leg)
        for order in orders:
            if order.client_order_id in self._waiting:
                self._waiting.discard(order.client_order_id)
                self._account.spawn(self.cancel(order), f"cancel {order.client_order_id}")

    def _doubt(self, orders: Sequence[Order], request: wire.OrderRequest) -> None:
        if (name := orders[0].client_order_id) not in self._in_doubt:
            self._in_doubt.add(name)
            self._account.spawn(self._resolve(orders, request), f"doubt about {name}")

    async def _resolve(self, orders: Sequence[Order], request: wire.OrderRequest) -> None:
        """Asks until there is evidence, or steadily none; then the same order is sent again, under the same id."""
        account, name, missing = self._account, orders[0].client_order_id, 0
        while account.tracking.current(name) is None and missing < self._reads:
            await account.alpaca.clock.backoff(self._settle)
            try:
                shown = await account.alpaca(get_order_by_client_id(name.value))
            except NotFoundError:
                missing += 1
            except PunaError as error:
                account.warn(f"{name!r} is still in doubt: {error.what}")
            else:
                self._learn(orders, shown)
                await self._evidence.absorb(shown)
        self._in_doubt.discard(name)
        if account.tracking.current(name) is None:
            await self._again(orders, request)

    async def _again(self, orders: Sequence[Order], request: wire.OrderRequest) -> None:
        try:
            answer = await self._account.alpaca(submit_order(request))
        except PunaError as error:
            self._not_answered(orders, request, error)
        else:
            self._learn(orders, answer)

    # Replaces.

    async def replace(self, order: Order, command: ModifyOrder) -> None:
        """Asks for other terms, which is a new order at the broker."""
        account = self._account
        current = self._broker_id(order)
        reason = _objection(order, command) or (None if current else "the broker has not shown the order yet")
        if reason is not None or current is None:
            self._evidence.refuse_modify(order, reason or "")
            return
        wire_id = reports.next_id(account.tracking.wire_id(order.client_order_id))
        try:
            new = await account.alpaca(replace_order(current, _change(order, command, wire_id)))
        except PunaError as error:
            if error.in_doubt:
                account.warn(f"The replace of {order.client_order_id!r} is in doubt: {error.what}")
                account.spawn(self._settle_replace(order, current), f"doubt about a replace of {order.client_order_id}")
            else:
                self._evidence.refuse_modify(order, _said(error))
        else:
            account.tracking.learn(new, order.client_order_id)

    async def _settle_replace(self, order: Order, current: str) -> None:
        account = self._account
        while True:
            await account.alpaca.clock.backoff(self._settle)
            try:
                old = await account.alpaca(get_order(current))
                new: wire.Order | None = None
                if old.replaced_by:
                    new = await account.alpaca(get_order(old.replaced_by))
            except PunaError as error:
                account.warn(f"The replace of {order.client_order_id!r} is still in doubt: {error.what}")
                continue
            account.tracking.learn(old, order.client_order_id)
            if new is not None:
                account.tracking.learn(new, order.client_order_id)
                await self._evidence.absorb(new)
            elif old.status == "pending_replace":
                continue
            elif not reports.is_terminal(old):
                self._evidence.refuse_modify(order, "the broker did not take the replace")
            return

    # Cancels.

    async def cancel(self, order: Order) -> None:
        """Asks for the end of an order; one that the broker has not shown yet is canceled as soon as it has."""
        current = self._broker_id(order)
        if current is None:
            self._waiting.add(order.client_order_id)
            return
        self._ending[order.client_order_id] = order.instrument_id
        try:
            await self._account.alpaca(cancel_order(current))
        except PunaError as error:
            await self._cancel_failed(order, current, error)

    async def _cancel_failed(self, order: Order, current: str, error: PunaError) -> None:
        """Not canceled, or not known: the broker's own view of the order tells, and nothing is invented."""
        account = self._account
        try:
            shown = await account.alpaca(get_order(current))
        except PunaError as other:
            account.warn(f"The cancel of {order.client_order_id!r} is in doubt: {error.what} {other.what}")
            return
        await self._evidence.absorb(shown)
        if isinstance(error, BrokerError) and not error.in_doubt and not reports.is_terminal(shown):
            account.client.generate_order_cancel_rejected(
                *account.names(order), VenueOrderId(current), _said(error), account.now
            )

    async def _cancels_done(self, instrument: InstrumentId) -> None:
        """Waits for cancels under way: what an order holds is free only when its end is told (R18, BRK-16)."""
        account, waited = self._account, 0.0
        while waited < self._settle and any(
            where == instrument and not account.tracking.ended(name) for name, where in self._ending.items()
        ):
            await account.alpaca.clock.sleep(_PAUSE)
            waited += _PAUSE
        self._ending = {name: where for name, where in self._ending.items() if where != instrument}

    def _broker_id(self, order: Order) -> str | None:
        known = self._account.tracking.current(order.client_order_id)
        return known or (order.venue_order_id.value if order.venue_order_id is not None else None)


def _objection(order: Order, command: ModifyOrder) -> str | None:
    """Why a replace is not sent."""
    if order.filled_qty > 0:
        return (
            "the order is partly filled, and Alpaca's replace would ask for its whole quantity again (R10); "
            "cancel it, and send the rest"
        )
    if order.is_quote_quantity:
        return "notional orders cannot be replaced"
    if command.quantity is not None and command.quantity.as_decimal() % 1 and command.quantity != order.quantity:
        return "a fractional quantity cannot be changed"
    return None


def _change(order: Order, command: ModifyOrder, wire_id: str) -> wire.ReplaceRequest:
    """What differs from the order as it is."""
    change = wire.ReplaceRequest(client_order_id=wire_id)
    if command.quantity is not None and command.quantity != order.quantity:
        change.qty = _amount(command.quantity)
    if command.price is not None and (not order.has_price or command.price != order.price):
        change.limit_price = _amount(command.price)
    if command.trigger_price is not None and command.trigger_price != getattr(order, "trigger_price", None):
        change.stop_price = _amount(command.trigger_price)
    return change


def _said(error: PunaError) -> str:
    return error.message if isinstance(error, BrokerError) and error.message else error.what


def _amount(number: Price | Quantity) -> Amount:
    return Amount(f"{number.as_decimal():f}")
