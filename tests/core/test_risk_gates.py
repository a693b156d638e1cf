"""The further checks of pre-trade risk, each by example; narrower limits; ceilings; packages and options."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from risk_cases import BUY, NOON, SECOND, SELL, D, code, holding, order, quote, resting, view

from puna.core.risk import (
    BINDING,
    CHECKS,
    Listing,
    Lock,
    Narrow,
    RiskLimits,
    Tally,
    asked,
    check,
    protected_price,
    reduces,
    verdicts,
)
from puna.core.risk_ceilings import CEILINGS, above_ceilings, unfit_for_live
from puna.core.risk_gates import maintenance
from puna.core.sessions import at
from puna.core.types import Leg, OrderClass, OrderIntent, OrderType, Side, TimeInForce


def test_r118_liquidity() -> None:
    """Row 4: so much of the average daily volume; an unknown volume refuses once the limit is set."""
    assert code(order(qty=10), view(adv=D(1000)), max_adv_percent=D(1)) is None
    assert code(order(qty=11), view(adv=D(1000)), max_adv_percent=D(1)) == "R118"
    assert code(order(), view(), max_adv_percent=D(1)) == "R118"
    assert code(order(), view(adv=D(0)), max_adv_percent=D(1)) == "R118"
    assert code(order(SELL), view(portfolio=holding(AAPL=10)), max_adv_percent=D(1)) is None


def test_r119_group() -> None:
    """Row 14: what moves together counts together, open orders and the side's sign included."""
    limits: dict[str, Any] = {"groups": {"tech": ("AAPL", "MSFT"), "oil": ("XOM",)}, "max_group_percent": D(10)}
    held = holding(MSFT=80)
    assert code(order(qty=19), view(portfolio=held), **limits) is None
    assert code(order(qty=20), view(portfolio=held), **limits) == "R119"
    rests = (resting("o1", BUY, 10),)
    assert code(order(qty=10), view(portfolio=held, open=rests), **limits) == "R119"
    assert code(order(qty=60), view(portfolio=holding(MSFT=-80)), **limits) is None


def test_r120_budget() -> None:
    """Row 15: a strategy's own sleeve and open orders; other strategies do not count."""
    narrow = (Narrow(strategy="s", max_budget_value=D(5000)),)
    sleeve = {"MSFT": D(30)}
    assert code(order(qty=19), view(sleeve=sleeve), narrow=narrow) is None
    assert code(order(qty=20), view(sleeve=sleeve), narrow=narrow) == "R120"
    assert code(order(qty=100, strategy="t"), view(), narrow=narrow) is None
    mine, other = resting("o1", BUY, 10), resting("o2", BUY, 10, strategy="t")
    assert code(order(qty=19), view(sleeve=sleeve, open=(other,)), narrow=narrow) is None
    assert code(order(qty=19), view(sleeve=sleeve, open=(mine,)), narrow=narrow) == "R120"


TALLY = Tally(day="2013-03-06", day_equity=D(100_000), week="2013-03-04", week_equity=D(101_000), peak=D(104_000))


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"max_daily_loss_value": D(999)}, True),
        ({"max_daily_loss_value": D(1000)}, False),
        ({"max_daily_loss_percent": D("0.9")}, True),
        ({"max_daily_loss_percent": D(1)}, False),
        ({"max_daily_loss_value": D(5000), "max_daily_loss_percent": D("0.9")}, True),
        ({"max_weekly_loss_value": D(1999)}, True),
        ({"max_weekly_loss_value": D(2000)}, False),
        ({"max_drawdown_percent": D("4.8")}, True),
        ({"max_drawdown_percent": D("4.9")}, False),
    ],
)
def test_r121_losses(limits: dict[str, Any], refused: bool) -> None:
    """Rows 21 and 22: equity of 99,000 against 100,000 at the day's begin, 101,000 at the week's, a peak of 104,000."""
    seen = view(tally=TALLY, portfolio=replace(holding(), cash=D(99_000)))
    assert code(order(), seen, **limits) == ("R121" if refused else None)
    long = replace(holding(AAPL=10), cash=D(98_000))
    assert code(order(SELL), view(tally=TALLY, portfolio=long), **limits) is None


