"""Netting: a cross moves nothing of the account, never more than was asked, and only where it is fair."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from risk_cases import BUY, LIMIT, NAN, NOON, SECOND, SELL, STOP, D, order, quote, resting, view

from puna.core.netting import Cross, Netting, crossed, net
from puna.core.orders import Order, Status, Update, from_intent, reduce
from puna.core.portfolio import Portfolio, book
from puna.core.risk import Listing, Narrow, Reservation, RiskLimits, RiskView, TradingState, check
from puna.core.risk_rules import meet, self_match
from puna.core.types import Fill, OrderClass, OrderIntent, Side, TimeInForce

MIDDLE = D("99.95")  # of the ordinary quote, 99.90 x 100.00
NAMES = ("trend", "pairs", "carry")
FREE = RiskLimits(allow_short=True)


def waiting(name: str, side: Side, leaves: int, limit: str | None = None, **terms: Any) -> Reservation:
    """An order of another sleeve of which nothing has left."""
    return resting(name, side, leaves, limit, **({"strategy": "other"} | terms))


def netted(intent: OrderIntent, *others: Reservation, limits: RiskLimits = FREE, **terms: Any) -> Netting:
    """What is crossed of an order with these, all of which are still here unless `loose` says otherwise."""
    loose = terms.pop("loose", {each.intent.client_order_id for each in others})
    held, pending = terms.pop("held", {}), terms.pop("pending", ())
    return net(intent, view(open=others, **terms), limits, loose=loose, held=held, pending=pending)


def test_the_smaller_side_is_crossed_as_a_whole() -> None:
    """Who buys 10 while 4 are to be sold gets 4 at the middle of the quote; nothing is in its way then."""
    found = netted(order(BUY, 10), waiting("old", SELL, 4))
    assert found == Netting(
        (Cross(cross_id="new:old", symbol="AAPL", buy="new", sell="old", qty=D(4), price=MIDDLE),), ("old",)
    )


def test_first_come_first_served() -> None:
    """Of several that wait the earlier ones are crossed; whoever is not reached keeps waiting and is not in the way."""
    found = netted(order(SELL, 10), waiting("a", BUY, 7), waiting("b", BUY, 5), waiting("c", BUY, 5))
    assert [(each.buy, each.qty) for each in found.crosses] == [("a", 7), ("b", 3)]
    assert found.netted == ("a", "b", "c")


def test_what_is_at_the_broker_matters_for_what_is_left_only() -> None:
    """Who is crossed as a whole meets nobody there, whoever came first."""
    rests = waiting("at broker", BUY, 5)
    assert [each.buy for each in netted(order(SELL, 7), rests, waiting("b", BUY, 7), loose=("b",)).crosses] == ["b"]
    assert "at the broker" in netted(order(SELL, 8), rests, waiting("b", BUY, 7), loose=("b",)).obstacle


@pytest.mark.parametrize(
    ("others", "terms", "says"),
    [
        ((waiting("old", SELL, 4),), {"quote": None}, "no quote"),
        ((waiting("old", SELL, 4),), {"quote": quote(age=61)}, "too old"),
        ((waiting("old", SELL, 4),), {"quote": quote(101.0)}, "crossed, one-sided"),
        ((waiting("old", SELL, 4),), {"quote": quote(0.0)}, "crossed, one-sided"),
        ((waiting("old", SELL, 4),), {"quote": quote(NAN)}, "crossed, one-sided"),
        ((waiting("old", SELL, 4),), {"quote": quote(symbol="MSFT")}, "no quote"),
        ((waiting("old", SELL, 4),), {"instrument": Listing(symbol="AAPL", halted=True)}, "does not trade"),
        ((waiting("old", SELL, 4),), {"instrument": Listing(symbol="AAPL", tradable=False)}, "does not trade"),
        ((waiting("old", SELL, 4),), {"instrument": None}, "does not trade"),
        ((waiting("old", SELL, 4),), {"state": TradingState.HALTED}, "halted"),
        ((waiting("old", SELL, 4),), {"loose": ()}, "at the broker"),
        ((waiting("old", SELL, 4, strategy="s"),), {}, "one strategy"),
        ((waiting("old", SELL, 4, type=STOP, stop_price=D(99)),), {}, "stands alone"),
        ((waiting("old", SELL, 4, notional=D(400)),), {}, "stands alone"),
        ((waiting("old", SELL, 4, replaces="older"),), {}, "stands alone"),
        ((waiting("old", SELL, 4, leg_of="head"),), {}, "stands alone"),
        ((waiting("old", SELL, 4, time_in_force=TimeInForce.CLS),), {}, "cls"),
        ((waiting("old", SELL, 4, time_in_force=TimeInForce.FOK),), {}, "fok"),
        ((waiting("old", SELL, 4, "99.96"),), {}, "beyond the limit of old"),
        ((waiting("old", SELL, 4, deadline=NOON - 1),), {}, "deadline of old"),
        ((waiting("old", SELL, 4), waiting("at broker", SELL, 4)), {"loose": ("old",)}, "at the broker"),
    ],
)
def test_what_is_not_fair_or_not_sure_is_not_crossed(others: Any, terms: dict[str, Any], says: str) -> None:
    """Then nothing at all is crossed, there is a reason, and the wash rule refuses the order as it always did."""
    found = netted(order(BUY, 10), *others, **terms)
    assert found.crosses == ()
    assert says in found.obstacle
    seen = view(open=others, netted=found.netted)
    breach = check(order(BUY, 10), seen, FREE)
    assert breach is not None
    assert breach.code == "R114"


def test_the_limit_of_the_order_that_comes_counts_too() -> None:
    """A middle that is beyond it is not for it, although the quote of the other side would be."""
    found = netted(order(BUY, 10, "99.94"), waiting("old", SELL, 4, "99.90"))
    assert "beyond the limit of new" in found.obstacle


def test_orders_that_cannot_meet_are_left_alone() -> None:
    """Limits that do not cross, the same side, other symbols, exits at the broker: no cross and no obstacle."""
    others = (
        waiting("a", SELL, 4, "100.50"),
        waiting("b", BUY, 4),
        waiting("c", SELL, 4, symbol="MSFT"),
        waiting("d", SELL, 4, order_class=OrderClass.BRACKET),
    )
    assert netted(order(BUY, 10, "100"), *others) == Netting()


def test_a_rest_that_the_broker_would_not_take_stops_it() -> None:
    """Half a share crossed out of a GTC order leaves a fraction that must be a day order."""
    listing = Listing(symbol="AAPL", fractionable=True)
    old = waiting("old", SELL, 4, time_in_force=TimeInForce.GTC)
    assert "fractional" in netted(order(BUY, "0.5"), old, instrument=listing).obstacle
    assert netted(order(BUY, 1), old, instrument=listing).crosses


def test_a_sleeve_sells_inside_what_it_holds() -> None:
    """Where it may not sell short: not what it has for sale elsewhere, nor what was crossed a moment ago."""
    limits, buy = RiskLimits(), order(BUY, 10)
    sell = waiting("old", SELL, 10)
    assert netted(buy, sell, limits=limits, held={"other": D(10)}).crosses
    assert "holds 9" in netted(buy, sell, limits=limits, held={"other": D(9)}).obstacle
    elsewhere = waiting("stop", SELL, 1, type=STOP, stop_price=D(90), order_class=OrderClass.OCO)
    assert "would sell 11" in netted(buy, sell, elsewhere, limits=limits, held={"other": D(10)}).obstacle
    before = Cross(cross_id="x", symbol="AAPL", buy="gone", sell="first", qty=D(3), price=MIDDLE)
    rows = (waiting("first", SELL, 3), sell)
    assert netted(buy, *rows, limits=limits, held={"other": D(13)}, pending=[before]).crosses
    assert "holds 9" in netted(buy, *rows, limits=limits, held={"other": D(12)}, pending=[before]).obstacle
    # Of the side that comes in likewise, and a narrower limit of the strategy counts.
    tight = RiskLimits(allow_short=True, narrow=(Narrow(strategy="s", allow_short=False),))
    assert "s holds 0" in netted(order(SELL, 5), waiting("old", BUY, 5), limits=tight).obstacle
    assert netted(order(SELL, 5), waiting("old", BUY, 5)).crosses


def test_what_was_crossed_before_is_gone() -> None:
    """Of an order that is promised as a whole nothing is left, so nobody meets it."""
    promised = Cross(cross_id="x", symbol="AAPL", buy="gone", sell="old", qty=D(4), price=MIDDLE)
    assert netted(order(BUY, 10), waiting("old", SELL, 4), pending=[promised]) == Netting((), ("old",))


# --- laws -------------------------------------------------------------------------------------------------------------

prices = st.sampled_from((None, None, "99.90", "99.95", "100.00", "100.05"))


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Reservation], set[str], OrderIntent]:
    """Orders that are open, those of which nothing has left, and one that comes in."""
    rows = [
        waiting(f"o{n}", draw(st.sampled_from(Side)), draw(st.integers(1, 30)), draw(prices), strategy=draw(names))
        for n in range(draw(st.integers(0, 5)))
    ]
    loose = {each.intent.client_order_id for each in rows if draw(st.integers(0, 9))}
    return rows, loose, order(draw(st.sampled_from(Side)), draw(st.integers(1, 60)), draw(prices), strategy=draw(names))


names = st.sampled_from(NAMES)
holdings = st.fixed_dictionaries({name: st.integers(-5, 40).map(Decimal) for name in NAMES})


@given(crowds(), holdings, st.booleans(), st.integers(9000, 9990), st.integers(0, 300))
def test_laws_of_a_cross(
    crowd: tuple[list[Reservation], set[str], OrderIntent],
    held: dict[str, Decimal],
    short: bool,
    bid: int,
    spread: int,
) -> None:
    """Never more than asked or left, within quote and limits, nothing of what may have left; all or nothing.

    What remains on the side that comes in meets nobody; sleeves that may not be short do not become so.
    """
    rows, loose, intent = crowd
    limits = RiskLimits(allow_short=short)
    seen = view(open=tuple(rows), quote=quote(bid / 100, (bid + spread) / 100))
    found = net(intent, seen, limits, loose=loose, held=held)
    left, taken = {each.intent.client_order_id: each for each in rows}, sum((each.qty for each in found.crosses), D(0))
    assert taken <= intent.qty
    for cross in found.crosses:
        (other,) = {cross.buy, cross.sell} - {intent.client_order_id}
        row = left[other]
        assert other in loose
        assert row.intent.strategy != intent.strategy
        assert 0 < cross.qty <= row.leaves
        assert D(bid) / 100 <= cross.price <= D(bid + spread) / 100
        for one in (row.intent, intent):
            assert one.limit_price is None or (cross.price - one.limit_price) * one.side.sign <= 0
        left[other] = replace(row, leaves=row.leaves - cross.qty)
    if found.crosses:
        facing = [each for each in left.values() if meet(each.intent, intent) and each.leaves]
        assert taken == intent.qty or not facing
        assert self_match(intent, replace(seen, netted=found.netted), limits) is None
    else:
        assert found.obstacle or not any(meet(each.intent, intent) for each in rows)
    for name in NAMES:
        sold = sum((each.qty for each in found.crosses if _strategy(each.sell, rows, intent) == name), D(0))
        bought = sum((each.qty for each in found.crosses if _strategy(each.buy, rows, intent) == name), D(0))
        assert short or not sold or held[name] + bought - sold >= 0


def _strategy(key: str, rows: list[Reservation], intent: OrderIntent) -> str:
    return next((each.intent.strategy for each in rows if each.intent.client_order_id == key), intent.strategy)


@given(crowds(), st.integers(0, 2**32))
def test_asked_10_is_never_bought_11(crowd: tuple[list[Reservation], set[str], OrderIntent], seed: int) -> None:
    """Crosses and the broker's fills of the rest, late, twice and in any order: conserved, and never more than asked.

    Both sleeves together have what they had, in cash and in the symbol; what the broker fills is booked once, beside
    what was crossed; cumulative quantities climb without a gap.
    """
    rows, loose, intent = crowd
    found = net(intent, view(open=tuple(rows)), FREE, loose=loose, held={})
    orders = {each.intent.client_order_id: from_intent(each.intent) for each in rows}
    orders[intent.client_order_id] = from_intent(intent)
    sleeves, booked = {name: Portfolio(cash=D(1000)) for name in NAMES}, dict[str, list[Fill]]()

    def take(after: Order, fills: tuple[Fill, ...]) -> None:
        orders[after.client_order_id] = after
        for fill in fills:
            sleeves[fill.strategy] = book(sleeves[fill.strategy], fill)
            booked.setdefault(fill.client_order_id, []).append(fill)

    for cross in found.crosses * 2:  # a replay that meets it again changes nothing
        for key in (cross.buy, cross.sell):
            after, fill = crossed(orders[key], cross, NOON)
            take(after, (fill,) if fill else ())
    assert sum(each.cash for each in sleeves.values()) == 3000
    assert sum(each.qty("AAPL") for each in sleeves.values()) == 0
    rng = Random(seed)
    evidence = [update for each in orders.values() for update in _filled(each, rng)]
    rng.shuffle(evidence)
    for update in evidence * 2:
        take(*reduce(orders[update.client_order_id], update))
    for key, each in orders.items():
        assert each.crossed_qty + each.remainder.qty == each.intent.qty
        assert each.filled_qty == sum((fill.qty for fill in booked.get(key, ())), D(0)) <= each.intent.qty
        assert each.overfill == 0
        assert each.filled_notional == sum((fill.notional for fill in booked.get(key, ())), D(0))
        assert [fill.internal for fill in booked.get(key, ())].count(True) == len(each.inside)
        cum = D(0)
        for fill in booked.get(key, ()):
            cum += fill.qty
            assert fill.cum_qty == cum
        if each.filled_qty == each.intent.qty:
            assert each.status is Status.FILLED


def _filled(each: Order, rng: Random) -> list[Update]:
    """The broker fills what it got of an order, or a part of it, in steps."""
    rest, cum, found = each.remainder.qty, D(0), list[Update]()
    while cum < rest and rng.random() < 0.8:
        step = D(rng.randint(1, int(rest - cum)))
        cum += step
        found.append(
            Update(
                client_order_id=each.client_order_id,
                source=rng.choice(("stream", "rest")),
                status="filled" if cum == rest else "partially_filled",
                ts=NOON + len(found) * SECOND,
                broker_id=f"b-{each.client_order_id}",
                cum_qty=cum,
                avg_price=D(100),
                last_qty=step,
                last_price=D(100),
            )
        )
    return found


def test_a_cross_is_of_this_order_and_of_what_is_left() -> None:
    """Another symbol or side, more than is left, an order that has ended: that is no cross but a mistake."""
    whole = from_intent(order(BUY, 5))
    cross = Cross(cross_id="new:old", symbol="AAPL", buy="new", sell="old", qty=D(5), price=MIDDLE)
    after, fill = crossed(whole, cross, NOON)
    assert fill is not None
    assert (after.status, after.leaves, after.average_price, after.seen) == (Status.FILLED, 0, MIDDLE, False)
    wrong = (
        replace(cross, qty=D(6)),
        replace(cross, symbol="MSFT"),
        replace(cross, buy="old", sell="new"),
        replace(cross, buy="x"),
        replace(cross, qty=D(0)),
    )
    for each in wrong:
        with pytest.raises(ValueError, match="cannot fill"):
            crossed(whole, each, NOON)
    with pytest.raises(ValueError, match="cannot fill"):
        crossed(after, replace(cross, cross_id="new:older"), NOON)


def test_an_order_that_is_refused_after_a_part_was_crossed_keeps_the_part() -> None:
    """The broker's no is about the rest."""
    part = Cross(cross_id="new:old", symbol="AAPL", buy="new", sell="old", qty=D(4), price=MIDDLE)
    after, _ = crossed(from_intent(order(BUY, 10, type=LIMIT, limit="100")), part, NOON)
    assert (after.status, after.leaves, after.remainder.qty, after.replaceable) == (Status.PENDING, 6, 6, False)
    refused, fills = reduce(after, Update(client_order_id="new", source="local", status="refused", ts=NOON))
    assert (refused.status, refused.filled_qty, refused.leaves, fills) == (Status.REFUSED, 4, 0, ())


def test_a_view_without_crosses_is_written_as_before() -> None:
    """Orders and views that nothing was crossed of have the same bytes in the journal as ever."""
    assert b"netted" not in msgspec.json.encode(
        RiskView(now=1, state=TradingState.ACTIVE, portfolio=Portfolio(cash=D(0)))
    )
    assert b"inside" not in msgspec.json.encode(from_intent(order()))
