"""Coins: seeded prices around the clock, quotes, prints, books and bars."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices import coins
from puna.exchange.prices.coin_market import CoinMarket
from puna.exchange.prices.coins import COINS, DAY_NS, NANO
from puna.exchange.prices.joint import build_market
from puna.exchange.prices.market import MarketStep
from puna.wire.codec import encode
from puna.wire.stream import BarMessage, CryptoTradeMessage, QuoteMessage

DAY = 15_602  # 2012-09-19
START = DAY * DAY_NS + 10 * 3600 * NANO
PINNED = (
    51_633_573_764_860,
    51_723_407_374_800,
    (52_477_860_000_000, 1_249_999_992, 52_505_870_000_000, 1_666_666_656),
    (52_505_870_000_000, 138_889_689, True),
)
HOUR = 3600 * NANO


def market(hours: int = 2, seed: int = 7, **fields: object) -> CoinMarket:
    usual = {"pairs": ("BTC/USD", "DOGE/USD"), "start": START, "end": START + hours * HOUR, "seed": seed}
    return CoinMarket(**{**usual, **fields})  # type: ignore[arg-type]


def everything(here: CoinMarket) -> list[MarketStep]:
    steps = []
    while (step := here.step(START * 2)) is not None:
        steps.append(step)
    return steps


def test_the_same_seed_gives_the_same_prices() -> None:
    """To the byte; another seed gives others, and a coin's prices do not depend on which others there are."""
    one, same, other = ([encode(step.messages) for step in everything(market(seed=seed))] for seed in (7, 7, 8))
    assert one == same != other
    alone = [m for step in everything(market(pairs=("BTC/USD",))) for m in step.messages]
    assert alone == [m for step in everything(market()) for m in step.messages if m.S == "BTC/USD"]


def test_a_price_is_pinned() -> None:
    """A number that was once made on one machine, and must come out on every other."""
    path = coins.coin_day(COINS["BTC/USD"], DAY, 5760, 7)
    assert (path.middle[0], path.middle[-1], path.quote(1000), path.trade(1000)) == PINNED


@given(st.sampled_from(sorted(COINS)), st.integers(11_000, 22_000), st.integers(0, 1_000))
@settings(max_examples=60)
def test_levels_stay_in_the_neighbourhood(pair: str, day: int, seed: int) -> None:
    """Always positive, within a factor of ten of where they live, and one day's move is a day's move."""
    coin = COINS[pair]
    here, there = coins.levels(coin, day, seed), coins.levels(coin, day + 1, seed)
    assert coin.price // 10 < here < coin.price * 10
    assert abs(there - here) * 1_000_000 < here * coin.daily * 8


def test_days_join() -> None:
    """A day begins where the one before it was going."""
    coin = COINS["ETH/USD"]
    before, after = coins.coin_day(coin, DAY, 1440, 7), coins.coin_day(coin, DAY + 1, 1440, 7)
    assert abs(before.middle[-1] - after.middle[0]) * 1_000 < after.middle[0] * 10


def test_every_quote_is_usable_and_on_its_increment() -> None:
    """Bid below ask, both on the asset's price increment, sizes of at most nine decimals; prints stand at them."""
    for step in everything(market()):
        quotes = {m.S: m for m in step.messages if isinstance(m, QuoteMessage)}
        for pair, quote in quotes.items():
            increment = Decimal(COINS[pair].tick) / NANO
            assert 0 < quote.bp < quote.ap
            assert all(Decimal(repr(price)) % increment == 0 for price in (quote.bp, quote.ap))
            assert quote.bs > 0 < quote.as_
        for trade in (m for m in step.messages if isinstance(m, CryptoTradeMessage)):
            assert trade.p == (quotes[trade.S].ap if trade.tks == "B" else quotes[trade.S].bp)
            assert trade.s > 0


