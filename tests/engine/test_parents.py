"""Parent orders against the real exchange: never more than asked for, whatever happens on the way."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from puna.core.parent import Patient
from puna.core.types import Side
from puna.exchange.orders.book import Honest
from puna.exchange.venue import VenueOptions

ASKED = Decimal(60)


def thin(share: str = "0.05") -> VenueOptions:
    """An exchange on which only a part of what is quoted can be had."""
    return VenueOptions(fills=Honest(Decimal(share)))


def started(**terms: Any) -> Callable[[Any], object]:
    """A deed that begins to work an order of 60."""
    return lambda s: s.work("AAPL", "buy", ASKED, because="a test", **terms)


def bought(market: Any, side: str = "buy") -> Decimal:
    """What the venue has filled in all."""
    filled = [order.filled_qty for order in market.orders() if order.side == side]
    return sum((each for each in filled if each), Decimal(0))


STYLES: list[dict[str, Any]] = [
    {"style": "market", "seconds": 120},
    {"style": "patient", "seconds": 240},
    {"style": "patient", "seconds": 240, "urgency": "high"},
    {"style": "twap", "seconds": 600, "slices": 10},
    {"style": "vwap", "seconds": 600, "profile": (3, 2, 1, 2)},
    {"style": "pov", "seconds": 1200, "rate": "0.05", "urgency": "high"},
]


@pytest.mark.parametrize("terms", STYLES, ids=lambda terms: f"{terms['style']}-{terms.get('urgency', '')}")
async def test_a_parent_is_done_and_never_exceeded(lab: Any, terms: dict[str, Any]) -> None:
    """Children of every style fill the parent exactly at an exchange that fills in parts; the books agree."""
    market = lab.exchange(venue=thin())
    scripted = lab.scripted(m1=started(**terms))
    trader = market.trader(scripted, minutes=30, journal=lab.journal)
    record = await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert known.ended.reason == "filled"
    assert bought(market) == known.ended.filled == ASKED == scripted.position("AAPL")
    assert record.books is not None
    assert record.books.equal
    assert {order.parent for order in trader.gateway.blotter.intents.values() for order in [order.intent]} == {
        known.begun.parent_id
    }


async def test_the_strategy_hears_of_the_end_and_of_fills_but_not_of_children(lab: Any) -> None:
    """One `on_parent`, fills that add up, no `on_order`."""
    market = lab.exchange(venue=thin())
    scripted = lab.scripted(m1=started(style="twap", seconds=300, slices=5))
    ends: list[Any] = []
    scripted.on_parent = lambda _, ended: ends.append(ended)
    await market.trader(scripted, minutes=15, journal=lab.journal).run()
    assert [each.filled for each in ends] == [ASKED]
    assert sum(fill.qty for fill in scripted.fills) == ASKED
    assert scripted.told == []


async def test_a_cap_is_never_passed(lab: Any) -> None:
    """A cap below the market waits; nothing is bought above it, and at the end the rest is given up."""
    market = lab.exchange()

    def capped(s: Any) -> object:
        bid = Decimal(repr(s.quote("AAPL").bid))
        return s.work("AAPL", "buy", 100, style="market", seconds=60, cap=bid - 5)

    trader = market.trader(lab.scripted(m1=capped), minutes=5, journal=lab.journal)
    await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert (known.ended.filled, known.ended.reason) == (0, "time is up")
    assert market.orders() == []


async def test_stopping_a_parent_cancels_its_child_and_sends_no_more(lab: Any) -> None:
    """What was filled by then counts, the rest is never bought."""
    market = lab.exchange(venue=thin("0.001"))
    scripted = lab.scripted(
        m1=started(style="market", seconds=3000),
        m3=lambda s: s.stop_work(s.working()[0].id, because="enough"),
    )
    trader = market.trader(scripted, minutes=10, journal=lab.journal)
    await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert known.ended.reason == "enough"
    assert bought(market) == known.ended.filled < ASKED
    assert not [order for order in market.orders() if order.status in ("new", "partially_filled")]


async def test_a_refused_parent_ends_with_the_code(lab: Any) -> None:
    """Risk says no to every child: after the third time the parent gives up and says why."""
    market = lab.exchange()
    scripted = lab.scripted(m1=lambda s: s.work("AAPL", "buy", 1_000_000, style="market", seconds=600))
    trader = market.trader(scripted, minutes=8, journal=lab.journal)
    await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert "refused 3 times: R10" in known.ended.reason
    assert market.orders() == []
    assert scripted.refused == []


CRASHES = [
    ("intent-durable", 2),
    ("request-first-byte", 3),
    ("reply-read", 2),
    ("fill-read", 4),
    ("fill-durable", 5),
    ("cancel-durable", 1),
    ("cancel-reply", 2),
    ("strategy-told", 3),
]


@pytest.mark.parametrize(("point", "nth"), CRASHES)
async def test_a_parent_resumes_after_a_death_and_is_never_exceeded(lab: Any, point: str, nth: int) -> None:
    """The process dies at a named point; the next one takes the parent up and finishes it, at most once."""
    market = lab.exchange(venue=thin())
    scripted = lab.scripted(m1=started(style="twap", seconds=900, slices=15))
    dying = market.trader(scripted, minutes=40, journal=lab.journal, probe=lab.crash_at(point, nth))
    with pytest.raises(lab.Crash):
        await dying.run()
    trader = market.trader(lab.scripted(), minutes=40, journal=lab.journal)
    record = await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert bought(market) == known.ended.filled <= ASKED
    if known.ended.reason != "time is up":
        assert known.ended.filled == ASKED
    assert record.books is not None
    assert record.books.equal


async def test_a_stream_that_drops_does_not_end_a_parent(lab: Any) -> None:
    """Twenty seconds without quotes: what risk refuses meanwhile does not count, and the order is done in the end."""
    drop = lab.fault(on="socket:data", action="drop_socket", at=lab.OPEN + 5 * lab.MINUTE, seconds=20.0)
    market = lab.exchange(venue=thin(), faults=(drop,))
    scripted = lab.scripted(m1=started(style="twap", seconds=900, slices=30))
    trader = market.trader(scripted, minutes=25, journal=lab.journal)
    await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    assert known.ended is not None
    assert known.ended.reason == "filled"


async def test_participation_keeps_its_share(lab: Any) -> None:
    """A twentieth of what the market trades, and not more, in every minute so far."""
    market = lab.exchange()
    scripted = lab.scripted(m1=lambda s: s.work("AAPL", "buy", 60, style="pov", rate="0.0005", seconds=1200))
    trader = market.trader(scripted, minutes=25, journal=lab.journal)
    await trader.run()
    (known,) = trader.gateway.blotter.parents.values()
    begun = known.begun.parent.start
    volume = sum(bar.volume for bar in trader.gateway.market.bars("AAPL", "1Min") if bar.ts_event >= begun)
    assert 0 < bought(market) <= Decimal(repr(volume)) * Decimal("0.0005")


async def test_a_patient_sale_gives_way_step_by_step(lab: Any) -> None:
    """Selling starts at the ask and ends at the bid; each child stands lower than the one before."""
    market = lab.exchange(venue=thin("0.002"))
    style = Patient(steps=4, seconds_a_step=15)
    scripted = lab.scripted(
        m1=lambda s: s.buy("AAPL", 50),
        m10=lambda s: s.work("AAPL", "sell", s.position("AAPL"), style=style, seconds=300),
    )
    trader = market.trader(scripted, minutes=20, journal=lab.journal)
    await trader.run()
    sold = [order for order in market.orders() if order.side == Side.SELL]
    assert len(sold) >= 2
    assert all(order.type == "limit" for order in sold)
