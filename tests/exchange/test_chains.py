"""Option chains: what is listed, what it is quoted at, what has traded, what that implies."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.symbols import Option, parse
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices import listings
from puna.exchange.prices.chains import Chains
from puna.exchange.prices.joint import build_market
from puna.exchange.prices.stocks import ReplayMarket
from puna.wire.codec import encode
from puna.wire.stream import QuoteMessage

DAY = date(2012, 9, 19)
NOON = sessions.at(DAY, sessions.new_york(0).time().replace(hour=12, minute=0))


def chains(until: int = NOON, **fields: object) -> Chains:
    stocks = ReplayMarket(**{"first": DAY, "seed": 7, **fields})  # type: ignore[arg-type]
    while stocks.step(until):
        pass
    return Chains(stocks, seed=7)


def option(symbol: str) -> Option:
    found = parse(symbol)
    assert isinstance(found, Option)
    return found


@pytest.fixture(scope="module")
def noon() -> Chains:
    """At noon of the usual day."""
    return chains()


@given(st.dates(date(2001, 1, 1), date(2028, 1, 1)))
@settings(max_examples=40)
def test_expirations_are_trading_days_weekly_at_first(on: date) -> None:
    """Eight or nine weeklies, then monthlies and Januaries; each on a trading day; none in the past."""
    found = listings.expirations(on)
    assert all(sessions.day(each) for each in found)
    assert found == tuple(sorted(set(found)))
    assert found[0] >= on
    assert sum(each <= on + timedelta(weeks=8) for each in found) >= 8
    assert any(each.month == 1 for each in found)


def test_a_holiday_friday_moves_the_expiry_to_thursday() -> None:
    """Good Friday 2012 was no trading day."""
    assert date(2012, 4, 5) in listings.expirations(date(2012, 4, 2))
    assert date(2012, 4, 6) not in listings.expirations(date(2012, 4, 2))


def test_every_listed_contract_is_whole(noon: Chains) -> None:
    """Ids are unique and lead back; names, sizes and strikes go with the symbol; a call for each put."""
    chain = noon.contracts("MSFT", NOON)
    assert len({each.id for each in chain}) == len(chain) > 300
    assert [each.symbol for each in chain] == sorted(each.symbol for each in chain)
    for each in chain[::37]:
        known = option(each.symbol)
        assert noon.contract(each.symbol, NOON) == noon.contract(each.id, NOON) == each
        assert (each.strike_price, each.expiration_date) == (known.strike, known.expiration.isoformat())
        assert each.multiplier == each.size == Decimal(100)
        assert (each.style, each.status) == ("american", "active")
        assert each.close_price is not None
        assert each.close_price > 0
    assert sum(each.type == "call" for each in chain) * 2 == len(chain)
    assert chain[0].name == "MSFT Sep 21 2012 22 Call"


def test_what_expires_today_ends_at_the_close() -> None:
    """Active and quoted before the close of its last day, inactive and silent after it."""
    friday = date(2012, 9, 21)
    day = sessions.day(friday)
    assert day is not None
    symbol = "AAPL120921C00700000"
    here = chains(day.close - 1, first=friday, symbols=["AAPL"])
    contract, quote = here.contract(symbol, day.close - 1), here.quote(symbol)
    assert contract is not None
    assert contract.status == "active"
    assert quote is not None
    after = here.contract(symbol, day.close)
    assert after is not None
    assert (after.status, after.tradable) == ("inactive", False)


@pytest.mark.parametrize(
    "symbol",
    [
        "AAPL121020C00700000",  # a Saturday
        "AAPL120921C00701000",  # between two strikes
        "AAPL120921C09000000",  # too far away
        "XYZ120921C00700000",  # no such stock
        "AAPL7120921C00700000",  # an adjusted root
        "AAPL",
        "nonsense",
    ],
)
def test_what_is_not_listed_has_no_price(noon: Chains, symbol: str) -> None:
    """No quote, no trade, no contract."""
    assert noon.quote(symbol) is None
    assert noon.trade(symbol) is None
    assert noon.contract(symbol, NOON) is None
    assert noon.greeks(symbol) is None


def quotes(noon: Chains, root: str) -> list[tuple[Option, QuoteMessage]]:
    found = [(option(each.symbol), noon.quote(each.symbol)) for each in noon.contracts(root, NOON)]
    return [(known, quote) for known, quote in found if quote is not None]


@pytest.mark.parametrize("root", ["MSFT", "IBM"])
def test_quotes_stand_on_the_ticks_of_the_penny_programme(noon: Chains, root: str) -> None:
    """A cent below 3 and five above inside the programme, five and ten outside; the ask above the bid."""
    for known, quote in quotes(noon, root):
        for price in (Decimal(repr(quote.bp)), Decimal(repr(quote.ap))):
            assert price % listings.tick(price, penny=root != "IBM") == 0, (known, quote)
        assert 0 <= quote.bp < quote.ap
        assert (quote.bs > 0) is (quote.bp > 0)


def test_no_quote_is_an_arbitrage(noon: Chains) -> None:
    """No ask below what exercise brings, no bid above the stock or the strike; parity of put and call in the spread."""
    sides: dict[tuple[date, Decimal], dict[str, QuoteMessage]] = {}
    spot = 31.18
    for known, quote in quotes(noon, "MSFT"):
        strike = float(known.strike)
        assert quote.ap >= (spot - strike if known.right == "C" else strike - spot) - 0.1
        assert quote.bp <= (spot if known.right == "C" else strike) + 0.1
        sides.setdefault((known.expiration, known.strike), {})[known.right] = quote
    for (_, strike_price), pair in sides.items():
        parity = spot - float(strike_price)
        assert pair["C"].bp - pair["P"].ap - 0.1 <= parity <= pair["C"].ap - pair["P"].bp + 0.1


def test_the_same_seed_quotes_and_prints_the_same(noon: Chains) -> None:
    """And options that were asked for before change nothing."""
    other = chains()
    for symbol in ("AAPL120921C00700000", "IBM121019P00200000", "AAPL120921C00900000"):
        assert encode(noon.quote(symbol)) == encode(other.quote(symbol))
        assert encode(noon.trades(symbol, None, None, NOON)) == encode(other.trades(symbol, None, None, NOON))
        assert noon.greeks(symbol) == other.greeks(symbol)


def test_bars_are_made_of_the_prints(noon: Chains) -> None:
    """Volume, range and count of a day are those of its prints, and nothing later than now is in them."""
    symbol = "AAPL121019C00700000"
    prints = noon.trades(symbol, None, None, NOON)
    days = noon.bars(symbol, "1Day", None, None, NOON)
    assert sum(bar.v for bar in days) == sum(each.s for each in prints)
    assert sum(bar.n for bar in days) == len(prints) > 100
    assert max(bar.h for bar in days) == max(each.p for each in prints)
    assert prints == sorted(prints, key=lambda each: each.t)
    assert prints[-1].t <= NOON
    assert noon.trade(symbol) == prints[-1]
    assert len(days) == 6  # five of history, and today


def test_greeks_go_with_the_quote(noon: Chains) -> None:
    """Deltas of a call and its put differ by one; none on a zero bid; the volatility lies near the surface's."""
    call, put = noon.greeks("AAPL121019C00700000"), noon.greeks("AAPL121019P00700000")
    assert call is not None
    assert put is not None
    assert call.sensitivities.delta - put.sensitivities.delta == pytest.approx(1.0, abs=0.01)
    assert 0.1 < call.implied_volatility < 0.6
    cheap = noon.quote("AAPL120921C00900000")
    assert cheap is not None
    assert cheap.bp == 0.0
    assert noon.greeks("AAPL120921C00900000") is None


def test_there_are_no_greeks_on_the_last_day() -> None:
    """0DTE: quoted, and without Greeks (facts.md 6)."""
    friday = date(2012, 9, 21)
    here = chains(sessions.at(friday, sessions.new_york(NOON).time()), first=friday, symbols=["AAPL"])
    assert here.quote("AAPL120921C00700000") is not None
    assert here.greeks("AAPL120921C00700000") is None
    assert here.greeks("AAPL120928C00700000") is not None


def test_before_the_first_quote_of_the_stock_there_is_none_of_its_options() -> None:
    """A chain is listed before the open all the same."""
    market = build_market(ExchangeConfig())
    now = market.sessions[0].open_ns - 1
    assert market.quote("AAPL120921C00700000") is None
    assert market.trade("AAPL120921C00700000") is None
    assert market.contracts("AAPL", now)
    assert build_market(ExchangeConfig(options=False)).contracts("AAPL", now) == []
