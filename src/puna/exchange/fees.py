"""What trading costs: regulatory fees of stocks and options, and the tiers of crypto (facts.md 10).

Rates are dollars unless said otherwise. The rates of options come from Alpaca's page "Regulatory Fees" (facts.md 10,
FEES), which also says that pending fees count against the account until they are charged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from puna.core import symbols
from puna.core.types import AssetClass
from puna.errors import DataError

__all__ = ["CALM", "CRYPTO_TIERS", "CryptoTier", "FeeSchedule", "OptionFees", "kind"]

ZERO = Decimal(0)
_MILLION = Decimal(1_000_000)
_BPS = Decimal(10_000)
_SHARES = 100


@dataclass(frozen=True)
class CryptoTier:
    """Fees of a coin's trade, in basis points, while the volume of 30 days is below `below` dollars (None: any)."""

    below: Decimal | None
    maker: Decimal
    taker: Decimal


def _tier(below: int | None, maker: int, taker: int) -> CryptoTier:
    return CryptoTier(None if below is None else Decimal(below), Decimal(maker), Decimal(taker))


CRYPTO_TIERS = (
    _tier(100_000, 15, 25),
    _tier(500_000, 12, 22),
    _tier(1_000_000, 10, 20),
    _tier(10_000_000, 8, 18),
    _tier(25_000_000, 5, 15),
    _tier(50_000_000, 2, 13),
    _tier(100_000_000, 2, 12),
    _tier(None, 0, 10),
)
"""facts.md 10, CRY."""


@dataclass(frozen=True, kw_only=True)
class OptionFees:
    """What options cost, for each contract.

    Args:
        orf: options regulatory fee, both sides.
        occ: clearing, both sides.
        occ_most: the most clearing for one execution (2,750 contracts).
        taf: trading activity fee, sells.
        cat: audit trail, both sides, for each share that the contract stands for.
    """

    orf: Decimal = Decimal("0.02685")
    occ: Decimal = Decimal("0.02")
    occ_most: Decimal = Decimal(55)
    taf: Decimal = Decimal("0.00279")
    cat: Decimal = Decimal("0.000003")

    def accrue(self, qty: Decimal) -> Mapping[str, Decimal]:
        """What one execution owes; `qty` is negative for a sell."""
        contracts = abs(qty)
        owed = {
            "CAT": self.cat * contracts * _SHARES,
            "OCC": min(self.occ * contracts, self.occ_most),
            "ORF": self.orf * contracts,
        }
        return owed | {"TAF": self.taf * contracts} if qty < 0 else owed


@dataclass(frozen=True, kw_only=True)
class FeeSchedule:
    """Fees, accrued as trades happen, charged at the end of day (facts.md 10).

    Args:
        sec: on sells of stocks and options, dollars per million dollars.
        taf: on sells of stocks, dollars per share.
        taf_most: the most TAF for one execution.
        cat: on both sides, dollars per share.
        options: what options cost on top of `sec`.
        crypto: the tiers of coins, in order of volume; empty: none.
    """

    sec: Decimal = Decimal("20.60")
    taf: Decimal = Decimal("0.000195")
    taf_most: Decimal = Decimal("9.79")
    cat: Decimal = Decimal("0.000003")
    options: OptionFees = field(default_factory=OptionFees)
    crypto: Sequence[CryptoTier] = CRYPTO_TIERS

    def accrue(self, symbol: str, qty: Decimal, price: Decimal) -> Mapping[str, Decimal]:
        """What one execution owes in dollars besides `coin_rate`; `qty` is negative for a sell."""
        match kind(symbol):
            case AssetClass.CRYPTO:
                return {}
            case AssetClass.US_OPTION:
                owed = dict(self.options.accrue(qty))
                principal = abs(qty) * price * _SHARES
            case _:
                owed = {"CAT": self.cat * abs(qty)}
                principal = abs(qty) * price
                if qty < 0:
                    owed["TAF"] = min(self.taf * abs(qty), self.taf_most)
        if qty < 0:
            owed["SEC"] = self.sec * principal / _MILLION
        return owed

    def coin_rate(self, volume: Decimal, *, maker: bool) -> Decimal:
        """The part of what a coin's trade brings in that it costs, at that volume of 30 days."""
        for tier in self.crypto:
            if tier.below is None or volume < tier.below:
                return (tier.maker if maker else tier.taker) / _BPS
        return ZERO


CALM = FeeSchedule(
    sec=ZERO,
    taf=ZERO,
    taf_most=ZERO,
    cat=ZERO,
    options=OptionFees(orf=ZERO, occ=ZERO, occ_most=ZERO, taf=ZERO, cat=ZERO),
    crypto=(),
)
"""No fees, as on paper (facts.md 9)."""


def kind(symbol: str) -> AssetClass:
    """What the symbol names; whatever is no option and no pair counts as a stock."""
    try:
        return symbols.asset_class(symbol)
    except DataError:
        return AssetClass.US_EQUITY
