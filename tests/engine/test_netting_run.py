"""Opposite orders of two strategies are crossed inside the account; the broker sees the rest, never a wash trade."""

# mypy: disable-error-code="comparison-overlap"
# Inside tuples mypy does not know that a Decimal may equal an int.

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from risk_cases import order, quote

from puna.core.netting import Cross
from puna.core.orders import Status, Update
from puna.core.risk import RiskLimits, TradingState, reduces
from puna.core.types import Side
from puna.engine.blotter import Blotter
from puna.engine.entries import Crossed, Decision, Evidence, Intent, Opening, from_record
from puna.engine.storage import records
from puna.engine.why import Story, around, why
from puna.errors import JournalError
from puna.research.report.run_report import html, report
from puna.research.statistics.metrics import turnover

HALF = Decimal("0.5")


def pair(lab: Any, one: dict[str, Any], two: dict[str, Any]) -> tuple[Any, Any]:
    """Two scripted strategies with half of the account each."""
    first, second = lab.scripted(**one), lab.scripted(**two)
    first.name, second.name = "first", "second"
    first.capital = second.capital = HALF
    return first, second


def sums(trader: Any, market: Any) -> None:
    """Cash and positions of both sleeves are the account's, which are the broker's, live and replayed."""
    blotter = trader.gateway.blotter
    sleeves = [blotter.sleeve_of(name, HALF) for name in ("first", "second")]
    assert sum(each.cash for each in sleeves) == blotter.portfolio.cash == market.thread.books().cash
    for symbol in ("AAPL", "MSFT"):
        held = sum(each.book.qty(symbol) for each in sleeves)
        assert held == blotter.portfolio.qty(symbol)
        assert held == blotter.sleeve("first", symbol) + blotter.sleeve("second", symbol)
    assert trader.record().books.equal
    assert all(not order.overfill for order in blotter.orders.values())


def journal(lab: Any) -> list[Any]:
    return [from_record(seq, record) for seq, record in records(lab.journal)]


def seen_by(market: Any) -> list[tuple[str, Decimal, str]]:
    """The broker's side of it: side, quantity and status of every order that it ever had."""
    return [(order.side, order.qty, order.status) for order in market.orders()]


async def test_what_overlaps_stays_inside(lab: Any) -> None:
    """One sells the 10 it holds in the moment in which the other buys 4: 4 are crossed at the middle, 6 are sold."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    record = await trader.run()
    assert (first.refused, second.refused) == ([], [])
    assert (first.position("AAPL"), second.position("AAPL")) == (0, 4)
    inside = [fill for fill in (*first.fills, *second.fills) if fill.internal]
    assert [(fill.strategy, fill.side, fill.qty, fill.fee) for fill in inside] == [
        ("first", Side.SELL, 4, 0),
        ("second", Side.BUY, 4, 0),
    ]
    assert seen_by(market) == [("buy", 10, "filled"), ("sell", 6, "filled")]
    sold = trader.gateway.blotter.orders[first.results[1]]
    assert (sold.status, sold.filled_qty, sold.crossed_qty, sold.overfill) == ("filled", 10, 4, 0)
    sums(trader, market)
    page = html(report(record)).decode()
    assert page.count("4 crossed inside") == page.count("AAPL (crossed inside)") == 2
    market_value = sum(abs(fill.notional) for fill in record.fills if not fill.internal)
    assert turnover(record) == pytest.approx(float(market_value / record.start_equity))
    (entry,) = (each for each in journal(lab) if isinstance(each, Crossed))
    assert entry.cross.price == inside[0].price == inside[1].price
    assert float(entry.cross.price) == pytest.approx(entry.quote.mid)
    rows = {row.client_order_id: row for row in record.orders}
    assert [rows[key].crossed_qty for key in entry.keys] == [4, 4]
    assert [(row.internal, row.qty) for row in record.fills if row.ts >= entry.ts] == [
        (True, 4),
        (True, 4),
        (False, 6),
    ]


async def test_two_that_want_the_same_do_not_trouble_the_broker(lab: Any) -> None:
    """All of both is crossed: nothing leaves, both orders are filled and told so once, the account stays as it was."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10, limit=1)},
        {"m4": lambda s: s.buy("AAPL", 10)},
    )
    limits = RiskLimits(collar_passive_percent=Decimal(100))
    trader = market.trader(first, second, minutes=8, journal=lab.journal, limits=limits)
    await trader.run()
    assert seen_by(market) == [("buy", 10, "filled")]
    assert (first.position("AAPL"), second.position("AAPL")) == (0, 10)
    blotter = trader.gateway.blotter
    assert blotter.portfolio.position("AAPL").cost == blotter.booked[0].fill.notional  # not what was paid inside
    assert blotter.portfolio.realised == 0
    ended = [each.status for each in second.told if each.is_terminal]
    assert ended == [Status.FILLED]
    assert blotter.flows["first"].realised == blotter.flows["first"].cash  # it is flat: what it gained is in cash
    sums(trader, market)


