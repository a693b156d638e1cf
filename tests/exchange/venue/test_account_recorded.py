"""Recorded bodies of the account's side: what the exchange tells in the same situation has the same keys."""

from datetime import date
from decimal import Decimal
from typing import Any

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.activities import Query
from puna.exchange.account.commands import CreateWatchlist, Exercise
from puna.exchange.account.corporate import announced
from puna.exchange.account.history import Ask
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.web.bodies import asset_told, without_nulls
from puna.wire.account import WatchlistRequest

CALL, COIN = "AAPL121019C00100000", "BTC/USD"
GONE = {"dtbp_check", "pdt_check"}
SYNTHETIC = {"amount"}  # of a row that its source calls synthetic


def _lived(world: Any, make_asset: Any) -> Any:
    """An account with fills, fees, a coin's fee, an exercise."""
    coin = make_asset(COIN, asset_class="crypto", exchange="CRYPTO", marginable=False, shortable=False)
    rows = [(0, CALL, 2.9, 3.0, 100), (0, COIN, 9.9, 10.0, 1000), (0, "AAPL", 99.98, 100.0, 1000), (9, "AAPL", 105.0)]
    terms = AccountTerms(option_activities="at_once")
    assets = [coin, make_asset("AAPL")]
    w = world(*rows, assets=assets, contracts={CALL: True}, fees=FeeSchedule(), account=terms)
    w.to(1)
    w.order(qty=10)
    w.order(symbol=CALL)
    w.order(symbol=COIN, qty="2", time_in_force="gtc")
    w.to(20)
    assert w.do(Exercise(CALL)) is None
    w.to(11 * 3600)
    return w


def test_activities_have_the_recorded_keys(world: Any, make_asset: Any, recorded: Any, plain: Any) -> None:
    """Each type that was recorded and happened here: FILL, JNLC, CFEE, OPEXC, OPTRD."""
    told = plain(_lived(world, make_asset).venue.office.activities.find(Query()))
    rows = [row["body"] for row in recorded("account_activity")] + recorded("account_activity_options_nta")[0]["body"]
    seen = set()
    for row in rows:
        ours = [each for each in told if each["activity_type"] == row["activity_type"]]
        if ours:
            seen.add(row["activity_type"])
            assert set(row) - SYNTHETIC <= set(ours[0]), row
    assert seen == {"FILL", "JNLC", "CFEE", "OPEXC", "OPTRD"}


def test_history_configurations_and_watchlists_have_the_recorded_keys(
    world: Any, make_asset: Any, recorded: Any, plain: Any
) -> None:
    """But for switches of the pattern-day-trader rule, which ended."""
    w = _lived(world, make_asset)
    history = w.venue.office.history(Ask(period="1D", cashflows=("FEE",)), w.now)
    assert set(recorded("portfolio_history")[1]["body"]) - {"base_value_asof"} <= set(history)
    assert len({len(history[name]) for name in ("timestamp", "equity", "profit_loss", "profit_loss_pct")}) == 1
    configurations = plain(without_nulls(w.venue.office.configurations))
    for each in recorded("account_configurations"):
        assert set(each["body"]) - GONE <= set(configurations)
    made = w.do(CreateWatchlist(WatchlistRequest(name="mine", symbols=["AAPL"])))
    body = plain({**without_nulls(made), "assets": [asset_told(each) for each in made.assets or ()]})
    [listed, whole] = recorded("watchlist")[:2]
    assert set(listed["body"][0]) <= set(body)
    assert set(whole["body"]) <= set(body)
    assert set(whole["body"]["assets"][0]) - {"name"} <= set(body["assets"][0])


def test_activities_explain_all_cash(world: Any, make_asset: Any) -> None:
    """Deposit, fills and everything else, summed up, are the cash to nine decimals."""
    w = _lived(world, make_asset)
    total = Decimal(0)
    for each in w.venue.office.activities.find(Query()):
        if each.activity_type == "FILL":
            size = each.qty * each.price * (100 if each.symbol == CALL else 1)
            total += size if each.side == "sell" else -size
        else:
            total += each.net_amount
    assert total == w.venue.ledger.cash


def test_an_announcement_has_the_recorded_keys(recorded: Any, plain: Any) -> None:
    """Those that every recorded one has."""
    event = CorporateEvent(kind="dividend", symbol="KKR", ex_date=date(2021, 11, 12), cash=Decimal("0.145"))
    ours = set(plain(without_nulls(announced(event))))
    assert set(recorded("corporate_action_announcement")[1]["body"]) <= ours
