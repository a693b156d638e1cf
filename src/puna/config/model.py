"""The shape of a configuration: sections, keys, defaults, and one sentence about each key."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from puna.config.environment import Keys, Mode
from puna.config.secret import Secret
from puna.core.risk import RiskLimits

__all__ = [
    "NARROW_TEXTS",
    "RISK_TEXTS",
    "AccountSection",
    "AlertsSection",
    "Config",
    "DataSection",
    "Document",
    "JournalSection",
    "ModelSection",
    "ServerSection",
    "ServicesSection",
    "SimSection",
    "SleevesSection",
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
    activities_feed: Annotated[
        bool,
        Meta(description="Follow the broker's feed of account activities as well: a third source of fills."),
    ] = True


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
            description="Its part of what the account is worth when the books begin; all together have at most 100%.",
            examples=["40%"],
            extra={"unit": "share"},
        ),
    ] = Decimal(1)
    symbols: Annotated[
        tuple[str, ...],
        Meta(description="What it may trade; empty means what the class itself names.", examples=[["AAPL", "MSFT"]]),
    ] = ()
    params: Annotated[dict[str, Any], Meta(description="Attributes set on the strategy, as the class names them.")] = {}


class SleevesSection(Section, frozen=True, kw_only=True):
    """Several strategies on one account."""

    netting: Annotated[
        bool,
        Meta(
            description="Whether opposite orders of two strategies are crossed inside the account at the middle of the"
            " quote, so that only the rest is sent; false: the later one is refused (R114)."
        ),
    ] = True


class ModelSection(Section, frozen=True, kw_only=True):
    """A signal model that the services serve and follow; the table may stand several times."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_]{0,15}$",
            description="Its name in signals, orders, journal and reports.",
            examples=["trend"],
        ),
    ]
    symbols: Annotated[tuple[str, ...], Meta(min_length=1, description="What it speaks about.", examples=[["AAPL"]])]
    folder: Annotated[str | None, Meta(description="A saved model, beside this file.", examples=["models/minutes"])] = (
        None
    )
    use: Annotated[
        str | None,
        Meta(
            description="Instead of a folder: a class with a schema and predict, as FILE.py:Class or module:Class.",
            examples=["models/trend.py:Trend"],
        ),
    ] = None
    timeframe: Annotated[str, Meta(description="Of the bars that it sees.", examples=["1Min"])] = "1Min"
    capital: Annotated[
        Decimal, Meta(description="Its part of the account's equity.", examples=["50%"], extra={"unit": "share"})
    ] = Decimal(1)
    weight: Annotated[
        Decimal,
        Meta(
            description="What of its capital is held in a symbol it favours.", examples=["30%"], extra={"unit": "share"}
        ),
    ] = Decimal("0.2")
    threshold: Annotated[
        float, Meta(ge=0, lt=1, description="Signals of less strength change nothing; from -1 to 1.")
    ] = 0.1


class ServicesSection(Section, frozen=True, kw_only=True):
    """The system as four processes: puna up, puna serve."""

    profile: Annotated[
        Literal["dev", "staging", "production"],
        Meta(description="dev: open on this machine; staging and production: data encrypted and tokens everywhere."),
    ] = "dev"
    folder: Annotated[
        str,
        Meta(description="Keys, token, journal, outboxes: what the services keep; mode 0700.", examples=["services"]),
    ] = "services"
    host: Annotated[str, Meta(description="Where health and metrics listen; off loopback a token is needed.")] = (
        "127.0.0.1"
    )
    bus: Annotated[
        str, Meta(description="Address of this machine on the bus; off loopback all of it is encrypted.")
    ] = "127.0.0.1"
    market_data_port: Annotated[int, Meta(ge=0, le=65535, description="Health of market-data.")] = 8080
    signals_port: Annotated[int, Meta(ge=0, le=65535, description="Health of signals.")] = 8081
    execution_port: Annotated[int, Meta(ge=0, le=65535, description="Health of execution.")] = 8082
    risk_port: Annotated[int, Meta(ge=0, le=65535, description="Health of risk.")] = 8083
    market_bus_port: Annotated[int, Meta(ge=1, le=65535, description="Market data, PUB of market-data.")] = 5555
    control_bus_port: Annotated[int, Meta(ge=1, le=65535, description="Signals and intents, ROUTER of execution.")] = (
        5556
    )
    events_bus_port: Annotated[int, Meta(ge=1, le=65535, description="Orders and fills, PUB of execution.")] = 5557
    risk_bus_port: Annotated[int, Meta(ge=1, le=65535, description="Limits and state, PUB of risk.")] = 5558
    stale_seconds: Annotated[
        float,
        Meta(gt=0, description="After so long without the risk process, or without market data, only reductions."),
    ] = 2.0
    mute_seconds: Annotated[
        float, Meta(gt=0, description="So long may the market be silent within a session before it counts as mute.")
    ] = 30.0
    signal_seconds: Annotated[
        float, Meta(gt=0, description="Market seconds after which nobody acts on a signal any more.")
    ] = 120.0
    halt_loss: Annotated[
        Decimal,
        Meta(
            description="Risk halts when so much of the day's first equity is lost.",
            examples=["5%"],
            extra={"unit": "share"},
        ),
    ] = Decimal("0.05")


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


