"""Watchlists, by id and by name. Each call answers a value to be sent. Source: SPEC-T, fact sheet 5.7."""

from collections.abc import Iterable

from puna.alpaca.operations import operation
from puna.alpaca.request import Request, nothing, query_string, reading, segment
from puna.wire.account import Watchlist, WatchlistRequest, WatchlistSymbol
from puna.wire.codec import decoder, encode

__all__ = [
    "add_to_watchlist",
    "add_to_watchlist_named",
    "create_watchlist",
    "delete_watchlist",
    "delete_watchlist_named",
    "get_watchlist",
    "get_watchlist_named",
    "get_watchlists",
    "remove_from_watchlist",
    "update_watchlist",
    "update_watchlist_named",
]

_watchlist = reading(decoder(Watchlist))
_watchlists = reading(decoder(list[Watchlist]))


@operation("GET /v2/watchlists", "getWatchlists")
def get_watchlists() -> Request[list[Watchlist]]:
    """Every watchlist, without its assets."""
    return Request("GET", "/v2/watchlists", _watchlists, repeatable=True)


@operation("POST /v2/watchlists", "postWatchlist")
def create_watchlist(name: str, symbols: Iterable[str] = ()) -> Request[Watchlist]:
    """Makes a watchlist."""
    return Request("POST", "/v2/watchlists", _watchlist, body=_body(name, symbols))


@operation("GET /v2/watchlists/{watchlist_id}", "getWatchlistById")
def get_watchlist(watchlist_id: str) -> Request[Watchlist]:
    """One watchlist with its assets."""
    return Request("GET", _by_id(watchlist_id), _watchlist, repeatable=True)


@operation("PUT /v2/watchlists/{watchlist_id}", "updateWatchlistById")
def update_watchlist(
    watchlist_id: str, *, name: str | None = None, symbols: Iterable[str] | None = None
) -> Request[Watchlist]:
    """Gives it another name, or other symbols in place of all that it had."""
    return Request("PUT", _by_id(watchlist_id), _watchlist, body=_body(name, symbols), repeatable=True)


@operation("POST /v2/watchlists/{watchlist_id}", "addAssetToWatchlist")
def add_to_watchlist(watchlist_id: str, symbol: str) -> Request[Watchlist]:
    """Adds one symbol."""
    return Request("POST", _by_id(watchlist_id), _watchlist, body=encode(WatchlistSymbol(symbol=symbol)))


@operation("DELETE /v2/watchlists/{watchlist_id}/{symbol}", "removeAssetFromWatchlist")
def remove_from_watchlist(watchlist_id: str, symbol: str) -> Request[Watchlist]:
    """Takes one symbol out."""
    return Request("DELETE", f"{_by_id(watchlist_id)}/{segment(symbol)}", _watchlist)


@operation("DELETE /v2/watchlists/{watchlist_id}", "deleteWatchlistById")
def delete_watchlist(watchlist_id: str) -> Request[None]:
    """Deletes it."""
    return Request("DELETE", _by_id(watchlist_id), nothing)


@operation("GET /v2/watchlists:by_name", "getWatchlistByName")
def get_watchlist_named(name: str) -> Request[Watchlist]:
    """One watchlist with its assets, by name."""
    return Request("GET", _by_name(name), _watchlist, repeatable=True)


@operation("PUT /v2/watchlists:by_name", "updateWatchlistByName")
def update_watchlist_named(
    name: str, *, new_name: str | None = None, symbols: Iterable[str] | None = None
) -> Request[Watchlist]:
    """Gives the one of this name another name, or other symbols in place of all that it had."""
    return Request("PUT", _by_name(name), _watchlist, body=_body(new_name, symbols), repeatable=new_name is None)


@operation("POST /v2/watchlists:by_name", "addAssetToWatchlistByName")
def add_to_watchlist_named(name: str, symbol: str) -> Request[Watchlist]:
    """Adds one symbol to the one of this name."""
    return Request("POST", _by_name(name), _watchlist, body=encode(WatchlistSymbol(symbol=symbol)))


@operation("DELETE /v2/watchlists:by_name", "deleteWatchlistByName")
def delete_watchlist_named(name: str) -> Request[None]:
    """Deletes the one of this name."""
    return Request("DELETE", _by_name(name), nothing)


def _by_id(watchlist_id: str) -> str:
    return f"/v2/watchlists/{segment(watchlist_id)}"


def _by_name(name: str) -> str:
    return f"/v2/watchlists:by_name{query_string(name=name)}"


def _body(name: str | None, symbols: Iterable[str] | None) -> bytes:
    return encode(WatchlistRequest(name=name, symbols=None if symbols is None else list(symbols)))
