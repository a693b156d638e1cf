"""Every recorded error body: the same situation at the exchange gets the same status, code and keys.

Two are test doubles of client libraries, which no broker says; one is the older wording of another that is recorded;
those of market data are answered by the data API, whose own tests hold them against the recording.
"""

from collections.abc import Callable
from typing import Any

import pytest

from puna.exchange.account.commands import Exercise
from puna.exchange.venue import Refusal

AAPL = ("AAPL121019C00100000", "AAPL121019C00105000", "AAPL121019P00095000")
Situation = Callable[[Any], Any]


def _asking(**fields: Any) -> Situation:
    return lambda w: w.submit(**fields)


def _replacing(**change: Any) -> Situation:
    def act(w: Any) -> Any:
        order = w.limit(90)
        w.to(2)
        return w.replace(order.id, **change)

    return act


def _insufficient(w: Any) -> Any:
    w.order(qty=10)
    w.to(2)
    w.limit(200, side="sell", qty=10)
    return w.submit(side="sell", qty=5)


def _coins(w: Any) -> Any:
    w.order(symbol="BTC/USD", time_in_force="gtc", qty="0.119784")
    w.to(2)
    return w.submit(symbol="BTC/USD", time_in_force="gtc", qty="0.12", side="sell")


def _wash(w: Any) -> Any:
    w.order(type="stop", stop_price=120)
    return w.submit(side="sell")


def _filled(w: Any) -> Any:
    order = w.order()
    w.to(2)
    return w.cancel(order.id)


def _twice(w: Any) -> Any:
    w.order(client_order_id="mine")
    return w.submit(client_order_id="mine")


def _exit_bracket(w: Any) -> Any:
    w.order(qty=5)
    w.to(2)
    return w.submit(side="sell", order_class="bracket", take_profit=90, stop_loss=110)


def _uncovered(w: Any) -> Any:
    w.order(symbol=AAPL[0])
    w.to(2)
    return w.submit(symbol=AAPL[0], qty=2, side="sell")


def _exercise(w: Any) -> Any:
    w.order(symbol=AAPL[2], side="sell")
    w.to(2)
    return w.do(Exercise(AAPL[2]))


SITUATIONS: dict[str, Situation] = {
    "qty or notional is required": _asking(qty=None),
    "qty must be integer": _replacing(qty="1.5"),
    "insufficient qty available for order (requested: 459, available: 0)": _insufficient,
    "insufficient buying power": _asking(qty=486400),
    "insufficient balance for BTC (requested: 0.12, available: 0.119784)": _coins,
    "account not eligible to trade uncovered option contracts": _uncovered,
    "potential wash trade detected. use complex orders": _wash,
    'order is already in "filled" state': _filled,
    "client_order_id must be unique": _twice,
    "fractional orders must be simple orders": _asking(qty="0.5", order_class="bracket"),
    "leg ratio quantities should be relatively prime: GCD[5 5] = 5": lambda w: w.multileg(
        f"buy 5 {AAPL[0]}", f"sell 5 {AAPL[1]}", limit_price=2
    ),
    "order parameters are not changed": _replacing(limit_price=90),
    "bracket orders must be entry orders": _exit_bracket,
    "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria": _asking(
        type="limit", limit_price="290.123"
    ),
    "invalid stop_price 290.123. sub-penny increment does not fulfill minimum pricing criteria": _asking(
        type="stop", stop_price="290.123"
    ),
    "qty is required": lambda w: w.multileg(f"buy {AAPL[0]}", f"sell {AAPL[1]}", limit_price=2, qty=None),
    "cannot exercise short position": _exercise,
}

ELSEWHERE = {
    "Order failed": "a test double",
    "error": "a test double",
    "potential wash trade detected. opposite side limit order exists. use complex orders": "the older wording",
    "us_equity orders not allowed for account": "below: it takes another account",
    "forbidden": "an example that names no situation",
    "subscription does not permit querying recent SIP data": "the data API",
    "invalid symbol: BTCUSD does not match ^[A-Z]+/[A-Z]+$": "the data API",
}


@pytest.fixture
def here(world: Any, make_asset: Any) -> Any:
    """A stock, a coin and options, in the middle of trading."""
    coin = make_asset("BTC/USD", asset_class="crypto", marginable=False, shortable=False)
    rows = [(0, each, 3.0, 3.1) for each in AAPL] + [(0, "BTC/USD", 50_000.0, 50_010.0), (0, "AAPL", 99.98, 100.0)]
    w = world(*rows, assets=[make_asset("AAPL"), coin], contracts=dict.fromkeys(AAPL, True))
    w.to(1)
    return w


def test_no_recorded_body_is_left_out(recorded: Any) -> None:
    """A new recording needs a situation, or a reason."""
    assert {each["body"]["message"] for each in recorded("error_bodies")} == set(SITUATIONS) | set(ELSEWHERE)


@pytest.mark.parametrize("message", SITUATIONS)
def test_the_same_situation_gets_the_recorded_answer(here: Any, recorded: Any, message: str) -> None:
    """Status, code, keys and types are those of the recorded body; the words too, where the numbers are the same."""
    real = next(each for each in recorded("error_bodies") if each["body"]["message"] == message)
    refusal = SITUATIONS[message](here)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (real["http_status"], real["body"]["code"])
    assert set(refusal.body) == set(real["body"])
    assert [type(value) for key, value in sorted(refusal.body.items())] == [
        type(value) for key, value in sorted(real["body"].items())
    ]
    assert refusal.message.partition("(")[0] == message.partition("(")[0]


def test_a_blocked_account_gets_the_recorded_answer(world: Any, recorded: Any) -> None:
    """The body of alpaca-java#147."""
    w = world(trading_blocked=True)
    real = next(each for each in recorded("error_bodies") if "not allowed for account" in each["body"]["message"])
    assert w.refused().body == real["body"]
