"""Coins at the venue: types, steps, money that is there, all hours, names (facts.md 5.2, 5.5 and 10)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.exchange.fees import FeeSchedule
from puna.exchange.venue import Refusal
from puna.wire.trading import Order

BTC = {"symbol": "BTC/USD", "time_in_force": "gtc", "qty": "0.1"}
NIGHT = -5 * 3600.0


@pytest.fixture
def market(world: Any, make_asset: Any) -> Any:
    """Makes a venue with BTC/USD at 50,000 / 50,010, quoted through the night, and AAPL."""

    def make(*rows: tuple[Any, ...], **options: Any) -> Any:
        coin = make_asset(
            "BTC/USD",
            asset_class="crypto",
            marginable=False,
            shortable=False,
            min_order_size=Decimal("0.00002"),
            min_trade_increment=Decimal("0.000000001"),
            price_increment=Decimal("0.01"),
        )
        usual = [(second, "BTC/USD", 50_000.0, 50_010.0, 5) for second in (NIGHT, 0)]
        return world(*usual, (0, "AAPL", 99.98, 100.0), *rows, assets=[make_asset("AAPL"), coin], **options)

    return make


@pytest.fixture
def here(market: Any) -> Any:
    w = market()
    w.to(1)
    return w


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"time_in_force": "day"}, "invalid crypto time_in_force"),
    ({"time_in_force": "fok"}, "invalid crypto time_in_force"),
    ({"type": "stop", "stop_price": 60_000}, "invalid order type for crypto order"),
    ({"type": "trailing_stop", "trail_price": 5}, "invalid order type for crypto order"),
    (
        {"order_class": "bracket", "take_profit": 60_000, "stop_loss": 40_000},
        "complex orders not supported for crypto trading",
    ),
    (
        {"type": "limit", "limit_price": "50000.001"},
        "invalid limit_price 50000.001. limit_price must be a multiple of 0.01",
    ),
    ({"qty": "0.00001", "type": "limit", "limit_price": 200_000}, "qty must be >= minimal qty of order 0.00002"),
    (
        {"qty": 5},
        "notional value of crypto order must be <= 200000",
    ),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED)
def test_a_crypto_order_that_makes_no_sense(market: Any, asked: dict[str, Any], message: str) -> None:
    """422 42210000."""
    w = market(cash=Decimal(1_000_000))
    w.to(1)
    assert w.refused(**{**BTC, **asked}) == Refusal(422, 42210000, message)


@pytest.mark.parametrize(
    ("least", "qty", "taken"), [(1, "0.00003", True), (1, "0.000021", True), (10, "0.00003", False)]
)
def test_the_least_that_an_order_costs(market: Any, least: int, qty: str, taken: bool) -> None:
    """One dollar, or ten as newer reports have it."""
    w = market(crypto_minimum=Decimal(least))
    w.to(1)
    reply = w.submit(**{**BTC, "qty": qty})
    assert isinstance(reply, Order) is taken
    if not taken:
        assert reply == Refusal(403, 40310000, f"cost basis must be >= minimal amount of order {least}")


def test_what_is_bought_is_paid_from_cash(here: Any) -> None:
    """Stocks have four times as much; coins have what is not on margin (facts.md 5.2)."""
    here.limit(50_000, **{**BTC, "qty": "1.5"})
    account = here.venue.account(here.now)
    assert (account.non_marginable_buying_power, account.buying_power) == (25_000, 100_000)
    told = here.refused(**{**BTC, "qty": "0.5"})
    assert (told.status, told.code) == (403, 40310000)
    assert told.body == {
        "available": "25000",
        "balance": "25000",
        "code": 40310000,
        "message": "insufficient balance for USD (requested: 25005, available: 25000)",
        "symbol": "USD",
    }


def test_what_is_sold_must_be_held(here: Any, recorded: Any) -> None:
    """No shorts: the recorded body, keys and all."""
    here.order(**{**BTC, "qty": "0.119784"})
    here.to(2)
    told = here.refused(**{**BTC, "side": "sell", "qty": "0.12"})
    real = next(each for each in recorded("error_bodies") if "balance for BTC" in each["body"]["message"])
    assert (told.status, told.body) == (real["http_status"], real["body"])


def test_a_coin_trades_at_night_and_on_sundays(market: Any) -> None:
    """Whatever session runs; the order rests over the weekend and fills on Sunday."""
    sunday = 6 * 86_400.0
    w = market((sunday, "BTC/USD", 48_000.0, 48_010.0, 5), days=(date(2012, 9, 17), date(2012, 9, 24)))
    w.to(NIGHT + 1)
    early = w.order(**BTC)
    rests = w.limit(48_500, **BTC)
    w.to(NIGHT + 2)
    assert (w.statuses(early, rests), w.fills()) == (["filled", "new"], [(Decimal("0.1"), 50_010)])
    w.to(sunday + 1)
    assert w.fills(rests) == [(Decimal("0.1"), 48_010)]
    assert w.updates[-1].settle_date == "2012-09-23"


@pytest.mark.parametrize("name", ["BTC/USD", "BTCUSD", "id-of-BTC/USD"])
def test_orders_take_both_spellings_and_say_the_one_with_the_slash(here: Any, name: str) -> None:
    """Positions say the other one, and answer to no slash (facts.md 5.2 and 5.5)."""
    order = here.order(**{**BTC, "symbol": name})
    assert (order.symbol, order.asset_class) == ("BTC/USD", "crypto")
    here.to(2)
    assert here.venue.position("BTCUSD").symbol == "BTCUSD"
    assert here.venue.position("BTC/USD") is None
    assert here.close("BTC/USD") == Refusal(404, 40410000, "position does not exist")
    assert [each.id for each in here.venue.orders(status="all", symbols=["BTCUSD"])] == [order.id]


def test_closing_a_coin(here: Any, recorded: Any, plain: Any) -> None:
    """A gtc market order, in the row of the 207 as recorded."""
    here.order(**BTC)
    here.to(2)
    row = plain(here.close_all(cancel_orders=True))[0]
    real = next(each["body"] for each in recorded("positions_close_all_207"))[0]
    assert (row["symbol"], row["status"]) == (real["symbol"], real["status"]) == ("BTCUSD", 200)
    same = ("symbol", "asset_class", "type", "side", "time_in_force", "position_intent", "order_class", "notional")
    assert [row["body"][key] for key in same] == [real["body"][key] for key in same]
    here.to(3)
    assert here.venue.positions() == []


def test_fees_are_taken_in_what_comes_in(market: Any) -> None:
    """A taker of coins gets 25 basis points fewer, a maker 15; a seller gets fewer dollars (facts.md 10)."""
    w = market((5, "BTC/USD", 49_980.0, 49_990.0, 5), fees=FeeSchedule())
    w.to(1)
    w.order(**BTC)
    w.to(2)
    assert w.venue.position("BTCUSD").qty == Decimal("0.1") * Decimal("0.9975")
    w.limit(49_990, **BTC)
    w.to(6)
    assert w.venue.position("BTCUSD").qty == Decimal("0.1") * (Decimal("0.9975") + Decimal("0.9985"))
    cash = w.venue.ledger.cash
    w.order(**{**BTC, "side": "sell"})
    w.to(7)
    assert w.venue.ledger.cash == cash + 4998 * Decimal("0.9975")
    assert w.venue.ledger.imbalance == 0


def test_stop_limits_and_washes(market: Any) -> None:
    """A stop-limit is elected by a print; the wash rule holds for coins too (facts.md 5.2)."""
    w = market((5, "BTC/USD", 50_000.0, 50_010.0, 5), (5.5, "BTC/USD", 50_005.0))
    w.to(1)
    w.order(**BTC)
    w.to(2)
    order = w.order(**BTC, side="sell", type="stop_limit", stop_price=50_005, limit_price=49_000)
    told = w.refused(**BTC)
    assert told.details["reject_reason"] == "opposite side market/stop order exists"
    w.to(6)
    assert w.fills(order) == [(Decimal("0.1"), 50_000)]


def test_dollars_buy_coins(here: Any) -> None:
    """A notional order, to nine decimals; a replaced limit too."""
    order = here.order(**{**BTC, "qty": None, "notional": 1000})
    here.to(2)
    assert here.shown(order).filled_qty == Decimal("0.019996000")
    resting = here.limit(40_000, **BTC)
    here.to(3)
    new = here.replace(resting.id, limit_price=41_000)
    here.to(4)
    assert here.statuses(resting, new) == ["replaced", "new"]


def test_parts_of_coins_are_shown_and_taken(market: Any) -> None:
    """A quarter of a coin is shown, a quarter fills, and the rest waits for the next quote."""
    w = market((5, "BTC/USD", 50_000.0, 50_010.0, 0.25), (10, "BTC/USD", 50_000.0, 50_010.0, 0.25))
    w.to(6)
    order = w.order(**{**BTC, "qty": "0.4"})
    w.to(7)
    assert w.fills(order) == [(Decimal("0.25"), 50_010)]
    w.to(11)
    assert w.fills(order) == [(Decimal("0.25"), 50_010), (Decimal("0.15"), 50_010)]
