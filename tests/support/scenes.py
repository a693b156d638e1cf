"""What goes wrong, by the ID of the reliability catalogue, for trading processes that trade all the while.

A scene is a fault script and terms of the venue; several can be laid over each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from puna.exchange.account.terms import AccountTerms
from puna.exchange.faults import Fault
from puna.exchange.prices.halts import Halt
from puna.exchange.server import ExchangeConfig
from puna.exchange.terms import VenueOptions
from puna.wire.codec import parse_time

__all__ = ["OPEN", "SCENES", "Scene", "staged"]

SECOND = 1_000_000_000
OPEN = parse_time("2012-09-19T09:30:00-04:00")
AT = OPEN + 40 * SECOND  # in the middle of what the strategy does
POST, PATCH, DELETE = "POST /v2/orders", "PATCH /v2/orders/*", "DELETE /v2/orders/*"
TAKEN = '{"code": 40010001, "message": "client_order_id must be unique"}'
ELSE = (
    '{"id": "0", "client_order_id": "else", "status": "new", "symbol": "MSFT", "side": "sell", "qty": "1", '
    '"type": "market", "time_in_force": "day"}'
)
HELD = '{"code": 40310000, "message": "insufficient qty available for order (requested: 4, available: 0)"}'
POOR = '{"code": 40310000, "message": "insufficient buying power"}'
BLOCKED = '{"code": 40310000, "message": "account is not allowed to trade"}'
STUCK = '{"code": 42210000, "message": "order is already in \\"filled\\" state"}'


@dataclass(frozen=True)
class Scene:
    """Something that goes wrong.

    Args:
        faults: on the wire.
        venue: terms of the venue.
        account: terms of the account.
        halts: when which stock does not trade.
        halted: whether trading is halted by it, as the right answer to it.
        minutes: how long the session has to be.
    """

    faults: tuple[Fault, ...] = ()
    venue: Mapping[str, Any] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    halts: tuple[Halt, ...] = ()
    halted: bool = False
    minutes: int = 5


def _on(on: str, action: str, **more: Any) -> Scene:
    return Scene((Fault(on=on, action=action, **more),))


def _each(on: str, action: str, **more: Any) -> Scene:
    """The second time, and twice in a row."""
    return _on(on, action, **({"nth": 2, "times": 2} | more))


def _outage(*, rest: bool, seconds: float = 60.0, sockets: Sequence[str] = ()) -> Scene:
    cut = tuple(Fault(on=f"socket:{kind}", action="drop_socket", at=AT, seconds=seconds) for kind in sockets)
    return Scene((*cut, *((Fault(on="* /v2/*", action="drop_before", at=AT, times=12),) if rest else ())))


SCENES: Mapping[str, Scene] = {
    "NET-01": replace(_outage(rest=True, seconds=600.0, sockets=("data", "trading")), minutes=14),
    "NET-04 before": _each(POST, "drop_before"),
    "NET-04 after": _each(POST, "drop_reply"),
    "NET-05": _on("* /v2/*", "hang_before", at=AT, times=4),
    "NET-06": _on("socket:trading", "mute", at=AT),
    "NET-10": _each(POST, "truncate"),
    "NET-13": _outage(rest=False, seconds=170.0, sockets=("trading",)),
    "NET-14": _outage(rest=True),
    "NET-15": _outage(rest=False, seconds=170.0, sockets=("data",)),
    "NET-17": _on("* /v2/*", "drop_before", at=AT),
    "PRO-01": _each(POST, "error_after", status=504),
    "PRO-02 500 before": _each(POST, "error_before", status=500),
    "PRO-02 502 after": _each(POST, "error_after", status=502),
    "PRO-02 503 of reads": _on("GET /v2/*", "error_before", status=503, at=AT, times=3),
    "PRO-02 500 JSON": _each(POST, "error_after", status=500, body='{"code": 50010000, "message": "internal"}'),
    "PRO-03": _each(POST, "hang_after"),
    "PRO-04": _each(POST, "error_after", status=422, body=TAKEN),
    "PRO-05": Scene((Fault(on=POST, action="hang_after", nth=2),), venue={"visibility_ns": 2 * SECOND}),
    "PRO-06 no reset": _on("* /v2/*", "error_before", status=429, at=AT, times=8),
    "PRO-06 skewed": _on(
        "* /v2/*", "error_before", status=429, at=AT, times=4, headers={"X-RateLimit-Reset": "9999999999"}
    ),
    "PRO-08 empty": _each(POST, "error_after", status=200, body=""),
    "PRO-08 broken": _each(POST, "error_after", status=200, body='{"id": "'),
    "PRO-08 other": replace(_on(POST, "error_after", nth=2, status=200, body=ELSE), halted=True),
    "PRO-11 no event": _on("event:canceled", "lose"),
    "PRO-11 500": _on(DELETE, "error_before", status=500),
    "PRO-11 done 500": _on(DELETE, "error_after", status=500),
    "PRO-11 422": _on(DELETE, "error_before", status=422, body=STUCK),
    "PRO-13 401": replace(_on(POST, "error_before", status=401, nth=3), halted=True),
    "PRO-13 403": replace(_on(POST, "error_before", status=403, nth=3), halted=True),
    "PRO-14": _on("socket:data", "ghost", at=AT, seconds=90.0),
    "PRO-20": _on("socket:data", "mute", at=AT, seconds=120.0),
    "PRO-23": _on(POST, "error_before", status=307, nth=2, headers={"Location": "http://192.0.2.1/v2/orders"}),
    "BRK-01": _on("socket:trading", "duplicate", times=0),
    "BRK-02 reordered": _on("socket:trading", "reorder", times=0),
    "BRK-02 late answer": _each(POST, "delay", seconds=0.1),
    "BRK-02 late news": _on("event:new", "delay", seconds=20.0, times=0),
    "BRK-03": _on("event:fill", "lose", nth=1, times=2),
    "BRK-03 part": _on("event:partial_fill", "lose", times=0),
    "BRK-04": Scene(
        (
            Fault(on="event:fill", action="duplicate", times=0),
            Fault(on="event:partial_fill", action="lose", probability=0.5),
            Fault(on=POST, action="hang_after", nth=2),
        )
    ),
    "BRK-05": _on("event:partial_fill", "delay", seconds=45.0, times=0),
    "BRK-06": Scene((Fault(on=DELETE, action="hold", seconds=5.0, times=2),)),
    "BRK-06 slow": Scene(venue={"cancel_ns": 20 * SECOND}),
    "BRK-07": _on("event:*", "delay", seconds=30.0, times=0),
    "BRK-07 pending new": Scene(venue={"ack_ns": SECOND, "new_ns": 40 * SECOND, "match_ns": 40 * SECOND}),
    "BRK-07 pending cancel": Scene(venue={"cancel_ns": 120 * SECOND}),
    "BRK-09 fills first": Scene(venue={"replace_ns": 30 * SECOND}),
    "BRK-09 refused": Scene((Fault(on=PATCH, action="error_before", status=422, body=STUCK),)),
    "BRK-11 error": _on(PATCH, "error_after", status=500),
    "BRK-11 lost": _on(PATCH, "drop_reply"),
    "BRK-16": _each(POST, "error_before", status=403, body=HELD, nth=3),
    "BRK-18": _each(POST, "error_before", status=403, body=POOR),
    "BRK-19": replace(_on(POST, "error_before", status=403, nth=3, body=BLOCKED), halted=True),
    "BRK-20": Scene(halts=(Halt("MSFT", AT, 90.0, "LUDP"),)),
    "BRK-36": Scene(account={"positions_lag_ns": 5 * SECOND}),
}
"""What can be put upon a trading day, by the ID and a word for the variant."""


def staged(*names: str, **more: Any) -> ExchangeConfig:
    """An exchange on which all of these come to pass."""
    scenes = [SCENES[name] for name in names]
    venue: dict[str, Any] = {}
    account: dict[str, Any] = {}
    for scene in scenes:
        venue |= scene.venue
        account |= scene.account
    if account:
        venue["account"] = replace(AccountTerms(), **account)
    return ExchangeConfig(
        venue=replace(VenueOptions(), **venue),
        faults=tuple(fault for scene in scenes for fault in scene.faults),
        halts=tuple(halt for scene in scenes for halt in scene.halts),
        **more,
    )
