"""Watchlists: named lists of assets, in the order in which they were put in (SPEC-T; facts.md 5.7)."""

from collections.abc import Callable, Sequence

import msgspec

from puna.exchange.refusals import Refusal, invalid, not_found, unprocessable
from puna.wire.account import Watchlist, WatchlistRequest
from puna.wire.codec import Nanos
from puna.wire.trading import Asset

__all__ = ["Watchlists"]

_LONGEST_NAME = 64


class Watchlists:
    """All watchlists of one account. What is handed out is a copy.

    Args:
        account_id: whose they are.
        new_id: names a new one.
        find: an asset by symbol or id.
    """

    def __init__(self, account_id: str, new_id: Callable[[], str], find: Callable[[str], Asset | None]) -> None:
        self._account_id = account_id
        self._new_id = new_id
        self._find = find
        self._lists: dict[str, Watchlist] = {}

    def all(self) -> list[Watchlist]:
        """Each without its assets."""
        return [msgspec.structs.replace(each, assets=None) for each in self._lists.values()]

    def get(self, name: str, *, by_name: bool) -> Watchlist | None:
        """By id, or by name."""
        if not by_name:
            return self._lists.get(name)
        return next((each for each in self._lists.values() if each.name == name), None)

    def create(self, request: WatchlistRequest, now: int) -> Watchlist | Refusal:
        """A new one; its name must be new too (wordings INF)."""
        if not request.name:
            return invalid("watchlist name is required")
        if refusal := self._refuse_name(request.name):
            return refusal
        assets = self._assets(request.symbols or ())
        if isinstance(assets, Refusal):
            return assets
        made = Watchlist(
            id=self._new_id(),
            account_id=self._account_id,
            name=request.name,
            created_at=Nanos(now),
            updated_at=Nanos(now),
            assets=assets,
        )
        self._lists[made.id] = made
        return made

    def update(self, known: Watchlist, request: WatchlistRequest, now: int) -> Watchlist | Refusal:
        """Another name, other assets, or both."""
        if request.name is None and request.symbols is None:
            return invalid("name or symbols is required")
        if request.name is not None and request.name != known.name and (refusal := self._refuse_name(request.name)):
            return refusal
        assets = known.assets if request.symbols is None else self._assets(request.symbols)
        if isinstance(assets, Refusal):
            return assets
        return self._keep(known, assets or [], now, request.name or known.name)

    def add(self, known: Watchlist, symbol: str, now: int) -> Watchlist | Refusal:
        """One more asset, at the end."""
        if not symbol:
            return invalid("symbol is required")
        assets = self._assets([*(each.symbol for each in known.assets or ()), symbol])
        return assets if isinstance(assets, Refusal) else self._keep(known, assets, now)

    def remove(self, known: Watchlist, symbol: str, now: int) -> Watchlist | Refusal:
        """One asset less."""
        found = self._find(symbol)
        left = [each for each in known.assets or () if found is None or each.id != found.id]
        if len(left) == len(known.assets or ()):
            return not_found(f"asset not found in watchlist: {symbol}")
        return self._keep(known, left, now)

    def delete(self, known: Watchlist) -> None:
        """For good."""
        del self._lists[known.id]

    def _keep(self, known: Watchlist, assets: list[Asset], now: int, name: str | None = None) -> Watchlist:
        self._lists[known.id] = msgspec.structs.replace(
            known, assets=assets, name=name or known.name, updated_at=Nanos(now)
        )
        return self._lists[known.id]

    def _refuse_name(self, name: str) -> Refusal | None:
        if not 1 <= len(name) <= _LONGEST_NAME:
            return invalid(f"watchlist name must be no more than {_LONGEST_NAME} characters")
        if self.get(name, by_name=True) is not None:
            return unprocessable("watchlist name must be unique")
        return None

    def _assets(self, names: Sequence[str]) -> list[Asset] | Refusal:
        """Each once, in order."""
        found: dict[str, Asset] = {}
        for name in names:
            asset = self._find(name)
            if asset is None:
                return unprocessable(f'asset "{name[:40]}" not found')
            found.setdefault(asset.id, asset)
        return list(found.values())
