"""What a venue is told, and what it tells: commands, replies and events."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from puna.exchange.account.commands import AccountCommand, AccountReply
from puna.exchange.prices.market import MarketMessage
from puna.exchange.refusals import Refusal
from puna.wire.trading import CancelResult, CloseResult, Order, OrderRequest, ReplaceRequest, TradeUpdate

__all__ = [
    "Cancel",
    "CancelAll",
    "CloseAllPositions",
    "ClosePosition",
    "Command",
    "DataFrame",
    "Event",
    "Replace",
    "Reply",
    "Submit",
]


@dataclass(frozen=True)
class Submit:
    """POST /v2/orders."""

    request: OrderRequest


@dataclass(frozen=True)
class Replace:
    """PATCH /v2/orders/{id}."""

    order_id: str
    request: ReplaceRequest


@dataclass(frozen=True)
class Cancel:
    """DELETE /v2/orders/{id}."""

    order_id: str


@dataclass(frozen=True)
class CancelAll:
    """DELETE /v2/orders."""


@dataclass(frozen=True)
class ClosePosition:
    """DELETE /v2/positions/{symbol}: all of it, `qty` of it, or a percentage of it."""

    symbol: str
    qty: Decimal | None = None
    percentage: Decimal | None = None


@dataclass(frozen=True)
class CloseAllPositions:
    """DELETE /v2/positions."""

    cancel_orders: bool = False


@dataclass(frozen=True)
class DataFrame:
    """What the market tells at one instant: one frame's worth of messages."""

    ts: int
    messages: tuple[MarketMessage, ...]


Command: TypeAlias = Submit | Replace | Cancel | CancelAll | ClosePosition | CloseAllPositions | AccountCommand
Reply: TypeAlias = Order | list[CancelResult] | list[CloseResult] | AccountReply | Refusal | None
Event: TypeAlias = TradeUpdate | DataFrame
