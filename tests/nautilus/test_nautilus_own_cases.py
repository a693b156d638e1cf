"""What upstream's cases lack: classes, trails, extended hours, money, packages, coins, expiry, splits; and restarts."""

import asyncio
import random
from datetime import date
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import Running, exchange_at, here, running
from nautilus_strategies import ByHand
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import (
    ContingencyType,
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import OrderListId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder, OrderList, StopMarketOrder

AAPL = here("AAPL")
QUICK = {"settle_secs": 0.2, "sweep_interval_secs": 0.5, "account_interval_secs": None}
DAY = TimeInForce.DAY


async def shown(exchange: Any, path: str) -> Any:
    """What the broker answers."""
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(exchange.url + path) as answer:
        return await answer.json()


def bracket(hand: ByHand, entry: OrderType, limit: str, profit: str, loss: str) -> Any:
    """A bracket of the framework's, sent as a list."""
    terms: dict[str, Any] = {"entry_price": Price.from_str(limit)} if entry is OrderType.LIMIT else {}
    orders = hand.order_factory.bracket(
        AAPL,
        OrderSide.BUY,
        Quantity.from_int(5),
        entry_order_type=entry,
        tp_price=Price.from_str(profit),
        sl_trigger_price=Price.from_str(loss),
        tp_post_only=False,
        time_in_force=DAY,
        tp_time_in_force=DAY,
        sl_time_in_force=DAY,
        **terms,
    )
    hand.submit_order_list(orders)
    return orders


async def test_bracket() -> None:
    """E50, E52: one order at Alpaca; its exits are known by their own ids, and live when the entry has filled."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            entry, loss, profit = bracket(hand, OrderType.MARKET, "", "900.00", "500.00").orders
            await run.until(lambda: run.status(entry) == "FILLED")
            await run.until(lambda: run.status(profit) == run.status(loss) == "ACCEPTED")
            found = await shown(exchange, "/v2/orders?status=all&nested=true")
            legs = {leg["id"] for order in found for leg in order["legs"] or ()}
            assert {loss.venue_order_id.value, profit.venue_order_id.value} == legs
            hand.cancel_order(profit)
            await run.until(lambda: run.status(profit) == run.status(loss) == "CANCELED")


async def test_bracket_that_waits() -> None:
    """E51's twin: a bracket whose entry rests is canceled as a whole."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            entry, loss, profit = bracket(hand, OrderType.LIMIT, "600.00", "900.00", "500.00").orders
            await run.until(lambda: run.status(entry) == "ACCEPTED")
            hand.cancel_order(entry)
            await run.until(lambda: {run.status(each) for each in (entry, loss, profit)} == {"CANCELED"})


@pytest.mark.parametrize(("offset", "kind"), [("5.00", "PRICE"), ("100", "BASIS_POINTS")])
async def test_trailing_stop(offset: str, kind: str) -> None:
    """By price and by percent; the broker trails it."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            bought = hand.market(AAPL, "5")
            await run.until(lambda: run.status(bought) == "FILLED")
            order = hand.order_factory.trailing_stop_market(
                AAPL,
                OrderSide.SELL,
                Quantity.from_int(5),
                trailing_offset=Decimal(offset),
                trailing_offset_type=TrailingOffsetType[kind],
                time_in_force=DAY,
            )
            hand.submit_order(order)
            await run.until(lambda: run.status(order) == "ACCEPTED")
            (found,) = await shown(exchange, "/v2/orders")
            assert Decimal(found["trail_price"] or found["trail_percent"]) == Decimal(offset) / (
                1 if kind == "PRICE" else 100
            )


async def test_bracket_to_sell_short() -> None:
    """E51: the same the other way round."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            orders = hand.order_factory.bracket(
                AAPL,
                OrderSide.SELL,
                Quantity.from_int(5),
                entry_order_type=OrderType.MARKET,
                tp_price=Price.from_str("500.00"),
                sl_trigger_price=Price.from_str("900.00"),
                tp_post_only=False,
                time_in_force=DAY,
                tp_time_in_force=DAY,
                sl_time_in_force=DAY,
            )
            hand.submit_order_list(orders)
            entry, loss, profit = orders.orders
            await run.until(lambda: run.status(entry) == "FILLED")
            assert run.position(AAPL) == exchange.books().positions["AAPL"][0] == -5
            await run.until(lambda: run.status(profit) == run.status(loss) == "ACCEPTED")


