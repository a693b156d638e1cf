"""Sleeves: several strategies on one account, each with cash and positions of its own that add up to the account's.

A sleeve begins with its share of what the account was worth when the books began, in cash. What its own orders fill is
booked to it like to an account, so it has its own cash, cost, realised profit and equity; what the account held before,
or what somebody else does on it, belongs to no sleeve. So at every moment and for every mark

    account's cash = unassigned + sum of the sleeves' cash        account's position = before + sum of the sleeves'

exactly. Two sleeves may hold the same symbol on opposite sides; their open orders may not meet (risk's R114, the
broker's wash-trade rule): `core.netting` crosses them inside the account, or the later one is refused.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from puna.core.decimals import exactly
from puna.core.portfolio import Portfolio, book, equity, profit
from puna.core.types import ZERO, Fill
from puna.errors import ConfigError, DataError

__all__ = ["Sleeve", "Sleeves", "check_shares", "opened"]

ONE = Decimal(1)


class Sleeve(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's part of the account.

    Args:
        share: of the account at the beginning, 0 to 1.
        start: dollars it was given: its share of what the books began with, and of the money that has come and gone
            since without an order (deposits, interest, fees of the account).
        book: its own cash and positions.
    """

    share: Decimal
    start: Decimal
    book: Portfolio

    @property
    def cash(self) -> Decimal:
        """What is not invested; negative when it has spent more than it was given."""
        return self.book.cash

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal | None:
        """Cash and positions at marks; None when one has no mark."""
        try:
            return equity(self.book, marks)
        except DataError:
            return None

    def profit(self, marks: Mapping[str, Decimal]) -> Decimal | None:
        """Gained or lost since the beginning, before fees; None when a position has no mark."""
        try:
            return profit(self.book, marks)
        except DataError:
            return None


Sleeves = Mapping[str, Sleeve]
"""By strategy."""


def check_shares(shares: Mapping[str, Decimal]) -> None:
    """Shares are parts of one account.

    Raises:
        ConfigError: one is negative or no number, or together they are more than the account.
    """
    for name, share in shares.items():
        if not share.is_finite() or share < 0:
            raise _impossible(f"The capital of {name} is {share}.", "it is a part of the account, 0 to 1")
    total = sum(shares.values(), ZERO)
    if total > ONE:
        told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        raise _impossible(f"The strategies want {total:.0%} of the account.", told)


@exactly
def opened(shares: Mapping[str, Decimal], worth: Decimal, fills: Iterable[Fill] = ()) -> dict[str, Sleeve]:
    """The sleeves of an account that was worth so much, after these fills. Fills of nobody's are left out."""
    sleeves = {
        name: Sleeve(share=share, start=share * worth, book=Portfolio(cash=share * worth))
        for name, share in shares.items()
    }
    for fill in fills:
        if (known := sleeves.get(fill.strategy)) is not None:
            sleeves[fill.strategy] = replace(known, book=book(known.book, fill))
    return sleeves


def _impossible(what: str, why: str) -> ConfigError:
    return ConfigError(
        what, why=why, state="Nothing was started.", remedy="Give each strategy a `capital`; together at most 100%."
    )