def test_r121_needs_equity_when_losses_are_limited() -> None:
    """A position without a mark: the loss is not known, so nothing is opened."""
    blind = view(tally=TALLY, portfolio=holding(MSFT=5), marks={})
    (verdict,) = [
        breach
        for each, breach, _ in verdicts(order(), blind, RiskLimits(max_daily_loss_value=D(1)))
        if each.code == "R121"
    ]
    assert verdict is not None


@pytest.mark.parametrize(
    ("scope", "until", "refused"),
    [
        ("", 0, True), ("", NOON + 1, True), ("", NOON, False), ("strategy:s", 0, True), ("strategy:t", 0, False),
        ("symbol:AAPL", NOON + SECOND, True), ("symbol:MSFT", 0, False),
    ],
)  # fmt: skip
def test_r121_locks(scope: str, until: int, refused: bool) -> None:
    """A lock holds where it applies and until it ends; 0 is until a person resumes; reductions pass."""
    lock = Lock(scope=scope, cause="losses_in_a_row", until=until, reason="3 losses in a row, at most 3")
    assert code(order(), view(locks=(lock,))) == ("R121" if refused else None)
    assert code(order(SELL), view(locks=(lock,), portfolio=holding(AAPL=10))) is None


def test_r122_spread() -> None:
    """Row 23: 99.9 x 100 are 10.005 basis points apart."""
    assert code(order(), max_spread_bp=D(11)) is None
    assert code(order(), max_spread_bp=D(10)) == "R122"


def test_r123_volatility() -> None:
    """Row 23: too much, or not known."""
    assert code(order(), view(volatility=0.5), max_volatility_percent=D(50)) is None
    assert code(order(), view(volatility=0.51), max_volatility_percent=D(50)) == "R123"
    assert code(order(), view(), max_volatility_percent=D(50)) == "R123"


@pytest.mark.parametrize(
    ("wall", "refused"),
    [
        (time(9, 30), True),
        (time(9, 39, 59), True),
        (time(9, 40), False),
        (time(15, 54, 59), False),
        (time(15, 55), True),
    ],
)
def test_r124_blackout(wall: time, refused: bool) -> None:
    """Row 23: ten minutes after the open and five before the close nothing is opened; an exit passes."""
    now = at(date(2013, 3, 6), wall)
    fresh = replace(quote(), ts_event=now)
    limits: dict[str, Any] = {"open_blackout_minutes": 10, "close_blackout_minutes": 5}
    assert code(order(ts=now), view(now=now, quote=fresh), **limits) == ("R124" if refused else None)
    assert code(order(SELL, ts=now), view(now=now, quote=fresh, portfolio=holding(AAPL=10)), **limits) is None


def test_r125_repeats() -> None:
    """Row 10: the account's limit, and a tighter one of a strategy in a symbol."""
    assert code(order(), view(sent=4), max_repeats=5) is None
    assert code(order(), view(sent=5), max_repeats=5) == "R125"
    narrow = (Narrow(strategy="s", symbol="AAPL", max_repeats=2),)
    assert code(order(), view(sent=2), max_repeats=5, narrow=narrow) == "R125"
    assert code(order(), view(sent=2), narrow=narrow) == "R125"


def test_r126_maintenance() -> None:
    """Row 17: what the broker reports and 30 % of what is opened, against equity."""
    assert code(order(qty=100), view(maintenance=D(96_900))) is None
    assert code(order(qty=100), view(maintenance=D(97_000))) == "R126"
    assert code(order(qty=100), view(maintenance=D(60_000)), max_maintenance_percent=D(60)) == "R126"


