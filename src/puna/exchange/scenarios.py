"""Scenarios: what goes wrong, by name, for the command line and for tests. Each changes a configuration, nothing else.

A scenario is made of what anybody can write: faults of the script (`faults`), halts, terms of the venue, days. Times
are New York times of the first day.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import NamedTuple

from puna.core import sessions
from puna.errors import ConfigError
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.data import SYMBOLS
from puna.exchange.faults import Fault
from puna.exchange.options import ExchangeConfig
from puna.exchange.orders.book import Honest, Paper
from puna.exchange.prices.halts import Halt
from puna.seams import seeded_rng

__all__ = ["SCENARIOS", "Scenario", "play_out"]

_MORNING, _LATER = time(10, 30), time(11)
_MS = 1_000_000

Change = Callable[[ExchangeConfig], ExchangeConfig]


class Scenario(NamedTuple):
    """What happens, for people, and how a configuration becomes one in which it does.

    `day` is the first day it needs, where it needs one, and `days` how many.
    """

    text: str
    change: Change
    day: date | None = None
    days: int = 1


def play_out(config: ExchangeConfig, names: Iterable[str]) -> ExchangeConfig:
    """The configuration with these scenarios in it, one after the other.

    Raises:
        ConfigError: there is no such scenario.
    """
    for name in names:
        if name not in SCENARIOS:
            raise ConfigError(
                f"There is no scenario {name[:40]!r}.",
                state="Nothing was started.",
                remedy=f"choose among {', '.join(SCENARIOS)}",
                code="E047",
            )
        scenario = SCENARIOS[name]
        if scenario.day is not None:
            config = replace(config, day=scenario.day, days=max(config.days, scenario.days))
        config = scenario.change(config)
    return config


def _faults(*made: Fault) -> Change:
    return lambda config: replace(config, faults=(*config.faults, *made))


def _at(when: time, on: str, action: str, **more: float) -> Change:
    """A fault at a time of the first day."""

    def change(config: ExchangeConfig) -> ExchangeConfig:
        fault = Fault(on=on, action=action, at=sessions.at(config.day, when), **more)  # type: ignore[arg-type]
        return replace(config, faults=(*config.faults, fault))

    return change


def _halt(config: ExchangeConfig) -> ExchangeConfig:
    stocks = [each for each in config.symbols or SYMBOLS if "/" not in each]
    halt = Halt(stocks[0], sessions.at(config.day, _MORNING), seconds=3600, reason="LUDP")
    return replace(config, halts=(*config.halts, halt))


def _venue(**terms: object) -> Change:
    return lambda config: replace(config, venue=replace(config.venue, **terms))  # type: ignore[arg-type]


def _account(**terms: object) -> Change:
    def change(config: ExchangeConfig) -> ExchangeConfig:
        account = replace(config.venue.account, **terms)  # type: ignore[arg-type]
        return replace(config, venue=replace(config.venue, account=account))

    return change


def _paper(config: ExchangeConfig) -> ExchangeConfig:
    fills = Paper(seeded_rng(f"paper {config.seed}"))
    return replace(config, venue=replace(config.venue, fills=fills))


def _dividend(config: ExchangeConfig) -> ExchangeConfig:
    paid = CorporateEvent(kind="dividend", symbol="IBM", ex_date=date(2012, 7, 26), cash=Decimal("0.85"))
    return _account(actions=(*config.venue.account.actions, paid), dividends=True)(config)


SCENARIOS: Mapping[str, Scenario] = {
    "mute-socket": Scenario(
        "the data stream goes quiet at 10:30 for five minutes, and still answers pings",
        _at(_MORNING, "socket:data", "mute", seconds=300),
    ),
    "ghost-connection": Scenario(
        "the data stream is cut at 10:30, and for a minute the dead connection still counts: who comes back gets 406",
        _at(_MORNING, "socket:data", "ghost", seconds=60),
    ),
    "cut-trading-stream": Scenario(
        "the first fill cuts the trading stream; for 30 seconds it refuses to come back",
        _faults(Fault(on="event:fill", action="drop_socket", seconds=30)),
    ),
    "storm-429": Scenario(
        "from 10:30 on, twenty requests in a row are answered 429",
        _at(_MORNING, "* /v2/*", "error_before", status=429, times=20),
    ),
    "storm-503": Scenario(
        "from 10:30 on, ten requests in a row are answered by a gateway's 503",
        _at(_MORNING, "* /v2/*", "error_before", status=503, times=10),
    ),
    "accepted-then-504": Scenario(
        "the first order is accepted, and answered by a gateway's 504",
        _faults(Fault(on="POST /v2/orders", action="error_after", nth=1, status=504)),
    ),
    "refused-by-gateway": Scenario(
        "the first order is answered 504 and was never seen",
        _faults(Fault(on="POST /v2/orders", action="error_before", nth=1, status=504)),
    ),
    "lost-reply": Scenario(
        "the first order is accepted, and the connection is reset instead of an answer",
        _faults(Fault(on="POST /v2/orders", action="drop_reply", nth=1)),
    ),
    "late-order": Scenario(
        "the first order reaches the exchange thirty seconds after it was sent, though its sender has gone",
        _faults(Fault(on="POST /v2/orders", action="hold", nth=1, seconds=30)),
    ),
    "fill-drip": Scenario(
        "a hundredth of each quote's size is ours: orders fill in many small parts",
        _venue(fills=Honest(participation=Decimal("0.01"))),
    ),
    "paper-fills": Scenario(
        "fills as on Alpaca's paper accounts: size is not looked at, one order in ten fills in part first",
        _paper,
    ),
    "duplicate-updates": Scenario(
        "every second trade update arrives twice",
        _faults(Fault(on="event:*", action="duplicate", probability=0.5)),
    ),
    "reordered-updates": Scenario(
        "every third trade update arrives after the next one",
        _faults(Fault(on="event:*", action="reorder", probability=0.3)),
    ),
    "lost-fill": Scenario(
        "the first fill is never told on the trading stream",
        _faults(Fault(on="event:fill", action="lose", nth=1)),
    ),
    "late-visibility": Scenario(
        "a new order cannot be read for two seconds",
        _venue(visibility_ns=2_000 * _MS),
    ),
    "lagging-positions": Scenario(
        "positions show a fill two seconds after the order does",
        _account(positions_lag_ns=2_000 * _MS),
    ),
    "halt-and-gap": Scenario(
        "the first stock is halted at 10:30 for an hour, and comes back where its price has gone meanwhile",
        _halt,
    ),
    "late-bars": Scenario(
        "one minute bar in twenty is revised half a minute after it was told",
        lambda config: replace(config, late_bars=0.05),
    ),
    "wrong-prints": Scenario(
        "one print in two hundred is voided or corrected after its minute",
        lambda config: replace(config, busts=200),
    ),
    "split-overnight": Scenario(
        "two days, 25 and 28 February 2005: Apple splits two for one between them, and so do the options on it",
        lambda config: config,
        date(2005, 2, 25),
        2,
    ),
    "dividend-overnight": Scenario(
        "two days, 25 and 26 July 2012: IBM pays 0.85 a share to who held it over night",
        _dividend,
        date(2012, 7, 25),
        2,
    ),
    "assignment-monday": Scenario(
        "two days, 21 and 24 September 2012: options expire on the Friday, and short ones in the money are assigned; "
        "what became of them is told on Monday",
        _account(option_activities="next_day"),
        date(2012, 9, 21),
        2,
    ),
    "early-assignment": Scenario(
        "two days: every short option in the money is assigned over the first night",
        lambda config: replace(_account(early_assignment=1.0)(config), days=max(config.days, 2)),
    ),
    "basic-plan": Scenario(
        "Alpaca's free plan: 200 requests a minute, 30 symbols a stream, no SIP data of the last quarter of an hour",
        lambda config: replace(config, data_plan="basic", symbol_limit=30, rate_limit=200),
    ),
}
"""Every scenario by its name."""
