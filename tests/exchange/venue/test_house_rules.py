"""The house's rules: concentration, outgrown positions, requirements of assets, locates, positions that lag."""

from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.account.commands import RequestLocate
from puna.exchange.account.terms import AccountTerms
from puna.exchange.ledger import FeeSchedule
from puna.wire.codec import Amount
from puna.wire.locates import LocateRequest

SECOND = 1_000_000_000


@pytest.mark.parametrize(("house_rules", "rate"), [(True, "0.5"), (False, "0.3")])
def test_a_concentrated_position_needs_half_of_it(world: Any, house_rules: bool, rate: str) -> None:
    """At least 70 % of all stocks, with a debit of 100,000 (facts.md 4, MARG)."""
    w = world((0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 100.0), account=AccountTerms(house_rules=house_rules))
    w.to(1)
    w.order(qty=2100)
    w.to(20)
    assert w.venue.account(w.now).maintenance_margin == 210_000 * Decimal(rate)


def test_a_leveraged_fund_needs_what_its_asset_says(world: Any, make_asset: Any) -> None:
    """75 % of a threefold one (facts.md 4, MARG)."""
    w = world(assets=[make_asset("AAPL", margin_requirement_long=Amount(75))], closes={"AAPL": 100.0})
    w.to(1)
    w.order(qty=100)
    w.to(2)
    assert w.venue.account(w.now).maintenance_margin == 7500


def test_a_position_that_has_outgrown_the_account_may_only_close(world: Any) -> None:
    """Above 600 % of equity (facts.md 4, PROT)."""
    w = world((0, "AAPL", 99.98, 100.0, 10_000), (10, "AAPL", 70.0), (20, "AAPL", 69.98, 70.0, 10_000))
    w.to(1)
    w.order(qty=3000)
    w.to(30)
    account = w.venue.account(w.now)
    assert account.long_market_value > 6 * account.equity
    assert w.refused(qty=1).message == "account is restricted to closing transactions"
    w.order(side="sell", qty=1000)
    w.to(40)
    assert w.venue.ledger.quantity("AAPL") == 2000


def test_what_is_hard_to_borrow_is_sold_short_with_a_locate_once(world: Any, make_asset: Any) -> None:
    """Round lots, single use (facts.md 5.2, MARG)."""
    w = world(assets=[make_asset("AAPL", easy_to_borrow=False)])
    w.to(1)
    assert w.refused(side="sell", qty=100).message == 'asset "AAPL" cannot be sold short'
    w.do(RequestLocate(LocateRequest(symbol="AAPL", qty=100)))
    assert w.refused(side="sell", qty=101).status == 422
    w.order(side="sell", qty=100)
    w.to(2)
    assert w.venue.ledger.quantity("AAPL") == -100
    assert w.refused(side="sell", qty=1).message == 'asset "AAPL" cannot be sold short'


def test_positions_may_lag_behind_orders(world: Any) -> None:
    """For so long they show what was before; books, cash and orders do not wait."""
    w = world(account=AccountTerms(positions_lag_ns=10 * SECOND))
    w.to(1)
    order = w.order(qty=10)
    w.to(5)
    assert (w.shown(order).status, w.venue.positions(), w.venue.position("AAPL")) == ("filled", [], None)
    assert w.venue.ledger.quantity("AAPL") == 10
    w.order(qty=5)
    w.to(12)
    assert w.venue.position("AAPL").qty == 10
    w.to(20)
    assert [each.qty for each in w.venue.positions()] == [15]


def test_the_fields_of_the_ended_rule_can_be_shown(world: Any) -> None:
    """Absent since July 2026, and False, 0 and a buying power before (facts.md 4)."""
    account = world(account=AccountTerms(pdt_fields=True)).venue.account(0)
    assert (account.pattern_day_trader, account.daytrade_count, account.daytrading_buying_power) == (False, 0, 400_000)


def test_fees_that_are_pending_lower_the_buying_power(world: Any) -> None:
    """Though cash is still there (facts.md 10, FEES)."""
    w = world(fees=FeeSchedule())
    w.to(1)
    w.order(qty=100)
    w.to(2)
    account = w.venue.account(w.now)
    free = (account.equity - account.maintenance_margin) * 4
    assert account.accrued_fees == Decimal("0.0003")
    assert account.buying_power == free - account.accrued_fees