def test_r126_where_the_broker_says_nothing() -> None:
    """Row 17: 30 % of held stocks, coins in full, options by the spread rule; short calls without cover refuse."""
    spread = {"MSFT130420C00100000": -5, "MSFT130420C00110000": 5}  # 5 contracts, 10 dollars wide
    cases = (
        ({"MSFT": 500}, 15_000), ({"MSFT": -100}, 3_000), ({"BTC/USD": 50}, 5_000), (spread, 5_000),
        ({"MSFT": 500, "MSFT130420C00100000": -5}, 15_000),
    )  # fmt: skip
    for held, required in cases:
        seen = view(portfolio=holding(**held), marks=dict.fromkeys(("AAPL", *held), D(100)))
        assert seen.equity is not None
        just = (D(required) + 10 * D("30.9")) / seen.equity * 100
        assert maintenance(order(), seen, RiskLimits(max_maintenance_percent=just)) is None, held
        tighter = RiskLimits(max_maintenance_percent=just - D("0.01"))
        assert maintenance(order(), seen, tighter) is not None, held
    naked = view(portfolio=holding(MSFT130420C00100000=-1), marks=dict.fromkeys(("AAPL", "MSFT130420C00100000"), D(1)))
    assert maintenance(order(), naked, RiskLimits()) is not None


def test_r128_clock() -> None:
    """Row 27: ten seconds off, in either direction, opens nothing; not compared is no reason."""
    assert code(order(), view(skew=-9.9)) is None
    assert code(order(), view(skew=-10.1)) == "R128"


def test_narrower_limits_only_tighten() -> None:
    """Strategy, symbol and both; a wider one changes nothing."""
    narrow = (
        Narrow(strategy="s", max_order_qty=D(5)),
        Narrow(symbol="AAPL", max_order_value=D(300), max_position_value=D(10**9)),
        Narrow(strategy="s", symbol="MSFT", allow_short=False),
    )
    assert code(order(qty=6), narrow=narrow) == "R105"
    assert code(order(qty=5), narrow=narrow) == "R106"
    assert code(order(qty=2, strategy="t"), narrow=narrow) is None
    assert code(order(SELL, 2, limit="100"), narrow=narrow, allow_short=True) is None
    short = Listing(symbol="MSFT", shortable=True, easy_to_borrow=True)
    there = view(instrument=short, quote=quote(symbol="MSFT"))
    assert code(order(SELL, 2, symbol="MSFT", limit="100"), there, narrow=narrow, allow_short=True) == "R117"


@pytest.mark.parametrize(
    "terms", [{}, {"strategy": "s", "max_order_qty": D(-1)}, {"symbol": "A", "max_order_value": D("NaN")}]
)
def test_nonsense_is_no_limit(terms: dict[str, Any]) -> None:
    """About nobody, negative, or no number."""
    with pytest.raises(ValueError, match=r"narrower limit|must be a number"):
        Narrow(**terms)


def test_ceilings_of_a_live_account() -> None:
    """Defaults are below them; what is above is named with both numbers, each of them; symbols have to be named."""
    assert above_ceilings(RiskLimits()) == []
    for name, most in CEILINGS.items():
        kind = type(getattr(RiskLimits(), name))
        assert above_ceilings(replace(RiskLimits(), **{name: kind(most)})) == []
        (said,) = above_ceilings(replace(RiskLimits(), **{name: kind(most + 1)}))
        assert said.startswith(f"{name} is {most + 1:f}")
        assert f"at most {most:f}" in said
    assert unfit_for_live(RiskLimits(allowed=("AAPL",))) == []
    for none in (None, ()):
        (said,) = unfit_for_live(RiskLimits(allowed=none))
        assert "allowed" in said


def test_every_verdict_is_told() -> None:
    """All checks with what each says, in their order; of a reduction the binding ones only."""
    said = verdicts(order(qty=20_000), view(), RiskLimits())
    assert [each.check for each in said] == list(asked(RiskLimits()))
    assert {"R105", "R106"} <= {each.check.code for each in said if each.breach}
    assert [each.check for each in verdicts(order(SELL), view(portfolio=holding(AAPL=10)), RiskLimits())] == list(
        BINDING
    )


def test_a_check_is_asked_when_its_limit_is_set() -> None:
    """Nothing set: neither liquidity nor gates of the market; zero is a limit like any other."""
    optional = {each.code for each in CHECKS if each.limits}
    assert {each.code for each in asked(RiskLimits())} == {each.code for each in CHECKS} - optional
    terms: dict[str, Any] = {
        "max_adv_percent": D(0), "groups": {"a": ("X",)}, "narrow": (Narrow(symbol="X"),), "max_spread_bp": D(0),
        "max_volatility_percent": D(0), "open_blackout_minutes": 1, "max_repeats": 0, "max_unprotected_seconds": 0.0,
    }  # fmt: skip
    assert asked(RiskLimits(**terms)) == CHECKS
    assert code(order(), max_repeats=0) == "R125"


