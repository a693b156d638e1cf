"""`puna account`, `positions`, `orders` against a running exchange, and the ways in which there is nobody to ask."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from puna.alpaca.http import Alpaca, Credentials, Endpoints
from puna.alpaca.trading import submit_order
from puna.cli.account import NotRunningError, account, orders, positions
from puna.errors import AuthError, ConfigError, LiveRefusedError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.wire.trading import OrderRequest

KEYS = {"ALPACA_API_KEY": "KEY", "ALPACA_SECRET_KEY": "SECRET"}
NAMES = (*KEYS, "ALPACA_BASE_URL", "APCA_API_BASE_URL", "STAGE", "PUNA__ACCOUNT__MODE")
TRIES = 200


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def exchange() -> Iterator[ExchangeThread]:
    """A day that runs by itself, with room to spare, and that knows one key."""
    with ExchangeThread(ExchangeConfig(keys={"KEY": "SECRET"}, pacing=Speed(600), wait_for=())) as running:
        yield running


def ask(verb: click.Command, *words: str, **environ: str) -> Result:
    return CliRunner().invoke(verb, words, env=dict.fromkeys(NAMES) | environ, standalone_mode=False)


def until(question: Callable[[], Result], told: str) -> Result:
    """The exchange moves on by itself; asks until the answer tells."""
    made = question()
    for _ in range(TRIES):
        if told in made.stdout:
            return made
        made = question()
    raise AssertionError(f"never {told!r}: {made.output}")


def buy(exchange: ExchangeThread, **fields: object) -> None:
    request = OrderRequest(symbol="AAPL", side="buy", time_in_force="day", **fields)  # type: ignore[arg-type]
    with Alpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(exchange.url)) as alpaca:
        alpaca(submit_order(request))


def test_an_untouched_account(exchange: ExchangeThread) -> None:
    """Cash in money, the empty cases in words, and after each the next useful command; no config is needed."""
    here = KEYS | {"ALPACA_BASE_URL": exchange.url}
    made = ask(account, **here)
    assert "cash                100,000.00\n" in made.stdout
    assert made.stderr == "next: puna positions\n"
    assert ask(positions, **here).stdout == "no positions\n"
    assert ask(orders, **here).stdout == "no open orders\n"
    assert ask(orders, "--status", "closed", **here).stdout == "no closed orders\n"
    assert ask(orders, "--status", "all", **here).stdout == "no orders\n"
    assert "SECRET" not in made.output


def test_orders_and_positions_are_listed(exchange: ExchangeThread) -> None:
    """A resting order among the open ones, a filled one among all, its position with entry and value."""
    here = KEYS | {"ALPACA_BASE_URL": exchange.url}
    buy(exchange, type="limit", qty=Decimal(3), limit_price=Decimal("600.25"), client_order_id="resting")
    made = ask(orders, **here)
    header, row = made.stdout.splitlines()
    assert re.split(r"\s+", header)[:6] == ["submitted", "symbol", "side", "qty", "type", "limit"]
    assert row.split()[2:8] == ["ET", "AAPL", "buy", "3", "limit", "600.25"]
    assert row.endswith("resting")
    assert made.stderr == "next: puna orders --status all\n"
    buy(exchange, type="market", qty=Decimal(2), client_order_id="at-once")
    rows = until(lambda: ask(positions, **here), "AAPL").stdout.splitlines()
    assert rows[0].split() == ["symbol", "qty", "entry", "price", "value", "profit"]
    assert rows[1].split()[:2] == ["AAPL", "2"]
    listed = json.loads(ask(orders, "--json", "--status", "all", **here).stdout)
    assert {order["client_order_id"]: order["qty"] for order in listed} == {"at-once": "2", "resting": "3"}
    only = json.loads(ask(orders, "--json", "--status", "all", "--limit", "1", **here).stdout)
    assert [order["client_order_id"] for order in only] == ["at-once"]


def test_json_is_the_brokers_own_words(exchange: ExchangeThread) -> None:
    """Money as strings, nothing on stderr."""
    here = KEYS | {"ALPACA_BASE_URL": exchange.url}
    made = ask(account, "--json", **here)
    assert json.loads(made.stdout)["cash"] == "100000"
    assert made.stderr == ""
    assert json.loads(ask(positions, "--json", **here).stdout) == []


@pytest.mark.parametrize("verb", [account, positions, orders], ids=lambda verb: verb.name)
def test_a_wrong_key_is_refused(exchange: ExchangeThread, verb: click.Command) -> None:
    """Exit 5 and the broker's answer; the key does not show."""
    made = ask(verb, ALPACA_API_KEY="KEY", ALPACA_SECRET_KEY="WRONG", ALPACA_BASE_URL=exchange.url)
    assert isinstance(made.exception, AuthError)
    assert made.exception.exit_code == 5
    assert "WRONG" not in str(made.exception)


def test_mode_sim_without_an_exchange_is_not_running() -> None:
    """Exit 4, and how to start one."""
    made = ask(account, PUNA__ACCOUNT__MODE="sim", **KEYS)
    assert isinstance(made.exception, NotRunningError)
    assert made.exception.exit_code == 4
    assert "puna exchange" in made.exception.remedy


def test_paper_is_the_default_and_needs_keys() -> None:
    """Nothing set: paper, and so keys are asked for; no request leaves without them."""
    made = ask(account)
    assert isinstance(made.exception, ConfigError)
    assert made.exception.code == "E008"


def test_live_is_refused() -> None:
    """However it is asked for."""
    for environ in ({"ALPACA_BASE_URL": "https://api.alpaca.markets"}, {"STAGE": "live"}):
        assert isinstance(ask(account, **KEYS, **environ).exception, LiveRefusedError)
