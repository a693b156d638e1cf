"""History in Parquet: what is stored is what was served, however the downloads were interrupted."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner, Result

from puna.alpaca.http import AsyncAlpaca, Credentials, Endpoints
from puna.alpaca.request import Request
from puna.cli.data import _bar, data
from puna.errors import ConfigError, DataError, NetworkError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.research.extra import library
from puna.research.history.download import Progress, download, rows_of
from puna.research.history.series import Series, row_of
from puna.research.history.store import Store, about

FIRST, LAST = date(2012, 9, 13), date(2012, 9, 14)
MINUTES = Series("bars", "AAPL", "1Min", "iex")
ENVIRON = {"ALPACA_API_KEY": "KEY", "ALPACA_SECRET_KEY": "SECRET"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """Three days, stocks and a coin; it stands before the last opens, and the first two are over."""
    config = ExchangeConfig(
        day=date(2012, 9, 17),
        symbols=("AAPL", "MSFT", "BTC/USD"),
        keys={"KEY": "SECRET"},
        pacing=Speed(0.001),
        wait_for=(),
    )
    with ExchangeThread(config) as running:
        yield running


@pytest.fixture
async def alpaca(exchange: ExchangeThread) -> AsyncIterator[AsyncAlpaca]:
    """Without a budget of its own: the exchange has none."""
    async with AsyncAlpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(exchange.url), data_limit=0) as client:
        yield client


async def served(alpaca: AsyncAlpaca, series: Series, first: date, last: date) -> list[tuple[Any, ...]]:
    """What the broker answers."""
    return [
        row_of(series.kind, series.symbol, item)
        async for page in rows_of(alpaca, series, first, last)
        for _, item in page
    ]


def stored(store: Store, series: Series) -> list[tuple[Any, ...]]:
    """What is on disk; times as ns."""
    rows: list[tuple[Any, ...]] = store.scan(series).with_columns(pl.col("time").to_physical()).collect().rows()
    return rows


@pytest.mark.parametrize(
    "series",
    [
        MINUTES,
        Series("bars", "AAPL", "1Day", "sip", "split"),
        Series("quotes", "MSFT", "", "iex"),
        Series("trades", "MSFT", "", "iex"),
        Series("bars", "BTC/USD", "5Min", "us"),
        Series("quotes", "BTC/USD", "", "us"),
        Series("trades", "BTC/USD", "", "us"),
        Series("bars", "AAPL121019C00700000", "1Day", "opra"),
        Series("trades", "AAPL121019C00700000", "", "opra"),
    ],
    ids=lambda series: f"{series.kind} {series.symbol}",
)
async def test_what_is_stored_is_what_was_served(alpaca: AsyncAlpaca, tmp_path: Path, series: Series) -> None:
    """Row for row, of every kind of symbol and of data; a second download asks for nothing."""
    store = Store(tmp_path)
    await download(alpaca, store, [series], FIRST, LAST)
    assert stored(store, series) == await served(alpaca, series, FIRST, LAST)
    assert (await download(alpaca, store, [series], FIRST, LAST)).pages == 0
    assert store.pieces()[0].series == series


class Breaking:
    """A client whose connection breaks after so many requests."""

    def __init__(self, alpaca: AsyncAlpaca, after: int) -> None:
        self._alpaca, self._left = alpaca, after

    async def __call__(self, call: Request[Any], /) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NetworkError("The connection broke.")
        return await self._alpaca(call)


@pytest.mark.parametrize("seed", range(6))
async def test_interrupted_downloads_come_to_the_same(alpaca: AsyncAlpaca, tmp_path: Path, seed: int) -> None:
    """Whatever days are asked for in whatever order, and wherever it breaks: in the end what is stored was served."""
    rng, store = Random(seed), Store(tmp_path)
    wanted = [MINUTES, Series("bars", "MSFT", "1Min", "iex"), Series("trades", "MSFT", "", "iex")]
    for _ in range(5):
        first, last = sorted(date(2012, 9, rng.randint(10, 14)) for _ in range(2))
        with suppress(NetworkError):
            await download(Breaking(alpaca, rng.randint(0, 6)), store, wanted, first, last, jobs=rng.randint(1, 3))
        for piece in store.pieces():
            mine = stored(store, piece.series)
            inside = [row for row in mine if piece.first <= piece.series.day_of(row[1]) <= piece.last]
            assert inside == await served(alpaca, piece.series, piece.first, piece.last)
    await download(alpaca, store, wanted, date(2012, 9, 10), LAST)
    for series in wanted:
        assert stored(store, series) == await served(alpaca, series, date(2012, 9, 10), LAST)
    assert not list(tmp_path.rglob(".*.parquet*"))


async def test_a_day_that_is_not_over_is_not_stored(alpaca: AsyncAlpaca, tmp_path: Path) -> None:
    """The outcome says up to which day it went."""
    done = await download(alpaca, Store(tmp_path), [MINUTES], FIRST, date(2012, 9, 20))
    assert done.unfinished == ((MINUTES, date(2012, 9, 16)),)
    assert Store(tmp_path).pieces()[0].last == date(2012, 9, 16)


async def test_progress_tells_files_rows_and_pages(alpaca: AsyncAlpaca, tmp_path: Path) -> None:
    """It never goes back, and ends at the outcome."""
    seen: list[tuple[int, int, int]] = []
    progress = Progress(told=lambda now: seen.append((now.done, now.rows, now.pages)))
    done = await download(
        alpaca, Store(tmp_path), [Series("trades", "MSFT", "", "iex")], FIRST, LAST, jobs=1, progress=progress
    )
    assert seen == sorted(seen)
    assert seen[-1] == (done.files, done.rows, done.pages)
    assert progress.tasks == done.files == 2


def test_a_terminal_sees_files_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr alone; before the number of files is known, too. Elsewhere nothing is drawn."""
    progress = Progress()
    with _bar(progress, shown=True):
        time.sleep(0.15)  # drawn at least once without a total
        progress.tasks, progress.done, progress.rows = 4, 3, 12_345
        progress.told(progress)
    told = capsys.readouterr()
    assert told.out == ""
    assert "3/4 files" in told.err
    assert "12,345 rows, " in told.err
    assert "left" in told.err
    with _bar(progress, shown=False):
        progress.told(progress)
    assert capsys.readouterr().err == ""


