"""Writes src/puna/core/session_table.py from exchange_calendars: `python tools/generate_sessions.py`.

The table holds what the rules of thumb do not say: weekdays on which the NYSE is closed, and days on which it closes at
13:00 New York. Anything else (a late open, another early close) stops the generator: the table would have to grow.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import exchange_calendars

__all__ = ["FIRST_YEAR", "LAST_YEAR", "TARGET", "render"]

FIRST_YEAR, LAST_YEAR = 2000, 2030
TARGET = Path(__file__).parents[1] / "src" / "puna" / "core" / "session_table.py"

HEADER = '''"""NYSE weekday closures / days with a 13:00 close, a line a year; written by tools/generate_sessions.py."""

__all__ = ["TABLE"]

TABLE = """\\
'''


def render() -> str:
    """The table's module, byte for byte."""
    calendar = exchange_calendars.get_calendar("XNYS", start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31")
    hours = _hours(calendar)
    unknown = set(hours.values()) - {("09:30", "16:00"), ("09:30", "13:00")}
    if unknown:
        raise SystemExit(f"trading hours that the table cannot hold: {sorted(unknown)}")
    lines = [_line(year, hours) for year in range(FIRST_YEAR, LAST_YEAR + 1)]
    return HEADER + "\n".join(lines) + '\n"""\n'


def _hours(calendar: Any) -> dict[str, tuple[str, str]]:
    """Trading day -> (open, close), New York wall times."""
    schedule = calendar.schedule
    opens = schedule.open.dt.tz_convert("America/New_York").dt.strftime("%H:%M")
    closes = schedule.close.dt.tz_convert("America/New_York").dt.strftime("%H:%M")
    return {
        f"{day:%Y-%m-%d}": (opened, closed) for day, opened, closed in zip(schedule.index, opens, closes, strict=True)
    }


def _line(year: int, hours: dict[str, tuple[str, str]]) -> str:
    closed = [day for day in _weekdays(year) if day not in hours]
    half = [day for day in _weekdays(year) if day in hours and hours[day][1] == "13:00"]
    return f"{year} {' '.join(map(_short, closed))} / {' '.join(map(_short, half))}".rstrip()


def _weekdays(year: int) -> list[str]:
    days = (date(year, 1, 1) + timedelta(days=n) for n in range(366))
    return [f"{day:%Y-%m-%d}" for day in days if day.year == year and day.weekday() < 5]


def _short(day: str) -> str:
    return day[5:7] + day[8:10]


if __name__ == "__main__":
    TARGET.write_text(render())
