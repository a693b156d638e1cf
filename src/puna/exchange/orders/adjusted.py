"""What a split of the underlying makes of its option contracts.

A split into a whole number of shares, as two for one, makes so many contracts of one, at the strike divided by it, as
long as that strike can be written (tenths of a cent, OCC). Anything else (three for two, a reverse split, a strike that
does not divide) leaves a contract with a deliverable of its own: as many shares as a hundred became, for the same sum.
It gets a root with a digit, as the clearing house names such contracts, and has no quotes here: nobody's price for it
is known, so it cannot be traded, only held, exercised, assigned or expired.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from puna.core.symbols import Option
from puna.exchange.option_margin import HUNDRED, as_option
from puna.wire.codec import Amount
from puna.wire.contracts import OptionContract, OptionDeliverable

__all__ = ["Adjusted", "Deliverable", "adjusted", "contract_of", "free_root"]

_THOUSAND = 1000
_ROOT_LETTERS = 5


class Deliverable(NamedTuple):
    """What one contract delivers: so many shares of `underlying`, for a hundred times its strike."""

    underlying: str
    shares: Decimal = HUNDRED


class Adjusted(NamedTuple):
    """One `old` contract is `ratio` of `new`."""

    old: str
    new: str
    ratio: int

    @property
    def is_standard(self) -> bool:
        """Whether the new one delivers a hundred shares, as any other."""
        return as_root(self.new) == as_root(self.old)


def adjusted(symbol: str, old_rate: int, new_rate: int, root: str) -> Adjusted:
    """What becomes of a standard contract; `root` names what gets a deliverable of its own."""
    option = as_option(symbol)
    if option is None:
        raise AssertionError(symbol)
    ratio, rest = divmod(new_rate, old_rate)
    strike = option.strike / ratio if ratio else option.strike
    if rest or ratio < 2 or strike * _THOUSAND % 1:
        return Adjusted(symbol, str(Option(root, option.expiration, option.right, option.strike)), 1)
    return Adjusted(symbol, str(Option(option.root, option.expiration, option.right, strike)), ratio)


def as_root(symbol: str) -> str:
    """The root of an option's symbol."""
    option = as_option(symbol)
    return option.root if option else ""


def free_root(underlying: str, taken: Collection[str]) -> str:
    """A root with the first digit that no contract has."""
    letters = underlying.replace(".", "")[:_ROOT_LETTERS]
    return next(name for digit in range(1, 10) if (name := f"{letters}{digit}") not in taken)


def contract_of(known: OptionContract, each: Adjusted, delivers: Deliverable) -> OptionContract:
    """The contract under its new symbol."""
    option = as_option(each.new)
    if option is None:
        raise AssertionError(each.new)
    return msgspec.structs.replace(
        known,
        id=str(uuid5(NAMESPACE_URL, f"us_option:{each.new}")),
        symbol=each.new,
        name=each.new if known.name == each.old else known.name,
        root_symbol=option.root,
        strike_price=Amount(option.strike.normalize()),
        size=Amount(delivers.shares),
        tradable=each.is_standard and known.tradable,
        deliverables=[_shares(delivers, known.underlying_asset_id)],
    )


def _shares(delivers: Deliverable, asset_id: str | None) -> OptionDeliverable:
    return OptionDeliverable(
        type="equity",
        symbol=delivers.underlying,
        asset_id=asset_id,
        amount=Amount(delivers.shares),
        allocation_percentage=Amount(HUNDRED),
        settlement_type="T+1",
        settlement_method="CCC",
        delayed_settlement=False,
    )
