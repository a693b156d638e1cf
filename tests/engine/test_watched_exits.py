"""Exits that are watched here, against the real exchange: they close, never more than is held, and outlive a death."""

from decimal import Decimal
from typing import Any

import pytest

from puna.core.orders import Status
from puna.core.types import Side
from puna.exchange.orders.book import Honest
from puna.exchange.venue import VenueOptions


def near(s: Any, percent: str) -> Decimal:
    """A price so far from the bid."""
    bid = Decimal(repr(s.quote(s.symbols[0]).bid))
    return (bid * (1 + Decimal(percent) / 100)).quantize(Decimal("0.01"))


def done(market: Any, side: Side) -> Decimal:
    """What the venue has filled in all."""
    return sum((order.filled_qty or Decimal(0) for order in market.orders() if order.side == side), Decimal(0))


def resting(market: Any) -> list[tuple[str, Decimal]]:
    """What rests at the venue on the selling side."""
    live = ("new", "accepted", "partially_filled", "held")
    return [(order.type, order.qty) for order in market.orders() if order.side == "sell" and order.status in live]


async def run(trader: Any) -> Any:
    """To the end; the books must be equal to the exchange's."""
    record = await trader.run()
    assert record.books is not None
    assert record.books.equal, record.books
    return record


def reason(trader: Any) -> Any:
    """Why the only parent ended."""
    (known,) = trader.gateway.blotter.parents.values()
    return known.ended and known.ended.reason


async def test_a_fraction_has_a_bracket(lab: Any) -> None:
    """The broker refuses brackets of fractions: the stop rests, the profit is watched, and one closes all of it."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", "2.5", take_profit=near(s, "0.02"), stop_loss=near(s, "-5"), because="a fraction"),
    )
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert scripted.refused == []
    assert done(market, Side.BUY) == done(market, Side.SELL) == Decimal("2.5")
    assert (scripted.position("AAPL"), reason(trader)) == (0, "closed")
    assert [order.type for order in market.orders()][:2] == ["market", "stop"]
    assert [order.type for order in market.orders() if order.filled_qty and order.side == "sell"][-1] == "limit"


async def test_a_trail_inside_a_bracket_closes_at_the_market_or_by_its_net(lab: Any) -> None:
    """Whole shares with a trail: nets follow it, and within the hour all is sold by one or the other, exactly."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10, take_profit=near(s, "5"), stop_loss=near(s, "-5"), trail_loss_percent="0.1"),
    )
    trader = market.trader(scripted, minutes=180, journal=lab.journal)
    await run(trader)
    assert done(market, Side.BUY) == done(market, Side.SELL) == 10
    assert (scripted.position("AAPL"), reason(trader)) == (0, "closed")
    stops = [order.stop_price for order in market.orders() if order.type == "stop"]
    assert stops
    assert stops == sorted(stops)


async def test_an_entry_that_rests_is_covered_as_it_fills(lab: Any) -> None:
    """Filled in part and canceled: watched while it rests, a stop for exactly what was bought when it has ended."""
    market = lab.exchange(venue=VenueOptions(fills=Honest(Decimal("0.001"))))
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 60, limit=near(s, "0.05"), stop_loss=near(s, "-5"), trail_loss_percent=8),
        m2=lambda s: [s.cancel(order.client_order_id) for order in s.orders()],
    )
    trader = market.trader(scripted, minutes=8, journal=lab.journal)
    await run(trader)
    held = scripted.position("AAPL")
    assert 0 < held < 60
    assert resting(market) == [("stop", held)]


async def test_what_is_held_can_be_protected_and_left_again(lab: Any) -> None:
    """`protect` with a trail alone gives a net; `stop_work` takes it in."""
    market = lab.exchange()
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10),
        m3=lambda s: s.protect("AAPL", trail_percent=5),
        m5=lambda _: resting(market),
        m6=lambda s: s.stop_work(s.results[1], because="enough"),
    )
    trader = market.trader(scripted, minutes=9, journal=lab.journal)
    await run(trader)
    assert scripted.results[2:] == [[("stop", Decimal(10))], True]
    assert (resting(market), reason(trader)) == ([], "enough")


