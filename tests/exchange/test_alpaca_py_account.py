"""The unmodified official SDK, alpaca-py, looks after the account: everything of its trading client but orders."""

import time
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

with warnings.catch_warnings():
    # alpaca-py imports what websockets has put aside; nothing else is forgiven.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import (
        AssetClass,
        ContractType,
        CorporateActionType,
        OrderSide,
        OrderStatus,
        TimeInForce,
        TradeConfirmationEmail,
    )
    from alpaca.trading.models import AccountConfiguration
    from alpaca.trading.requests import (
        CreateWatchlistRequest,
        GetAssetsRequest,
        GetCorporateAnnouncementsRequest,
        GetOptionContractsRequest,
        GetPortfolioHistoryRequest,
        MarketOrderRequest,
        UpdateWatchlistRequest,
    )

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.options import Speed
from puna.exchange.server import ExchangeConfig, ExchangeThread
from puna.exchange.venue import VenueOptions

PATIENCE = 20.0


@pytest.fixture(scope="module")
def trading() -> Iterator[Any]:
    """A client of an exchange on which an announced dividend is to come, and a second is a minute."""
    dividend = CorporateEvent(kind="dividend", symbol="IBM", ex_date=date(2012, 9, 20), cash=Decimal("0.85"))
    venue = VenueOptions(account=AccountTerms(actions=(dividend,)))
    symbols = ("AAPL", "IBM", "MSFT", "BTC/USD")
    config = ExchangeConfig(pacing=Speed(60), wait_for=(), lead_seconds=0, symbols=symbols, venue=venue)
    with ExchangeThread(config) as exchange:
        client: Any = TradingClient("KEY", "SECRET", url_override=exchange.url)
        yield client


def _eventually(question: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
    return answer


def _buy(trading: Any, symbol: str, qty: int) -> None:
    order = trading.submit_order(
        MarketOrderRequest(symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    _eventually(lambda: trading.get_order_by_id(order.id).status == OrderStatus.FILLED)


def test_configurations_are_read_changed_and_obeyed(trading: Any) -> None:
    """The SDK sends all of them back; the suspended account takes no order."""
    known = trading.get_account_configurations()
    assert (known.suspend_trade, known.max_options_trading_level) == (False, 3)
    changed = known.model_copy(update={"suspend_trade": True, "trade_confirm_email": TradeConfirmationEmail.NONE})
    after = trading.set_account_configurations(AccountConfiguration(**changed.model_dump()))
    assert (after.suspend_trade, after.trade_confirm_email) == (True, TradeConfirmationEmail.NONE)
    assert trading.get_account().trade_suspended_by_user is True
    with pytest.raises(APIError, match="new orders are rejected by user request"):
        _buy(trading, "AAPL", 1)
    assert trading.set_account_configurations(known).suspend_trade is False


def test_watchlists(trading: Any) -> None:
    """Their whole life in the SDK's models."""
    made = trading.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["AAPL"]))
    assert [each.symbol for each in made.assets] == ["AAPL"]
    assert [each.name for each in trading.get_watchlists()] == ["mine"]
    added = trading.add_asset_to_watchlist_by_id(made.id, "IBM")
    assert [each.symbol for each in added.assets] == ["AAPL", "IBM"]
    left = trading.remove_asset_from_watchlist_by_id(made.id, "AAPL")
    assert [each.symbol for each in left.assets] == ["IBM"]
    renamed = trading.update_watchlist_by_id(made.id, UpdateWatchlistRequest(name="yours"))
    assert trading.get_watchlist_by_id(made.id).name == renamed.name == "yours"
    trading.delete_watchlist_by_id(made.id)
    assert trading.get_watchlists() == []


def test_portfolio_history(trading: Any) -> None:
    """Columns of one length, in the SDK's model; days and minutes."""
    _buy(trading, "AAPL", 1)
    for period, timeframe in (("1D", "1Min"), ("1M", "1D")):
        found = trading.get_portfolio_history(GetPortfolioHistoryRequest(period=period, timeframe=timeframe))
        assert found.timeframe == timeframe
        assert len(found.timestamp) == len(found.equity) == len(found.profit_loss) == len(found.profit_loss_pct) >= 1
        assert abs(found.equity[-1] - 100_000) < 1_000


def test_announcements(trading: Any) -> None:
    """The dividend that is to come; the SDK's own type of action."""
    wanted = GetCorporateAnnouncementsRequest(
        ca_types=[CorporateActionType.DIVIDEND], since=date(2012, 9, 1), until=date(2012, 9, 30)
    )
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        [found] = trading.get_corporate_announcements(wanted)
    assert (found.initiating_symbol, found.ca_type, found.cash) == ("IBM", CorporateActionType.DIVIDEND, 0.85)
    assert trading.get_corporate_announcement_by_id(UUID(str(found.id))).ex_date == date(2012, 9, 20)


def test_assets_of_coins(trading: Any) -> None:
    """By class; a pair by either spelling (SPEC-T)."""
    coins = trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert {"BTC/USD"} <= {each.symbol for each in coins}
    assert trading.get_asset("BTCUSD").id == trading.get_asset("BTC%2FUSD").id


def test_a_call_is_bought_and_exercised(trading: Any) -> None:
    """A deep one: a hundred shares at the strike, and no contract left; a second time there is none."""
    page = trading.get_option_contracts(
        GetOptionContractsRequest(underlying_symbols=["MSFT"], type=ContractType.CALL, limit=1)
    )
    [contract] = page.option_contracts
    assert trading.get_option_contract(contract.symbol).id == contract.id
    _buy(trading, contract.symbol, 1)
    trading.exercise_options_position(contract.symbol)
    position = trading.get_open_position("MSFT")
    assert Decimal(position.qty) == Decimal(100)
    assert Decimal(position.avg_entry_price) == Decimal(str(contract.strike_price))
    with pytest.raises(APIError, match="no available position for the specified contract"):
        trading.exercise_options_position(contract.symbol)
