"""What leaves about one order, and how its fate is found out: submit, replace, cancel, query, doubt.

No clear answer is a doubt, never a rejection. After the settle time the broker is asked by client_order_id: what exists
is adopted; if there is steadily no such order, it is sent again under the same id while its deadline lasts, else
abandoned. A replace is never sent twice: the links `replaced_by` and the new id tell what became of it (R11).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from puna.alpaca.mapping import check_echo, order_request, replace_request
from puna.alpaca.refusals import Reason, reason_of
from puna.alpaca.trading import cancel_order, get_order, get_order_by_client_id, replace_order, submit_order
from puna.core.orders import Order, Status
from puna.core.risk import TradingState
from puna.core.types import OrderClass
from puna.engine.families import astray
from puna.engine.sighting import Sighting
from puna.engine.tasks import Rank
from puna.engine.watch import Watch
from puna.errors import AuthError, BrokerError, DeadlineError, NotFoundError, ProtocolError, PunaError, RefusedError
from puna.wire import trading

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Outbound", "Timing"]

NANOS = 1_000_000_000
NEVER = 86_400.0
NOT_TRIED = "E013"
GATHERINGS = 5
_PROVES_REFUSAL = (RefusedError, NotFoundError, AuthError)  # their statuses say that nothing was accepted (R23)
_NONE_ACCEPTED = (Reason.SUSPENDED, Reason.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long to wait for what, in seconds of market time.

    Args:
        settle: before the broker is asked what became of an order in doubt, and between two such questions.
        misses: so many answers in a row that there is no such order count as the truth.
        intent: how long an intent without a deadline may wait to be sent.
        transit: the longest silence about an order that should be moving (R5).
        resting: the longest silence about an order that rests.
        refresh: how long after a fill the account is read again.
        cut: how long a halt waits for the answer to the order that is on its way, in seconds of wall time.
    """

    settle: float = 2.0
    misses: int = 2
    intent: float = 30.0
    transit: float = 10.0
    resting: float = 300.0
    refresh: float = 5.0
    cut: float = 0.25


