"""Gaps told apart, planted faults found, actions stored beside, files of one's own taken in."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from puna.alpaca.http import AsyncAlpaca, Credentials, Endpoints
from puna.cli.data import data
from puna.core import sessions
from puna.errors import DataError
from puna.exchange.prices.halts import Halt
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.research.backtest.data import stored
from puna.research.history.actions import actions_of, outdated
from puna.research.history.download import download, plan
from puna.research.history.gaps import explain_gap, holes
from puna.research.history.importing import import_file
from puna.research.history.series import Row, Series
from puna.research.history.store import Store, about
from puna.research.history.tables import HaltRow, borrow_of, halts_among, halts_of, keep_halts
from puna.research.history.verify import verify

MINUTE = 60_000_000_000
FIRST, LAST = date(2005, 2, 22), date(2005, 3, 2)
EX = date(2005, 2, 28)
MINUTES = Series("bars", "AAPL", "1Min", "iex")
DAYS = Series("bars", "AAPL", "1Day", "iex")
ENVIRON = {"ALPACA_API_KEY": "KEY", "ALPACA_SECRET_KEY": "SECRET"}


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeThread]:
    """A morning two days after Apple's split of 2005 and the days before it."""
    config = ExchangeConfig(
        day=date(2005, 3, 3), symbols=("AAPL", "MSFT"), keys={"KEY": "SECRET"}, pacing=Speed(0.001), wait_for=()
    )
    with ExchangeThread(config) as running:
        yield running


@pytest.fixture
async def alpaca(exchange: ExchangeThread) -> AsyncIterator[AsyncAlpaca]:
    async with AsyncAlpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(exchange.url), data_limit=0) as client:
        yield client


@pytest.fixture
async def store(alpaca: AsyncAlpaca, tmp_path: Path) -> Store:
    """Apple's days, raw and adjusted, and the minutes of the last of them."""
    made = Store(tmp_path)
    both = [DAYS, Series("bars", "AAPL", "1Day", "iex", "split")]
    await download(alpaca, made, both, FIRST, LAST)
    return made


def rewrite(store: Store, series: Series, change: Any, *, downloaded: int | None = None) -> None:
    """The same file with other rows, and metadata that fit."""
    (piece,) = store.pieces_of(series)
    rows: list[Row] = pl.read_parquet(piece.path).with_columns(pl.col("time").to_physical()).rows()
    draft = store.draft(series, series.period(piece.first))
    draft.add(change(rows))
    draft.finish(about(series, piece.first, piece.last, piece.downloaded if downloaded is None else downloaded))


def faults(store: Store) -> list[str]:
    return [each.what for each in verify(store) if each.fault]


async def test_actions_stand_beside_the_bars(store: Store) -> None:
    """The split that the broker tells, with its factor and its words."""
    (action,) = actions_of(store, "AAPL")
    assert (action.kind, action.on, action.factor) == ("forward_split", EX, 2.0)
    assert json.loads(action.body)["ex_date"] == "2005-02-28"


async def test_raw_and_adjusted_differ_by_the_split(store: Store) -> None:
    """Before the ex-date a raw price is twice the adjusted one, after it the same; verify finds no fault in either."""
    raw, adjusted = (store.scan(each).collect() for each in (DAYS, Series("bars", "AAPL", "1Day", "iex", "split")))
    for time, one, other in zip(raw["time"].to_physical(), raw["close"], adjusted["close"], strict=True):
        assert one == pytest.approx(other * (2 if sessions.date_of(time) < EX else 1), rel=1e-4)
    assert faults(store) == []
    assert [each.what for each in verify(store)] == ["split"]


async def test_a_split_that_is_not_adjusted_is_found(store: Store) -> None:
    """Raw prices under the label of adjusted ones; and a jump like a split that no action explains."""
    raw = store.scan(DAYS).with_columns(pl.col("time").to_physical()).collect().rows()
    rewrite(store, Series("bars", "AAPL", "1Day", "iex", "split"), lambda _: raw)
    assert faults(store) == ["unadjusted split"]
    (store.root / "actions" / "AAPL.parquet").unlink()
    assert faults(store) == ["unexplained jump", "unadjusted split"]


