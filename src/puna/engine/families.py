"""Orders that bring others with them: packages with their legs, brackets, OCO and OTO orders with their exits.

The broker makes the legs, under ids of its own. Here a leg is an order like any other, under a key made of its head's
(`HEAD/SPY260320P00480000`, `HEAD/stop_loss`): found by the nested body, by the group id that head and legs share
(facts.md 5.3), or by what it replaces. The quantity of a package moves when its legs do: the legs are booked, the head
is not.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from puna.alpaca import mapping
from puna.core.orders import Order
from puna.core.types import ZERO, OrderClass, OrderIntent
from puna.engine.sighting import Sighting
from puna.wire import trading

__all__ = ["Families", "Lookup", "astray"]


Lookup = Callable[[str], Order | None]
"""An order by its key, with what is known of it so far."""


class Families:
    """Which order belongs to which head."""

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}

    def learn(self, order: Order, shown: trading.Order | None) -> None:
        """Remembers the group that the broker put an order of ours into."""
        if shown is not None and shown.group_id and order.intent.leg_of is None:
            self._heads.setdefault(shown.group_id, order.client_order_id)

    def parts(self, order: Order, sighting: Sighting) -> list[Sighting]:
        """What a sighting of a head says about its legs: bodies below it, and executions beside it."""
        if sighting.shown is None or not (sighting.shown.legs or sighting.executions):
            return []
        if order.intent.leg_of is not None:
            return []
        legs = [Sighting.of("rest", leg) for leg in sighting.shown.legs or ()]
        return [each._replace(head=order.client_order_id) for each in (*legs, *sighting.executions)]

    def intent(self, sighting: Sighting, known: Lookup) -> OrderIntent | None:
        """The intent of a leg that is seen for the first time; None when it belongs to nobody here.

        Raises:
            ProtocolError: it cannot be understood.
        """
        shown = sighting.shown
        head = known(sighting.head or self._heads.get(shown.group_id or "" if shown else "", ""))
        if head is None or (shown is not None and shown.client_order_id == head.client_order_id):
            return None
        if shown is None:
            return _of_execution(head.intent, sighting)
        key = mapping.leg_key(head.client_order_id, shown)
        replaced = None
        while known(key) is not None:  # the broker, or a person, put another order in its place
            replaced, key = key, f"{key}+"
        return replace(mapping.leg_intent(head.intent, shown, key), replaces=replaced)


def astray(head: Order, legs: Iterable[Order]) -> bool:
    """Whether the legs of a package are not where their head is: something about them was not told."""
    if head.intent.order_class is not OrderClass.MLEG or head.intent.leg_of is not None:
        return False
    known = {leg.intent.symbol: leg for leg in legs}
    filled = {symbol: leg.filled_qty for symbol, leg in known.items()}
    wanted = {leg.symbol: head.filled_qty * leg.ratio for leg in head.intent.legs}
    late = any(filled.get(symbol, ZERO) != qty for symbol, qty in wanted.items())
    return late or (head.is_terminal and any(leg.is_open for leg in known.values()))


def _of_execution(of: OrderIntent, sighting: Sighting) -> OrderIntent | None:
    """A leg of a package of which an execution is seen before its body."""
    leg = next((each for each in of.legs if each.symbol == sighting.symbol), None)
    if leg is None:
        return None
    return OrderIntent(
        client_order_id=f"{of.client_order_id}/{leg.symbol}",
        strategy=of.strategy,
        symbol=leg.symbol,
        side=leg.side,
        qty=of.qty * leg.ratio,
        type=of.type,
        time_in_force=of.time_in_force,
        ts=of.ts,
        order_class=of.order_class,
        position_intent=leg.position_intent,
        parent=of.parent,
        leg_of=of.client_order_id,
        because=of.because,
    )
