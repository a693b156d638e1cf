"""Order round trip, and tick to order, on loopback: Puna, alpaca-py, and a raw-socket floor against one exchange."""

from collections.abc import Callable

from benchmarks import alpaca_py, floor
from benchmarks.processes import exchange, fresh, watched
from benchmarks.table import Goal, Row, interleaved

__all__ = ["rows"]

ROUNDS = 5
ORDERS = 200

RoundTrips = Callable[[int, int], list[int]]
TickToOrder = Callable[[int, int], None]


def rows() -> list[Row]:
    """Two rows: what a caller waits for an answer, and what a quote takes to become an order."""
    from benchmarks import ours  # noqa: PLC0415 - the children of the anchors need not load it

    waits: dict[str, RoundTrips] = {
        "puna (async)": ours.round_trips,
        "puna (sync)": ours.round_trips_sync,
        "alpaca-py": alpaca_py.round_trips,
        "raw socket": floor.round_trips,
    }
    reactions: dict[str, TickToOrder] = {
        "puna, journal in memory": ours.tick_to_order,
        "puna, journal durable": ours.tick_to_order_durable,
        "alpaca-py": alpaca_py.tick_to_order,
        "raw socket": floor.tick_to_order,
    }
    return [
        Row("order round trip", interleaved(ROUNDS, {name: _waiting(task) for name, task in waits.items()})),
        Row(
            "tick to order",
            interleaved(ROUNDS, {name: _reacting(task) for name, task in reactions.items()}),
            (Goal("raw socket", 2.5), Goal("alpaca-py", 0.4)),
        ),
    ]


def _waiting(task: RoundTrips) -> Callable[[], list[int]]:
    def run() -> list[int]:
        with exchange() as port:
            samples: list[int] = fresh(task, port, ORDERS)
            return samples

    return run


def _reacting(task: TickToOrder) -> Callable[[], list[int]]:
    def run() -> list[int]:
        with watched() as (port, finish):
            fresh(task, port, ORDERS)
            return finish()

    return run
