"""A corporate action as it is known: what, whose, when, at which rate."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from puna.core import sessions

__all__ = ["CorporateEvent", "cusip"]

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class CorporateEvent:
    """One action.

    Args:
        kind: "split", "dividend" or "rename".
        symbol: whose.
        ex_date: the first day on which it has happened.
        old_rate: of a split: so many old shares ...
        new_rate: ... are so many new ones.
        cash: of a dividend, dollars a share.
        payable_date: of a dividend; the ex-date where none is given.
        new_symbol: of a rename.
    """

    kind: Literal["split", "dividend", "rename"]
    symbol: str
    ex_date: date
    old_rate: int = 1
    new_rate: int = 1
    cash: Decimal = ZERO
    payable_date: date | None = None
    new_symbol: str = ""

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"{self.kind}:{self.symbol}:{self.ex_date}"))

    @property
    def payable(self) -> date:
        return self.payable_date or self.ex_date

    @property
    def record_date(self) -> date:
        """The ex-date itself since settlement takes a day (May 2024), before that the day after it settles."""
        return self.ex_date if self.ex_date >= date(2024, 5, 28) else sessions.next_trading_day(self.ex_date).date

    def dates(self) -> dict[str, date]:
        return {
            "declaration_date": sessions.previous_trading_day(self.ex_date).date,
            "ex_date": self.ex_date,
            "record_date": self.record_date,
            "payable_date": self.payable,
        }


def cusip(name: str) -> str:
    """Nine characters that are no real company's; the data API's corporate actions say the same."""
    return f"S{uuid5(NAMESPACE_URL, name).int % 100_000_000:08d}"
