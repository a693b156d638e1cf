"""What befalls a holding besides trades: days, splits, renames, options, coins' fees. Every change has its cause."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.fees import CRYPTO_TIERS, FeeSchedule
from puna.exchange.ledger import Cause, Ledger

CALL, COIN = "AAPL120922C00700000", "BTC/USD"
PRICES = st.decimals("0.01", "5000", places=2)
SIZES = st.integers(-50, 50).filter(bool).map(Decimal)
DEEDS = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(["AAPL", CALL]), SIZES, PRICES),
    st.tuples(st.just("coin"), st.just(COIN), st.decimals(-5, 5, places=9).filter(bool), PRICES),
    st.tuples(st.just("split"), st.integers(1, 20), st.integers(1, 20), PRICES),
    st.tuples(st.just("expire"), st.sampled_from([Cause.EXPIRY, Cause.EXERCISE, Cause.ASSIGNMENT])),
    st.tuples(st.just("pay"), st.sampled_from([Cause.DIVIDEND, Cause.INTEREST]), st.decimals(-99, 99, places=2)),
    st.tuples(st.just("rename")),
    st.tuples(st.just("day"), PRICES),
)


def _ledger(**rest: Any) -> Any:
    return Ledger(start=Decimal(100_000), **rest)


def _do(books: Any, deed: tuple[Any, ...]) -> None:
    match deed:
        case ("trade" | "coin", symbol, qty, price):
            books.trade(symbol, qty, price)
        case ("split", old_rate, new_rate, price):
            books.split("AAPL", old_rate, new_rate, in_lieu=price)
        case ("expire", cause):
            held = books.quantity(CALL)
            if held:
                books.move(cause, CALL, -held, Decimal(0))
                books.move(Cause.DELIVERY, "AAPL", held * 100, Decimal(700))
        case ("pay", cause, amount):
            books.pay(cause, amount, "AAPL")
        case ("rename",):
            books.rename("AAPL", "APLE")
            books.rename("APLE", "AAPL")
        case ("day", price):
            books.charge_fees()
            books.charge_coins()
            books.begin_day({"AAPL": price})


@given(st.lists(DEEDS, max_size=40), st.sampled_from(["trade", "day_end"]), st.booleans())
def test_every_change_of_cash_and_of_a_quantity_has_a_cause(
    deeds: list[tuple[Any, ...]], coin_fees_at: str, compressed: bool
) -> None:
    """Cash and quantities are the sums of the changes, lots are the holding, and the books balance, after anything."""
    books = _ledger(schedule=FeeSchedule(), coin_fees_at=coin_fees_at, compressed=compressed)
    for deed in deeds:
        _do(books, deed)
        assert books.imbalance == 0
        assert books.cash == books.start + sum(change.cash for change in books.changes)
        for symbol in ("AAPL", "APLE", CALL, COIN):
            assert books.quantity(symbol) == sum(each.qty for each in books.changes if each.symbol == symbol)
    for holding in books.holdings.values():
        assert sum(lot.qty for lot in holding.remaining()) == holding.qty


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([[(100, 10), (50, 12)], [(30, 15)], [(-120, 20)], []], ("770", "12.833333333")),
        ([[(100, 10), (50, 9), (-50, 20), (50, 11)], []], ("1500", "10")),
    ],
)
def test_costs_are_compressed_fifo_after_a_night(days: list[Any], expected: tuple[str, str]) -> None:
    """The documentation's examples 1 and 2 (facts.md 5.5, AEP)."""
    books = _ledger()
    for trades in days:
        books.begin_day({})
        for qty, price in trades:
            books.trade("X", Decimal(qty), Decimal(price))
    held = books.holdings["X"]
    assert (held.cost, held.average_price) == tuple(map(Decimal, expected))
    assert books.imbalance == 0


def test_costs_are_a_weighted_average_during_the_day() -> None:
    """The documentation's third example: 683.33 at 11.39 (AEP); so they stay where compression is off."""
    books = _ledger(compressed=False)
    for qty, price in ((100, 10), (50, 12), (30, 15), (-120, 20)):
        books.trade("X", Decimal(qty), Decimal(price))
        books.begin_day({})
    held = books.holdings["X"]
    assert (round(held.cost, 2), round(held.average_price, 2)) == (Decimal("683.33"), Decimal("11.39"))


