"""What the venue trades: stocks and coins from the market's list, option contracts when somebody names one."""

from datetime import time
from decimal import Decimal
from typing import NamedTuple

import msgspec

from puna.core import sessions
from puna.exchange.option_margin import as_option
from puna.exchange.orders.adjusted import Adjusted, Deliverable, contract_of
from puna.exchange.prices.market import Market
from puna.wire.contracts import OptionContract
from puna.wire.trading import Asset

__all__ = ["Instruments", "Renamed", "option_tick"]


class Renamed(NamedTuple):
    """One name took the place of another, from the beginning of a day in New York on (ns)."""

    old: str
    new: str
    ts: int


class Instruments:
    """Assets by symbol, by id, and pairs also without their slash (facts.md 5.2).

    Args:
        market: which instruments there are.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self.assets: dict[str, Asset] = {each.symbol: each for each in market.assets()}
        self._names = {each.id: symbol for symbol, each in self.assets.items()}
        self._names |= {symbol.replace("/", ""): symbol for symbol in self.assets} | {
            each: each for each in self.assets
        }
        self.renamed: dict[str, str] = {}
        self.renames: list[Renamed] = []
        self.deliverables: dict[str, Deliverable] = {}
        self._contracts: dict[str, OptionContract] = {}

    def find(self, name: str, now: int) -> Asset | None:
        """The asset of that name; an option's is made of its contract."""
        if name in self._names:
            return self.assets[self._names[name]]
        contract = self.contract(name, now)
        if contract is None:
            return None
        self.assets[contract.symbol] = asset = _asset(contract)
        return asset

    def known(self, name: str) -> Asset | None:
        """The same among those that have been named before."""
        return self.assets.get(self._names.get(name, name))

    def rename(self, old: str, new: str, now: int) -> None:
        """The same asset under another symbol; the old one is inactive."""
        if old in self.assets:
            known = self.assets[old]
            self.assets[new] = msgspec.structs.replace(known, symbol=new)
            self.assets[old] = msgspec.structs.replace(known, status="inactive", tradable=False)
            self._names |= {new: new, known.id: new}
            self.renames.append(Renamed(old, new, sessions.at(sessions.date_of(now), time())))
            self.renamed |= {name: new for name, today in self.renamed.items() if today == old} | {old: new}

    def delivers(self, root: str) -> Deliverable:
        """What a contract of that root delivers."""
        return self.deliverables.get(root) or Deliverable(root)

    def roots(self, underlying: str) -> list[str]:
        """The roots of the contracts that deliver a stock: its own, and those of adjusted contracts."""
        return [underlying, *(root for root, each in self.deliverables.items() if each.underlying == underlying)]

    def adjust(self, each: Adjusted, now: int) -> None:
        """A contract goes on as another one."""
        option, known = as_option(each.new), self.contract(each.old, now)
        if option is None or known is None:
            return
        self._contracts[each.new] = made = contract_of(known, each, self.delivers(option.root))
        found = self._market.contract(each.new, now) or made
        self._names |= {found.id: each.new}
        self.assets[each.new] = _asset(found)

    def contract(self, name: str, now: int) -> OptionContract | None:
        """An option contract by symbol or id."""
        found = self._market.contract(name, now)
        if found is not None:
            self._contracts[found.symbol] = found
            self._names.setdefault(found.id, found.symbol)
        return found or self._contracts.get(name)

    def is_over(self, name: str, now: int) -> bool:
        """Whether it names a contract whose last session has ended."""
        option = as_option(name)
        if option is None or self.delivers(option.root).underlying not in self.assets:
            return False
        last = sessions.day(option.expiration)
        return sessions.date_of(now) > option.expiration or (last is not None and now >= last.close)


def option_tick(contract: OptionContract | None, price: Decimal) -> Decimal:
    """In the penny programme 0.01 below 3 and 0.05 from there on, else 0.05 and 0.10 (facts.md 5.2, `ppind`)."""
    penny = contract is not None and bool(contract.ppind)
    if penny:
        return Decimal("0.01") if price < 3 else Decimal("0.05")
    return Decimal("0.05") if price < 3 else Decimal("0.10")


def _asset(contract: OptionContract) -> Asset:
    return Asset(
        id=contract.id,
        symbol=contract.symbol,
        asset_class="us_option",
        exchange="",
        name=contract.name,
        status=contract.status,
        tradable=contract.tradable,
        marginable=False,
        shortable=False,
        easy_to_borrow=False,
        fractionable=False,
    )
