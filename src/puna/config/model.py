"""The shape of a configuration: sections, keys, defaults, and one sentence about each key."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from puna.config.environment import Keys, Mode
from puna.core.risk import RiskLimits

__all__ = [
    "RISK_TEXTS",
    "AccountSection",
    "Config",
    "DataSection",
    "Document",
    "JournalSection",
    "ServerSection",
    "SimSection",
    "StrategySection",
]

DEFAULT_DAY = date(2012, 9, 19)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class AccountSection(Section, frozen=True, kw_only=True):
    """Whose account."""

    mode: Annotated[
        Mode,
        Meta(description="Where orders go: sim (the embedded exchange) or paper; live is refused without a permit."),
    ] = Mode.SIM


class DataSection(Section, frozen=True, kw_only=True):
    """Which market data."""

    feed: Annotated[
        Literal["iex", "sip", "delayed_sip"],
        Meta(description="The stock feed; sip needs a paid plan, delayed_sip comes 15 minutes late."),
    ] = "iex"


class StrategySection(Section, frozen=True, kw_only=True):
    """One strategy; the table may stand several times."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_]{0,15}$",
            description="Its name in orders, journal and reports: a small letter, then up to 15 of a-z, 0-9, _.",
            examples=["momentum"],
        ),
    ]
    use: Annotated[
        str,
        Meta(
            pattern=r"^[^:\s]+:[A-Za-z_][A-Za-z0-9_]*$",
            description="The class: FILE.py:Class beside this file, or package.module:Class.",
            examples=["strategies/momentum.py:Momentum"],
        ),
    ]
    capital: Annotated[
        Decimal,
        Meta(
            description="Its part of the account's equity; all strategies together have at most 100%.",
            examples=["40%"],
            extra={"unit": "share"},
        ),
    ] = Decimal(1)
    symbols: Annotated[
        tuple[str, ...],
        Meta(description="What it may trade; empty means what the class itself names.", examples=[["AAPL", "MSFT"]]),
    ] = ()
    params: Annotated[dict[str, Any], Meta(description="Attributes set on the strategy, as the class names them.")] = {}


class SimSection(Section, frozen=True, kw_only=True):
    """The simulated exchange (mode sim)."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="The same seed gives the same day, to the last bit.")] = 7
    day: Annotated[date, Meta(description="First day to replay; the next trading day when it is none.")] = DEFAULT_DAY
    days: Annotated[int, Meta(ge=1, le=260, description="How many trading days.")] = 1
    symbols: Annotated[
        tuple[str, ...], Meta(description="What the exchange lists; empty means all it has that day.")
    ] = ()
    cash: Annotated[Decimal, Meta(description="Cash at the start.", examples=[100000], extra={"unit": "money"})] = (
        Decimal(100_000)
    )
    speed: Annotated[
        Literal["lockstep"] | Annotated[float, Meta(gt=0, le=1e6)],
        Meta(description="lockstep: as fast as it goes, reproducible; a number: so many times real time."),
    ] = "lockstep"
    faults: Annotated[
        str | None, Meta(description="A fault script (TOML), beside this file: what goes wrong on purpose, and when.")
    ] = None


class JournalSection(Section, frozen=True, kw_only=True):
    """The durable record of intents and evidence."""

    path: Annotated[
        str | None, Meta(description="The journal's file; by default journal.db in the folder of the run.")
    ] = None


class ServerSection(Section, frozen=True, kw_only=True):
    """Health, readiness and metrics over HTTP."""

    listen: Annotated[
        str,
        Meta(
            pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
            description="Address and port; port 0 takes a free one.",
        ),
    ] = "127.0.0.1:8700"


RISK_TEXTS = {
    "allowed": "The only symbols that may be traded; not set: all that the broker calls tradable.",
    "denied": "Symbols that are never traded.",
    "max_order_qty": "Most units (shares, contracts, coins) in one order.",
    "max_order_value": "Most that one order may be worth, a market order at its protected price.",
    "max_order_percent": "The same as a percentage of equity; the smaller of both holds.",
    "max_position_value": "Most that a position may become worth when every open order of its side fills.",
    "max_position_percent": "The same as a percentage of equity; the smaller of both holds.",
    "max_gross_value": "Most that all positions together may become worth, shorts counted as positive.",
    "max_gross_percent": "The same as a percentage of equity; the smaller of both holds.",
    "max_net_value": "Most that longs less shorts (or shorts less longs) may become worth.",
    "max_net_percent": "The same as a percentage of equity; the smaller of both holds.",
    "max_open_orders": "Most orders open at the same time.",
    "max_open_value": "Most that all open orders together may be worth.",
    "max_open_percent": "The same as a percentage of equity; the smaller of both holds.",
    "buying_power_buffer": "What of the broker's buying power is left untouched.",
    "protection_percent": "What is added to the ask to value an order without a limit.",
    "collar_percent": "How far beyond the middle of the quote a limit price may be on the side that costs.",
    "collar_extended_percent": "The same outside the core session.",
    "collar_passive_percent": "How far a limit price may be away on the side that only waits.",
    "max_quote_age_seconds": "The oldest quote that an order may be decided on.",
    "duplicate_window_seconds": "An equal order within this time is taken for a mistake.",
    "max_submits": "Most orders sent within the window below.",
    "submit_window_seconds": "The window of max_submits.",
    "allow_short": "Whether shares that are not held may be sold.",
    "allow_queued": "Whether an order may be sent now for a session that has not begun.",
}
"""One sentence about each field of RiskLimits, for `puna config explain`."""


class Document(Section, frozen=True, kw_only=True):
    """What a file, the environment (PUNA__SECTION__KEY) and flags may set."""

    account: AccountSection = AccountSection()
    data: DataSection = DataSection()
    strategy: tuple[StrategySection, ...] = ()
    risk: RiskLimits = RiskLimits()
    sim: SimSection = SimSection()
    journal: JournalSection = JournalSection()
    server: ServerSection = ServerSection()


class Config(Document, frozen=True, kw_only=True):
    """A whole configuration: what was set, and beside it what never stands in a file.

    Attributes:
        keys: the API key pair from the environment, or None.
        base_url: the broker's address where the environment names one that agrees with the mode, or None.
        path: the file, or None; relative paths in it are meant from its folder.
        origins: dotted key -> where its value came from (`default`, `bot.toml:3`, `env NAME`, `flag`).
    """

    keys: Keys | None = None
    base_url: str | None = None
    path: Path | None = None
    origins: dict[str, str] = {}

    def beside(self, name: str) -> Path:
        """A path of the configuration, relative to the file that names it."""
        return (self.path.parent if self.path else Path()) / name
