"""Calls as values: what is sent, what may be repeated, and pages that are read to the end or not at all."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.alpaca.market import get_bars, get_latest_bars, get_latest_quotes, get_latest_trades
from puna.alpaca.request import Lane, Page, Paged, Paging, Request, segment
from puna.alpaca.trading import (
    cancel_order,
    cancel_orders,
    close_position,
    close_positions,
    get_asset,
    get_assets,
    get_calendar,
    get_order,
    get_order_by_client_id,
    get_orders,
    get_position,
    replace_order,
    submit_order,
)
from puna.errors import ProtocolError
from puna.wire.codec import Nanos, amount, encode, parse_time
from puna.wire.trading import LegRequest, Order, OrderRequest, ReplaceRequest

SECOND = 10**9


@pytest.mark.parametrize(
    ("call", "target"),
    [
        (get_calendar(date(2012, 9, 19)), "GET /v2/calendar?start=2012-09-19"),
        (get_assets(), "GET /v2/assets?status=active&asset_class=us_equity"),
        (get_asset("BTC/USD"), "GET /v2/assets/BTC%2FUSD"),
        (get_order("a b?c#d"), "GET /v2/orders/a%20b%3Fc%23d"),
        (get_order("1", nested=True), "GET /v2/orders/1?nested=true"),
        (get_order_by_client_id("p-1&x=2"), "GET /v2/orders:by_client_order_id?client_order_id=p-1%26x%3D2"),
        (get_position("../account"), "GET /v2/positions/..%2Faccount"),
        (cancel_order("1"), "DELETE /v2/orders/1"),
        (cancel_orders(), "DELETE /v2/orders"),
        (close_position("AAPL", qty=Decimal("1E+1")), "DELETE /v2/positions/AAPL?qty=10"),
        (close_positions(), "DELETE /v2/positions?cancel_orders=true"),
        (get_latest_quotes(["AAPL", "BRK.B"]), "GET /v2/stocks/quotes/latest?symbols=AAPL,BRK.B"),
        (get_latest_trades(["AAPL"], feed="iex"), "GET /v2/stocks/trades/latest?symbols=AAPL&feed=iex"),
        (get_latest_bars(["AAPL"]), "GET /v2/stocks/bars/latest?symbols=AAPL"),
        (replace_order("1", ReplaceRequest(qty=amount("2"))), "PATCH /v2/orders/1"),
    ],
)
def test_targets_are_encoded(call: Request[Any], target: str) -> None:
    """Names stay one path segment and one parameter, whatever is in them."""
    assert f"{call.method} {call.target}" == target


@pytest.mark.parametrize("name", ["", ".", "..", "..."])
def test_a_name_that_would_address_another_resource_is_refused(name: str) -> None:
    """`DELETE /v2/orders/` might mean all of them."""
    for call in (get_order, cancel_order, get_asset, get_position, close_position):
        with pytest.raises(ValueError, match="not a symbol or an id"):
            call(name)


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip(".")))
def test_segments_never_leave_their_place(name: str) -> None:
    """Only unreserved characters and percent signs remain."""
    try:
        encoded = segment(name)
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    assert not set(encoded) & set("/?#\\@: \n\t")


def test_what_may_be_repeated() -> None:
    """GET and whole DELETEs; never POST, PATCH or closing a part. Cancels and closes go first."""
    order = OrderRequest(symbol="AAPL")
    assert get_order("1").repeatable
    assert cancel_order("1").repeatable
    assert not submit_order(order).repeatable
    assert not replace_order("1", ReplaceRequest()).repeatable
    assert not close_position("AAPL", qty=Decimal(1)).repeatable
    lanes: list[Request[Any]] = [
        cancel_order("1"),
        close_positions(),
        submit_order(order),
        get_order("1"),
        get_assets(),
    ]
    assert [call.lane for call in lanes] == [Lane.CANCEL, Lane.CANCEL, Lane.ORDER, Lane.READ, Lane.BACKFILL]


def test_amounts_are_written_out() -> None:
    """A Decimal in exponent form would be no amount to the broker; the caller's own request stays as it is."""
    leg = LegRequest(symbol="A", ratio_qty=Decimal("1E+1"))
    request = OrderRequest(symbol="AAPL", qty=Decimal("1E+2"), limit_price=Decimal("0.00000001"), legs=[leg])
    assert submit_order(request).body == (
        b'{"symbol":"AAPL","qty":"100","limit_price":"0.00000001","legs":[{"symbol":"A","ratio_qty":"10"}]}'
    )
    assert str(request.qty) == "1E+2"


@pytest.mark.parametrize("qty", ["NaN", "Infinity", "1E+20", "0.0000000001"])
def test_impossible_amounts_are_never_sent(qty: str) -> None:
    """Refused before there is a request."""
    with pytest.raises(ValueError, match="not a decimal amount"):
        submit_order(OrderRequest(symbol="AAPL", qty=Decimal(qty)))


