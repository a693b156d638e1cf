"""Symbols of equities, OCC options and crypto pairs: parse, format, and what follows from the kind of thing.

    AAPL  BRK.B  FAKEPACA     equity: one to five capitals, and a class of one to four behind a dot
    AAPL250620C00100000       option: root, YYMMDD, C or P, strike * 1000 in eight digits, unpadded (facts.md 5.6)
    BTC/USD                   crypto: base/quote; the alias BTCUSD, as positions print it (facts.md 5.2), reads the same

The grammar is strict (capitals, ASCII, bounded length): a symbol becomes part of URLs, file names and topics. What only
the broker knows (whether an option is in the penny programme, a coin's increments) comes from its asset; the values
here are the finest that can be valid.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import ClassVar, TypeAlias

from puna.core.types import AssetClass
from puna.errors import DataError

__all__ = [
    "MAX_LENGTH",
    "Crypto",
    "Equity",
    "Instrument",
    "Option",
    "asset_class",
    "canonical",
    "is_symbol",
    "lot",
    "multiplier",
    "on_tick",
    "parse",
    "round_to_tick",
    "tick",
    "underlying",
]

MAX_LENGTH = 24
FINEST = Decimal("0.000000001")  # nine decimals, the most that Alpaca accepts for fractions and coins (SPEC-T)

_EQUITY = re.compile(r"[A-Z]{1,5}(?:\.[A-Z]{1,4})?|FAKEPACA")  # FAKEPACA is the symbol of Alpaca's test stream
_OPTION = re.compile(r"([A-Z]{1,5}[0-9]?)([0-9]{6})([CP])([0-9]{8})")  # a digit marks an adjusted contract
_PAIR = re.compile(r"([A-Z0-9]{2,10})/([A-Z]{3,5})")
_ALIAS = re.compile(r"([A-Z0-9]{3,10}?)(USDC|USDT|USD|BTC)")  # six or more, so never an equity
_CENT, _SUBPENNY, _ONE = Decimal("0.01"), Decimal("0.0001"), Decimal(1)
_MILLE = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Equity:
    """A US stock or fund."""

    root: str
    share_class: str = ""

    asset_class: ClassVar = AssetClass.US_EQUITY
    multiplier: ClassVar = Decimal(1)
    lot: ClassVar = Decimal(1)

    def __str__(self) -> str:
        return f"{self.root}.{self.share_class}" if self.share_class else self.root

    def tick(self, price: Decimal) -> Decimal:
        """A cent from 1.00 on, a hundredth of a cent below (facts.md 5.2, rule 612)."""
        return _CENT if price >= 1 else _SUBPENNY


@dataclass(frozen=True, slots=True)
class Option:
    """A listed US option."""

    root: str
    expiration: date
    right: str
    strike: Decimal

    asset_class: ClassVar = AssetClass.US_OPTION
    multiplier: ClassVar = Decimal(100)
    lot: ClassVar = Decimal(1)

    def __str__(self) -> str:
        return f"{self.root}{self.expiration:%y%m%d}{self.right}{int(self.strike * 1000):08d}"

    def tick(self, price: Decimal) -> Decimal:  # noqa: ARG002 - the three kinds answer the same question
        """A cent: the finest any option has; the penny programme decides (SPEC-T, `ppind`)."""
        return _CENT


@dataclass(frozen=True, slots=True)
class Crypto:
    """A pair of coins, or of a coin and dollars."""

    base: str
    quote: str

    asset_class: ClassVar = AssetClass.CRYPTO
    multiplier: ClassVar = Decimal(1)
    lot: ClassVar = FINEST

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"

    @property
    def alias(self) -> str:
        """The form of positions: BTCUSD."""
        return f"{self.base}{self.quote}"

    def tick(self, price: Decimal) -> Decimal:  # noqa: ARG002 - the three kinds answer the same question
        """Nine decimals; the asset's price_increment decides."""
        return FINEST


Instrument: TypeAlias = Equity | Option | Crypto


@lru_cache(maxsize=65536)
def parse(text: str) -> Instrument:
    """What `text` names; `str` of the answer is the canonical symbol.

    Raises:
        DataError: E630, `text` is no symbol.
    """
    found = _read(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise DataError(
            f"{text[:MAX_LENGTH]!a} is not a symbol.",
            why="symbols look like AAPL, BRK.B, AAPL250620C00100000 or BTC/USD: capitals, digits, nothing else",
            state="nothing was sent",
            remedy=f"Did you mean {text.upper()}?" if is_symbol(text.upper()) else "",
            code="E630",
        )
    return found


def is_symbol(text: str) -> bool:
    """Whether `parse` would accept it."""
    return len(text) <= MAX_LENGTH and _read(text) is not None


def canonical(text: str) -> str:
    """The one spelling: BTCUSD becomes BTC/USD."""
    return str(parse(text))


def asset_class(symbol: str) -> AssetClass:
    """Equity, option or crypto."""
    return parse(symbol).asset_class


def multiplier(symbol: str) -> Decimal:
    """How many units of the price one of it costs: 100 for an option, else 1."""
    return parse(symbol).multiplier


def tick(symbol: str, price: Decimal) -> Decimal:
    """The smallest step of a limit or stop price near `price`."""
    return parse(symbol).tick(price)


def underlying(symbol: str) -> str:
    """What an option is written on; anything else is written on itself."""
    found = parse(symbol)
    return found.root if isinstance(found, Option) else symbol


def lot(symbol: str) -> Decimal:
    """The smallest whole quantity: 1 share, 1 contract, a billionth of a coin."""
    return parse(symbol).lot


def on_tick(symbol: str, price: Decimal) -> bool:
    """Whether the broker's tick rule accepts `price`; NaN and infinities are on no tick."""
    return price.is_finite() and price % tick(symbol, abs(price)) == 0


def round_to_tick(symbol: str, price: Decimal, *, up: bool) -> Decimal:
    """The nearest price on a tick that is not below (`up`) or not above `price`."""
    step = tick(symbol, abs(price))
    return (price / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step


@lru_cache(maxsize=65536)
def _read(text: str) -> Instrument | None:
    if _EQUITY.fullmatch(text):
        return Equity(*text.split("."))
    if match := _OPTION.fullmatch(text):
        return _option(*match.groups())
    if match := _PAIR.fullmatch(text) or _ALIAS.fullmatch(text):
        return Crypto(*match.groups())
    return None


def _option(root: str, expiration: str, right: str, strike: str) -> Option | None:
    try:
        expires = date(2000 + int(expiration[:2]), int(expiration[2:4]), int(expiration[4:]))
    except ValueError:
        return None
    return Option(root, expires, right, Decimal(strike) / _MILLE) if int(strike) else None
