"""`puna rebalance` against a running exchange: the plan is shown, and sent only with --execute."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from puna.cli.rebalance import rebalance
from puna.cli.rebalancing import weights
from puna.errors import ConfigError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed

KEYS = {"ALPACA_API_KEY": "KEY", "ALPACA_SECRET_KEY": "SECRET"}
NAMES = (*KEYS, "ALPACA_BASE_URL", "APCA_API_BASE_URL", "STAGE", "PUNA__ACCOUNT__MODE")

TRIES = 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def exchange() -> Iterator[ExchangeThread]:
    """A day that runs by itself, and that knows one key."""
    config = ExchangeConfig(keys={"KEY": "SECRET"}, pacing=Speed(240), wait_for=(), symbols=("AAPL", "MSFT"))
    with ExchangeThread(config) as running:
        yield running


def ask(exchange: ExchangeThread, *words: str) -> Result:
    """Asks until the market has opened."""
    here = dict.fromkeys(NAMES) | KEYS | {"ALPACA_BASE_URL": exchange.url, "PUNA__ACCOUNT__MODE": "sim"}
    for _ in range(TRIES):
        result = CliRunner().invoke(rebalance, words, env=here, standalone_mode=False)
        if "no usable price" not in str(result.exception):
            return result
    raise AssertionError("never a price")


def test_a_plan_is_shown_and_nothing_is_sent(exchange: ExchangeThread) -> None:
    """What to buy, at which price, from where to where; and the command that would do it."""
    result = ask(exchange, "AAPL=40%", "MSFT=0.2")
    assert result.return_value == 0, result.exception
    for words in ("equity 100,000.00", "buy", "AAPL", "40.0%", "MSFT", "20.0%", "turnover"):
        assert words in result.stdout
    assert "puna rebalance AAPL=40% MSFT=0.2 --execute" in result.stderr
    assert exchange.call(lambda server: server.venue.orders(status="all", limit=500, direction="asc")) == []


def test_json_is_one_document(exchange: ExchangeThread) -> None:
    """Money as strings, and everything that was left alone with its reason."""
    document = json.loads(ask(exchange, "AAPL=40%", "--json").stdout)
    (trade,) = document["trades"]
    assert (trade["symbol"], trade["side"]) == ("AAPL", "buy")
    assert Decimal(trade["qty"]) * Decimal(trade["price"]) <= 40_000


def test_execute_brings_the_account_to_its_targets(exchange: ExchangeThread) -> None:
    """Through risk and journal; the positions are there, and the outcome says what each order cost."""
    result = ask(exchange, "AAPL=40%", "MSFT=20%", "--execute", "--style", "market", "--seconds", "1800")
    assert result.return_value == 0, (result.exception, result.output)
    held = exchange.books().positions
    assert set(held) == {"AAPL", "MSFT"}
    assert "filled" in result.stdout
    assert "journal runs" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("AAPL",), "cannot be read"),
        (("AAPL=much",), "weight of AAPL"),
        (("BTC/USD=10%",), "no stock"),
        (("AAPL=10%", "AAPL=20%"), "two weights"),
        (("AAPL=10%", "MSFT"), "no target"),
    ],
)
def test_targets_that_cannot_be_understood(words: tuple[str, ...], says: str) -> None:
    """One error that names the word, exit code 3, and what a target looks like."""
    with pytest.raises(ConfigError) as caught:
        weights(words)
    assert says in caught.value.what
    assert (caught.value.code, caught.value.exit_code) == ("E042", 3)


def test_a_file_of_targets(folder: Path) -> None:
    """With a table or without one; numbers and percentages."""
    (folder / "flat.toml").write_text('AAPL = "40%"\nMSFT = 0.2\n')
    (folder / "table.toml").write_text('[targets]\nAAPL = "40%"\nMSFT = 0.2\n')
    known = {"AAPL": Decimal("0.4"), "MSFT": Decimal("0.2")}
    assert weights(["flat.toml"]) == weights(["table.toml"]) == known


def test_weights_beyond_the_whole_are_refused(exchange: ExchangeThread) -> None:
    """More than 100 %, or a short that was not allowed: nothing is planned."""
    much, short = ask(exchange, "AAPL=80%", "MSFT=30%").exception, ask(exchange, "AAPL=-10%").exception
    assert isinstance(much, ConfigError)
    assert isinstance(short, ConfigError)
    assert "add up to 110" in much.what
    assert "shorts are not allowed" in short.what
    assert "--short" in short.remedy
    assert {(each.code, each.exit_code) for each in (much, short)} == {("E042", 3)}