def test_minute_bars_are_made_of_the_prints_of_their_minute() -> None:
    """Each comes half a second after its minute, and says what was told before."""
    here, prints, bars = market(hours=1), [], []
    for step in everything(here):
        prints += [m for m in step.messages if isinstance(m, CryptoTradeMessage) and m.S == "BTC/USD"]
        bars += [(step.ts, m) for m in step.messages if isinstance(m, BarMessage) and m.S == "BTC/USD"]
    for ts, bar in bars[1:]:
        assert ts == bar.t + 60 * NANO + NANO // 2
        inside = [m for m in prints if bar.t <= m.t < bar.t + 60 * NANO]
        assert (bar.h, bar.l) == (max(m.p for m in inside), min(m.p for m in inside))
        assert bar.v == pytest.approx(sum(m.s for m in inside), abs=1e-9)
    assert len(bars) == 60


def test_the_book_begins_with_the_quote() -> None:
    """Ten levels a side, bids falling and asks rising from the quote."""
    here = market()
    for _ in range(20):
        here.step(START * 2)
    quote, book = here.quote("BTC/USD"), here.orderbook("BTC/USD")
    assert quote is not None
    assert book is not None
    assert (book.b[0].p, book.b[0].s, book.a[0].p, book.a[0].s) == (quote.bp, quote.bs, quote.ap, quote.as_)
    assert len(book.b) == len(book.a) == 10
    assert all(before.p > after.p for before, after in pairwise(book.b))
    assert all(before.p < after.p for before, after in pairwise(book.a))
    assert here.orderbook("AAPL") is None


def test_daily_bars_begin_at_midnight_in_chicago() -> None:
    """05:00Z in summer and 06:00Z in winter, as recorded bars do; the day so far is the last one."""
    here = market()
    bars = here.bars("BTC/USD", "1Day", START - 300 * DAY_NS, None, START)
    hours = {bar.t % DAY_NS // HOUR for bar in bars}
    assert hours == {5, 6}
    assert bars[-1].t <= START < bars[-1].t + DAY_NS
    assert all(before.t < after.t for before, after in pairwise(bars))
    weeks = here.bars("BTC/USD", "1Week", START - 100 * DAY_NS, None, START)
    assert {sessions.new_york(bar.t).weekday() for bar in weeks} == {0}


def test_nothing_is_told_before_its_time() -> None:
    """Bars, quotes and prints end at now."""
    here = market()
    now = START + 30 * 60 * NANO
    assert max(bar.t for bar in here.bars("BTC/USD", "1Min", START, None, now)) == now - 120 * NANO
    assert max(quote.t for quote in here.quotes("BTC/USD", START, None, now)) == now
    assert max(trade.t for trade in here.trades("BTC/USD", START, None, now)) <= now


def test_coins_and_stocks_share_one_market() -> None:
    """Their steps come in order of time; coins go on when stocks have closed; assets show their increments."""
    joint = build_market(ExchangeConfig(symbols=("MSFT", "BTC/USD"), step_seconds=60))
    steps = []
    while (step := joint.step(2**62)) is not None:
        steps.append(step)
    assert all(before.ts <= after.ts for before, after in pairwise(steps))
    close = joint.sessions[0].close_ns
    assert {m.S for step in steps if step.ts > close + NANO for m in step.messages} == {"BTC/USD"}
    assert joint.symbols == ("BTC/USD", "MSFT")
    asset = {each.symbol: each for each in joint.assets()}["BTC/USD"]
    assert (asset.asset_class, asset.price_increment, asset.min_trade_increment) == (
        "crypto",
        Decimal("0.01"),
        Decimal("0.000000001"),
    )
    day = sessions.day(date(2012, 9, 19))
    assert day is not None
    assert steps[-1].ts < day.post_close


def test_an_unknown_pair_is_one_clear_error() -> None:
    """It names the coins that there are."""
    with pytest.raises(DataError, match="XYZ/USD") as caught:
        build_market(ExchangeConfig(symbols=("MSFT", "XYZ/USD")))
    assert "BTC/USD" in str(caught.value.remedy)