def test_an_option_counts_a_hundredfold() -> None:
    """Two calls at 5.10 cost 1,020; their average price is 5.10 (facts.md 11)."""
    books = _ledger()
    books.trade(CALL, Decimal(2), Decimal("5.10"))
    assert (books.cash, books.positions[CALL]) == (98_980, (2, Decimal("5.10")))
    assert books.holdings[CALL].value(Decimal(6)) == 1200


def test_an_exercised_call_becomes_shares_at_its_strike() -> None:
    """The premium is lost, the shares cost the strike (facts.md 5.7, NTA)."""
    books = _ledger()
    books.trade(CALL, Decimal(1), Decimal(5))
    books.move(Cause.EXERCISE, CALL, Decimal(-1), Decimal(0))
    books.move(Cause.DELIVERY, "AAPL", Decimal(100), Decimal(700))
    assert (books.positions, books.realised) == ({"AAPL": (100, 700)}, -500)
    assert books.cash == 100_000 - 500 - 70_000


@pytest.mark.parametrize(("qty", "left", "paid"), [(105, 10, "25.00"), (-105, -10, "-25.00"), (100, 10, "0")])
def test_a_reverse_split_pays_for_the_fraction(qty: int, left: int, paid: str) -> None:
    """One for ten of 105 leaves ten, and half a share in cash; a short owes it."""
    books = _ledger()
    books.trade("X", Decimal(qty), Decimal(5))
    before = books.cash
    assert books.split("X", 10, 1, in_lieu=Decimal(50)) == Decimal(paid)
    assert (books.quantity("X"), books.cash - before, books.imbalance) == (left, Decimal(paid), 0)


@pytest.mark.parametrize(("maker", "rate"), [(False, "0.0025"), (True, "0.0015")])
def test_a_coin_is_charged_in_what_was_received(maker: bool, rate: str) -> None:
    """Bought: in coins; sold: in dollars; told at the end of the day (facts.md 10, CRY)."""
    books = _ledger(schedule=FeeSchedule())
    books.trade(COIN, Decimal(2), Decimal(1000), maker=maker)
    assert books.quantity(COIN) == 2 - 2 * Decimal(rate)
    books.trade(COIN, Decimal(-1), Decimal(1000), maker=maker)
    assert books.cash == 100_000 - 2000 + 1000 - 1000 * Decimal(rate)
    bought, sold = books.charge_coins()
    assert (bought.qty, bought.cash, sold.qty, sold.cash) == (2 * Decimal(rate), 0, 0, 1000 * Decimal(rate))
    assert books.charge_coins() == []


def test_a_coins_fee_may_wait_for_the_end_of_the_day() -> None:
    """Switchable: until then all coins are there, and what is owed in dollars is accrued."""
    books = _ledger(schedule=FeeSchedule(), coin_fees_at="day_end")
    books.trade(COIN, Decimal(2), Decimal(1000))
    books.trade(COIN, Decimal(-1), Decimal(1000))
    assert (books.quantity(COIN), books.accrued) == (1, Decimal("2.5"))
    books.charge_coins()
    assert (books.quantity(COIN), books.accrued, books.fees) == (Decimal("0.995"), 0, Decimal("7.5"))


def test_the_tier_follows_the_volume_of_the_days_before() -> None:
    """Every tier is reached by its volume, and not on the same day (facts.md 10)."""
    books, schedule = _ledger(schedule=FeeSchedule()), FeeSchedule()
    books.trade(COIN, Decimal(600), Decimal(1000))
    assert books.crypto_volume == 0
    books.begin_day({})
    assert books.crypto_volume == 600_000
    assert schedule.coin_rate(books.crypto_volume, maker=False) == Decimal("0.0020")
    for _ in range(30):
        books.begin_day({})
    assert books.crypto_volume == 0
    rates = [schedule.coin_rate(tier.below - 1 if tier.below else Decimal(10**9), maker=True) for tier in CRYPTO_TIERS]
    assert rates == [tier.maker / 10_000 for tier in CRYPTO_TIERS]


def test_options_cost_what_the_page_says() -> None:
    """Ten contracts sold for 2.00: ORF, OCC, TAF, CAT and SEC, each rounded up (facts.md 10, FEES)."""
    books = _ledger(schedule=FeeSchedule())
    books.trade(CALL, Decimal(-10), Decimal(2))
    charged = {name: str(value) for name, value in books.charge_fees().items()}
    assert charged == {"CAT": "0.01", "OCC": "0.20", "ORF": "0.27", "SEC": "0.05", "TAF": "0.03"}
    books.trade(CALL, Decimal(5000), Decimal("0.01"))
    assert books.charge_fees()["OCC"] == 55
