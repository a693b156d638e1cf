"""Options and coins through the adapter, on the embedded exchange: singles, packages, expiry, fees in coins."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import Running, exchange_at, here, running
from nautilus_strategies import ByHand
from nautilus_trader.model.enums import OptionKind, OrderSide, TimeInForce, TrailingOffsetType
from nautilus_trader.model.identifiers import new_generic_spread_id
from nautilus_trader.model.instruments import OptionContract
from nautilus_trader.model.objects import Quantity

from puna.exchange.account.terms import AccountTerms, Assignment
from puna.exchange.terms import VenueOptions

QUICK = {"settle_secs": 0.2, "sweep_interval_secs": 0.5, "account_interval_secs": None}
CHAIN = {"load_all": True, "load_ids": None, "option_underlyings": ("AAPL",)}
BITCOIN = here("BTC/USD")
DAY = TimeInForce.DAY


def chain(run: Running) -> list[OptionContract]:
    """The nearest expiration, by strike."""
    found = [each for each in run.cache.instruments() if isinstance(each, OptionContract)]
    nearest = min(each.expiration_ns for each in found)
    return sorted((each for each in found if each.expiration_ns == nearest), key=lambda each: each.strike_price)


def near(run: Running, kind: OptionKind, strike: float) -> OptionContract:
    """The contract whose strike is nearest."""
    same = [each for each in chain(run) if each.option_kind is kind]
    return min(same, key=lambda each: abs(float(each.strike_price) - strike))


async def test_single_options() -> None:
    """E90, E91, E100: a call is bought and sold again; a limit far away rests, and is canceled."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider=CHAIN) as run:
            call = near(run, OptionKind.CALL, 700)
            bought = hand.limit(call.id, "2", "500.00")
            await run.until(lambda: run.status(bought) == "FILLED")
            assert exchange.books().positions[call.id.symbol.value][0] == run.position(call.id) == 2
            sold = hand.limit(call.id, "-2", "0.05")
            await run.until(lambda: run.status(sold) == "FILLED")
            assert run.position(call.id) == 0
            resting = hand.limit(call.id, "1", "0.05")
            await run.until(lambda: run.status(resting) == "ACCEPTED")
            hand.cancel_order(resting)
            await run.until(lambda: run.status(resting) == "CANCELED")


async def test_denied() -> None:
    """E94, E99: trailing stops and FOK do not go with options."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider=CHAIN) as run:
            call = near(run, OptionKind.CALL, 700)
            fok = hand.limit(call.id, "1", "1.00", TimeInForce.FOK)
            trail = hand.order_factory.trailing_stop_market(
                call.id,
                OrderSide.SELL,
                Quantity.from_int(1),
                trailing_offset=Decimal(1),
                trailing_offset_type=TrailingOffsetType.PRICE,
                time_in_force=DAY,
            )
            hand.submit_order(trail)
            await run.until(lambda: run.status(fok) == run.status(trail) == "DENIED")


async def opened_condor(hand: ByHand, run: Running) -> tuple[Any, list[tuple[OptionContract, int]]]:
    """An iron condor, bought as one spread, and its legs."""
    wanted = (
        (OptionKind.PUT, 650, 1),
        (OptionKind.PUT, 675, -1),
        (OptionKind.CALL, 725, -1),
        (OptionKind.CALL, 750, 1),
    )
    legs = [(near(run, kind, strike), ratio) for kind, strike, ratio in wanted]
    spread_id = new_generic_spread_id([(leg.id, ratio) for leg, ratio in legs])
    hand.request_instrument(spread_id)
    await run.until(lambda: run.cache.instrument(spread_id) is not None)
    order = hand.limit(spread_id, "2", "5.00")
    await run.until(lambda: run.status(order) == "FILLED")
    return order, legs


async def test_iron_condor() -> None:
    """One order at Alpaca; its fill as a whole, and the fills of its legs, which make the positions."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider=CHAIN) as run:
            order, legs = await opened_condor(hand, run)
            await run.until(lambda: all(run.position(leg.id) == 2 * ratio for leg, ratio in legs))
            books = exchange.books().positions
            assert {symbol: qty for symbol, (qty, _) in books.items()} == {
                leg.id.symbol.value: 2 * ratio for leg, ratio in legs
            }
            fills = hand.named("OrderFilled")
            assert len([each for each in fills if each.instrument_id == order.instrument_id]) == 1
            assert len([each for each in fills if "-LEG-" in each.client_order_id.value]) == 4