def test_one_writes_at_a_time(tmp_path: Path) -> None:
    """The second is told so, by code E662."""
    with Store(tmp_path).writing(), pytest.raises(DataError) as refused, Store(tmp_path).writing():
        pass
    assert refused.value.code == "E662"


def test_little_of_a_large_file_is_in_memory(tmp_path: Path) -> None:
    """Rows go to the disk in batches: a draft holds less than one, and the file is whole and in order."""
    store = Store(tmp_path)
    series = Series("trades", "AAPL", "", "iex")
    draft, most = store.draft(series, series.period(FIRST)), 0
    row = ("AAPL", 0, 1.5, 2.0, "1", "V", ["@", "T"], "C", None, None)
    for page in range(15):
        draft.add([(row[0], page * 10_000 + n, *row[2:]) for n in range(10_000)])
        most = max(most, len(draft._held))
    assert most < 70_000
    draft.finish(about(series, FIRST, FIRST, 0))
    times = store.scan(series).select(pl.col("time").to_physical()).collect()["time"].to_list()
    assert times == list(range(150_000))


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra and how to install it."""
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError) as refused:
        library("polars")
    assert refused.value.code == "E660"
    assert "puna[research]" in str(refused.value)


@pytest.mark.parametrize(
    "parts",
    [
        ("bars", "AAPL", "", "iex"),
        ("bars", "AAPL", "61Min", "iex"),
        ("bars", "AAPL", "1Min", "opra"),
        ("bars", "BTC/USD", "1Min", "us", "split"),
        ("bars", "AAPL", "1Min", "iex", "divided"),
        ("quotes", "AAPL121019C00700000", "", "opra"),
        ("trades", "AAPL", "1Min", "iex"),
    ],
)
def test_what_makes_no_series_is_refused(parts: Any) -> None:
    """Before anything is asked."""
    with pytest.raises(DataError) as refused:
        Series(*parts)
    assert refused.value.code == "E664"


def puna(exchange: ExchangeThread, *words: str) -> Result:
    environ = ENVIRON | {"ALPACA_BASE_URL": exchange.url}
    made = CliRunner().invoke(data, words, env=environ, standalone_mode=False)
    if made.exception is not None:
        raise made.exception
    return made


def test_get_and_list_on_the_command_line(
    exchange: ExchangeThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What get stores, list shows; raw and adjusted stand beside each other; DuckDB reads the files as they are."""
    monkeypatch.chdir(tmp_path)
    assert "nothing is stored" in puna(exchange, "list").stdout
    words = (
        "get",
        "AAPL",
        "BTCUSD",
        "--from",
        "2012-09-13",
        "--to",
        "2012-09-14",
        "--adjust",
        "raw",
        "--adjust",
        "split",
    )
    told = json.loads(puna(exchange, *words, "--json").stdout)
    assert told["files"] == 3
    assert json.loads(puna(exchange, *words, "--json").stdout)["present"] == 3
    rows = json.loads(puna(exchange, "list", "--json").stdout)
    assert [(row["symbol"], row["feed"], row["adjustment"]) for row in rows] == [
        ("AAPL", "iex", "raw"),
        ("AAPL", "iex", "split"),
        ("BTC/USD", "us", "raw"),
    ]
    assert rows[0]["rows"] == 780
    assert "AAPL" in puna(exchange, "list").stdout
    question = "select count(*), min(low) > 0 from 'history/bars/1Min/iex/raw/AAPL/*.parquet'"
    with duckdb.connect() as duck:
        assert duck.execute(question).fetchall() == [(780, True)]


def test_a_killed_download_goes_on(exchange: ExchangeThread, tmp_path: Path) -> None:
    """SIGKILL amid a download: what is whole stays, nothing else counts, and the next one brings the rest."""
    command = [sys.executable, "-m", "puna", "data", "get", "BTC/USD", "--kind", "trades", "--jobs", "1"]
    words = ["--from", "2012-09-12", "--to", "2012-09-15", "--store", str(tmp_path), "--json"]
    environ = ENVIRON | {"ALPACA_BASE_URL": exchange.url}
    with subprocess.Popen([*command, *words], env=environ, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None and not list(tmp_path.rglob("[!.]*.parquet")):
            time.sleep(0.01)
        running.kill()
    made = subprocess.run([*command, *words], env=environ, stdout=subprocess.PIPE, check=True)
    told = json.loads(made.stdout)
    assert told["files"] + told["present"] == 4
    assert told["present"] >= 1

    async def compare() -> None:
        async with AsyncAlpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(exchange.url), data_limit=0) as client:
            series = Series("trades", "BTC/USD", "", "us")
            assert stored(Store(tmp_path), series) == await served(client, series, date(2012, 9, 12), date(2012, 9, 15))

    asyncio.run(compare())
