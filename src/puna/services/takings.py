"""What execution makes of signals, intents and cancels that come over the bus; each answer is true when it is given."""

import asyncio
import re
from typing import TYPE_CHECKING

from puna.bus.messages import Ack, CancelRequest, IntentRequest, Signal
from puna.core.types import OrderIntent
from puna.engine.gateway import Gateway

if TYPE_CHECKING:
    from puna.services.execution import Execution

__all__ = ["Takings"]

PREFIX = "puna"
DURABLE_SECONDS = 10.0


class Takings:
    """The receiving side of the control plane.

    Args:
        execution: whose.
    """

    def __init__(self, execution: "Execution") -> None:
        self._execution = execution
        self._waiting: dict[str, asyncio.Event] = {}

    def durable(self, key: str) -> None:
        """An intent is in the journal."""
        if (waiting := self._waiting.get(key)) is not None:
            waiting.set()

    async def signal(self, signal: Signal) -> Ack:
        """To the follower of its model; taken when its order, if there is one, is durable."""
        traces = self._execution.traces
        with traces.span("take signal", signal.trace, model=signal.model, symbol=signal.symbol) as trace:
            return await self._signal(signal, trace)

    async def _signal(self, signal: Signal, trace: str) -> Ack:
        execution = self._execution
        gateway, follower = self._gateway(), execution.followers.get(signal.model)
        if gateway is None:
            return _refused("E707", execution.trouble)
        if follower is None:
            return _refused("E705", f"no model {signal.model} is followed here")
        async with gateway.lock:
            if why := follower.objection(signal, gateway.clock.now()):
                return _refused("E706", why)
            key = follower.hear(signal)
            if key:
                self._execution.traces.expect(key, trace)
        return await self._kept(gateway, key) if key else Ack(0, "taken")

    async def intent(self, peer: str, request: IntentRequest) -> Ack:
        """To risk and the line; the id makes a repetition harmless."""
        traces, intent = self._execution.traces, request.intent
        with traces.span("take intent", request.trace, peer=peer, symbol=intent.symbol) as trace:
            traces.expect(intent.client_order_id, trace)
            return await self._intent(peer, intent)

    async def _intent(self, peer: str, intent: OrderIntent) -> Ack:
        gateway = self._gateway()
        if gateway is None:
            return _refused("E707", self._execution.trouble)
        if why := self._foreign(peer, intent):
            return _refused("E705", why)
        key = intent.client_order_id
        async with gateway.lock:
            known = gateway.order(key)
            if known is not None:
                same = known.intent == intent
                return Ack(0, "taken", client_order_id=key) if same else _refused("E705", f"{key} is another order")
            if intent.deadline is not None and gateway.clock.now() > intent.deadline:
                return _refused("E706", "its deadline has passed")
            breach = gateway.submit(intent)
        if breach is not None:
            return Ack(0, "refused", breach.code, breach.message, key)
        return await self._kept(gateway, key)

    async def cancel(self, peer: str, request: CancelRequest) -> Ack:
        """Asks for the end of an order of this peer; what comes of it is an event."""
        gateway = self._gateway()
        if gateway is None:
            return _refused("E707", self._execution.trouble)
        order = gateway.order(request.client_order_id)
        if order is None or order.intent.strategy != _strategy(peer):
            return _refused("E705", f"{peer} has no order {request.client_order_id}")
        async with gateway.lock:
            gateway.cancel(request.client_order_id, request.because or f"{peer} asked for it")
        return Ack(0, "taken", client_order_id=request.client_order_id)

    async def _kept(self, gateway: Gateway, key: str) -> Ack:
        """Waits until the order is durable, or was not let pass after all."""
        waiting = self._waiting.setdefault(key, asyncio.Event())
        try:
            if key not in gateway.blotter.intents and gateway.order(key) is not None:
                async with self._execution.place.wall.deadline(DURABLE_SECONDS):
                    await waiting.wait()
        finally:
            self._waiting.pop(key, None)
        if key in gateway.blotter.intents:
            return Ack(0, "taken", client_order_id=key)
        refusal = next((each for each in reversed(gateway.blotter.refusals) if each.key == key), None)
        return (
            _refused(refusal.breach.code, refusal.breach.message) if refusal else Ack(0, "taken", client_order_id=key)
        )

    def _gateway(self) -> Gateway | None:
        """Of the session that trades now; None when none does."""
        trader = self._execution.trader
        return trader.gateway if trader is not None and trader.reconciled else None

    def _foreign(self, peer: str, intent: OrderIntent) -> str:
        """Why this peer may not have this order; empty when it may."""
        strategy = _strategy(peer)
        if intent.strategy != strategy or not re.fullmatch(
            rf"{PREFIX}-\d+-{re.escape(strategy)}-\d+", intent.client_order_id
        ):
            return f"orders of {peer} belong to the strategy {strategy}, with ids {PREFIX}-EPOCH-{strategy}-N"
        if intent.symbol not in self._execution.place.symbols:
            return f"{intent.symbol} is not among the symbols of the configuration"
        return ""


def _strategy(peer: str) -> str:
    """The name of a peer as a strategy's."""
    return peer.replace("-", "_")


def _refused(code: str, why: str) -> Ack:
    return Ack(0, "refused", code, why)