def swapped(rows: Sequence[Row]) -> list[Row]:
    return [rows[1], rows[0], *rows[2:]]


def at_night(rows: Sequence[Row]) -> list[Row]:
    saturday = sessions.at(date(2005, 2, 26), sessions.new_york(rows[0][1]).time())
    return sorted([*rows, (rows[0][0], saturday, *rows[0][2:])], key=lambda row: row[1])


def after_the_calendar(rows: Sequence[Row]) -> list[Row]:
    later = sessions.at(date(2031, 1, 2), sessions.new_york(rows[0][1]).time())
    return [*rows, (rows[0][0], later, *rows[0][2:])]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (swapped, "unsorted"),
        (lambda rows: [rows[0], *rows], "double"),
        (at_night, "outside sessions"),
        (after_the_calendar, "outside the calendar"),
        (lambda rows: [*rows, (*rows[0][:1], rows[-1][1] + 30 * 86_400 * 10**9, *rows[0][2:])], "outside its days"),
        (lambda rows: [(*rows[0][:3], 1.0, *rows[0][4:]), *rows[1:]], "prices"),
    ],
    ids=["unsorted", "double", "closed", "calendar", "days", "prices"],
)
async def test_planted_faults_are_found(store: Store, change: Any, what: str) -> None:
    """Each by its name."""
    rewrite(store, DAYS, change)
    assert what in faults(store)


async def test_a_changed_value_and_a_damaged_file_are_found(store: Store) -> None:
    """The digest notices one price; a file that is cut short is told, and the others are still looked at."""
    (piece,) = store.pieces_of(DAYS)
    metadata = pl.read_parquet_metadata(piece.path)
    told = {"puna": metadata["puna"]}
    pl.read_parquet(piece.path).with_columns(pl.col("volume") + 1).write_parquet(piece.path, metadata=told)
    assert faults(store) == ["changed"]
    piece.path.write_bytes(piece.path.read_bytes()[:200])
    assert faults(store) == ["unreadable"]
    with pytest.raises(DataError) as refused:
        store.pieces()
    assert refused.value.code == "E661"


async def test_adjusted_prices_from_before_a_split_are_out_of_date(alpaca: AsyncAlpaca, store: Store) -> None:
    """They are found, and the next download replaces them even when it asks for other days; raw ones stay."""
    adjusted = Series("bars", "AAPL", "1Day", "iex", "split")
    before = sessions.at(date(2005, 2, 25), sessions.new_york(0).time())
    rewrite(store, adjusted, lambda rows: rows, downloaded=before)
    now = sessions.at(date(2005, 3, 3), sessions.new_york(0).time())
    assert outdated(store, adjusted, before, now)
    tasks, _, _ = plan(store, [adjusted, DAYS], LAST, LAST, now)
    assert [(task.series, task.first) for task in tasks] == [(adjusted, FIRST)]
    await download(alpaca, store, [adjusted], LAST, LAST)
    assert store.pieces_of(adjusted)[0].downloaded > before


