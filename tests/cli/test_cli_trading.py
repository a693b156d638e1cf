"""The verbs with which people trade and look around, against a running exchange: output and exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from puna.cli.account import account
from puna.cli.activity import activity
from puna.cli.chain import chain
from puna.cli.market import asset, clock
from puna.cli.order import cancel, close, order
from puna.cli.quote import history, quote
from puna.cli.watch import watch
from puna.cli.watchlist import watchlist
from puna.errors import DataError, NotFoundError, RefusedError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed

NAMES = ("ALPACA_BASE_URL", "APCA_API_BASE_URL", "STAGE", "PUNA__ACCOUNT__MODE")
TRIES = 400


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """A day that runs by itself, with all that the exchange trades."""
    with ExchangeThread(
        ExchangeConfig(keys={"KEY": "SECRET"}, pacing=Speed(300), wait_for=(), rate_limit=0)
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration lies around."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def puna(exchange: ExchangeThread) -> Any:
    """Runs a verb there."""
    environ = dict.fromkeys(NAMES) | {
        "ALPACA_API_KEY": "KEY",
        "ALPACA_SECRET_KEY": "SECRET",
        "ALPACA_BASE_URL": exchange.url,
    }

    def run(verb: click.Command, *words: str) -> Result:
        made = CliRunner().invoke(verb, words, env=environ, standalone_mode=False)
        if made.exception is not None and not isinstance(made.exception, SystemExit):
            raise made.exception
        return made

    return run


def until_quoted(puna: Any, symbol: str) -> dict[str, str]:
    """The first quote of the day."""
    for _ in range(TRIES):
        found = json.loads(puna(quote, symbol, "--json").stdout)
        if found["quotes"]:
            first: dict[str, str] = found["quotes"][0]
            return first
    raise AssertionError("never a quote")


def test_a_quote_has_mid_and_spread(puna: Any) -> None:
    """And what has no quote is said, with exit 1."""
    row = until_quoted(puna, "AAPL")
    assert float(row["bid"]) < float(row["mid"]) < float(row["ask"])
    shown = puna(quote, "AAPL", "ZZZZ")
    assert shown.return_value == 1
    assert "spread" in shown.stdout
    assert "no quote of ZZZZ" in shown.stderr
    with pytest.raises(DataError):
        puna(quote, "not a symbol")


def test_an_order_is_previewed_sent_and_cancelled(puna: Any) -> None:
    """The preview sends nothing and exits 6 where the broker would refuse; the order rests until it is cancelled."""
    until_quoted(puna, "AAPL")
    fine = puna(order, "AAPL", "buy", "10", "--limit", "1", "--preview")
    assert fine.return_value == 0
    assert "nothing was sent" in fine.stdout
    bad = puna(order, "AAPL", "buy", "10", "--limit", "100.123", "--preview", "--json")
    assert bad.return_value == 6
    assert json.loads(bad.stdout)["objections"]
    sent = puna(order, "IBM", "buy", "5", "--limit", "1", "--id", "mine-1")
    assert "buy 5 IBM limit" in sent.stdout
    assert "cancel asked for" in puna(cancel, "mine-1").stdout
    with pytest.raises(RefusedError):
        puna(order, "AAPL", "buy", "1", "--limit", "100.123")
    assert puna(cancel, "--all").return_value == 0


def test_positions_close_by_percent_by_quantity_and_all(puna: Any) -> None:
    """Each with the broker's answer; a part is a part, and none held is said."""
    until_quoted(puna, "MSFT")
    puna(order, "MSFT", "buy", "8")
    for _ in range(TRIES):
        if "MSFT" in puna(activity, "--type", "FILL").stdout:
            break
    half = json.loads(puna(close, "MSFT", "--percent", "50", "--json").stdout)
    assert (half["symbol"], half["side"], half["qty"]) == ("MSFT", "sell", "4")
    one = json.loads(puna(close, "MSFT", "--qty", "1", "--json").stdout)
    assert one["qty"] == "1"
    everything = puna(close, "--all", "--json")
    assert [each["name"] for each in json.loads(everything.stdout)] in (["MSFT"], [])
    with pytest.raises(NotFoundError):
        puna(close, "IBM")