async def test_switched_off_the_later_one_is_refused(lab: Any) -> None:
    """R114, as the broker would; what nobody asked to be crossed is not."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal, netting=False)
    await trader.run()
    ((code, reason),) = second.refused
    assert (code, reason) == ("R114", "it could trade with an open order of our own")
    assert seen_by(market) == [("buy", 10, "filled"), ("sell", 10, "filled")]
    assert not any(isinstance(each, Crossed) for each in journal(lab))
    sums(trader, market)


async def test_an_order_at_the_broker_is_not_crossed(lab: Any) -> None:
    """It may be filling this moment, so the later one is refused, and the reason says why it was not crossed."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m2": lambda s: s.sell("AAPL", 10, limit=800)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    trader = market.trader(first, second, minutes=6, journal=lab.journal)
    await trader.run()
    ((code, reason),) = second.refused
    assert code == "R114"
    assert "cannot be crossed with it" in reason
    assert "is at the broker, or may be" in reason
    sums(trader, market)


async def test_three_meet_in_the_order_in_which_they_came(lab: Any) -> None:
    """One that sells 10 meets two that buy 4 and 9: 4 and 6 are crossed, the last 3 are bought at the broker."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: (s.buy("MSFT", 1), s.sell("AAPL", 10))},
        {"m4": lambda s: (s.buy("AAPL", 4), s.buy("AAPL", 9))},
    )
    first.symbols = second.symbols = ("AAPL", "MSFT")
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    assert [(each.cross.qty, each.cross.sell) for each in journal(lab) if isinstance(each, Crossed)] == [
        (4, first.results[1][1]),
        (6, first.results[1][1]),
    ]
    assert seen_by(market) == [("buy", 10, "filled"), ("buy", 1, "filled"), ("buy", 3, "filled")]
    assert (first.position("AAPL"), second.position("AAPL")) == (0, 13)
    sums(trader, market)


async def test_one_commit_holds_both_sides_and_what_was_asked_before(lab: Any) -> None:
    """Decisions and intents of both stand before the cross, and nothing in between; parents before their children."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.work("AAPL", "buy", 4, style="market", seconds=30)},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    entries = journal(lab)
    at = next(n for n, each in enumerate(entries) if isinstance(each, Crossed))
    kinds = [str(each.__struct_config__.tag) for each in entries[at - 5 : at]]
    assert kinds == ["decision", "intent", "parent", "decision", "intent"]
    assert {each.key for each in entries[:at] if isinstance(each, Intent)} >= set(entries[at].keys)
    (parent,) = trader.gateway.blotter.parents.values()
    assert parent.ended is not None
    assert (parent.ended.filled, parent.ended.reason) == (4, "filled")
    assert seen_by(market) == [("buy", 10, "filled"), ("sell", 6, "filled")]
    sums(trader, market)


async def test_a_cancel_in_the_same_moment_takes_the_cross_back(lab: Any) -> None:
    """Whoever is canceled before the cross is written is not crossed; the other one goes to the broker as a whole."""
    market = lab.exchange()
    first: Any
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: (s.buy("AAPL", 4), first.cancel(first.results[1]))},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    assert not any(isinstance(each, Crossed) for each in journal(lab))
    assert trader.gateway.blotter.orders[first.results[1]].status is Status.ABANDONED
    assert seen_by(market) == [("buy", 10, "filled"), ("buy", 4, "filled")]
    assert (first.position("AAPL"), second.position("AAPL")) == (10, 4)
    sums(trader, market)