async def test_gaps_are_told_apart(exchange: ExchangeThread, tmp_path: Path) -> None:
    """A halt by what the broker lacks too, and bars that only the store lacks."""
    day = date(2005, 3, 3)
    opened = sessions.at(day, sessions.new_york(0).time().replace(9, 30))
    halted = Halt("AAPL", opened + 60 * MINUTE, 600)
    config = ExchangeConfig(
        day=day, days=2, symbols=("AAPL",), keys={"KEY": "SECRET"}, pacing=Speed(50_000), wait_for=(), halts=(halted,)
    )
    store = Store(tmp_path)
    with ExchangeThread(config) as running:
        async with AsyncAlpaca(Credentials.of("KEY", "SECRET"), Endpoints.at(running.url), data_limit=0) as client:
            while (await download(client, store, [MINUTES], date(2005, 3, 2), day)).unfinished:
                pass
            lost = range(opened + 100 * MINUTE, opened + 103 * MINUTE, MINUTE)
            rewrite(store, MINUTES, lambda rows: [row for row in rows if row[1] not in lost])
            found = [await explain_gap(client, gap) for gap in holes(store, MINUTES)]
    assert [(gap.why, gap.start, gap.bars) for gap in found] == [
        ("halt", halted.at, 10),
        ("missing", opened + 100 * MINUTE, 3),
    ]
    kept = HaltRow("AAPL", halted.at, halted.until, "gap")
    assert [keep_halts(store, halts_among(found)) for _ in range(2)] == [1, 0]
    assert halts_of(store) == [kept]
    assert stored(store, [MINUTES]).halts == (kept,)


async def test_a_day_of_which_the_broker_has_nothing_is_no_halt(alpaca: AsyncAlpaca, tmp_path: Path) -> None:
    """Minutes reach back only so far: what lies before is called no data."""
    store = Store(tmp_path)
    await download(alpaca, store, [MINUTES], date(2005, 2, 3), date(2005, 2, 3))
    (gap,) = [await explain_gap(alpaca, gap) for gap in holes(store, MINUTES)]
    assert (gap.why, gap.bars) == ("no data", 390)


async def test_closed_days_and_days_never_asked_for(alpaca: AsyncAlpaca, tmp_path: Path) -> None:
    """Without asking anyone: the calendar and the metadata know."""
    store = Store(tmp_path)
    await download(alpaca, store, [MINUTES], date(2005, 2, 24), date(2005, 2, 24))
    await download(alpaca, store, [MINUTES], date(2005, 3, 2), date(2005, 3, 2))
    told = [(gap.why, sessions.date_of(gap.start)) for gap in holes(store, MINUTES) if gap.why]
    assert told == [
        ("not downloaded", date(2005, 2, 25)),
        ("closed", date(2005, 2, 26)),
        ("not downloaded", date(2005, 2, 28)),
    ]


CSV = """timestamp,symbol,open,high,low,close,volume
2005-02-22T14:31:00Z,AAPL,10,11,9,10.5,100
2005-02-22T14:30:00Z,AAPL,10,11,9,10,200
2005-02-22T14:30:00Z,MSFT,20,21,19,20,300
"""


