"""`puna why`: the chain of an order and of a refusal out of a journal, and what happened at a moment."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from puna.cli import puna
from puna.core.risk import RiskLimits
from puna.engine.entries import from_record
from puna.engine.storage import records
from puna.engine.why import Story, around, find_order, why
from puna.errors import DataError

D = Decimal


async def told(lab: Any) -> tuple[Any, Any]:
    """A run: a purchase that fills, one that risk refuses, one that rests and is cancelled."""

    def buys(strategy: Any) -> Any:
        strategy.seen = {"rsi": 31.5}
        return strategy.buy("AAPL", 10, because="cheap")

    market = lab.exchange()
    strategy = lab.scripted(
        m1=buys,
        m3=lambda s: s.buy("AAPL", 900, because="greed"),
        m4=lambda s: s.buy("AAPL", 1, limit=D(600), because="patience"),
        m6=lambda s: [s.cancel(order.client_order_id, because="too late") for order in s.orders()],
    )
    limits = RiskLimits(max_order_value=D(20_000))
    trader = market.trader(strategy, minutes=9, journal=lab.journal, limits=limits)
    await trader.run()
    return strategy, trader


def story(lab: Any) -> Story:
    return Story((seq, from_record(seq, record)) for seq, record in records(lab.journal))


async def test_the_chain_of_an_order_goes_from_bar_to_cost(lab: Any) -> None:
    """Bar, what was seen, reason, every check with its numbers, the broker's id and words, fills and their cost."""
    strategy, trader = await told(lab)
    key = strategy.results[0]
    chain = why(story(lab), find_order(story(lab), key))
    order, (booked,) = trader.gateway.blotter.orders[key], [b for b in trader.gateway.blotter.booked if b.fill.qty]
    assert chain.bar is not None
    assert (chain.because, chain.seen, chain.bar.ts_event) == ("cheap", {"rsi": 31.5}, lab.OPEN + lab.MINUTE)
    assert all(row.passed for row in chain.checks)
    numbers = {row.code: row.numbers for row in chain.checks}
    assert numbers["R105"] == ["10 of 10,000"]
    assert numbers["R106"][0].endswith(" of 20,000")  # the limits of the run, not the defaults
    assert chain.broker_ids == list(order.broker_ids)
    assert chain.steps[0].what == "durable in the journal"
    assert any(step.what.startswith("filled (stream)") for step in chain.steps)
    (fill,) = chain.fills
    assert (fill.qty, fill.price) == (booked.fill.qty, booked.fill.price)
    assert fill.arrival is not None
    assert chain.cost == ((fill.price - fill.arrival) * 10).quantize(D("0.0001"))


async def test_a_refusal_names_the_check_and_shows_all_others(lab: Any) -> None:
    """Which check said no, with both numbers, and what all the others would have said."""
    strategy, _ = await told(lab)
    chain = why(story(lab), strategy.results[1])
    assert "R106" in chain.outcome
    assert not (chain.steps)
    assert not (chain.fills)
    assert not (chain.broker_ids)
    failed = {row.code: row for row in chain.checks if not row.passed}
    assert "R106" in failed
    assert failed["R106"].numbers[0].endswith("of 20,000")
    assert "R104" in failed  # it would have said no as well
    assert chain.because == "greed"


async def test_cancels_show_their_reason(lab: Any) -> None:
    """Who wanted the cancel and what the broker made of it."""
    strategy, _ = await told(lab)
    steps = [step.what for step in why(story(lab), strategy.results[2]).steps]
    assert "cancel asked for: too late" in steps
    assert any(step.startswith("canceled") for step in steps)


async def test_a_moment_tells_what_was_and_what_was_not(lab: Any) -> None:
    """The minute of the refusal shows it; an idle minute shows nothing, and the state that held."""
    strategy, _ = await told(lab)
    minute = lab.MINUTE
    busy = around(story(lab), "AAPL", lab.OPEN + 4 * minute, lab.OPEN + 5 * minute)
    assert any(strategy.results[1] in text and "R106" in text for text in busy.refused)
    idle = around(story(lab), "MSFT", lab.OPEN + 4 * minute, lab.OPEN + 5 * minute)
    assert (idle.orders, idle.refused, idle.state) == ([], [], "active")


async def test_orders_are_found_by_their_ends_and_by_the_brokers_id(lab: Any) -> None:
    """The whole id, enough of its end, or the broker's; nothing and too much are named."""
    strategy, trader = await told(lab)
    key = strategy.results[0]
    assert find_order(story(lab), "scripted-1") == key
    assert find_order(story(lab), trader.gateway.blotter.orders[key].broker_ids[0]) == key
    for name in ("nothing", ""):
        with pytest.raises(DataError) as error:
            find_order(story(lab), name)
        assert error.value.code == "E045"


async def test_the_verb_prints_it_also_while_the_journal_is_open(lab: Any) -> None:
    """Text and JSON, of an order and of a minute; the process that writes is not disturbed."""
    strategy, _ = await told(lab)
    run = ["--run", str(lab.journal.parent)]
    text = CliRunner().invoke(puna, ["why", "scripted-1", *run], catch_exceptions=False).stdout
    for part in ("because    cheap", "seen       rsi 31.5", "R106 order_value     ok", "broker id", "fill "):
        assert part in text
    document = json.loads(CliRunner().invoke(puna, ["why", strategy.results[1], *run, "--json"]).stdout)
    assert document["outcome"].startswith("not sent: R106")
    minute = CliRunner().invoke(puna, ["why", "AAPL", "09:34", *run]).stdout
    assert "refused" in minute
    idle = CliRunner().invoke(puna, ["why", "AAPL", "2012-09-19T12:00", *run]).stdout
    assert "no strategy asked for anything in AAPL" in idle


@pytest.mark.parametrize("words", [["AAPL", "soon"], ["a", "b", "c"], ["AAPL", "25:99"]])
async def test_what_is_no_question_is_a_mistake_of_use(lab: Any, words: list[str]) -> None:
    """A time that is none, three words: exit code 2."""
    await told(lab)
    result = CliRunner().invoke(puna, ["why", *words, "--run", str(lab.journal)])
    assert result.exit_code == 2
