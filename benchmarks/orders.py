"""Order round trip, and tick to order, on loopback: Puna, alpaca-py, and a raw-socket floor against one exchange."""

import time
from collections.abc import Callable

from benchmarks import alpaca_py, floor
from benchmarks.processes import exchange, fresh, watched
from benchmarks.table import Goal, Row, interleaved

__all__ = ["rows"]

ROUNDS = 3
ORDERS = 200

RoundTrips = Callable[[int, int], list[int]]
TickToOrder = Callable[[int, int], None]


def rows(*, quick: bool = False) -> list[Row]:
    """What a caller waits for an answer; what a quote takes to become an order, and what it costs the client in CPU."""
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
    rounds = 1 if quick else ROUNDS
    spent: dict[str, list[int]] = {name: [] for name in reactions}
    waited = interleaved(rounds, {name: _waiting(task) for name, task in waits.items()})
    reacted = interleaved(rounds, {name: _reacting(task, spent[name]) for name, task in reactions.items()})
    goals = (Goal("raw socket", 2.5), Goal("alpaca-py", 0.4))
    return [
        Row("order round trip", waited),
        Row("tick to order", reacted, goals),
        Row("tick to order, client CPU for each order", spent),
    ]


def _waiting(task: RoundTrips) -> Callable[[], list[int]]:
    def run() -> list[int]:
        with exchange() as port:
            samples: list[int] = fresh(task, port, ORDERS)
            return samples

    return run


def _reacting(task: TickToOrder, spent: list[int]) -> Callable[[], list[int]]:
    """The stopwatch's samples; the client's CPU time goes to `spent`, from connecting to the last answer."""

    def run() -> list[int]:
        with watched() as (port, finish):
            spent.append(fresh(_metered, task, port, ORDERS) // ORDERS)
            return finish()

    return run


def _metered(task: TickToOrder, port: int, count: int) -> int:
    start = time.process_time_ns()
    task(port, count)
    return time.process_time_ns() - start
