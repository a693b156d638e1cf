"""`puna margin` without legs: what the account at a running exchange holds, the empty one, and what is not known."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from puna.alpaca.contracts import get_contracts
from puna.alpaca.http import Alpaca, Credentials, Endpoints
from puna.alpaca.trading import get_positions, submit_order
from puna.cli import puna
from puna.cli.margin_held import Holdings, show
from puna.core.option_book import option_books
from puna.core.types import Position
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.exchange.venue import VenueOptions
from puna.wire.trading import OrderRequest

DAY = date(2012, 11, 5)  # two days before AAPL's dividend of 2.65
NAMES = ("ALPACA_BASE_URL", "APCA_API_BASE_URL", "ALPACA_API_KEY", "ALPACA_SECRET_KEY", "PUNA__ACCOUNT__MODE", "STAGE")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def exchange() -> Iterator[ExchangeThread]:
    dividend = CorporateEvent(
        kind="dividend",
        symbol="AAPL",
        ex_date=date(2012, 11, 7),
        cash=Decimal("2.65"),
        payable_date=date(2012, 11, 15),
    )
    config = ExchangeConfig(
        venue=VenueOptions(account=AccountTerms(actions=(dividend,))),
        keys={"KEY": "SECRET"},
        pacing=Speed(30),
        wait_for=(),
        day=DAY,
        cash=Decimal(1_000_000),
        symbols=("AAPL", "MSFT"),
    )
    with ExchangeThread(config) as running:
        yield running


@pytest.fixture
def alpaca(exchange: ExchangeThread) -> Iterator[Alpaca]:
    with Alpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(exchange.url)) as made:
        yield made


def run(exchange: ExchangeThread, *words: str) -> Result:
    environ = dict.fromkeys(NAMES) | {
        "ALPACA_API_KEY": "KEY",
        "ALPACA_SECRET_KEY": "SECRET",
        "ALPACA_BASE_URL": exchange.url,
    }
    return CliRunner().invoke(puna, ["margin", *words], env=environ, standalone_mode=False)


def until(question: Callable[[], object]) -> None:
    """The exchange moves on by itself."""
    end = time.monotonic() + 60
    while not question():
        assert time.monotonic() < end
        time.sleep(0.02)


def trade(alpaca: Alpaca, side: str, symbol: str, qty: int) -> None:
    """A market order, and its position."""
    alpaca(submit_order(OrderRequest(symbol=symbol, side=side, qty=Decimal(qty), type="market", time_in_force="day")))
    until(lambda: any(each.symbol == symbol for each in alpaca(get_positions())))


def test_an_account_without_positions(exchange: ExchangeThread) -> None:
    """One line, or an empty list."""
    made = run(exchange)
    assert (made.return_value, made.stdout) == (0, "no positions\n")
    assert json.loads(run(exchange, "--json").stdout)["underlyings"] == []


def test_what_is_held_is_shown_by_underlying(exchange: ExchangeThread, alpaca: Alpaca) -> None:
    """A covered call deep in the money before a dividend, a put, a stock of its own: figures, picture, warning."""
    until(lambda: exchange.progress().now >= 1352125860 * 10**9)  # 9:31 in New York
    there = list(alpaca(get_contracts(["AAPL"], expiration_date=date(2012, 11, 9))))
    calls = sorted(each.strike_price for each in there if each.type == "call")
    deep, near = (min(calls, key=lambda strike: abs(strike - wanted)) for wanted in (560, 570))
    named = {(each.type, each.strike_price): each.symbol for each in there}
    trade(alpaca, "buy", "AAPL", 100)
    trade(alpaca, "sell", named["call", deep], 1)
    trade(alpaca, "buy", named["put", near], 2)
    trade(alpaca, "buy", "MSFT", 10)
    made = run(exchange)
    assert made.exception is None, made.exception
    for part in ("AAPL", "MSFT", f"09 Nov {deep:f}C", "shares", "volatility", "●", "assigned", "options margin", "all"):
        assert part in made.stdout
    assert "the dividend of 2.65 on 2012-11-07" in made.stdout
    document = json.loads(run(exchange, "--json").stdout)
    apple, microsoft = document["underlyings"]
    assert (apple["underlying"], apple["shares"], apple["margin"], apple["not_known"]) == ("AAPL", "100", "0", [])
    assert {each["contracts"] for each in apple["options"]} == {-1, 2}
    assert all(each["greeks"] for each in apple["options"])
    assert len(apple["scenarios"]["profit"]) == len(apple["scenarios"]["days"]) == 3
    assert apple["early_assignment"][0]["by"] == "2012-11-06"
    assert [each["days_left"] for each in apple["expiries"]] == [4, 4]
    assert (microsoft["shares"], microsoft["options"], microsoft["break_evens"]) == ("10", [], [])


def test_what_is_not_known_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """No quotes at all, coins, no word on dividends: each named, and no figure in their place."""
    held = [Position(symbol="SPY260320P00480000", qty=Decimal(-1), cost=Decimal(-300))]
    show(Holdings(1772461800 * 10**9, option_books(held, {}, 1772461800 * 10**9, 0.04), ["BTC/USD"], None, "no answer"))
    told = capsys.readouterr().out
    for part in (
        "SPY  no usable quote",
        "SPY260320P00480000 has no usable quote",
        "no scenarios",
        "left out, coins have no margin: BTC/USD",
        "dividends are not known",
        "48,000.00",
    ):
        assert part in told


@pytest.mark.parametrize("words", [("--qty", "2"), ("--spot", "500"), ("--price", "1")])
def test_what_is_about_an_order_needs_legs(exchange: ExchangeThread, words: tuple[str, str]) -> None:
    """Said as a mistake on the command line; and legs need a price."""
    assert "needs LEGS" in str(run(exchange, *words).exception)
    assert "--price" in str(run(exchange, "SPY 2026-03-20 480P -1").exception)