async def test_a_cross_that_is_taken_back_frees_nobody_to_meet_another(lab: Any) -> None:
    """The 10 that are bought were to be crossed; they would meet an order at the broker now, so they are not sent."""
    market = lab.exchange()
    first: Any
    first, second = pair(
        lab,
        {
            "m1": lambda s: s.buy("AAPL", 20),
            "m2": lambda s: s.sell("AAPL", 5, limit=800),
            "m4": lambda s: s.sell("AAPL", 10),
        },
        {"m4": lambda s: (s.buy("AAPL", 10), first.cancel(first.results[2]))},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    bought = trader.gateway.blotter.orders[second.results[0][0]]
    assert bought.status is Status.ABANDONED
    assert "what it was crossed with has ended, and it would meet" in bought.reason
    assert [qty for side, qty, _ in seen_by(market) if side == "buy"] == [20]
    sums(trader, market)


async def test_nothing_is_crossed_once_trading_is_halted(lab: Any) -> None:
    """A halt between the decision and the journal: neither side trades, inside or outside."""
    market = lab.exchange()

    def buys_and_halts(s: Any) -> None:
        s.buy("AAPL", 4)
        trader.gateway.halt("a person said so")

    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": buys_and_halts},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    assert not any(isinstance(each, Crossed) for each in journal(lab))
    assert seen_by(market) == [("buy", 10, "filled")]
    assert (first.position("AAPL"), second.position("AAPL")) == (10, 0)
    assert trader.gateway.blotter.state is TradingState.HALTED


async def test_without_a_journal_nothing_is_crossed(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is not done: both orders are told to be refused, and no sleeve has moved."""
    market = lab.exchange()

    def buys_and_breaks(s: Any) -> None:
        s.buy("AAPL", 4)

        def full(_: Any) -> int:
            raise trader.gateway.journal.failure or OSError

        trader.gateway.journal.failure = JournalError("The disk is full.", code="E403")
        monkeypatch.setattr(trader.gateway.journal._storage, "append", full)

    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": buys_and_breaks},
    )
    trader = market.trader(first, second, minutes=6, journal=lab.journal)
    await trader.run()
    assert [code for code, _ in (*first.refused, *second.refused)] == ["E403", "E403"]
    assert seen_by(market) == [("buy", 10, "filled")]
    assert (first.position("AAPL"), second.position("AAPL")) == (10, 0)


async def test_why_tells_a_cross_from_both_sides(lab: Any) -> None:
    """Each order names the other, the price and the quote; checks are asked again and pass; the minute shows it."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    await market.trader(first, second, minutes=8, journal=lab.journal).run()
    sold, bought = first.results[1], second.results[0]
    story = Story(enumerate(journal(lab), 1))
    for key, other, inside in ((sold, bought, "10 of 10 filled, 4 of it inside"), (bought, sold, "4 of 4 filled, 4")):
        chain = why(story, key)
        assert inside in chain.outcome
        assert all(row.passed for row in chain.checks)
        (step,) = (each.what for each in chain.steps if "crossed inside" in each.what)
        assert f"4 crossed inside with {other} at " in step
        assert next(fill.internal for fill in chain.fills)
    entry = next(each for _, each in story.entries if isinstance(each, Crossed))
    moment = around(story, "AAPL", entry.ts - lab.MINUTE, entry.ts + lab.MINUTE)
    assert {sold, bought} <= set(moment.orders)
    assert sum("crossed inside" in each.what for each in moment.events) == 2


def test_what_a_strategy_gains_is_reckoned_from_what_it_paid() -> None:
    """One buys at 100 and sells inside at 110, the other sells at 105: 100 gained, 50 lost, the account gained 50."""
    blotter, seq = Blotter(), 0

    def enter(entry: Any) -> None:
        nonlocal seq
        seq += 1
        blotter.apply(seq, entry)

    def asks(key: str, strategy: str, side: Side) -> None:
        enter(Intent(ts=1, intent=order(side, 10, client_order_id=key, strategy=strategy), price=Decimal(100)))

    def fills(key: str, price: int) -> None:
        update = Update(
            client_order_id=key, source="rest", status="filled", ts=2, broker_id=key, cum_qty=Decimal(10),
            avg_price=Decimal(price),
        )  # fmt: skip
        enter(Evidence(ts=2, update=update))

    enter(Opening(ts=0, account_id="a", cash=Decimal(9000), positions=(), broker_ts=0, by="first start"))
    asks("a1", "first", Side.BUY)
    fills("a1", 100)
    asks("a2", "first", Side.SELL)
    asks("b1", "second", Side.BUY)
    cross = Cross(cross_id="b1:a2", symbol="AAPL", buy="b1", sell="a2", qty=Decimal(10), price=Decimal(110))
    enter(Crossed(ts=3, cross=cross, quote=quote(109, 111)))
    asks("b2", "second", Side.SELL)
    fills("b2", 105)
    assert [(each.fill.client_order_id, each.realised) for each in blotter.booked] == [
        ("a1", 0),
        ("b1", 0),
        ("a2", 100),
        ("b2", -50),
    ]
    assert blotter.portfolio.realised == 50
    assert blotter.portfolio.cash == 9050 == 9000 + blotter.flows["first"].cash + blotter.flows["second"].cash


# --- wherever the process ends ----------------------------------------------------------------------------------------

POINTS = [
    ("risk-reserved", 2), ("risk-reserved", 3), ("intent-durable", 2), ("cross-durable", 1), ("fill-projected", 2),
    ("strategy-told", 1), ("strategy-told", 2), ("request-first-byte", 2), ("reply-read", 2), ("ack-durable", 2),
    ("fill-durable", 2), ("reconcile-end", 3),
]  # fmt: skip


@pytest.mark.parametrize(("point", "nth"), POINTS)
async def test_a_process_that_ends_around_a_cross_is_taken_up(lab: Any, point: str, nth: int) -> None:
    """Both sides of it or none, the rest sent once, books equal, every fill told; the same when replayed once more."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m4": lambda s: s.sell("AAPL", 10)},
        {"m4": lambda s: s.buy("AAPL", 4)},
    )
    dying = market.trader(first, second, minutes=7, journal=lab.journal, probe=lab.crash_at(point, nth))
    with pytest.raises(lab.Crash):
        await dying.run()
    told = {fill.client_order_id: fill for fill in (*first.fills, *second.fills) if fill.internal}
    again = market.trader(first, second, minutes=9, journal=lab.journal)
    await again.run()
    sums(again, market)
    blotter = again.gateway.blotter
    ids = [order.client_order_id for order in market.orders()]
    assert len(ids) == len(set(ids)) <= 2
    assert not blotter.open
    inside = [each.fill for each in blotter.booked if each.fill.internal]
    assert sum(fill.side.sign * fill.qty for fill in inside) == 0
    assert sum(fill.side.sign * fill.notional for fill in inside) == 0
    told |= {fill.client_order_id: fill for fill in (*first.fills, *second.fills) if fill.internal}
    assert set(told) == {fill.client_order_id for fill in inside}
    replayed = Blotter()
    for seq, entry in enumerate(journal(lab), 1):
        replayed.apply(seq, entry)
    assert replayed.digest() == blotter.digest()


# --- at random --------------------------------------------------------------------------------------------------------


def trades(seed: str) -> Callable[[Any], object]:
    """One or two orders of one symbol, now and then with a limit near the market; sometimes ends what is open."""
    rng = Random(seed)

    def deed(s: Any) -> None:
        for _ in range(rng.randint(1, 2)):
            symbol = rng.choice(("AAPL", "AAPL", "MSFT"))
            quote, held = s.quote(symbol), int(s.position(symbol))
            if held > 0 and rng.random() < 0.6:
                side, qty = s.sell, rng.randint(1, held)
            else:
                side, qty = s.buy, rng.randint(1, 12)
            reaching = quote.bid if side == s.sell else quote.ask
            side(symbol, qty, limit=rng.choice((None, None, reaching, quote.bid)))
        for each in s.orders() if rng.random() < 0.3 else ():
            s.cancel(each.client_order_id)

    return deed


@pytest.mark.parametrize("seed", range(3))
async def test_random_sleeves_always_add_up(lab: Any, seed: int) -> None:
    """Two that trade against each other at random for half an hour: sums hold, and the broker saw no wash trade."""
    market = lab.exchange(seed=seed)
    deeds = [{f"m{minute}": trades(f"{seed} {name} {minute}") for minute in range(1, 30)} for name in ("a", "b")]
    first, second = pair(lab, *deeds)
    first.symbols = second.symbols = ("AAPL", "MSFT")
    trader = market.trader(first, second, minutes=32, journal=lab.journal)
    await trader.run()
    sums(trader, market)
    blotter = trader.gateway.blotter
    crosses = [each for each in journal(lab) if isinstance(each, Crossed)]
    assert crosses
    views = {each.client_order_id: each.view for each in journal(lab) if isinstance(each, Decision)}
    for key, each in blotter.orders.items():  # true reductions are left to the broker to refuse
        assert "wash" not in each.reason or reduces(each.intent, views[key])
    for entry in crosses:
        assert entry.quote.bid <= float(entry.cross.price) <= entry.quote.ask
        assert len({blotter.orders[key].intent.strategy for key in entry.keys}) == 2
    assert all(order.filled_qty <= order.intent.qty for order in blotter.orders.values())
