"""Refusals of brackets, OCO and OTO, each with its status, code, words and base price (facts.md 5.3 and 3)."""

from typing import Any

import pytest

from puna.exchange.venue import Refusal
from puna.wire.trading import Order

BRACKET = {"order_class": "bracket", "take_profit": 110, "stop_loss": 90}
OCO = {"order_class": "oco", "side": "sell", "type": "limit", "take_profit": 110, "stop_loss": 90}
OTO = {"order_class": "oto", "stop_loss": 90}
SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"

# (source, what is asked, message, base price)
REFUSED: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("3", {**BRACKET, "take_profit": None}, "bracket orders require take_profit.limit_price", None),
    ("INF", {**BRACKET, "stop_loss": None}, "bracket orders require stop_loss.stop_price", None),
    (
        "INF",
        {**OTO, "stop_loss": None},
        "oto orders require either take_profit.limit_price or stop_loss.stop_price",
        None,
    ),
    (
        "INF",
        {**OTO, "take_profit": 110},
        "oto orders require either take_profit.limit_price or stop_loss.stop_price",
        None,
    ),
    ("INF", {**BRACKET, "time_in_force": "ioc"}, "bracket orders must be DAY or GTC orders", None),
    (
        "INF",
        {**BRACKET, "type": "limit", "limit_price": 100, "extended_hours": True},
        "bracket orders are not supported in extended hours",
        None,
    ),
    (
        "INF",
        {**BRACKET, "type": "trailing_stop", "trail_price": 1},
        "trailing stop orders must be simple orders",
        None,
    ),
    ("recorded", {**BRACKET, "side": "sell", "symbol": "IBM"}, "bracket orders must be entry orders", None),
    ("INF", {**OTO, "side": "sell", "symbol": "IBM"}, "oto orders must be entry orders", None),
    ("find_string 63105040303", OCO, "oco orders must be exit orders", None),
    (
        "find_string 58610692049",
        {**BRACKET, "side": "sell"},
        "take_profit.limit_price must be < stop_loss.stop_price",
        None,
    ),
    (
        "find_string 52694518797",
        {**BRACKET, "take_profit": 80},
        "take_profit.limit_price must be > stop_loss.stop_price",
        None,
    ),
    (
        "find_string 62782264225",
        {**BRACKET, "type": "limit", "limit_price": 110},
        "take_profit.limit_price must be >= base_price + 0.01",
        "110",
    ),
    (
        "find_string 62218557789",
        {**BRACKET, "type": "limit", "limit_price": 90},
        "stop_loss.stop_price must be <= base_price - 0.01",
        "90",
    ),
    ("5.3 ORD", {**OTO, "stop_loss": 100}, "stop_loss.stop_price must be <= base_price - 0.01", "100"),
    (
        "5.3 ORD",
        {**OTO, "type": "limit", "limit_price": 105, "stop_loss": 102},
        "stop_loss.stop_price must be <= base_price - 0.01",
        "100",
    ),
    (
        "5.3 ORD",
        {**OCO, "symbol": "IBM", "stop_loss": 101},
        "stop_loss.stop_price must be <= base_price - 0.01",
        "100",
    ),
    ("INF", {**BRACKET, "take_profit": "110.001"}, f"invalid take_profit.limit_price 110.001. {SUB_PENNY}", None),
    ("INF", {**BRACKET, "stop_loss": "90.001"}, f"invalid stop_loss.stop_price 90.001. {SUB_PENNY}", None),
    ("INF", {**BRACKET, "stop_loss": (90, "89.001")}, f"invalid stop_loss.limit_price 89.001. {SUB_PENNY}", None),
]


@pytest.fixture
def here(world: Any) -> Any:
    """AAPL at 99.98 / 100, nothing held; ten shares of IBM at the same price are."""
    w = world(*((second, symbol, 99.98, 100.0) for second in range(60) for symbol in ("AAPL", "IBM")))
    w.to(1)
    w.order(symbol="IBM", qty=10)
    w.to(2)
    return w


@pytest.mark.parametrize(("source", "asked", "message", "base"), REFUSED)
def test_a_group_that_makes_no_sense(here: Any, source: str, asked: dict[str, Any], message: str, base: Any) -> None:
    """422 42210000 in these words, with the base price where one was measured by; nothing of it is done."""
    before = here.venue.orders(status="all")
    assert here.refused(**asked) == Refusal(422, 42210000, message, {"base_price": base} if base else {}), source
    assert here.venue.orders(status="all") == before


def test_the_market_is_not_looked_at_when_the_terms_say_so(world: Any) -> None:
    """A trader's test on paper: the stop is measured by the entry's limit only."""
    w = world(stop_away_from_market=False)
    w.to(1)
    asked = {**OTO, "type": "limit", "limit_price": 105, "stop_loss": 102}
    assert isinstance(w.submit(**asked), Order)


@pytest.mark.parametrize("stray", ["ignored", "refused"])
def test_exits_of_a_simple_order(world: Any, stray: str) -> None:
    """Ignored without a word, as reported (alpaca-py#289), or refused by the terms."""
    w = world(stray_legs=stray)
    w.to(1)
    reply = w.submit(stop_loss=90)
    if stray == "ignored":
        assert (reply.legs, reply.order_class, len(w.venue.orders(status="all"))) == (None, "", 1)
    else:
        assert reply.code == 42210000


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("take_profit", {"qty": 5}, "only prices of bracket orders can be replaced"),
    ("take_profit", {"time_in_force": "gtc"}, "only prices of bracket orders can be replaced"),
    ("take_profit", {"limit_price": 90}, "take_profit.limit_price must be > stop_loss.stop_price"),
    ("take_profit", {"limit_price": "111.001"}, f"invalid limit_price 111.001. {SUB_PENNY}"),
    ("take_profit", {"limit_price": 110}, "order parameters are not changed"),
    ("stop_loss", {"stop_price": 110}, "take_profit.limit_price must be > stop_loss.stop_price"),
    ("entry", {"limit_price": 111}, "take_profit.limit_price must be >= base_price + 0.01"),
]


@pytest.mark.parametrize(("role", "change", "message"), CHANGES)
def test_a_change_that_the_group_does_not_bear(here: Any, role: str, change: dict[str, Any], message: str) -> None:
    """Prices may change, on their side of the others; nothing else (facts.md 5.3, ORD)."""
    orders = here.group(**BRACKET, type="limit", limit_price=95, qty=10)
    here.to(3)
    refusal = here.replace(next(each.id for each in orders if each.group_role == role), **change)
    assert (refusal.status, refusal.code, refusal.message) == (422, 42210000, message)
    assert here.statuses(*orders) == ["new", "held", "held"]


def test_an_oto_is_not_replaced(here: Any) -> None:
    """Not supported yet (facts.md 5.3, ORD)."""
    entry, _ = here.group(**OTO, type="limit", limit_price=95)
    here.to(3)
    assert here.replace(entry.id, limit_price=96).message == "replacing oto orders is not supported yet"


def test_groups_and_trailing_stops_are_no_wash_trades(here: Any) -> None:
    """Neither as the newcomer nor as the one that rests (facts.md 5.2, PROT)."""
    here.group(**BRACKET, type="limit", limit_price=95, qty=10)
    here.order(symbol="IBM", side="sell", type="trailing_stop", trail_price=1)
    assert isinstance(here.submit(side="sell"), Order)
    assert isinstance(here.submit(symbol="IBM", qty=5), Order)
