"""The self-test of risk refuses what it must, passes what it must, and notices every check that does not work."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puna.core.risk import CHECKS, Check, Narrow, RiskLimits
from puna.engine.selfcheck import Row, selfcheck

D = Decimal
ALL_ON = RiskLimits(
    allowed=("INTC", "MSFT", "BTC/USD"),
    denied=("MSFT",),
    max_adv_percent=D(1),
    max_spread_bp=D(20),
    max_volatility_percent=D(60),
    open_blackout_minutes=30,
    close_blackout_minutes=15,
    max_repeats=5,
    max_option_loss_value=D(500),
    max_daily_loss_percent=D(2),
    max_weekly_loss_value=D(3000),
    max_drawdown_percent=D(8),
    max_unprotected_seconds=60.0,
    groups={"chips": ("INTC", "NVDA")},
    max_group_percent=D(30),
    narrow=(
        Narrow(strategy="momentum", max_budget_value=D(20_000)),
        Narrow(symbol="INTC", max_order_value=D(50), max_repeats=2),
    ),
)


def row_of(rows: list[Row], code: str) -> list[Row]:
    return [each for each in rows if each.code == code]


async def test_every_check_refuses_its_own_case_under_the_defaults() -> None:
    """All that are on, by their own check and by the gateway; a sound order and a reduction pass."""
    report = await selfcheck(RiskLimits())
    assert report.passed
    assert {row.code for row in report.rows} >= {each.code for each in CHECKS}
    assert {row.outcome for row in report.rows} == {"refused", "off", "sent"}
    assert all(row.by for row in report.rows if row.outcome == "refused")
    off = {row.code for row in report.rows if row.outcome == "off"}
    assert off == {"R118", "R119", "R120", "R122", "R123", "R124", "R125", "R129"}


async def test_with_every_limit_set_no_check_is_left_out() -> None:
    """Nothing is off; of the narrower limits the tightest hold."""
    report = await selfcheck(ALL_ON)
    assert [row for row in report.rows if row.outcome == "off"] == []
    assert report.passed
    assert {row.case for row in row_of(report.rows, "R121")} == {
        "a protection was set off",
        "the day has lost too much",
        "the week has lost too much",
        "equity has fallen too far",
    }


@pytest.fixture(params=[each.code for each in CHECKS])
def broken(request: pytest.FixtureRequest) -> Iterator[Check]:
    """A check that finds nothing any more."""
    (check,) = (each for each in CHECKS if each.code == request.param)
    rule = check.rule
    object.__setattr__(check, "rule", lambda *_: None)
    yield check
    object.__setattr__(check, "rule", rule)


async def test_a_check_that_lets_everything_pass_is_noticed(broken: Check) -> None:
    """Each of them, one after the other: the report fails, with the row of this check and no other."""
    report = await selfcheck(ALL_ON)
    assert not report.passed
    assert {row.code for row in report.rows if not row.good} == {broken.code}


async def test_a_gateway_that_does_not_ask_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks work and the gateway sends all the same: no row is as it must be."""
    monkeypatch.setattr("puna.engine.gateway.check", lambda *_: None)
    report = await selfcheck(RiskLimits())
    assert all(
        row.outcome == "PASSED" for row in report.rows if row.outcome not in ("off", "sent") and row.by != "E007"
    )
    assert not report.passed


async def test_ceilings_that_are_gone_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live gateway that takes any limits."""
    monkeypatch.setattr("puna.engine.gateway.unfit_for_live", lambda _: [])
    report = await selfcheck(RiskLimits())
    assert [(row.name, row.outcome) for row in report.rows if not row.good] == [("live_ceilings", "PASSED")]


async def test_limits_under_which_nothing_can_be_sent_do_not_pass() -> None:
    """Checks that refuse all are no better than none: the sound order is refused, and says by what."""
    report = await selfcheck(RiskLimits(max_order_qty=D(0)))
    bad = [row for row in report.rows if not row.good]
    assert [(row.case, row.outcome, row.by) for row in bad] == [("a sound order", "REFUSED", "R105")]


@pytest.mark.parametrize("allowed", [(), ("SPY260320P00480000",), ("BTC/USD",)])
async def test_lists_without_stocks(allowed: tuple[str, ...]) -> None:
    """Coins are tried as coins; where nothing but options is named, a stock is taken, and the report says so."""
    report = await selfcheck(RiskLimits(allowed=allowed))
    assert report.passed
    assert (report.rows[0].name == "allowed") == (allowed != ("BTC/USD",))
    assert row_of(report.rows, "R106")[0].outcome == "refused"


@given(
    st.fixed_dictionaries(
        {
            "max_order_qty": st.integers(1, 10**6).map(D),
            "max_order_value": st.integers(10, 10**6).map(D),
            "max_position_value": st.integers(10, 10**6).map(D),
            "max_position_percent": st.integers(1, 400).map(D),
            "max_gross_value": st.integers(10, 10**7).map(D),
            "max_open_orders": st.integers(1, 60),
            "max_submits": st.integers(1, 200),
            "collar_percent": st.integers(0, 50).map(D),
            "max_quote_age_seconds": st.floats(0.1, 300),
            "max_maintenance_percent": st.integers(5, 100).map(D),
            "buying_power_buffer": st.integers(0, 10**6).map(D),
            "allow_short": st.booleans(),
            "max_repeats": st.one_of(st.none(), st.integers(1, 50)),
            "max_spread_bp": st.one_of(st.none(), st.integers(2, 500).map(D)),
            "open_blackout_minutes": st.integers(0, 120),
            "denied": st.lists(st.sampled_from(["AAPL", "MSFT", "TSLA"]), unique=True).map(tuple),
        }
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_limits_are_the_test_is_about_the_checks(terms: dict[str, Any]) -> None:
    """Limits from tiny to huge: the self-test passes, so it depends on no default."""
    report = await selfcheck(RiskLimits(**terms))
    assert [row for row in report.rows if not row.good] == []