def test_a_package_of_options_goes_out_as_one_order(puna: Any) -> None:
    """The chain shows contracts around the money; two of them make a spread with a margin."""
    until_quoted(puna, "AAPL")
    found = json.loads(puna(chain, "AAPL", "--type", "call", "--strikes", "4", "--json").stdout)
    low, high = found["contracts"][0]["contract"], found["contracts"][-1]["contract"]
    assert {each["type"] for each in found["contracts"]} == {"call"}
    legs = ("--leg", f"buy 1 {low}", "--leg", f"sell 1 {high}")
    shown = json.loads(puna(order, "1", *legs, "--limit", "0.05", "--preview", "--json").stdout)
    assert shown["cost"] == "5.00"
    assert shown["largest_quantity"] > 0
    sent = json.loads(puna(order, "1", *legs, "--limit", "0.05", "--json").stdout)
    assert (sent["order_class"], len(sent["legs"])) == ("mleg", 2)
    puna(cancel, sent["id"])


def test_history_has_any_timeframe(puna: Any) -> None:
    """Daily bars of the past, minutes of today, and the empty case in words."""
    days = json.loads(puna(history, "AAPL", "--from", "2012-09-04", "--to", "2012-09-14", "--json").stdout)
    assert len(days) == 9
    assert {"open", "close", "vwap"} <= set(days[0])
    assert len(json.loads(puna(history, "IBM", "--from", "2012-09-04", "--limit", "2", "--json").stdout)) == 2
    assert "no bars in that span" in puna(history, "AAPL", "--from", "1999-01-04", "--to", "1999-01-05").stdout


def test_activities_begin_with_the_deposit(puna: Any) -> None:
    """What moved cash, newest first, at most so many."""
    rows = json.loads(puna(activity, "--type", "JNLC", "--json").stdout)
    assert [row["net_amount"] for row in rows] == ["100000"]
    assert "no activities" in puna(activity, "--type", "DIV").stdout


def test_watchlists_live_at_the_broker(puna: Any) -> None:
    """Made, shown, changed, deleted; what is gone is not found."""
    assert "IBM" in puna(watchlist, "create", "mine", "AAPL", "IBM").stdout
    assert "mine" in puna(watchlist, "list").stdout
    puna(watchlist, "add", "mine", "MSFT")
    assert "AAPL" not in puna(watchlist, "remove", "mine", "AAPL").stdout
    assert "MSFT" in puna(watchlist, "show", "mine").stdout
    puna(watchlist, "delete", "mine")
    with pytest.raises(NotFoundError):
        puna(watchlist, "show", "mine")


def test_the_clock_and_assets_are_told(puna: Any) -> None:
    """Hours of the next days; what may be traded, and how finely."""
    assert "New York" in puna(clock).stdout
    assert len(json.loads(puna(clock, "--days", "3", "--json").stdout)["calendar"]) == 3
    [found] = json.loads(puna(asset, "AAPL", "--json").stdout)
    assert found["tradable"] is True
    assert "fractions" in puna(asset, "AAPL").stdout


def test_the_account_has_a_history(puna: Any) -> None:
    """Equity and profit over time, in columns of one length."""
    until_quoted(puna, "AAPL")
    found = json.loads(puna(account, "--history", "1D", "--timeframe", "15Min", "--json").stdout)
    assert len(found["timestamp"]) == len(found["equity"]) == len(found["profit_loss"])
    shown = puna(account, "--history", "1D", "--timeframe", "15Min").stdout
    assert "equity" in shown or "no history yet" in shown
    assert "day P&L" in puna(account).stdout


def test_streams_are_watched(puna: Any) -> None:
    """Quotes as they come, for some seconds, for people and for programs."""
    until_quoted(puna, "AAPL")
    assert " x " in puna(watch, "AAPL", "--for", "0.7").stdout
    lines = puna(watch, "AAPL", "--trades", "--for", "0.7", "--json").stdout.splitlines()
    assert {json.loads(line)["T"] for line in lines} <= {"q", "t"}
    assert json.loads(lines[0])["S"] == "AAPL"


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (order, ("AAPL", "bye", "1")),
        (order, ("AAPL", "buy", "ten")),
        (order, ("AAPL", "buy")),
        (order, ("1", "--leg", "hold 1 AAPL120921C00700000")),
        (cancel, ()),
        (cancel, ("x", "--all")),
        (close, ("AAPL", "--qty", "1", "--percent", "1")),
        (close, ("AAPL", "--percent", "101")),
        (close, ("--all", "--qty", "1")),
        (history, ("AAPL", "--from", "yesterday")),
    ],
)
def test_words_that_make_no_sense_are_a_usage_error(puna: Any, verb: click.Command, words: tuple[str, ...]) -> None:
    """Before anything is sent."""
    with pytest.raises(click.UsageError):
        puna(verb, *words)