def test_files_of_one_s_own_come_in(tmp_path: Path) -> None:
    """CSV and Parquet alike, sorted, by symbol; what comes later replaces the days that it covers and no others."""
    store, file = Store(tmp_path / "store"), tmp_path / "mine.csv"
    file.write_text(CSV)
    done = import_file(file, store, name="mine", now=1)
    assert [(series.symbol, series.feed, rows) for series, rows in done] == [
        ("AAPL", "own-mine", 2),
        ("MSFT", "own-mine", 1),
    ]
    parquet = tmp_path / "mine.parquet"
    row = {"time": ["2005-02-23T15:00:00+00:00"], "o": [1], "h": [2], "l": [1], "c": [2], "v": [5]}
    pl.DataFrame(row).write_parquet(parquet)
    import_file(parquet, store, name="mine", now=2, symbol="AAPL")
    mine = store.scan(Series("bars", "AAPL", "1Min", "own-mine")).collect()
    assert mine["close"].to_list() == [10.0, 10.5, 2.0]
    assert faults(store) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,2\n", "no column time"),
        (CSV.replace("10.5", "nan"), "column close"),
        (CSV.replace("14:31", "14:30"), "two bars"),
        (CSV.replace("2005-02-22T14:31:00Z", "yesterday"), "column time"),
        (CSV.replace("MSFT", "m sft"), "column symbol"),
        (CSV.splitlines()[0], "no rows"),
        ("", "NoDataError"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """By code E663, with the column, and nothing is stored."""
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(DataError) as refused:
        import_file(file, Store(tmp_path / "store"), name="mine", now=1)
    assert refused.value.code == "E663"
    assert why in refused.value.why
    assert Store(tmp_path / "store").paths() == []


def test_the_verbs(exchange: ExchangeThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gaps, verify and import: exit codes, JSON, and what there is nothing of."""
    monkeypatch.chdir(tmp_path)

    def puna(*words: str) -> Result:
        environ = ENVIRON | {"ALPACA_BASE_URL": exchange.url}
        made = CliRunner().invoke(data, words, env=environ, standalone_mode=False)
        if made.exception is not None:
            raise made.exception
        return made

    puna("get", "AAPL", "--from", "2005-02-24", "--to", "2005-02-28")
    clean = puna("verify")
    assert (clean.return_value, "1 files, 0 faults" in clean.stdout) == (0, True)
    assert "no gaps in 1 series" in puna("gaps").stdout
    assert [row["why"] for row in json.loads(puna("gaps", "--closed", "--json").stdout)] == ["closed"]
    rewrite(Store(Path("history")), MINUTES, lambda rows: rows[:100] + rows[105:])
    lacking = puna("gaps", "AAPL", "--json")
    assert lacking.return_value == 1
    assert [(row["why"], row["bars"]) for row in json.loads(lacking.stdout)] == [("missing", "5")]
    assert json.loads(puna("gaps", "--limit", "0", "--json").stdout)[0]["why"] == "not asked"
    puna("get", "AAPL", "--from", "2005-02-24", "--to", "2005-02-28", "--again")
    assert "0 halts were new" in puna("gaps", "--keep-halts").stdout
    assert puna("gaps").return_value == 0
    Path("mine.csv").write_text(CSV)
    assert json.loads(puna("import", "mine.csv", "--json").stdout)[0] == {
        "symbol": "AAPL",
        "feed": "own-file",
        "rows": 2,
    }
    with pytest.raises(DataError) as refused:
        puna("gaps", "MSFT", "--store", "elsewhere")
    assert refused.value.code == "E665"


def test_tables_of_one_s_own_are_read(tmp_path: Path) -> None:
    """Halts in any zone, and how stocks can be borrowed; nothing where there is no table."""
    store = Store(tmp_path)
    assert (halts_of(store), borrow_of(store)) == ([], {})
    noted = "symbol,from,to,reason\nGME,2021-01-28T10:00:00-05:00,2021-01-28T15:05:00Z,LUDP\n"
    (tmp_path / "halts.csv").write_text(noted)
    (tmp_path / "borrow.csv").write_text("symbol,borrow\nGME,hard\nAMC,none\nAAPL,easy\n")
    begins = 1_611_846_000_000_000_000
    assert halts_of(store) == [HaltRow("GME", begins, begins + 5 * MINUTE, "LUDP")]
    assert borrow_of(store) == {"GME": "hard", "AMC": "none", "AAPL": "easy"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("halts.csv", "symbol,from,to\n", "line 1: there is no column reason"),
        ("halts.csv", "symbol,from,to,reason\nGME,noon,2021-01-28,T1\n", "line 2: 'noon' is no time"),
        ("halts.csv", "symbol,from,to,reason\nGME,2021-01-28T15:05,2021-01-28T15:00,T1\n", "line 2: it ends before"),
        ("halts.csv", "symbol,from,to,reason\ngme!,2021-01-28T15:05,2021-01-28T15:09,T1\n", "line 2: 'gme!' is not"),
        ("borrow.csv", "symbol,borrow\nGME,maybe\n", "line 2: borrow is 'maybe'"),
    ],
)
def test_a_table_that_is_none_names_the_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    """E661: nothing is guessed."""
    (tmp_path / name).write_text(text)
    read: Any = halts_of if name == "halts.csv" else borrow_of
    with pytest.raises(DataError) as caught:
        read(Store(tmp_path))
    assert caught.value.code == "E661"
    assert caught.value.why.startswith(why)
