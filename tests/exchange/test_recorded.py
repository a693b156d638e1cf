"""Recorded days: what stands in a file is what the exchange replays."""

import csv
import json
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from puna.core import sessions
from puna.errors import DataError
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.joint import build_market
from puna.exchange.prices.recorded import load
from puna.wire.codec import format_time
from puna.wire.stream import BarMessage, QuoteMessage, TradeMessage

DAY = date(2024, 3, 14)
OPEN = sessions.at(DAY, time(9, 30))
MINUTE = 60_000_000_000


def rows(symbol: str = "SPY", count: int = 390) -> list[dict[str, Any]]:
    """Minutes that go up a cent each, with wicks; every tenth is missing."""
    return [
        {
            "symbol": symbol,
            "timestamp": format_time(OPEN + minute * MINUTE),
            "open": round(510 + minute / 100, 2),
            "high": round(510.1234 + minute / 100, 4),
            "low": round(509.9 + minute / 100, 2),
            "close": round(510.01 + minute / 100, 2),
            "volume": 100 + minute,
            "vwap": 1.0,
        }
        for minute in range(count)
        if minute % 10 != 5
    ]


def write(path: Path, found: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(found[0]))
            writer.writeheader()
            writer.writerows(found)
    elif path.suffix == ".jsonl":
        short = {"symbol": "S", "timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
        path.write_text("\n".join(json.dumps({short.get(k, k): v for k, v in row.items()}) for row in found))
    else:
        pl.DataFrame(found).with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC")).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_recorded_minutes_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    """Open, high, low, close and volume of each minute, over REST and on the stream; quotes stand around the price."""
    file = write(tmp_path / f"day{suffix}", rows())
    market = build_market(ExchangeConfig(recording=file, day=DAY))
    heard: list[Any] = []
    while (step := market.step(2**62)) is not None:
        heard += step.messages
    assert market.symbols == ("SPY",)
    told = {each.t: each for each in heard if isinstance(each, BarMessage)}
    assert len(told) == 351
    for row in rows():
        bar = told[OPEN + round((row["open"] - 510) * 100) * MINUTE]
        assert (bar.o, bar.h, bar.l, bar.c, bar.v) == tuple(row[k] for k in ("open", "high", "low", "close", "volume"))
    quotes = {each.t: each for each in heard if isinstance(each, QuoteMessage)}
    assert len(quotes) == 1560
    prints = [each for each in heard if isinstance(each, TradeMessage)]
    assert all(quotes[each.t].bp <= each.p <= quotes[each.t].ap for each in prints)
    assert [bar.c for bar in market.bars("SPY", "1Day", OPEN - MINUTE * 1440, None, OPEN + MINUTE * 600)] == [513.9]
    assert market.contracts("SPY", OPEN) == []  # nothing is known of the day before


def test_recorded_days_have_a_path_inside(tmp_path: Path) -> None:
    """Daily bars, as a download gives them: real highs and lows, and options on what was closed at the day before."""
    bar = {"open": 510, "high": 515.5, "low": 508, "close": 512, "volume": 70_000}
    days = [{"symbol": "SPY", "timestamp": f"2024-03-{day}T04:00:00Z", **bar} for day in (13, 14, 15)]
    file = write(tmp_path / "days.csv", days)
    market = build_market(ExchangeConfig(recording=file, day=DAY))
    prints = []
    while (step := market.step(2**62)) is not None:
        prints += [each.p for each in step.messages if isinstance(each, TradeMessage)]
    assert (prints[0], max(prints), min(prints), prints[-1]) == (510.0, 515.5, 508.0, 512.0)
    assert market.quote("SPY240315C00510000") is not None
    assert load(file).first_day == date(2024, 3, 13)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "symbol,timestamp,open,high,low,close,volume\nSPY,yesterday,1,1,1,1,1\n", "Row 1"),
        ("a.csv", "symbol,timestamp,open,high,low,close,volume\nSPY,2024-03-14T14:00:00Z,2,1,1,1,1\n", "Row 1"),
        ("a.csv", "symbol,timestamp,open,high,low,close,volume\nSPY,2024-03-14T14:00:00Z,x,1,1,1,1\n", "Row 1"),
        ("a.csv", "symbol,open\nSPY,1\n", "Row 1"),
        ("a.csv", "symbol,timestamp\n", "no bar"),
        ("a.jsonl", "[1]", "Row 1"),
        ("a.jsonl", "{", "cannot be read"),
        ("a.parquet", "nothing", "cannot be read"),
        ("a.txt", "", "no recording"),
    ],
)
def test_a_bad_recording_is_one_clear_error(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """It names the file and the row."""
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=complaint):
        load(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "none.csv")
