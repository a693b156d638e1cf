"""Orders that bring others along, against the real exchange: exits are booked, protect, and end each other."""

from decimal import Decimal
from typing import Any

import pytest

from puna.core.orders import Status
from puna.exchange.orders.book import Honest
from puna.exchange.venue import VenueOptions
from puna.wire.trading import OrderRequest, StopLossRequest, TakeProfitRequest


def near(s: Any, percent: str) -> Decimal:
    """A price so far from the bid."""
    bid = Decimal(repr(s.quote("AAPL").bid))
    return (bid * (1 + Decimal(percent) / 100)).quantize(Decimal("0.01"))


def roles(trader: Any) -> dict[str, Status]:
    """Where each exit stands, by the last part of its key."""
    orders = trader.gateway.blotter.orders
    return {key.rpartition("/")[2]: order.status for key, order in orders.items() if order.intent.leg_of}


async def run(trader: Any) -> Any:
    """To the end; the books must be equal to the exchange's."""
    record = await trader.run()
    assert record.books is not None
    assert record.books.equal, record.books
    return record


async def test_a_bracket_takes_its_profit_and_ends_its_stop(lab: Any) -> None:
    """The exits stand under keys of the entry's, belong to the strategy, and one fill ends the other."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10, take_profit=near(s, "0.02"), stop_loss=near(s, "-5"), because="a bracket")
    )
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert roles(trader) == {"take_profit": Status.FILLED, "stop_loss": Status.CANCELED}
    assert scripted.position("AAPL") == 0
    assert {fill.strategy for fill in scripted.fills} == {"scripted"}
    assert sum(fill.qty * fill.side.sign for fill in scripted.fills) == 0


async def test_a_bracket_stops_its_loss(lab: Any) -> None:
    """The stop is elected by a print below it, and sells what was bought."""
    market = lab.exchange()
    scripted = lab.scripted(m1=lambda s: s.buy("AAPL", 10, take_profit=near(s, "5"), stop_loss=near(s, "-0.02")))
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert roles(trader)["stop_loss"] is Status.FILLED
    assert scripted.position("AAPL") == 0


async def test_an_entry_that_ends_filled_in_part_is_protected(lab: Any) -> None:
    """Its exits end with it, so what was bought gets a stop of its own, once, for exactly that much (BRK-15)."""
    market = lab.exchange(venue=VenueOptions(fills=Honest(Decimal("0.001"))))
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 60, limit=near(s, "0.05"), take_profit=near(s, "5"), stop_loss=near(s, "-5")),
        m2=lambda s: [s.cancel(order.client_order_id) for order in s.orders() if order.intent.leg_of is None],
        m4=lambda s: [(o.intent.type.value, o.intent.side.value, o.leaves) for o in s.orders()],
    )
    trader = market.trader(scripted, minutes=8, journal=lab.journal)
    await run(trader)
    held = scripted.position("AAPL")
    assert 0 < held < 60
    assert scripted.results[2] == [("stop", "sell", held)]


async def test_while_it_rests_each_quantity_is_reserved_once(lab: Any) -> None:
    """The stop is held while the profit works: one pending sale of ten, not of twenty."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10, take_profit=near(s, "5"), stop_loss=near(s, "-5")),
        m3=lambda s: sum(each.leaves for each in s._desk._gateway._reservations()),
    )
    trader = market.trader(scripted, minutes=6, journal=lab.journal)
    await run(trader)
    assert scripted.results[1] == 10
    assert roles(trader)["take_profit"].value in {"new", "canceled"}


async def test_what_is_held_is_protected_by_an_oco(lab: Any) -> None:
    """A position gets two exits; the profit is the head, the stop its leg."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10),
        m3=lambda s: s.protect("AAPL", take_profit=near(s, "0.02"), stop_loss=(near(s, "-5"), near(s, "-6"))),
    )
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert roles(trader) == {"stop_loss": Status.CANCELED}
    assert scripted.position("AAPL") == 0


async def test_an_oto_brings_one_exit(lab: Any) -> None:
    """Bought with a stop only; the run's end cancels it."""
    market = lab.exchange()
    scripted = lab.scripted(m1=lambda s: s.buy("AAPL", 10, stop_loss=near(s, "-5")))
    trader = market.trader(scripted, minutes=5, journal=lab.journal)
    await run(trader)
    assert roles(trader) == {"stop_loss": Status.CANCELED}
    assert scripted.position("AAPL") == 10


async def test_a_trailing_stop_follows_and_sells(lab: Any) -> None:
    """A small trail is caught within the hour."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10), m3=lambda s: s.sell("AAPL", 10, trail_percent="0.1", because="a trail")
    )
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert scripted.position("AAPL") == 0
    assert {order.type for order in market.orders()} == {"market", "trailing_stop"}


async def test_an_exit_can_be_moved(lab: Any) -> None:
    """A leg is replaced like any order; the new one is a leg of the same head."""
    market = lab.exchange()

    def move(s: Any) -> object:
        leg = next(order for order in s.orders() if order.client_order_id.endswith("/take_profit"))
        return s.replace(leg.client_order_id, limit=near(s, "6"))

    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10, take_profit=near(s, "5"), stop_loss=near(s, "-5")),
        m3=move,
    )
    trader = market.trader(scripted, minutes=8, journal=lab.journal)
    await run(trader)
    assert scripted.refused == []
    assert roles(trader)["take_profit"] is Status.REPLACED


POINTS = ["request-first-byte", "reply-received", "reply-read", "ack-durable", "fill-read", "fill-durable"]


@pytest.mark.parametrize("point", POINTS)
async def test_exits_are_found_again_after_a_death(lab: Any, point: str) -> None:
    """Wherever the process ends around a bracket, the next one knows entry and exits, and books them once."""
    market = lab.exchange()
    deed = {"m1": lambda s: s.buy("AAPL", 10, take_profit=near(s, "0.02"), stop_loss=near(s, "-5"))}
    dying = market.trader(lab.scripted(**deed), minutes=60, journal=lab.journal, probe=lab.crash_at(point))
    with pytest.raises(lab.Crash):
        await dying.run()
    scripted = lab.scripted()
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    blotter = trader.gateway.blotter
    if blotter.intents and any(order.filled_qty for order in blotter.orders.values()):
        assert roles(trader) == {"take_profit": Status.FILLED, "stop_loss": Status.CANCELED}
        assert {order.intent.strategy for order in blotter.orders.values()} == {"scripted"}
    keys = [(each.fill.client_order_id, each.fill.cum_qty) for each in blotter.booked]
    assert len(keys) == len(set(keys))


async def test_somebody_elses_bracket_is_adopted_with_its_exits(lab: Any) -> None:
    """Placed by hand elsewhere: external, exits included, and booked to the cent."""
    market = lab.exchange()

    def by_hand(s: Any) -> None:
        market.place(
            OrderRequest(
                symbol="AAPL", qty=Decimal(5), side="buy", type="market", time_in_force="day", order_class="bracket",
                take_profit=TakeProfitRequest(limit_price=near(s, "0.02")),
                stop_loss=StopLossRequest(stop_price=near(s, "-5")),
            )
        )  # fmt: skip

    trader = market.trader(lab.scripted(m1=by_hand), minutes=120, journal=lab.journal)
    await run(trader)
    strategies = {order.intent.strategy for order in trader.gateway.blotter.orders.values()}
    assert strategies == {"external"}
    assert roles(trader) == {"take_profit": Status.FILLED, "stop_loss": Status.CANCELED}
