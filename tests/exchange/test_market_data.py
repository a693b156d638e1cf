"""The shipped daily prices are what their provenance file says, and sound."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from puna.core.sessions import trading_days
from puna.errors import DataError
from puna.exchange import data

SHIPPED = files("puna.exchange.data")


def shipped_text() -> str:
    return gzip.decompress((SHIPPED / "daily.csv.gz").read_bytes()).decode()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands in for the data folder; what was read before and in it is forgotten."""

    def forget() -> None:
        data.tape.cache_clear()
        data._lines.cache_clear()

    monkeypatch.setattr(data, "files", lambda package: tmp_path)
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


def test_the_provenance_file_describes_the_shipped_file() -> None:
    """The content has the digest and the row count that README.md states, and stays small."""
    provenance = (SHIPPED / "README.md").read_text(encoding="utf-8")
    text = shipped_text()
    assert hashlib.sha256(text.encode()).hexdigest() in provenance
    assert f"{len(text.splitlines()) - 1:,} rows" in provenance
    assert len((SHIPPED / "daily.csv.gz").read_bytes()) < 250_000


def test_adjusted_closes_are_not_shipped() -> None:
    """Columns are the day's own: nothing that was adjusted by what happened later."""
    assert shipped_text().splitlines()[0] == "symbol,date,open,high,low,close,volume"


@pytest.mark.parametrize("symbol", data.SYMBOLS)
def test_every_day_is_sound(symbol: str) -> None:
    """Low <= open and close <= high, in cents, with a positive price and volume, on every day."""
    for on, day in data.tape(symbol).days.items():
        assert 0 < day.low <= min(day.open, day.close) <= max(day.open, day.close) <= day.high, on
        assert day.volume > 0, on


@pytest.mark.parametrize("symbol", data.SYMBOLS)
def test_the_days_are_the_trading_days(symbol: str) -> None:
    """From a symbol's first day to its last each NYSE trading day is there, in order, and no other."""
    days = list(data.tape(symbol).days)
    assert days == [day.date for day in trading_days(days[0], days[-1])]
    assert f"| {symbol} | {days[0]}" in (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_splits_are_the_jumps_and_the_jumps_are_splits() -> None:
    """Overnight each split is a jump of its ratio; the only other night beyond a quarter is Apple's profit warning."""
    jumps = {
        (symbol, after): now.open / then.close
        for symbol in data.SYMBOLS
        for (_, then), (after, now) in pairwise(data.tape(symbol).days.items())
        if not 0.75 < now.open / then.close < 1.33
    }
    splits = {(each.symbol, each.ex_date): each for symbol in data.SYMBOLS for each in data.tape(symbol).splits}
    warning = ("AAPL", date(2000, 9, 29))
    assert jumps.keys() == {*splits, warning}
    for key, split in splits.items():
        assert jumps[key] == pytest.approx(split.old_rate / split.new_rate, rel=0.03)
    days = data.tape("AAPL").days
    assert days[warning[1]].volume == max(day.volume for day in days.values())


def test_an_unknown_symbol_is_told_with_the_known_ones() -> None:
    """A symbol that is not shipped is a DataError that names those that are."""
    with pytest.raises(DataError, match="AAPL, FB, GOOG, IBM, MSFT") as caught:
        data.tape("TSLA")
    assert caught.value.code == "E611"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[:5000], id="cut"),
        pytest.param(lambda whole: whole[:5000] + b"\0\1\2\3" * 50 + whole[5200:], id="overwritten"),
        pytest.param(lambda whole: gzip.compress(b"symbol,date\nAAPL,2000-03-01,1.0,x"), id="wrong rows"),
        pytest.param(lambda whole: None, id="missing"),
    ],
)
def test_a_damaged_file_is_a_data_error(damage: Callable[[bytes], bytes | None], elsewhere: Path) -> None:
    """A file that is cut, overwritten, of another shape or missing gives one clear error, never half the prices."""
    whole = Path(str(SHIPPED / "daily.csv.gz")).read_bytes()
    (elsewhere / "listings.csv").write_bytes((SHIPPED / "listings.csv").read_bytes())
    if (damaged := damage(whole)) is not None:
        (elsewhere / "daily.csv.gz").write_bytes(damaged)
    with pytest.raises(DataError, match=r"daily\.csv\.gz") as caught:
        data.tape("AAPL")
    assert caught.value.code == "E612"