async def test_the_end_of_a_run_leaves_the_net(lab: Any) -> None:
    """The process ends, the stop rests; the next one takes the exits up, with one stop still."""
    market = lab.exchange()
    first = market.trader(
        lab.scripted(m1=lambda s: s.buy("AAPL", 10, stop_loss=near(s, "-5"), trail_loss_percent=8)),
        minutes=6, journal=lab.journal,
    )  # fmt: skip
    await run(first)
    assert resting(market) == [("stop", Decimal(10))]
    second = market.trader(lab.scripted(), minutes=12, journal=lab.journal)
    await run(second)
    assert resting(market) == [("stop", Decimal(10))]
    assert reason(second) is None


async def test_a_refused_entry_leaves_nothing_behind(lab: Any) -> None:
    """Risk says no to the entry: its exits end at once."""
    market = lab.exchange()
    scripted = lab.scripted(m1=lambda s: s.buy("AAPL", 1_000_000, trail_loss=1))
    trader = market.trader(scripted, minutes=4, journal=lab.journal)
    await run(trader)
    assert len(scripted.refused) == 1
    assert (market.orders(), reason(trader)) == ([], "nothing was held")


CRASHES = [("intent-durable", 1), ("intent-durable", 2), ("reply-read", 1), ("request-first-byte", 2), ("fill-read", 1),
           ("fill-durable", 1), ("fill-durable", 2), ("cancel-durable", 1), ("cancel-reply", 1)]  # fmt: skip


@pytest.mark.parametrize(("point", "nth"), CRASHES)
async def test_exits_outlive_a_death(lab: Any, point: str, nth: int) -> None:
    """Wherever the process ends, the next one covers what is held and closes it once, never more."""
    market = lab.exchange()
    deed = {"m1": lambda s: s.buy("AAPL", "7.5", take_profit=near(s, "0.02"), stop_loss=near(s, "-5"))}
    dying = market.trader(lab.scripted(**deed), minutes=120, journal=lab.journal, probe=lab.crash_at(point, nth))
    with pytest.raises(lab.Crash):
        await dying.run()
    scripted = lab.scripted()
    trader = market.trader(scripted, minutes=180, journal=lab.journal)
    await run(trader)
    assert done(market, Side.SELL) == done(market, Side.BUY) in (0, Decimal("7.5"))
    assert scripted.position("AAPL") == 0
    assert resting(market) == []


async def test_a_coin_is_protected(lab: Any) -> None:
    """The net of a coin is a stop-limit order; its trail closes all of it, and never more than there is."""
    market = lab.exchange(symbols=("AAPL", "BTC/USD"))
    scripted = lab.scripted()
    scripted.symbols = ("AAPL", "BTC/USD")

    def look(quote: Any) -> None:
        if quote.symbol == "BTC/USD" and not scripted.results:
            scripted.results.append(scripted.buy("BTC/USD", "0.1", tif="gtc", trail_loss_percent="0.2"))

    scripted.on_quote = look
    trader = market.trader(scripted, minutes=120, journal=lab.journal)
    await run(trader)
    assert scripted.refused == []
    assert {order.type for order in market.orders()} == {"market", "stop_limit"}
    assert done(market, Side.SELL) == done(market, Side.BUY) == Decimal("0.1")
    assert (scripted.position("BTC/USD"), reason(trader), resting(market)) == (0, "closed", [])


async def test_a_net_that_the_broker_refuses_is_given_up(lab: Any) -> None:
    """Three refusals and a note for a person, no more; the position is watched here alone."""
    no = lab.fault(on="POST /v2/orders", action="error_before", status=422, at=lab.OPEN + 4 * lab.MINUTE, times=0)
    market = lab.exchange(faults=(no,))
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 10),
        m5=lambda s: s.protect("AAPL", stop_loss=near(s, "-5")),
    )
    trader = market.trader(scripted, minutes=15, journal=lab.journal)
    await run(trader)
    stops = [each.status for each in trader.gateway.blotter.orders.values() if each.intent.stop_price]
    assert stops == [Status.REFUSED] * 3
    assert [note.code for note in trader.gateway.blotter.notes if note.code == "E302"] == ["E302"]
    assert reason(trader) is None
