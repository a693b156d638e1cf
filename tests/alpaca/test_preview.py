"""A preview names what the broker is known to refuse, and what an order costs; nothing is sent for it."""

from decimal import Decimal
from typing import Any

import pytest

from puna.alpaca.preview import Facts, examine, preview
from puna.alpaca.quotes import LatestQuote
from puna.alpaca.request import Request
from puna.wire.contracts import OptionContract
from puna.wire.trading import (
    Account,
    Asset,
    Clock,
    LegRequest,
    OrderRequest,
    Position,
    StopLossRequest,
    TakeProfitRequest,
)

D = Decimal
CALL, HIGHER = "SPY260320C00480000", "SPY260320C00490000"


def facts(*, is_open: bool = True, held: str = "0", free: str | None = None, **account: Any) -> Facts:
    """An account of 10,000 dollars of buying power, and a quote of 100.00 to 100.10."""
    fields: dict[str, Any] = {
        "buying_power": D(10_000),
        "options_buying_power": D(5_000),
        "options_trading_level": 3,
    } | account
    position = Position(
        asset_id="1", symbol="SPY", qty=D(held), avg_entry_price=D(90), qty_available=None if free is None else D(free)
    )
    return Facts(
        account=Account(id="1", status="ACTIVE", shorting_enabled=True, **fields),
        clock=Clock(timestamp=1, is_open=is_open, next_open=2, next_close=3),
        positions=(position,) if D(held) else (),
        asset=Asset(id="1", symbol="SPY", asset_class="us_equity", tradable=True, fractionable=True, shortable=True),
        contract=OptionContract(id="2", symbol=CALL, expiration_date="2026-03-20", strike_price=D(480), type="call"),
        quotes={
            "SPY": LatestQuote("SPY", D("100.00"), D("100.10"), D(1), D(1), 1),
            CALL: LatestQuote(CALL, D("4.00"), D("4.20"), D(1), D(1), 1),
            HIGHER: LatestQuote(HIGHER, D("1.00"), D("1.10"), D(1), D(1), 1),
        },
    )


def order(**fields: Any) -> OrderRequest:
    """Ten shares at market."""
    base: dict[str, Any] = {"symbol": "SPY", "qty": D(10), "side": "buy", "type": "market", "time_in_force": "day"}
    return OrderRequest(**base | fields)


def test_a_plain_order_has_a_cost_and_no_objection() -> None:
    """Ten shares at the ask, against the buying power."""
    found = examine(order(), facts())
    assert found.allowed
    assert (found.price, found.cost, found.buying_power, found.left) == (D("100.10"), D(1001), D(10_000), D(8_999))
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"notional": D(5)}, "exactly one of"),
        ({"qty": None}, "exactly one of"),
        ({"qty": D(0)}, "above nought"),
        ({"type": "peg"}, "no type of order"),
        ({"time_in_force": "gtd"}, "no time in force"),
        ({"type": "limit"}, "needs a limit price"),
        ({"type": "stop"}, "needs a stop price"),
        ({"type": "trailing_stop"}, "exactly one of trail price"),
        ({"limit_price": D(1)}, "takes no limit"),
        ({"type": "limit", "limit_price": D("100.001")}, "finer than the market takes"),
        ({"extended_hours": True}, "outside regular hours"),
        ({"qty": D("0.5"), "time_in_force": "gtc"}, "must be day orders"),
        ({"qty": None, "notional": D("0.50")}, "one dollar"),
        ({"order_class": "bracket"}, "take-profit"),
        ({"order_class": "oto", "take_profit": TakeProfitRequest(limit_price=D(110)),
          "stop_loss": StopLossRequest(stop_price=D(90))}, "exactly one of take profit"),
        ({"qty": D(1_000)}, "insufficient buying power"),
        ({"side": "sell", "qty": D("1.5")}, "whole shares"),
    ],
)  # fmt: skip
def test_each_known_refusal_is_named(fields: dict[str, Any], words: str) -> None:
    """One objection in words for what the broker is known to refuse."""
    found = examine(order(**fields), facts())
    assert not found.allowed
    assert any(words in each for each in found.objections), found.objections


def test_blocks_of_the_account_are_named() -> None:
    """A suspended account takes nothing."""
    assert "suspend_trade" in examine(order(), facts(trade_suspended_by_user=True)).objections[0]


def test_a_sale_closes_what_is_free_and_never_turns() -> None:
    """Closing costs nothing; more than is free is refused; without a holding it is a short sale at 1.03 ask."""
    assert examine(order(side="sell"), facts(held="10")).cost == 0
    held = examine(order(side="sell"), facts(held="10", free="4"))
    assert "4 free" in held.objections[0]
    assert "insufficient quantity" in examine(order(side="sell", qty=D(11)), facts(held="10")).objections[0]
    short = examine(order(side="sell"), facts())
    assert (short.price, short.cost) == (D("103.1030"), D("1031.030"))


def test_options_are_held_against_margin() -> None:
    """A long call costs its premium; a spread its net price; beyond the buying power there is a shortfall."""
    single = examine(order(symbol=CALL, qty=D(2)), facts())
    assert (single.price, single.cost) == (D("4.20"), D(840))
    legs = [LegRequest(symbol=CALL, ratio_qty=D(1), side="buy"), LegRequest(symbol=HIGHER, ratio_qty=D(1), side="sell")]
    package = order(
        symbol=None, side=None, order_class="mleg", legs=legs, qty=D(2), type="limit", limit_price=D("3.20")
    )
    spread = examine(package, facts())
    assert spread.allowed
    assert spread.cost == D(640)
    assert spread.margin is not None
    assert "insufficient" in " ".join(examine(order(symbol=CALL, qty=D(20)), facts()).objections)


def test_a_closed_market_is_said() -> None:
    """Stocks wait, options at market are refused."""
    assert "waits for its next session" in examine(order(), facts(is_open=False)).remarks[0]
    assert "while the market is open" in " ".join(examine(order(symbol=CALL), facts(is_open=False)).objections)


def test_a_preview_only_reads() -> None:
    """Every call of it is a GET."""
    steps = preview(order()).steps()
    answers = {"account": facts().account, "clock": facts().clock, "positions": [], "assets": facts().asset}
    ask, methods = next(steps), []
    found = None
    while found is None:
        assert isinstance(ask, Request)
        methods.append(ask.method)
        name = ask.target.partition("?")[0].split("/")[2]
        try:
            ask = steps.send(answers.get(name, {}))
        except StopIteration as end:
            found = end.value
    assert found.allowed
    assert methods == ["GET"] * 5