# --- options ----------------------------------------------------------------------------------------------------------

SHORT_PUT, LONG_PUT = "SPY130316P00150000", "SPY130316P00145000"
SHORT_CALL, LONG_CALL = "SPY130316C00160000", "SPY130316C00165000"


def condor(qty: int = 1, price: str | None = "-1.60", *, closing: bool = False, **terms: Any) -> OrderIntent:
    sides = [(LONG_PUT, Side.BUY), (SHORT_PUT, Side.SELL), (SHORT_CALL, Side.SELL), (LONG_CALL, Side.BUY)]
    legs = tuple(Leg(symbol, side.opposite if closing else side, 1) for symbol, side in sides)
    kind = OrderType.LIMIT if price else OrderType.MARKET
    return order(
        BUY,
        qty,
        symbol="SPY",
        order_class=OrderClass.MLEG,
        legs=legs,
        type=kind,
        limit_price=D(price) if price else None,
        **terms,
    )


def spy(**terms: Any) -> Any:
    chosen: dict[str, Any] = {"instrument": Listing(symbol="SPY"), "quote": quote(155.0, 155.02, symbol="SPY")}
    return view(**(chosen | terms))


HELD = {LONG_PUT: 2, SHORT_PUT: -2, SHORT_CALL: -2, LONG_CALL: 2}
MARKS = dict.fromkeys(HELD, D(1)) | {"SPY": D(155)}


def test_a_package_is_worth_what_it_can_lose() -> None:
    """Wings of 5.00 less a credit of 1.60: 340 dollars each; a market package has no bound that is known."""
    assert protected_price(condor(), None, RiskLimits()) == 340
    assert code(condor(10), spy()) is None
    assert code(condor(10), spy(), max_order_value=D(3399)) == "R106"
    assert code(condor(10), spy(buying_power=D(3499))) == "R113"
    assert code(condor(10), spy(), max_gross_value=D(3399)) == "R107"
    assert code(condor(price=None), spy()) == "R106"


def test_open_packages_count_with_their_loss_and_not_as_shares() -> None:
    """Ten resting condors are 3,400 dollars under way, and no share of the underlying."""
    rest = replace(resting("o1", BUY, 10), intent=condor(10, client_order_id="o1"), price=D(340))
    assert code(condor(), spy(open=(rest,)), max_open_value=D(3700)) == "R112"
    assert code(condor(), spy(open=(rest,)), max_open_value=D(3740)) is None
    shares = order(SELL, 5, symbol="SPY")
    assert reduces(shares, spy(open=(rest,), portfolio=holding(SPY=5)))


def test_closing_a_package_is_a_true_reduction() -> None:
    """Every leg opposite to what is held and no larger: only binding checks are asked; one too many is none."""
    held = spy(portfolio=holding(**HELD), marks=MARKS)
    assert reduces(condor(2, "0.50", closing=True), held)
    assert not reduces(condor(3, "0.50", closing=True), held)
    assert not reduces(condor(1), held)
    assert code(condor(2, "0.50", closing=True), held, max_order_value=D(0), max_open_orders=0) is None
    rest = replace(resting("o1", BUY, 1), intent=condor(1, "0.50", closing=True, client_order_id="o1"), price=D(0))
    assert not reduces(condor(2, "0.50", closing=True), replace(held, open=(rest,)))


@pytest.mark.parametrize(
    ("terms", "limits", "expected"),
    [
        ({"option_level": 2}, {}, "R127"),
        ({"option_level": 3}, {"option_level": 2}, "R127"),
        ({"option_level": 3}, {}, None),
        ({}, {"max_option_loss_value": D(339)}, "R127"),
        ({}, {"max_option_loss_value": D(340)}, None),
    ],
)
def test_r127_level_and_loss(terms: dict[str, Any], limits: dict[str, Any], expected: str | None) -> None:
    """Row 24: the lower of the account's level and our own, and the most that one order may lose."""
    assert code(condor(), spy(**terms), **limits) == expected