def linked(hand: ByHand, *orders: Any) -> None:
    """Sends orders as one list."""
    hand.submit_order_list(OrderList(orders[0].order_list_id, list(orders)))


def exit_order(
    hand: ByHand, kind: str, price: str, list_id: OrderListId, contingency: ContingencyType, name: Any, other: Any
) -> Any:
    """One exit of five shares that belongs to a list, and is linked to another order of it."""
    ids = {"trader_id": hand.trader_id, "strategy_id": hand.id, "instrument_id": AAPL}
    common = {
        **ids,
        "client_order_id": name,
        "order_side": OrderSide.SELL,
        "quantity": Quantity.from_int(5),
        "init_id": UUID4(),
        "ts_init": hand.clock.timestamp_ns(),
        "time_in_force": DAY,
        "order_list_id": list_id,
        "contingency_type": contingency,
        "linked_order_ids": [other],
    }
    if kind == "limit":
        return LimitOrder(price=Price.from_str(price), **common)
    return StopMarketOrder(trigger_price=Price.from_str(price), trigger_type=TriggerType.LAST_PRICE, **common)


async def test_oco() -> None:
    """Two exits of a position are one OCO at Alpaca: the end of one is the end of the other."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            bought = hand.market(AAPL, "5")
            await run.until(lambda: run.status(bought) == "FILLED")
            name = hand.order_factory.generate_order_list_id()
            one, two = (hand.order_factory.generate_client_order_id() for _ in range(2))
            profit = exit_order(hand, "limit", "900.00", name, ContingencyType.OCO, one, two)
            loss = exit_order(hand, "stop", "500.00", name, ContingencyType.OCO, two, one)
            linked(hand, profit, loss)
            await run.until(lambda: run.status(profit) == run.status(loss) == "ACCEPTED")
            found = await shown(exchange, "/v2/orders?nested=true")
            assert [order["order_class"] for order in found] == ["oco"]
            hand.cancel_order(loss)
            await run.until(lambda: run.status(profit) == run.status(loss) == "CANCELED")


async def test_oto() -> None:
    """An entry with one exit is one OTO at Alpaca; the exit lives when the entry has filled."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            name = hand.order_factory.generate_order_list_id()
            one, two = (hand.order_factory.generate_client_order_id() for _ in range(2))
            entry = MarketOrder(
                trader_id=hand.trader_id,
                strategy_id=hand.id,
                instrument_id=AAPL,
                client_order_id=one,
                order_side=OrderSide.BUY,
                quantity=Quantity.from_int(5),
                init_id=UUID4(),
                ts_init=hand.clock.timestamp_ns(),
                time_in_force=DAY,
                order_list_id=name,
                contingency_type=ContingencyType.OTO,
                linked_order_ids=[two],
            )
            loss = exit_order(hand, "stop", "500.00", name, ContingencyType.OUO, two, one)
            linked(hand, entry, loss)
            await run.until(lambda: run.status(entry) == "FILLED" and run.status(loss) == "ACCEPTED")
            found = await shown(exchange, "/v2/orders?status=all&nested=true")
            assert [order["order_class"] for order in found] == ["oto"]


