"""Trading days and sessions against exchange_calendars, and what clocks do on days with 23 and 25 hours."""

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core import sessions
from puna.core.sessions import Session, at, day, session_at
from puna.errors import DataError

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000
dates = st.dates(date(2000, 1, 3), date(2030, 12, 20))
moments = st.integers(at(date(2000, 1, 3), time(12)), at(date(2030, 12, 20), time(12)))


@pytest.mark.filterwarnings("ignore:Series.values returning an ndarray")  # the oracle's own use of pandas
def test_the_table_is_the_exchange_calendar() -> None:
    """Every trading day 2000-2030, with its opening and closing instant, is exchange_calendars' XNYS."""
    calendar = exchange_calendars.get_calendar("XNYS", start="2000-01-01", end="2030-12-31")
    theirs = [
        (label.date(), int(opens.timestamp()) * SECOND, int(closes.timestamp()) * SECOND)
        for label, opens, closes in zip(calendar.sessions, calendar.opens, calendar.closes, strict=True)
    ]
    ours = [
        (found.date, found.open, found.close)
        for found in sessions.trading_days(sessions.FIRST_DATE, sessions.LAST_DATE)
    ]
    assert ours == theirs


def test_generating_the_table_again_gives_the_same_bytes() -> None:
    """The checked-in table is what the generator prints today."""
    made = subprocess.run(
        [sys.executable, "-c", "from generate_sessions import render; print(render(), end='')"],
        cwd=ROOT / "tools",
        capture_output=True,
        check=True,
    )
    assert made.stdout == (ROOT / "src/puna/core/session_table.py").read_bytes()


@pytest.mark.parametrize(
    "closed",
    [
        *(f"2001-09-{n}" for n in (11, 12, 13, 14)),
        "2004-06-11",  # mourning, Reagan
        "2007-01-02",  # mourning, Ford
        "2012-10-29",  # hurricane Sandy
        "2012-10-30",
        "2018-12-05",  # mourning, G. H. W. Bush
        "2022-06-20",  # Juneteenth, observed
        "2025-01-09",  # mourning, Carter
        "2026-07-03",  # Independence Day, observed
    ],
)
def test_closures_of_record(closed: str) -> None:
    """Days on which New York did not trade, by name."""
    assert day(date.fromisoformat(closed)) is None


def test_a_half_day_ends_at_one_and_its_evening_at_five() -> None:
    """The Friday after Thanksgiving 2024: core to 13:00, after-hours to 17:00, then closed until Sunday."""
    friday = date(2024, 11, 29)
    found = day(friday)
    assert found is not None
    assert found.half
    walls = {time(12, 59, 59): Session.CORE, time(13): Session.POST, time(16, 59, 59): Session.POST}
    assert {wall: session_at(at(friday, wall)) for wall in walls} == walls
    assert session_at(at(friday, time(17))) is Session.CLOSED
    assert session_at(at(friday, time(21))) is Session.CLOSED
    assert session_at(at(friday + timedelta(days=2), time(20))) is Session.OVERNIGHT


def test_a_whole_day_in_order() -> None:
    """Tuesday 2024-06-11: each session from its first to its last instant, half open."""
    tuesday = date(2024, 6, 11)
    starts = [
        (time(0), Session.OVERNIGHT),
        (time(4), Session.PRE),
        (time(9, 30), Session.CORE),
        (time(16), Session.POST),
        (time(20), Session.OVERNIGHT),
    ]
    for (start, kind), (_, before) in zip(starts[1:], starts, strict=False):
        assert session_at(at(tuesday, start)) is kind
        assert session_at(at(tuesday, start) - 1) is before


def test_no_overnight_session_before_a_day_without_trading() -> None:
    """The evening before Thanksgiving leads nowhere; Thanksgiving's own evening leads to the half day."""
    eve, thanksgiving = date(2024, 11, 27), date(2024, 11, 28)
    assert session_at(at(eve, time(22))) is Session.CLOSED
    assert session_at(at(thanksgiving, time(3))) is Session.CLOSED
    assert session_at(at(thanksgiving, time(12))) is Session.CLOSED
    assert session_at(at(thanksgiving, time(20))) is Session.OVERNIGHT


