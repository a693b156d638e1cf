"""The broker's clock against our calendar: equal on every day of the table, and where not, only reductions leave."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna.core import sessions
from puna.engine.calendars import TOLERANCE, disagreement
from puna.wire.codec import Nanos, encode
from puna.wire.trading import Clock

HOUR = 3_600_000_000_000
MOMENTS = st.datetimes(datetime(2004, 1, 1), datetime(2029, 1, 1)).map(  # noqa: DTZ001 - of UTC, as the next line says
    lambda at: int(at.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
)


def clock(now: int, **other: Any) -> Clock:
    """What a broker with our calendar says."""
    core = sessions.session_at(now) is sessions.Session.CORE
    said = {"is_open": core, "next_open": Nanos(sessions.next_open(now)), "next_close": Nanos(sessions.next_close(now))}
    return Clock(timestamp=Nanos(now), **said | other)


def near_an_edge(now: int) -> bool:
    today = sessions.day(sessions.date_of(now))
    return today is not None and any(abs(edge - now) <= TOLERANCE for edge in (today.open, today.close))


@given(MOMENTS)
def test_a_clock_of_our_calendar_agrees(now: int) -> None:
    """Weekends, holidays, half days, changes of the clock: nothing to say."""
    assert disagreement(clock(now)) == ""


@given(MOMENTS, st.sampled_from(["is_open", "next_open", "next_close"]))
def test_any_other_clock_is_told(now: int, what: str) -> None:
    """Open at midnight, closed at noon, an hour early: each in words, except in the minute around an edge."""
    usual = clock(now)
    other = {"is_open": not usual.is_open} if what == "is_open" else {what: Nanos(getattr(usual, what) - HOUR)}
    said = disagreement(clock(now, **other))
    assert bool(said) is not near_an_edge(now)
    word = {"is_open": "here it is", "next_open": "opens next", "next_close": "closes next"}[what]
    assert near_an_edge(now) or word in said


def test_a_day_outside_the_table_is_not_judged_as_equal() -> None:
    """What the calendar does not hold it cannot confirm."""
    now = int(datetime(2031, 6, 2, 15, tzinfo=UTC).timestamp()) * 1_000_000_000
    said = Clock(timestamp=Nanos(now), is_open=True, next_open=Nanos(now), next_close=Nanos(now))
    assert "cannot judge" in disagreement(said)


async def test_nothing_is_opened_while_they_disagree(lab: Any) -> None:
    """The broker closes at one, as on a half day that our table lacks: what is held may go, nothing more comes."""
    early = clock(lab.OPEN - 2 * lab.MINUTE, next_close=Nanos(lab.OPEN + 3 * HOUR + HOUR // 2))
    wrong = lab.fault(on="GET /v2/clock", action="error_after", status=200, body=encode(early).decode(), nth=1, times=0)
    market = lab.exchange(faults=(wrong,))
    lines: list[str] = []
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10))
    trader = market.trader(strategy, minutes=4)
    trader.say = lambda _, text: lines.append(text)
    record = await trader.run()
    assert [(row.status, row.refusal_code) for row in record.orders] == [("refused", "R101")]
    assert any("closes next, here 2012-09-19 16:00" in line for line in lines)
    assert "closes next" in strategy.refused[0][1] or "closes next" in trader.gateway.disagreement
    assert [note.code for note in trader.gateway.blotter.notes if note.code == "E621"] == ["E621"]


async def test_it_heals_when_they_agree_again(lab: Any) -> None:
    """Wrong at the start and right after the next gap: then the day is traded."""
    early = clock(lab.OPEN - 2 * lab.MINUTE, next_close=Nanos(lab.OPEN + HOUR))
    wrong = lab.fault(on="GET /v2/clock", action="error_after", status=200, body=encode(early).decode(), nth=1, times=4)
    cut = lab.fault(on="socket:trading", action="drop_socket", at=lab.OPEN + 2 * lab.MINUTE, seconds=5.0)
    market = lab.exchange(faults=(wrong, cut))
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 10), m5=lambda s: s.buy("AAPL", 1))
    trader = market.trader(strategy, minutes=8)
    record = await trader.run()
    assert [row.status for row in record.orders] == ["refused", "filled"]
    assert trader.gateway.disagreement == ""
    assert [note.code for note in trader.gateway.blotter.notes if note.code == "E621"] == ["E621", "E621"]