class AlertsSection(Section, frozen=True, kw_only=True):
    """Who is told of alarms; addresses come from PUNA_ALERT_WEBHOOK and PUNA_ALERT_HEARTBEAT, never from here."""

    command: Annotated[
        tuple[str, ...],
        Meta(
            description="A program and its arguments; each alert comes to its standard input as text.",
            examples=[["mail", "-s", "Puna", "me@example.com"]],
        ),
    ] = ()
    webhook_key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=40,
            description="Where in the webhook's JSON the text stands: text (Slack, Mattermost), content (Discord).",
        ),
    ] = "text"
    repeat_minutes: Annotated[
        float, Meta(ge=1, le=1440, description="How often an alarm is told again that nobody has acknowledged.")
    ] = 15.0
    heartbeat_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="How often PUNA_ALERT_HEARTBEAT is asked for, while a run lives.")
    ] = 60.0
    down_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="An alarm when only reductions can be sent for so long: a stream is down.",
        ),
    ] = 30.0


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
    "collar_option_percent": "How far beyond the middle of its quote the limit price of an option may be.",
    "max_adv_percent": "Most of the average daily volume (20 daily bars of the warm-up) that one order may be.",
    "max_spread_bp": "The widest spread, in basis points of the middle, at which anything is opened.",
    "max_volatility_percent": "The highest volatility a year, of the last 30 minutes, at which anything is opened.",
    "open_blackout_minutes": "Nothing is opened in so many minutes after the open.",
    "close_blackout_minutes": "Nothing is opened in so many minutes before the close.",
    "max_repeats": "Most orders of one strategy in one symbol within the window below.",
    "repeat_window_seconds": "The window of max_repeats.",
    "max_maintenance_percent": "Most of the equity that maintenance margin may be, with what is opened.",
    "max_option_loss_value": "Most that one option order may lose.",
    "option_level": "The options level that is used at most, 0 to 3, whatever the broker allows.",
    "allow_expiry_day": "Whether options may be opened on their last day.",
    "max_clock_skew_seconds": "How far our clock may be from the broker's.",
    "max_daily_loss_value": "A loss since the day's first look, realised and not, that ends the day's opening of risk.",
    "max_daily_loss_percent": "The same as a percentage of the day's first equity; the smaller of both holds.",
    "max_weekly_loss_value": "A loss since the week's first look that ends the week's opening of risk.",
    "max_weekly_loss_percent": "The same as a percentage of the week's first equity; the smaller of both holds.",
    "max_drawdown_percent": "A fall from the highest equity that stops the opening of risk until a person resumes.",
    "max_losses_in_a_row": "So many losing trades in a row lock their strategy for the cooldown.",
    "cooldown_seconds": "How long losses in a row, or too many refusals, lock a strategy.",
    "max_slippage_bp": "The most that a strategy's fills of the day may cost beyond the middle, in basis points.",
    "max_refusals": "More refusals by the broker than this within the window below lock a strategy.",
    "refusal_window_seconds": "The window of max_refusals.",
    "max_orders_per_fill": "More orders a day for each that fills lock a strategy, from its 20th order of the day on.",
    "max_unprotected_seconds": "A strategy opens nothing while a position of it has had no stop for longer than this.",
    "groups": "Symbols that move together, by a name of your choice.",
    "max_group_percent": "The most that a group may become worth, as a percentage of equity.",
    "narrow": "Tighter limits of a strategy, a symbol, or both; the table may stand several times.",
}
"""One sentence about each field of RiskLimits, for `puna config explain`."""

NARROW_TEXTS = {
    "narrow[].strategy": "The strategy that it is about; not set: any.",
    "narrow[].symbol": "The symbol that it is about; not set: any.",
    "narrow[].max_order_qty": "Most units in one order.",
    "narrow[].max_order_value": "Most that one order may be worth.",
    "narrow[].max_position_value": "Most that a position may become worth.",
    "narrow[].max_budget_value": "Most that everything of the strategy may be worth, open orders counted.",
    "narrow[].max_repeats": "Most orders in one symbol within the window of max_repeats.",
    "narrow[].allow_short": "false: shares that are not held are not sold.",
}
"""The same for the tables `[[risk.narrow]]`."""


class Document(Section, frozen=True, kw_only=True):
    """What a file, the environment (PUNA__SECTION__KEY) and flags may set."""

    account: AccountSection = AccountSection()
    data: DataSection = DataSection()
    strategy: tuple[StrategySection, ...] = ()
    sleeves: SleevesSection = SleevesSection()
    model: tuple[ModelSection, ...] = ()
    risk: RiskLimits = RiskLimits()
    sim: SimSection = SimSection()
    journal: JournalSection = JournalSection()
    alerts: AlertsSection = AlertsSection()
    server: ServerSection = ServerSection()
    services: ServicesSection = ServicesSection()


class Config(Document, frozen=True, kw_only=True):
    """A whole configuration: what was set, and beside it what never stands in a file.

    Attributes:
        keys: the API key pair from the environment, or None.
        webhook: where alerts are posted, from the environment, or None.
        heartbeat: what is asked for while a run lives, likewise.
        base_url: the broker's address where the environment names one that agrees with the mode, or None.
        path: the file, or None; relative paths in it are meant from its folder.
        origins: dotted key -> where its value came from (`default`, `bot.toml:3`, `env NAME`, `flag`).
    """

    keys: Keys | None = None
    webhook: Secret | None = None
    heartbeat: Secret | None = None
    base_url: str | None = None
    path: Path | None = None
    origins: dict[str, str] = {}

    def beside(self, name: str) -> Path:
        """A path of the configuration, relative to the file that names it."""
        return (self.path.parent if self.path else Path()) / name