async def test_restart_with_options() -> None:
    """E101: a new node finds the legs as positions, without having loaded a chain."""
    hand, other = ByHand(), ByHand("other")
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider=CHAIN) as run:
            _, legs = await opened_condor(hand, run)
        async with running(exchange.url, other, execution=QUICK) as run:
            await run.until(lambda: all(run.position(leg.id) == 2 * ratio for leg, ratio in legs))


async def test_expiry() -> None:
    """What expires is gone from the framework's positions as well: exercised into shares, or worthless."""
    hand = ByHand()
    engine: dict[str, Any] = {"position_check_interval_secs": 0.5, "position_check_threshold_ms": 100}
    with exchange_at(speed=4_000, day=date(2012, 9, 20), days=3, symbols=("AAPL",)) as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider=CHAIN, engine=engine) as run:
            put = near(run, OptionKind.PUT, 650)
            hand.subscribe_quote_ticks(here("AAPL"))
            hand.subscribe_quote_ticks(put.id)
            bought = hand.limit(put.id, "1", "100.00")
            await run.until(lambda: run.status(bought) == "FILLED")
            await run.until(lambda: not exchange.books().positions, 60)
            await run.until(lambda: run.position(put.id) == 0)


async def test_assignment() -> None:
    """A short put that is assigned over night is gone, and its shares are there, without an order."""
    hand = ByHand()
    engine: dict[str, Any] = {"position_check_interval_secs": 0.5, "position_check_threshold_ms": 100}
    put = "AAPL120921P00675000"
    terms = AccountTerms(assignments=(Assignment(put, date(2012, 9, 20), Decimal(1)),))
    config = {"day": date(2012, 9, 19), "days": 2, "symbols": ("AAPL",), "venue": VenueOptions(account=terms)}
    with exchange_at(speed=4_000, **config) as exchange:
        async with running(exchange.url, hand, load=("AAPL", put), execution=QUICK, engine=engine) as run:
            hand.subscribe_quote_ticks(here("AAPL"))
            hand.subscribe_quote_ticks(here(put))
            await run.until(lambda: run.cache.quote_tick(here(put)) is not None)
            sold = hand.limit(here(put), "-1", "0.05")
            await run.until(lambda: run.status(sold) == "FILLED")
            await run.until(lambda: exchange.books().positions.get("AAPL", (0,))[0] == 100, 40)
            await run.until(lambda: run.position(here("AAPL")) == 100 and run.position(here(put)) == 0)


async def test_coins_and_their_fee() -> None:
    """The fee is taken out of the coins: the framework's position is the broker's, and can be sold to the last bit."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, load=("BTC/USD",), execution=QUICK) as run:
            bought = hand.market(BITCOIN, "0.1", TimeInForce.GTC)
            await run.until(lambda: run.status(bought) == "FILLED")
            held = exchange.books().positions["BTC/USD"][0]
            await run.until(lambda: run.position(BITCOIN) == held)
            sold = hand.market(BITCOIN, f"-{held}", TimeInForce.IOC)
            await run.until(lambda: run.status(sold) == "FILLED")
            assert not exchange.books().positions


async def test_money_buys_coins() -> None:
    """E05: a market order for dollars."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, load=("BTC/USD",), execution=QUICK) as run:
            order = hand.order_factory.market(
                BITCOIN, OrderSide.BUY, Quantity.from_int(500), time_in_force=TimeInForce.GTC, quote_quantity=True
            )
            hand.submit_order(order)
            await run.until(lambda: run.status(order) == "FILLED")
            assert 0 < run.position(BITCOIN) < 1
            assert run.position(BITCOIN) == exchange.books().positions["BTC/USD"][0]