def test_r127_sign_and_last_day() -> None:
    """A condor for a debit is a mistake of sign; on its last day nothing is opened unless allowed."""
    assert code(condor(price="1.60"), spy()) == "R127"
    last = at(date(2013, 3, 15), time(12))
    late = condor(ts=last)
    legs = tuple(Leg(leg.symbol.replace("130316", "130315"), leg.side, 1) for leg in late.legs)
    seen = spy(now=last, quote=replace(quote(155.0, 155.02, symbol="SPY"), ts_event=last))
    assert code(replace(late, legs=legs), seen) == "R127"
    assert code(replace(late, legs=legs), seen, allow_expiry_day=True) is None


def single(side: Side, limit: str, symbol: str = SHORT_PUT, qty: int = 1) -> Any:
    return order(side, qty, symbol=symbol, limit=limit, time_in_force=TimeInForce.DAY)


@pytest.mark.parametrize(
    ("intent", "held", "expected"),
    [
        (single(BUY, "2.00"), {}, None),
        (single(SELL, "2.00"), {}, None),  # secured by cash
        (single(SELL, "2.00", SHORT_CALL), {}, "R127"),
        (single(SELL, "2.00", SHORT_CALL), {"SPY": 100}, None),
        (single(SELL, "2.00", SHORT_CALL, 2), {"SPY": 100}, "R127"),
    ],
)
def test_r127_single_options(intent: Any, held: dict[str, int], expected: str | None) -> None:
    """Long options, cash-secured puts, covered calls, and nothing naked (OPT)."""
    seen = view(
        instrument=Listing(symbol=intent.symbol),
        quote=quote(1.98, 2.02, symbol=intent.symbol),
        portfolio=holding(**held),
        marks={"SPY": D(155)},
    )
    breach = check(intent, seen, RiskLimits(max_order_percent=D(100), max_order_value=D(10**6)))
    assert (breach.code if breach else None) == expected, breach


def test_coins_are_never_sold_short() -> None:
    """Row 18: also where short selling is allowed (CRY)."""
    seen = view(instrument=Listing(symbol="BTC/USD"), quote=quote(100.0, 100.1, symbol="BTC/USD"))
    intent = order(SELL, 1, symbol="BTC/USD", time_in_force=TimeInForce.GTC)
    assert code(intent, seen, allow_short=True) == "R117"


def test_the_cost_of_a_short_option_is_not_its_ask() -> None:
    """A cash-secured put at 150 needs 15,000 less its premium, whatever its quote is: 100 dollars do not do."""
    intent = single(SELL, "2.00")
    seen = view(
        instrument=Listing(symbol=SHORT_PUT), quote=quote(1.98, 2.02, symbol=SHORT_PUT), buying_power=Decimal(10_000)
    )
    assert code(intent, seen) == "R113"


# --- all of them against a reference ----------------------------------------------------------------------------------

gates_on = st.fixed_dictionaries(
    {},
    optional={
        "max_adv_percent": st.sampled_from((D(0), D(1), D(50))),
        "max_spread_bp": st.sampled_from((D(5), D(11))),
        "max_volatility_percent": st.sampled_from((D(20), D(60))),
        "max_repeats": st.integers(0, 4),
        "open_blackout_minutes": st.sampled_from((0, 149, 151)),
        "close_blackout_minutes": st.sampled_from((0, 239, 241)),
        "max_maintenance_percent": st.sampled_from((D(20), D(100))),
        "max_daily_loss_value": st.sampled_from((D(500), D(2000))),
        "max_drawdown_percent": st.sampled_from((D(1), D(10))),
        "groups": st.sampled_from(({"g": ("AAPL", "MSFT")}, {"g": ("MSFT",)})),
        "max_group_percent": st.sampled_from((D(1), D(90))),
        "max_unprotected_seconds": st.sampled_from((0.0, 30.0)),
        "narrow": st.lists(
            st.builds(
                Narrow,
                strategy=st.sampled_from(("s", "t")),
                symbol=st.sampled_from((None, "AAPL", "MSFT")),
                max_order_qty=st.sampled_from((None, D(5), D(500))),
                max_budget_value=st.sampled_from((None, D(1500), D(90_000))),
            ),
            max_size=2,
        ).map(tuple),
    },
)
seen_of = st.builds(
    lambda held, equity, locks, **terms: view(
        portfolio=replace(holding(**({"MSFT": held} if held else {})), cash=D(equity) - held * 100),
        locks=locks,
        **terms,
    ),
    held=st.sampled_from((0, 30)),
    equity=st.sampled_from((99_000, 100_000)),
    locks=st.sampled_from(
        (
            (),
            (Lock(scope="", cause="x", until=NOON + 1, reason=""),),
            (Lock(scope="strategy:t", cause="x", until=0, reason=""),),
        )
    ),
    adv=st.sampled_from((None, D(100), D(10_000))),
    volatility=st.sampled_from((None, 0.3)),
    sent=st.integers(0, 4),
    maintenance=st.sampled_from((None, D(10_000), D(25_000))),
    skew=st.sampled_from((None, 0.1, 11.0)),
    tally=st.sampled_from((None, TALLY)),
    sleeve=st.sampled_from(({}, {"MSFT": D(10)})),
    unprotected=st.sampled_from((None, 0.0, 30.0, 31.0)),
)


