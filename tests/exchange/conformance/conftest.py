"""A running exchange that has traded already: stocks long and short, a coin, an option, watchlists."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import requests

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.exchange.venue import VenueOptions

HEADERS = {"APCA-API-KEY-ID": "KEY", "APCA-API-SECRET-KEY": "SECRET"}


class Subject:
    """The exchange under test, and what is in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)
        self.known: dict[str, list[str]] = {}

    def call(self, method: str, path: str, **rest: Any) -> Any:
        with self.session.request(method, self.url + path, timeout=10, **rest) as response:
            return response.json() if response.content else None

    def populate(self) -> None:
        """Trades a little, and remembers the names of what there is then."""
        for symbol, side in (("AAPL", "buy"), ("IBM", "sell")):
            self.order(symbol=symbol, qty="10", side=side, type="market", time_in_force="day")
        self.order(symbol="BTC/USD", qty="0.1", side="buy", type="market", time_in_force="gtc")
        self.order(symbol="MSFT", qty="1", side="buy", type="limit", limit_price="1", time_in_force="gtc")
        bracket = {"take_profit": {"limit_price": "900"}, "stop_loss": {"stop_price": "100"}}
        self.order(
            symbol="GOOG", qty="1", side="buy", type="market", time_in_force="gtc", order_class="bracket", **bracket
        )
        watchlist = self.call("POST", "/v2/watchlists", json={"name": "mine", "symbols": ["AAPL", "IBM"]})
        contracts = self.call("GET", "/v2/options/contracts?underlying_symbols=AAPL&limit=3") or {}
        options = [each["symbol"] for each in contracts.get("option_contracts", ())]
        if options:
            self.order(symbol=options[0], qty="1", side="buy", type="limit", limit_price="0.01", time_in_force="day")
        orders = self.call("GET", "/v2/orders?status=all")
        asset = self.call("GET", "/v2/assets/AAPL")
        stocks = ["AAPL", "IBM", "AAPL,IBM"]
        self.known = {
            "symbol": ["AAPL", "IBM"],
            "symbols": stocks,
            "symbol_or_asset_id": ["AAPL", "IBM", asset["id"], "BTCUSD"],
            "symbol_or_contract_id": options or ["AAPL"],
            "symbol_or_id": options or ["AAPL"],
            "underlying_symbol": ["AAPL"],
            "underlying_symbols": stocks,
            "order_id": [each["id"] for each in orders],
            "client_order_id": [each["client_order_id"] for each in orders],
            "watchlist_id": [watchlist["id"]],
            "name": ["mine"],
            "activity_type": ["FILL", "FEE", "JNLC"],
            "market": ["NYSE", "NASDAQ", "BOATS", "XNAS"],
            "markets": ["NYSE", "OPRA,BOATS"],
            "timeframe": ["1Min", "5Min", "1Day"],
            "loc": ["us"],
            "feed": ["iex", "sip"],
        }

    def order(self, **fields: Any) -> None:
        self.call("POST", "/v2/orders", json=fields)


@pytest.fixture(scope="session")
def subject() -> Iterator[Subject]:
    """One for all of a worker's tests; a second of its time is five minutes of the market's, nights are leapt over."""
    dividend = CorporateEvent(kind="dividend", symbol="AAPL", ex_date=date(2012, 9, 20), cash=Decimal("2.65"))
    rename = CorporateEvent(kind="rename", symbol="IBM", ex_date=date(2012, 9, 21), new_symbol="IBMX")
    terms = AccountTerms(dividends=True, actions=(dividend, rename), interest=Decimal("0.0625"))
    venue = VenueOptions(fees=FeeSchedule(), account=terms)
    config = ExchangeConfig(
        seed=3,
        pacing=Speed(300),
        wait_for=(),
        lead_seconds=0,
        days=3,
        symbols=("AAPL", "GOOG", "IBM", "MSFT", "BTC/USD"),
        venue=venue,
    )
    with ExchangeThread(config) as server:
        made = Subject(server.url)
        made.populate()
        yield made
        made.session.close()