class Outbound:
    """The wire side of a gateway.

    Attributes:
        in_hand: orders that wait for their turn, or whose answer is being waited for; nobody needs to ask about them.
        cancels_sent: how many times the cancel of an order left.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self.in_hand: set[str] = set()
        self._doubts: set[str] = set()
        self._gathering: set[str] = set()
        self.cancels_sent: dict[str, int] = {}
        self._watch = Watch(gateway)
        self._leaving: asyncio.Timeout | None = None
        self._arrived = asyncio.Event()

    def queue(self, key: str) -> None:
        """Lets an order be sent in its turn."""
        self.in_hand.add(key)
        self._gateway.line.put(Rank.ORDER, lambda: self.send(key))

    async def send(self, key: str) -> None:
        """Sends an order that is durable, unless something speaks against it by now."""
        try:
            await self._send(key)
        finally:
            self.in_hand.discard(key)

    async def _send(self, key: str) -> None:
        gateway = self._gateway
        order = gateway.blotter.orders[key]
        if order.seen or order.is_terminal:
            return  # any sign of life ends every wish to send (R35)
        wanted = order.remainder
        if objection := gateway.objection(wanted):
            await gateway.absorb([gateway.local(key, "abandoned", objection)])
            return
        sent = gateway.local(key, "sent")
        try:
            answer = await self._leave(order)
        except PunaError as error:
            await self._failed(order, sent, error)
            return
        try:
            check_echo(wanted, answer)
        except ProtocolError as error:
            gateway.halt(f"the answer to {key} cannot be believed: {error.what} {error.why}", by="broker")
            await self._doubted(key, sent, error)
            return
        await gateway.absorb([sent, _shown(answer)])
        gateway.probe("lineage-durable" if order.intent.replaces else "ack-durable")

    async def still(self) -> None:
        """Returns when no byte of an order that was allowed before can leave any more.

        There is one such request at a time. It has a moment to get its answer; then its connection is cut, and what
        became of the order is found out as of any other in doubt.
        """
        leaving = self._leaving
        if leaving is None:
            return
        self._arrived.clear()
        with suppress(TimeoutError):
            async with self._gateway.clock.deadline(self._gateway.timing.cut):
                await self._arrived.wait()
        if not self._arrived.is_set():
            leaving.reschedule(0)
            await self._arrived.wait()

    async def cancel(self, key: str) -> None:
        """Asks for the end of an order that the broker has; others end before they are sent, or when they are found."""
        gateway = self._gateway
        order = gateway.blotter.orders.get(key)
        if order is None or order.is_terminal or not order.seen or order.broker_id is None:
            return
        self.cancels_sent[key] = self.cancels_sent.get(key, 0) + 1
        try:
            await gateway.alpaca(cancel_order(order.broker_id))
            gateway.probe("cancel-reply")
        except BrokerError as error:
            gateway.note(error.code, f"the broker did not take the cancel of {key}: {error.message or error.what}")
            await self.query(key)
        except PunaError as error:  # the watch sends it again
            gateway.note(error.code, f"it is not known whether the cancel of {key} was taken: {error.what}")
        self.attend(key)

    async def query(self, key: str) -> bool:
        """Asks the broker about one order; False when there was no usable answer, which changes nothing (I19)."""
        gateway = self._gateway
        order = gateway.blotter.orders[key]
        gateway.heard[key] = gateway.clock.now()
        try:
            leads = order.intent.order_class is not OrderClass.SIMPLE and order.intent.leg_of is None
            call = get_order(order.broker_id, nested=leads) if order.broker_id else get_order_by_client_id(key)
            shown = await gateway.alpaca(call)
            if leads and not shown.legs:
                shown = await gateway.alpaca(get_order(shown.id, nested=True))
            await gateway.absorb([_shown(shown)])
            if shown.replaced_by:
                await gateway.absorb([_shown(await gateway.alpaca(get_order(shown.replaced_by)))])
        except PunaError as error:
            gateway.note(error.code, f"the broker could not be asked about {key}: {error.what}")
            return False
        return True

    async def look_up(self, broker_id: str) -> None:
        """Takes in an order that nobody here knows, with its legs."""
        try:
            await self._gateway.absorb([_shown(await self._gateway.alpaca(get_order(broker_id, nested=True)))])
        except PunaError as error:  # reconciliation will find it
            self._gateway.note(error.code, f"the broker could not be asked about {broker_id}: {error.what}")

    def gather(self, head: Order) -> None:
        """Asks for a package whose legs are not where it is, after the time in which they may still be told of."""
        key = head.client_order_id
        if key not in self._gathering and astray(head, self._gateway.blotter.legs_of(key)):
            self._gathering.add(key)
            self._gateway.tasks.spawn(self._gather(key), f"gather {key}")

    async def _gather(self, key: str) -> None:
        gateway = self._gateway
        try:
            for _ in range(GATHERINGS):
                await gateway.clock.backoff(gateway.timing.settle)
                if not astray(gateway.blotter.orders[key], gateway.blotter.legs_of(key)):
                    return
                await self.query(key)
            gateway.note("E300", f"the legs of {key} are not where the package is; the books will be compared")
        finally:
            self._gathering.discard(key)

    def attend(self, key: str) -> None:
        """Watches an open order for silence, and sends the cancel that was asked for before it could be sent."""
        gateway = self._gateway
        if key in gateway.blotter.cancels and key not in self.cancels_sent:
            self.cancels_sent[key] = 0
            gateway.line.put(Rank.CANCEL, lambda: self.cancel(key))
        self._watch.attend(key)

    def doubt(self, key: str) -> None:
        """Lets it be found out what became of an order."""
        if key not in self._doubts and key not in self.in_hand:
            self._doubts.add(key)
            self._gateway.tasks.spawn(self._resolve(key), f"resolve {key}")

    async def resolved(self) -> bool:
        """Waits a moment while orders are being asked about; False when there were none."""
        if not self._doubts:
            return False
        await self._gateway.clock.backoff(self._gateway.timing.settle)
        return True

    async def _leave(self, order: Order) -> trading.Order:
        """The answer to an order's request, unless a halt cuts it off."""
        try:
            async with self._gateway.clock.deadline(NEVER) as leaving:
                self._leaving = leaving
                return await self._ask(order)
        except TimeoutError as error:
            cut = DeadlineError("A halt cut the request off before its answer came.")
            cut.in_doubt = True
            raise cut from error
        finally:
            self._leaving = None
            self._arrived.set()

    async def _ask(self, order: Order) -> trading.Order:
        """POST or PATCH."""
        gateway, intent = self._gateway, order.remainder
        if intent.replaces is None:
            answer = await gateway.alpaca(submit_order(order_request(intent)))
            gateway.probe("reply-read")
            return answer
        old = gateway.blotter.orders[intent.replaces]
        if old.broker_id is None:
            raise RefusedError("The order to be replaced has no id at the broker.", status=0)
        answer = await gateway.alpaca(replace_order(old.broker_id, replace_request(intent)))
        gateway.probe("replace-reply")
        return answer

    async def _failed(self, order: Order, sent: Sighting, error: PunaError) -> None:
        """No order came back: refused if that is proven, else in doubt."""
        gateway, key = self._gateway, order.client_order_id
        if error.code == NOT_TRIED:
            gateway.tasks.spawn(self._again(key), f"again {key}")
            return
        reason = _reason(error)
        if isinstance(error, _PROVES_REFUSAL) and reason is not Reason.DUPLICATE_ID:
            if isinstance(error, AuthError) or reason in _NONE_ACCEPTED:
                gateway.halt(f"the broker accepts no orders: {error.message or error.what}", by="broker")
            elif reason is Reason.CLOSING_ONLY:
                gateway.hold(TradingState.REDUCING, f"the broker takes closing orders only: {error.what}", "broker")
            elif reason is Reason.UNKNOWN:  # a block may be told in words that nobody knows; the account shows it
                gateway.means.look()
            await gateway.absorb([sent, gateway.local(key, "refused", _said(error))])
            if order.intent.replaces:
                await self.query(order.intent.replaces)
            return
        await self._doubted(key, sent, error)

    async def _doubted(self, key: str, sent: Sighting, error: PunaError) -> None:
        await self._gateway.absorb([sent, self._gateway.local(key, "in_doubt", error.what)])
        self.in_hand.discard(key)
        self.doubt(key)

    async def _again(self, key: str) -> None:
        """The client did not even try: later."""
        await self._gateway.clock.backoff(1.0)
        self.queue(key)

    async def _resolve(self, key: str) -> None:
        """Asks until there is evidence, or steadily none."""
        gateway, missing = self._gateway, 0
        try:
            while self._unknown(key):
                await gateway.clock.backoff(gateway.timing.settle)
                missing = missing + 1 if await self._missing(key) else missing
                if missing >= gateway.timing.misses and self._unknown(key):
                    await self._absent(key)
                    return
        finally:
            self._doubts.discard(key)

    def _unknown(self, key: str) -> bool:
        order = self._gateway.blotter.orders[key]
        return not order.seen and order.status in (Status.PENDING, Status.SENT, Status.IN_DOUBT)

    async def _missing(self, key: str) -> bool:
        """True when the broker says that there is no such order. What it does show is taken in."""
        gateway = self._gateway
        old = gateway.blotter.orders[key].intent.replaces
        if old is not None and old in gateway.blotter.orders:
            await self.query(old)  # follows replaced_by
        if not self._unknown(key):
            return False
        try:
            await gateway.absorb([_shown(await gateway.alpaca(get_order_by_client_id(key)))])
        except NotFoundError:
            return True
        except PunaError as error:
            gateway.note(error.code, f"the broker could not be asked about {key}: {error.what}")
        return False

    async def _absent(self, key: str) -> None:
        """There is no such order: once more under the same id, or never again."""
        gateway = self._gateway
        order = gateway.blotter.orders[key]
        absent = gateway.local(key, "absent", "the broker has no such order")
        objection = gateway.objection(order.remainder) or ("a replace is not repeated" if order.intent.replaces else "")
        if objection:
            await gateway.absorb([absent, gateway.local(key, "abandoned", objection)])
            return
        await gateway.absorb([absent])
        self.queue(key)


def _shown(body: trading.Order) -> Sighting:
    return Sighting.of("rest", body)


def _reason(error: PunaError) -> Reason:
    if isinstance(error, BrokerError):
        return reason_of(error.status, error.broker_code, error.message)
    return Reason.UNKNOWN


def _said(error: PunaError) -> str:
    """The broker's code and words."""
    if isinstance(error, BrokerError):
        return f"{error.broker_code or error.status}: {error.message or error.what}"
    return error.what