def stopped(qty: Any, seen: Any, limits: RiskLimits) -> bool:  # noqa: PLR0911 - one line a rule
    """The reference for a market purchase of AAPL by `s` at noon, 99.9 x 100, nothing open: 103 dollars a share."""
    qty, worth, held = D(qty), seen.portfolio.cash + seen.portfolio.qty("MSFT") * 100, seen.portfolio.qty("MSFT")
    mine = [each for each in limits.narrow if each.strategy == "s" and each.symbol in (None, "AAPL")]
    if any(each.max_order_qty is not None and qty > each.max_order_qty for each in mine):
        return True
    if any(each.max_budget_value is not None and each.symbol is None
           and seen.sleeve.get("MSFT", D(0)) * 100 + qty * 103 > each.max_budget_value for each in mine):  # fmt: skip
        return True
    if limits.max_adv_percent is not None and (seen.adv is None or qty * 100 > limits.max_adv_percent * seen.adv):
        return True
    if limits.max_spread_bp == 5 or (limits.max_volatility_percent is not None and seen.volatility is None):
        return True
    if limits.max_volatility_percent == 20 or (limits.max_repeats is not None and seen.sent >= limits.max_repeats):
        return True
    if limits.open_blackout_minutes == 151 or limits.close_blackout_minutes == 241:
        return True
    reported = seen.maintenance if seen.maintenance is not None else held * 100 * D("0.3")
    if reported + qty * 103 * D("0.3") > worth * limits.max_maintenance_percent / 100:
        return True
    if "AAPL" in limits.groups.get("g", ()) and held * 100 + qty * 103 > worth * limits.max_group_percent / 100:
        return True
    most = limits.max_unprotected_seconds
    if most is not None and (seen.unprotected is None or seen.unprotected > most):
        return True
    if seen.skew == 11.0 or (seen.locks and seen.locks[0].scope == ""):
        return True
    if seen.tally is None:
        return False
    daily, fall = limits.max_daily_loss_value, limits.max_drawdown_percent
    lost, fallen = 100_000 - worth, (104_000 - worth) / D(1040)
    return (daily is not None and lost > daily) or (fall is not None and fallen > fall)


@given(st.integers(1, 40), seen_of, gates_on)
@settings(max_examples=400)
def test_refused_exactly_when_the_reference_says_so(qty: int, seen: Any, chosen: dict[str, Any]) -> None:
    """For random limits and states of the further checks: refused if and only if the plain rules say so."""
    limits = RiskLimits(**chosen)
    breach = check(order(qty=qty), seen, limits)
    assert (breach is not None) == stopped(qty, seen, limits), breach


@given(seen_of, gates_on, st.integers(1, 20))
def test_none_of_them_traps_a_position(seen: Any, chosen: dict[str, Any], qty: int) -> None:
    """I26: whatever is limited, locked or unknown, what is held can be sold."""
    long = replace(seen, portfolio=holding(AAPL=20))
    assert check(order(SELL, qty), long, RiskLimits(**chosen)) is None