async def test_extended_hours() -> None:
    """A limit order of the day with `params={"extended_hours": True}` is marked so at the broker."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK) as run:
            order = hand.limit(AAPL, "5", "600.00", extended_hours=True)
            await run.until(lambda: run.status(order) == "ACCEPTED")
            (found,) = await shown(exchange, "/v2/orders")
            assert found["extended_hours"] is True
            denied = hand.market(AAPL, "5", extended_hours=True)
            await run.until(lambda: run.status(denied) == "DENIED")


async def test_fractions_and_money_of_stocks() -> None:
    """Where stocks are loaded with fractions, half a share and a hundred dollars' worth fill to the ninth decimal."""
    hand = ByHand()
    with exchange_at() as exchange:
        async with running(exchange.url, hand, execution=QUICK, provider={"fractional_shares": True}) as run:
            half = hand.market(AAPL, "0.5")
            await run.until(lambda: run.status(half) == "FILLED")
            money = hand.order_factory.market(
                AAPL, OrderSide.BUY, Quantity.from_int(100), time_in_force=DAY, quote_quantity=True
            )
            hand.submit_order(money)
            await run.until(lambda: run.status(money) == "FILLED")
            assert run.position(AAPL) == exchange.books().positions["AAPL"][0]


@pytest.mark.parametrize("seed", range(10))
async def test_restart(seed: int) -> None:
    """A new node finds the account as the exchange has it: positions and open orders alike, and nothing doubled."""
    chance = random.Random(seed)
    first, second = ByHand("first"), ByHand("second")
    with exchange_at(speed=600, seed=seed) as exchange:
        async with running(exchange.url, first, load=("AAPL", "MSFT"), execution=QUICK) as run:
            for _ in range(chance.randrange(1, 8)):
                _trade(first, run, chance)
                await asyncio.sleep(chance.random() * 0.1)
            made = len(run.cache.orders()) - len([o for o in run.cache.orders() if o.status_string() == "DENIED"])
        async with running(exchange.url, second, load=("AAPL", "MSFT"), execution=QUICK) as run:
            await run.until(lambda: _agree(run, exchange))
            found = await shown(exchange, "/v2/orders?status=all&limit=500")
            assert len({order["client_order_id"].split("~")[0] for order in found}) <= made
            open_ones = {order["id"] for order in found if order["status"] in ("new", "accepted", "partially_filled")}
            assert {order.venue_order_id.value for order in run.cache.orders_open()} == open_ones


def _trade(hand: ByHand, run: Running, chance: random.Random) -> None:
    """An order, a replace or a cancel."""
    symbol = here(chance.choice(["AAPL", "MSFT"]))
    kind = chance.random()
    open_ones = run.cache.orders_open(strategy_id=hand.id)
    if kind < 0.5 or not open_ones:
        hand.market(symbol, str(chance.randrange(1, 9))) if kind < 0.3 else hand.limit(symbol, "3", "20.00")
    elif kind < 0.75:
        hand.cancel_order(open_ones[0])
    else:
        hand.modify_order(open_ones[0], price=run.cache.instrument(open_ones[0].instrument_id).make_price(19))


def _agree(run: Running, exchange: Any) -> bool:
    books = exchange.books().positions
    return all(run.position(here(symbol)) == books.get(symbol, (0,))[0] for symbol in ("AAPL", "MSFT"))


async def test_split_overnight() -> None:
    """Shares that a split brings appear in the framework as the broker states them, at the last quote it has."""
    hand = ByHand()
    engine: dict[str, Any] = {"position_check_interval_secs": 0.5, "position_check_threshold_ms": 100}
    with exchange_at(speed=20_000, day=date(2005, 2, 25), days=2, symbols=("AAPL",)) as exchange:
        async with running(exchange.url, hand, execution=QUICK, engine=engine) as run:
            hand.subscribe_quote_ticks(AAPL)
            order = hand.market(AAPL, "10")
            await run.until(lambda: run.status(order) == "FILLED")
            await run.until(lambda: exchange.books().positions["AAPL"][0] == 20)
            await run.until(lambda: run.position(AAPL) == 20)