@pytest.mark.parametrize(
    ("on", "offset"),
    [("2024-03-08", -5), ("2024-03-11", -4), ("2024-11-01", -4), ("2024-11-04", -5), ("2006-04-03", -4)],
)
def test_opens_at_half_past_nine_on_both_sides_of_a_clock_change(on: str, offset: int) -> None:
    """The opening bell is 09:30 New York whether UTC is four or five hours ahead (and by the old rule before 2007)."""
    found = day(date.fromisoformat(on))
    assert found is not None
    opens = datetime.fromtimestamp(found.open // SECOND, UTC)
    assert (opens.hour, opens.minute) == (9 - offset, 30)


def test_the_night_of_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    """Sunday noon to Monday noon is 24 hours, Saturday noon to Sunday noon 23 in spring and 25 in autumn."""

    def hours(on: date) -> int:
        return (at(on + timedelta(days=1), time(12)) - at(on, time(12))) // (3600 * SECOND)

    assert [hours(date(2024, 3, 9)), hours(date(2024, 3, 10))] == [23, 24]
    assert [hours(date(2024, 11, 2)), hours(date(2024, 11, 3))] == [25, 24]


def test_the_repeated_hour_means_its_first_pass() -> None:
    """01:30 on the last day of summer time happens twice; the first is meant."""
    assert datetime.fromtimestamp(at(date(2024, 11, 3), time(1, 30)) // SECOND, UTC).hour == 5


@given(dates, st.times())
def test_wall_time_round_trip(on: date, wall: time) -> None:
    """New York wall time -> ns -> New York wall time, but for the hour that spring skips."""
    back = sessions.new_york(at(on, wall)).replace(tzinfo=None)
    skipped = timedelta(hours=1)
    assert back - datetime.combine(on, wall) in (timedelta(0), skipped)
    if back - datetime.combine(on, wall) == skipped:
        assert on.month in (3, 4)
        assert wall.hour == 2


@given(moments)
def test_next_open_and_close_surround_the_present(ts: int) -> None:
    """Open exactly when the next close comes before the next open, and both lie ahead."""
    opens, closes = sessions.next_open(ts), sessions.next_close(ts)
    assert min(opens, closes) > ts
    assert (session_at(ts) is Session.CORE) == (closes < opens)
    assert session_at(opens) is Session.CORE
    assert session_at(closes) is Session.POST


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("2012-03-12", "2012-03-15"),  # T+3
        ("2017-09-01", "2017-09-07"),  # the last T+3, over Labor Day
        ("2017-09-05", "2017-09-07"),  # the first T+2
        ("2024-05-24", "2024-05-29"),  # the last T+2, over Memorial Day
        ("2024-05-28", "2024-05-29"),  # the first T+1
        ("2024-11-27", "2024-11-29"),  # over Thanksgiving
        ("2025-10-10", "2025-10-14"),  # Columbus Day: trading, no settlement
        ("2025-11-10", "2025-11-12"),  # Veterans Day
        ("2023-11-08", "2023-11-10"),  # Veterans Day on a Saturday: the Friday settles
        ("2012-11-08", "2012-11-14"),  # Veterans Day on a Sunday, kept on Monday
        ("2025-01-08", "2025-01-10"),  # over the day of mourning
    ],
)
def test_settlement(traded: str, settles: str) -> None:
    """Settlement cycles and the two bank holidays on which New York trades."""
    assert sessions.settlement_date(date.fromisoformat(traded)) == date.fromisoformat(settles)


def test_settlement_never_goes_back() -> None:
    """Later trades never settle earlier, always on a later trading day; the longest wait is that of September 2001."""
    days = [found.date for found in sessions.trading_days(sessions.FIRST_DATE, date(2030, 12, 20))]
    settled = [sessions.settlement_date(traded) for traded in days]
    assert all(day(settles) for settles in settled)
    assert all(earlier <= later for earlier, later in pairwise(settled))
    assert all(traded < settles <= traded + timedelta(days=11) for traded, settles in zip(days, settled, strict=True))


def test_walking_over_a_weekend() -> None:
    """Friday's next trading day is Monday, and back."""
    friday, monday = date(2024, 6, 7), date(2024, 6, 10)
    assert sessions.next_trading_day(friday).date == monday
    assert sessions.previous_trading_day(monday).date == friday
    assert [found.date for found in sessions.trading_days(friday, monday)] == [friday, monday]
    assert sessions.trading_days(monday, friday) == []


def test_a_date_outside_the_table_is_refused() -> None:
    """No guess about 1999 or 2031, in any question."""
    for ask in (
        lambda: day(date(1999, 12, 31)),
        lambda: day(date(2031, 1, 1)),
        lambda: sessions.next_open(at(date(2030, 12, 31), time(12))),
        lambda: sessions.settlement_date(date(2024, 6, 8)),
    ):
        with pytest.raises(DataError) as caught:
            ask()
        assert caught.value.code == "E620"


def test_importing_sessions_pulls_in_nothing_heavy() -> None:
    """Both the client and the exchange import this at start: no third-party package comes along."""
    made = subprocess.run(
        [sys.executable, "-c", "import sys, puna.core.sessions; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "pandas", "msgspec", "aiohttp", "asyncio", "click"} & set(made.stdout.split())
