"""What changes the account besides orders: configurations, watchlists, locates, exercise."""

from dataclasses import dataclass
from typing import TypeAlias

from puna.wire.account import Configurations, ConfigurationsChange, Watchlist, WatchlistRequest
from puna.wire.locates import Locate, LocateRequest

__all__ = [
    "AccountCommand",
    "AccountReply",
    "AddToWatchlist",
    "Configure",
    "CreateWatchlist",
    "DeleteWatchlist",
    "DoNotExercise",
    "Exercise",
    "RemoveFromWatchlist",
    "RequestLocate",
    "UpdateWatchlist",
]


@dataclass(frozen=True)
class Configure:
    """PATCH /v2/account/configurations."""

    change: ConfigurationsChange


@dataclass(frozen=True)
class CreateWatchlist:
    """POST /v2/watchlists."""

    request: WatchlistRequest


@dataclass(frozen=True)
class UpdateWatchlist:
    """PUT /v2/watchlists/{id}, or by name."""

    watchlist: str
    request: WatchlistRequest
    by_name: bool = False


@dataclass(frozen=True)
class AddToWatchlist:
    """POST /v2/watchlists/{id}, or by name."""

    watchlist: str
    symbol: str
    by_name: bool = False


@dataclass(frozen=True)
class RemoveFromWatchlist:
    """DELETE /v2/watchlists/{id}/{symbol}."""

    watchlist: str
    symbol: str


@dataclass(frozen=True)
class DeleteWatchlist:
    """DELETE /v2/watchlists/{id}, or by name."""

    watchlist: str
    by_name: bool = False


@dataclass(frozen=True)
class RequestLocate:
    """POST /v1/locates."""

    request: LocateRequest
    key: str | None = None


@dataclass(frozen=True)
class Exercise:
    """POST /v2/positions/{symbol or contract id}/exercise: all that is available of it."""

    contract: str


@dataclass(frozen=True)
class DoNotExercise:
    """POST /v2/positions/{symbol or contract id}/do-not-exercise: let it expire, whatever it is worth."""

    contract: str


AccountCommand: TypeAlias = (
    Configure
    | CreateWatchlist
    | UpdateWatchlist
    | AddToWatchlist
    | RemoveFromWatchlist
    | DeleteWatchlist
    | RequestLocate
    | Exercise
    | DoNotExercise
)
AccountReply: TypeAlias = Configurations | Watchlist | Locate
