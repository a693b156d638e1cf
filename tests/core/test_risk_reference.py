"""Pre-trade risk: all checks together against a reference, and no way to be trapped."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from risk_cases import (
    BUY,
    LIMIT,
    MARKET,
    NAN,
    NOON,
    SECOND,
    SELL,
    STOP,
    STOP_LIMIT,
    D,
    holding,
    order,
    quote,
    resting,
    view,
)

from puna.core.risk import (
    Listing,
    Reservation,
    RiskLimits,
    RiskView,
    Submit,
    TradingState,
    check,
    reduces,
)
from puna.core.types import OrderIntent, OrderType, Side, TimeInForce

# --- against a reference ----------------------------------------------------------------------------------------------


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 24).flatmap(lambda n: odd if n == 13 else usual)


@st.composite
def intents(draw: st.DrawFn) -> OrderIntent:
    kind = draw(mostly(st.sampled_from((MARKET, LIMIT)), st.sampled_from(list(OrderType))))
    limit = draw(mostly(st.sampled_from(("99.9", "100", "100.5")), st.sampled_from(("100.005", "120", "40"))))
    return order(
        draw(st.sampled_from(Side)),
        draw(mostly(st.integers(1, 30).map(str), st.sampled_from(("0", "1.5", "400", "NaN")))),
        type=kind,
        limit_price=D(limit) if kind in (LIMIT, STOP_LIMIT) else None,
        stop_price=D(draw(st.sampled_from(("98", "101", "300")))) if kind in (STOP, STOP_LIMIT) else None,
        time_in_force=draw(mostly(st.just(TimeInForce.DAY), st.sampled_from(TimeInForce))),
        extended_hours=draw(mostly(st.just(False), st.booleans())),
        deadline=draw(mostly(st.none(), st.sampled_from((NOON - 1, NOON)))),
        replaces=draw(mostly(st.none(), st.sampled_from(("o0", "o1", "gone")))),
    )


@st.composite
def views(draw: st.DrawFn) -> RiskView:
    held = {"AAPL": draw(st.sampled_from((0, 0, 5, 20, -5, -20))), "MSFT": draw(st.integers(-5, 5))}
    rests = []
    for n in range(draw(st.integers(0, 3))):
        limit = draw(mostly(st.sampled_from(("99", "100", "101")), st.none()))
        symbol = draw(mostly(st.just("AAPL"), st.just("MSFT")))
        side = draw(mostly(st.just(BUY if held["AAPL"] >= 0 else SELL), st.sampled_from(Side)))
        one = resting(f"o{n}", side, draw(st.integers(1, 9)), limit, symbol=symbol)
        rests.append(replace(one, counted=draw(st.booleans())))
    ages = st.sampled_from((0, SECOND // 2, SECOND, 30 * SECOND))
    sent = draw(st.lists(st.builds(Submit, ages.map(lambda age: NOON - age), intents()), max_size=3))
    bad = (None, quote(0.0), quote(101.0), quote(NAN), quote(age=61), quote(symbol="MSFT"))
    listing = Listing(
        symbol="AAPL",
        tradable=draw(mostly(st.just(True), st.booleans())),
        halted=draw(mostly(st.just(False), st.booleans())),
        shortable=draw(mostly(st.just(True), st.booleans())),
        easy_to_borrow=True,
        fractionable=draw(st.booleans()),
    )
    return view(
        state=draw(mostly(st.just(TradingState.ACTIVE), st.sampled_from(TradingState))),
        portfolio=holding(**{symbol: n for symbol, n in held.items() if n}),
        instrument=draw(mostly(st.just(listing), st.none())),
        quote=draw(mostly(st.just(quote()), st.sampled_from(bad))),
        marks=draw(mostly(st.just({"AAPL": D(100), "MSFT": D(50)}), st.just({"AAPL": D(100)}))),
        open=tuple(rests),
        recent=tuple(sent),
        submits=draw(st.integers(0, 3)),
        buying_power=draw(mostly(st.integers(5, 90).map(lambda n: D(n * 100)), st.none())),
        id_used=draw(mostly(st.just(False), st.booleans())),
    )


limits_of = st.builds(
    RiskLimits,
    denied=mostly(st.just(()), st.just(("AAPL",))),
    max_order_qty=st.sampled_from((D(10), D(500), D(500))),
    max_order_value=st.sampled_from((D(1500), D(50_000), D(50_000))),
    max_position_value=st.sampled_from((D(2000), D(60_000))),
    max_position_percent=st.sampled_from((D(2), D(60))),
    max_gross_value=st.sampled_from((D(3000), D(200_000), D(200_000))),
    max_net_value=st.sampled_from((D(1000), D(150_000), D(150_000))),
    max_open_orders=st.sampled_from((2, 50)),
    max_open_value=st.sampled_from((D(2000), D(200_000))),
    max_submits=mostly(st.just(100), st.just(2)),
    allow_short=st.booleans(),
)


def is_reduction(intent: OrderIntent, seen: RiskView) -> bool:
    """The reference: opposite to the position, and with the open orders of its side not larger than it."""
    position = seen.portfolio.positions.get("AAPL")
    held = int(position.qty) if position else 0
    if intent.qty.is_nan() or intent.qty <= 0 or held == 0 or (held > 0) == (intent.side is BUY):
        return False
    total = intent.qty
    for each in seen.open:
        if each.intent.symbol == "AAPL" and each.intent.side is intent.side:
            if each.intent.client_order_id == intent.replaces:
                total += max(D(0), each.leaves - intent.qty)
            else:
                total += each.leaves
    return total <= abs(held)


def malformed(intent: OrderIntent, seen: RiskView) -> bool:  # noqa: PLR0911 - one line a rule
    """The reference for noon of a trading day and the terms that `intents` makes."""
    for each in seen.open:
        kept = each.intent.symbol == "AAPL" and each.intent.side is intent.side
        if each.intent.client_order_id == intent.replaces and not kept:
            return True
    if intent.type is OrderType.TRAILING_STOP or intent.qty.is_nan() or intent.qty <= 0:
        return True
    fractional = intent.qty == D("1.5")
    if fractional and seen.instrument is not None and not seen.instrument.fractionable:
        return True
    if fractional and (intent.time_in_force != "day" or intent.extended_hours):
        return True
    if intent.limit_price == D("100.005") or intent.time_in_force == "opg":
        return True
    if intent.time_in_force == "cls" and intent.type in (STOP, STOP_LIMIT):
        return True
    return intent.extended_hours and (intent.type is not LIMIT or intent.time_in_force not in ("day", "gtc"))


def refused(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> bool:
    """The reference: the rules once more, as plainly as they can be said, for a quote of 99.9 x 100."""
    reduction = is_reduction(intent, seen)
    if seen.state == "halted" or (seen.state == "reducing" and not reduction):
        return True
    if malformed(intent, seen) or seen.id_used:
        return True
    if any(
        NOON - sent.ts < SECOND
        and (sent.intent.side, sent.intent.qty, sent.intent.type) == (intent.side, intent.qty, intent.type)
        and (sent.intent.limit_price, sent.intent.stop_price) == (intent.limit_price, intent.stop_price)
        for sent in seen.recent
    ):
        return True
    if seen.submits + 1 > limits.max_submits:
        return True
    if reduction:
        return False
    return opening_refused(intent, seen, limits)


def opening_refused(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> bool:  # noqa: PLR0911 - one line a rule
    """What holds for everything that is no reduction."""
    held = {symbol: position.qty for symbol, position in seen.portfolio.positions.items()}
    mine, qty, buy = held.get("AAPL", D(0)), intent.qty, intent.side is BUY
    listing = seen.instrument
    if listing is None or not listing.tradable or listing.halted or limits.denied:
        return True
    if (intent.deadline is not None and intent.deadline < NOON) or (mine < 0 and buy) or (mine > 0 and not buy):
        return True  # late; or against the position, and no reduction: through flat
    if not buy and (not limits.allow_short or not listing.shortable or qty == D("1.5")):
        return True
    if seen.quote != quote() or any(symbol not in seen.marks for symbol in held) or seen.buying_power is None:
        return True
    limit, stop = intent.limit_price, intent.stop_price
    if stop == 300 or (stop is None and limit in (D(120), D(40)) and ((limit == 120) == buy or limit == 40)):
        return True
    dear, cheap = (D("1.05"), D("0.5")) if buy else (D("1.5"), D("0.95"))
    if stop is not None and limit is not None and not stop * cheap <= limit <= stop * dear:
        return True
    price = limit if buy and limit else max(D(103), (stop or D(0)) * (D("1.03") if buy else 1), limit or D(0))
    equity = seen.portfolio.cash + sum(n * seen.marks[symbol] for symbol, n in held.items())
    if qty > limits.max_order_qty or qty * price > min(limits.max_order_value, equity / 2):
        return True
    # What is under way, this order included: (symbol, side) -> rows of quantity, price, value the broker knows of.
    rows = [(intent.symbol, intent.side, qty, price, D(0))]
    for each in seen.open:
        known = each.leaves * each.price if each.counted else D(0)
        if each.intent.client_order_id == intent.replaces:
            rows[0] = ("AAPL", intent.side, max(qty, each.leaves), max(price, each.price), known)
        else:
            rows.append((each.intent.symbol, each.intent.side, each.leaves, each.price, known))
    at_most = max(price, D(100))
    reached = abs(mine) + sum(n for symbol, side, n, _, _ in rows if symbol == "AAPL" and side is intent.side)
    if reached * at_most > min(limits.max_position_value, equity * limits.max_position_percent / 100):
        return True
    priced = [(*rows[0][:3], max(rows[0][3], at_most), D(0)), *rows[1:]]
    gross = D(0)
    for symbol in {*held, *(row[0] for row in rows)}:
        now = held.get(symbol, D(0))
        buys = sum(row[2] for row in rows if row[0] == symbol and row[1] is BUY)
        sells = sum(row[2] for row in rows if row[0] == symbol and row[1] is SELL)
        prices = [row[3] for row in priced if row[0] == symbol] + ([seen.marks[symbol]] if symbol in held else [])
        gross += max(abs(now + buys), abs(now - sells)) * max(prices)
    if gross > min(limits.max_gross_value, 2 * equity):
        return True
    net = sum(n * seen.marks[symbol] for symbol, n in held.items()) * intent.side.sign
    net += sum(n * p for _, side, n, p, _ in priced if side is intent.side)
    if net > min(limits.max_net_value, equity * D("1.5")):
        return True
    if len(rows) > limits.max_open_orders or sum(n * p for _, _, n, p, _ in rows) > min(
        limits.max_open_value, 2 * equity
    ):
        return True
    needed = D(0)
    for symbol, side, n, p, known in rows:
        if held.get(symbol, D(0)) * side.sign >= 0:
            needed += max(D(0), n * p - known)
    if needed > seen.buying_power - 100:
        return True
    for each in seen.open:
        if each.intent.symbol == "AAPL" and each.intent.side is not intent.side:
            theirs = each.intent.limit_price
            if limit is None or theirs is None or (limit >= theirs if buy else limit <= theirs):
                return True
    return False


@given(intents(), views(), limits_of)
@settings(max_examples=500)
def test_refused_exactly_when_the_reference_says_so(intent: OrderIntent, seen: RiskView, limits: RiskLimits) -> None:
    """Reliability 4: for random state and order, refused if and only if the reference predicate says so."""
    assert reduces(intent, seen) == is_reduction(intent, seen)
    breach = check(intent, seen, limits)
    assert (breach is not None) == refused(intent, seen, limits), breach


@given(
    views(),
    st.integers(1, 20),
    st.builds(RiskLimits, **{name: st.just(0) for name in ("max_order_qty", "max_position_value", "max_open_orders")}),
)
def test_no_trapped_position(seen: RiskView, qty: int, limits: RiskLimits) -> None:
    """I26: unless halted, what is available can be sold at the market, whatever limits, quotes or marks are."""
    held = seen.portfolio.qty("AAPL")
    side = SELL if held > 0 else BUY
    under_way = sum(each.leaves for each in seen.open if (each.intent.symbol, each.intent.side) == ("AAPL", side))
    free = abs(held) - under_way
    way_out = order(side, int(min(D(qty), free)))
    calm = replace(seen, recent=(), submits=0, id_used=False)
    if free > 0 and seen.state is not TradingState.HALTED:
        assert check(way_out, calm, limits) is None


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 40)), max_size=12), st.sampled_from((2000, 5000)))
def test_concurrent_orders_cannot_jointly_pass_a_limit(rows: list[tuple[Side, int]], cap: int) -> None:
    """I10: with a reservation for each order that passes, no subset of them can take the position beyond the cap."""
    limits = RiskLimits(max_position_value=D(cap), allow_short=True)
    rests: tuple[Reservation, ...] = ()
    for n, (side, qty) in enumerate(rows):
        intent = order(side, qty, "90" if side is BUY else "110", client_order_id=f"n{n}")
        if check(intent, view(open=rests), limits) is None:
            rests += (Reservation(intent=intent, leaves=intent.qty, price=D(103)),)
    for side in Side:
        assert sum(each.leaves for each in rests if each.intent.side is side) * 100 <= cap
