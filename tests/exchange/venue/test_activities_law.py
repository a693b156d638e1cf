"""One law over whole days: the activities, summed up, are the cash, whatever befell the account."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.activities import Query
from puna.exchange.account.commands import DoNotExercise, Exercise
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.ledger import multiplier

DAYS = (date(2012, 9, 20), date(2012, 9, 21), date(2012, 9, 24))
CALL, PUT, COIN = "AAPL120921C00100000", "AAPL120921P00100000", "BTC/USD"
STARTS = (0.0, 24 * 3600.0, 96 * 3600.0)
EVENTS = (
    CorporateEvent(kind="dividend", symbol="AAPL", ex_date=DAYS[1], payable_date=DAYS[2], cash=Decimal("0.37")),
    CorporateEvent(kind="split", symbol="AAPL", ex_date=DAYS[2], old_rate=3, new_rate=2),
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["AAPL", CALL, PUT, COIN, "exercise", "refrain"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 9),
    ),
    max_size=6,
)


def _rows(price: float) -> list[tuple[Any, ...]]:
    return [
        row
        for start in STARTS
        for row in (
            (start, CALL, 2.9, 3.0, 1000),
            (start, PUT, 2.9, 3.0, 1000),
            (start, COIN, 9.9, 10.1, 1000),
            (start, "AAPL", price - 0.02, price, 10_000),
            (start + 1, "AAPL", price),
        )
    ]


def _do(w: Any, name: str, side: str, size: int) -> None:
    if name == "exercise":
        w.do(Exercise(CALL))
    elif name == "refrain":
        w.do(DoNotExercise(CALL))
    else:
        w.submit(symbol=name, side=side, qty=size, time_in_force="gtc" if name == COIN else "day")


@settings(max_examples=40, deadline=None)
@given(st.tuples(DEEDS, DEEDS, DEEDS), st.sampled_from([95.0, 100.0, 105.0]), st.booleans())
def test_activities_explain_all_cash(world: Any, make_asset: Any, days: Any, price: float, at_once: bool) -> None:
    """Fills, fees, coins' fees, dividends, cash in lieu, interest, exercise and assignment; positions follow too."""
    terms = AccountTerms(
        actions=EVENTS,
        dividends=True,
        interest=Decimal("0.0625"),
        option_activities="at_once" if at_once else "next_day",
    )
    coin = make_asset(COIN, asset_class="crypto", exchange="CRYPTO", marginable=False, shortable=False)
    contracts = {CALL: True, PUT: True}
    w = world(
        *_rows(price),
        days=DAYS,
        assets=[coin, make_asset("AAPL")],
        contracts=contracts,
        fees=FeeSchedule(),
        account=terms,
        closes={"AAPL": price, COIN: 10.0},
    )
    for start, deeds in zip(STARTS, days, strict=True):
        for number, deed in enumerate(deeds):
            w.to(start + 2 + number)
            _do(w, *deed)
    w.to(STARTS[-1] + 11 * 3600)
    cash, held = Decimal(0), dict.fromkeys(("AAPL", CALL, PUT), Decimal(0))
    for each in w.venue.office.activities.find(Query(size=10_000, ascending=True)):
        sign = 1 if each.side == "buy" else -1
        if each.activity_type == "FILL":
            cash -= sign * each.qty * each.price * multiplier(each.symbol)
        cash += each.net_amount or 0
        moves = each.activity_type in ("FILL", "SPLIT", "OPEXC", "OPASN", "OPEXP", "OPTRD")
        if moves and each.symbol in held:
            held[each.symbol] += each.qty * (sign if each.activity_type == "FILL" else 1)
    ledger = w.venue.ledger
    assert (cash, ledger.imbalance) == (ledger.cash, 0)
    assert held == {symbol: ledger.quantity(symbol) for symbol in held}