def test_moments_of_bars() -> None:
    """Nanoseconds, days and aware datetimes; a naive one is refused."""
    call = get_bars(["A"], "1Min", 0, datetime(2012, 9, 19, 14, tzinfo=UTC)).page(None)
    assert "start=1970-01-01T00%3A00%3A00Z&end=2012-09-19T14%3A00%3A00%2B00%3A00" in call.target
    assert "start=2012-09-19&" in get_bars(["A"], "1Day", date(2012, 9, 19)).page(None).target
    with pytest.raises(ValueError, match="without an offset"):
        get_bars(["A"], "1Day", datetime(2012, 9, 19)).page(None)  # noqa: DTZ001 - that is the point


def paged(tokens: list[str | None], cap: int = 100) -> Paged[int]:
    """Pages with the given next tokens."""

    def page(token: str | None) -> Request[Page[int]]:
        return Request("GET", f"/{token}", lambda _: Page([], None))

    assert tokens
    return Paged(page, cap)


def read_all(tokens: list[str | None], cap: int = 100) -> list[int]:
    """Drives a Paging over pages with these tokens; page n holds the item n."""
    paging, n = Paging(paged(tokens, cap)), 0
    items: list[int] = []
    while paging.request is not None:
        items += paging.take(Page([n], tokens[min(n, len(tokens) - 1)]))
        n += 1
    return items


def test_pages_are_read_to_the_end() -> None:
    """Until there is no next token."""
    assert read_all(["a", "b", None]) == [0, 1, 2]


@pytest.mark.parametrize("tokens", [["a"], ["a", "b", "a"]])
def test_pages_that_go_round_are_an_error(tokens: list[str | None]) -> None:
    """PRO-21: a token that comes again."""
    with pytest.raises(ProtocolError, match="do not come to an end"):
        read_all(tokens)


def test_pages_without_end_are_an_error() -> None:
    """A fresh token for ever meets the cap."""
    with pytest.raises(ProtocolError, match="do not come to an end"):
        read_all([str(n) for n in range(1000)], cap=10)


def order(n: int, submitted: int) -> Order:
    """An order submitted then."""
    return Order(id=str(n), status="new", submitted_at=Nanos(submitted))


@given(
    times=st.lists(st.integers(0, 30), max_size=60),
    limit=st.integers(20, 25),
    direction=st.sampled_from(["asc", "desc"]),
    truncated=st.booleans(),
)
def test_orders_are_paged_by_time_without_loss(times: list[int], limit: int, direction: Any, truncated: bool) -> None:
    """Against a broker that cuts at `limit` and has exclusive bounds, each order comes once, ties included."""
    scale = 1 if not truncated else 1000  # a broker that keeps microseconds
    orders = [order(n, 10**18 + each * 500 * scale) for n, each in enumerate(sorted(times))]
    groups = [times.count(each) for each in set(times)]
    call = get_orders("all", direction=direction, limit=limit)
    paging = Paging(call)
    got: list[Order] = []
    try:
        while paging.request is not None:
            page = answer(orders, paging.request.target, limit, direction)
            got += paging.take(paging.request.read(encode(page)))
    except ProtocolError:
        assert max(groups) + 2 >= limit // 3  # only when too many stand in one instant
        return
    assert sorted(int(each.id) for each in got) == list(range(len(orders)))


def answer(orders: list[Order], target: str, limit: int, direction: str) -> list[Order]:
    """What the broker's endpoint gives: exclusive bounds, sorted, cut."""
    query = dict(part.split("=") for part in target.partition("?")[2].split("&"))
    after, until = (moment(query.get(name)) for name in ("after", "until"))
    chosen = [each for each in orders if (after or 0) < (each.submitted_at or 0) < (until or 1 << 62)]
    chosen.sort(key=lambda each: each.submitted_at or 0, reverse=direction == "desc")
    return chosen[:limit]


def moment(text: str | None) -> int | None:
    """A bound of the query, decoded."""
    return None if text is None else parse_time(unquote(text))


def test_legs_count_as_rows_when_nested() -> None:
    """A page that is full of legs is not taken for the last one."""
    legs = [Order(id=f"leg {n}", status="held") for n in range(2)]
    parent = Order(id="1", status="new", submitted_at=Nanos(10 * SECOND), legs=legs)
    paging = Paging(get_orders(nested=True, limit=3))
    assert paging.request is not None
    paging.take(paging.request.read(encode([parent])))
    assert paging.request is not None


def test_orders_that_cannot_be_paged_are_an_error() -> None:
    """More of one instant than a page holds, or no time at all: never a short list taken for the whole."""
    many = [order(n, SECOND) for n in range(3)]
    paging = Paging(get_orders(limit=3))
    assert paging.request is not None
    paging.take(paging.request.read(encode(many)))
    assert paging.request is not None
    with pytest.raises(ProtocolError, match="cannot be paged"):
        paging.request.read(encode(many))
    without = Paging(get_orders(limit=1)).request
    assert without is not None
    with pytest.raises(ProtocolError, match="cannot be paged"):
        without.read(encode([Order(id="1", status="new")]))
