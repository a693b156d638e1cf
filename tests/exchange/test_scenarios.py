"""Scenarios by name: each starts, does what it says, and is in the documentation."""

from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from puna.cli.exchange import exchange as command
from puna.core import sessions
from puna.errors import ConfigError
from puna.exchange.faults import read_faults, read_halts
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.halts import Halt
from puna.exchange.prices.joint import build_market
from puna.exchange.scenarios import SCENARIOS, play_out
from puna.exchange.server import ExchangeServer

DOCS = Path(__file__).parents[2] / "docs" / "exchange.md"
BUY = {"symbol": "AAPL", "qty": "50", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_makes_a_market_and_changes_something(name: str) -> None:
    """It is a configuration like any other, and not the usual one."""
    config = play_out(ExchangeConfig(), [name])
    assert config != ExchangeConfig()
    assert build_market(config).sessions[0].date == config.day
    ExchangeServer(config)


def test_the_documentation_names_every_scenario_with_its_words() -> None:
    """One row each in docs/exchange.md, as the code has it."""
    text = DOCS.read_text()
    for name, scenario in SCENARIOS.items():
        assert f"| `{name}` | {scenario.text} |" in text


def test_scenarios_add_up() -> None:
    """Faults of both, terms of both."""
    both = play_out(ExchangeConfig(), ["lost-fill", "fill-drip", "mute-socket"])
    assert [each.action for each in both.faults] == ["lose", "mute"]
    assert both.venue.fills.displayed(Decimal(1_000)) == 10


def test_an_unknown_scenario_is_one_clear_error() -> None:
    """It lists those there are."""
    with pytest.raises(ConfigError, match="no scenario 'storm-1000'") as caught:
        play_out(ExchangeConfig(), ["storm-1000"])
    assert "storm-429" in str(caught.value.remedy)


async def test_accepted_then_504_is_both(exchange: Any) -> None:
    """The order is there, the answer a gateway's."""
    config = play_out(ExchangeConfig(), ["accepted-then-504"])
    async with exchange(faults=config.faults) as raw:
        status, page = await raw.call("POST", "/v2/orders", json={**BUY, "client_order_id": "x"})
        assert (status, "504" in page) == (504, True)
        status, order = await raw.call("GET", "/v2/orders:by_client_order_id?client_order_id=x")
        assert (status, order["qty"]) == (200, "50")


async def test_storm_429_ends(exchange: Any) -> None:
    """Twenty refusals from half past ten on, and then business as usual."""
    config = play_out(ExchangeConfig(), ["storm-429"])
    async with exchange(faults=config.faults) as raw:
        assert (await raw.call("GET", "/v2/account"))[0] == 200
        raw.server._floor.advance(config.faults[0].at or 0)
        statuses = [(await raw.call("GET", "/v2/account"))[0] for _ in range(25)]
        assert statuses == [429] * 20 + [200] * 5


async def test_a_dripping_fill_comes_in_parts(exchange: Any) -> None:
    """A market order over some fifty shares takes several quotes."""
    config = play_out(ExchangeConfig(), ["fill-drip"])
    async with exchange(venue=config.venue, symbols=("AAPL",)) as raw:
        raw.start(raw.follow(await raw.trading(), None))
        raw.server._floor.advance(raw.server._floor.market.sessions[0].open_ns + 60 * 10**9)
        await raw.order(qty="200")
        raw.start(raw.follow(await raw.data(quotes=["AAPL"])))
        await raw.until(lambda: any(each["event"] == "fill" for each in raw.updates))
        assert sum(each["event"] == "partial_fill" for each in raw.updates) > 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--scenario", "split-overnight", "--day", "2012-09-19"], "exclude each other"),
        (["--scenario", "split-overnight", "--scenario", "assignment-monday"], "exclude each other"),
        (["--scenario", "nonsense"], "mute-socket"),
    ],
)
def test_what_does_not_go_together_is_said(options: list[str], complaint: str) -> None:
    """Usage errors, exit code 2."""
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 2
    assert complaint in result.output


def test_halts_stand_in_the_same_script() -> None:
    """Beside faults, by a New York time of the first day; each reads its own tables."""
    text = '[[halt]]\nsymbol = "ibm"\nat = 10:00:00\nseconds = 60\n[[fault]]\non = "GET *"\naction = "delay"\n'
    day = date(2012, 9, 19)
    assert read_halts(text, day=day) == (Halt("IBM", sessions.at(day, time(10)), 60.0),)
    assert len(read_faults(text, day=day)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[halt]]\nsymbol = "IBM"\n', "line 1"),
        ('[[halt]]\nsymbol = "IBM"\nat = 10:00:00\nseconds = 0\n', "lasts"),
        ('[[fault]]\non = "GET *"\naction = "delay"\n[[halt]]\nat = 1\n', "line 4"),
        ("[[pause]]\n", "only"),
    ],
)
def test_a_bad_halt_is_a_bad_script(text: str, complaint: str) -> None:
    """E032, and the line."""
    with pytest.raises(ConfigError) as caught:
        read_halts(text, day=date(2012, 9, 19))
    assert complaint in str(caught.value.why)
