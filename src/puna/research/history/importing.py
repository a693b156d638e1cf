"""Files of one's own into the store: CSV or Parquet, with the columns called as people call them.

What comes in is stored under a feed of its own (`own-NAME`), so it is never taken for the broker's. Days that the file
covers replace what was imported of them before.
"""

from datetime import date
from pathlib import Path
from typing import Any

from puna.core.symbols import canonical
from puna.errors import DataError, PunaError
from puna.research.extra import library
from puna.research.history.series import COLUMNS, Kind, Row, Series
from puna.research.history.store import Store, about, schema

__all__ = ["import_file"]

_ALIASES: dict[str, tuple[str, ...]] = {
    "symbol": ("s", "ticker"),
    "time": ("t", "timestamp", "date", "datetime", "ts"),
    "open": ("o",),
    "high": ("h",),
    "low": ("l",),
    "close": ("c",),
    "volume": ("v",),
    "vwap": ("vw",),
    "trades": ("n", "trade_count"),
    "bid": ("bp", "bid_price"),
    "ask": ("ap", "ask_price"),
    "bid_size": ("bs",),
    "ask_size": ("as",),
    "price": ("p",),
    "size": ("qty", "quantity"),
    "id": ("i", "trade_id"),
    "exchange": ("x",),
    "tape": ("z",),
}
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "bars": ("time", "open", "high", "low", "close", "volume"),
    "quotes": ("time", "bid", "ask"),
    "trades": ("time", "price", "size"),
}


def import_file(
    path: Path,
    store: Store,
    *,
    name: str,
    now: int,
    kind: Kind = "bars",
    symbol: str | None = None,
    timeframe: str = "1Min",
    adjustment: str = "raw",
) -> list[tuple[Series, int]]:
    """Stores the rows of a file; answers the series and how many rows of each.

    Args:
        path: CSV with a header, or Parquet; times as ISO 8601 (UTC without an offset; a bare date is its beginning in
            the market's day), or ns since the epoch.
        store: where to.
        name: the feed will be `own-NAME`.
        now: ns; stands as the time of download.
        kind: what the rows are.
        symbol: of all rows; a column `symbol` otherwise.
        timeframe: of bars.
        adjustment: what the prices are, in Alpaca's words.

    Raises:
        DataError: E663, the file cannot be used; E664, such a series there is not. Nothing was stored.
    """
    frame = _read(path, kind, symbol)
    frame_of: list[tuple[Series, Any]] = []
    for one in frame["symbol"].unique(maintain_order=True).to_list():
        series = Series(kind, _canonical(path, one), timeframe if kind == "bars" else "", f"own-{name}", adjustment)
        rows = frame.filter(frame["symbol"] == one).sort("time", maintain_order=True)
        frame_of.append((series, _checked(path, series, _timed(path, series, rows))))
    with store.writing():
        for series, rows in frame_of:
            _keep(store, series, rows, now)
    return [(series, len(rows)) for series, rows in frame_of]


def _read(path: Path, kind: Kind, symbol: str | None) -> Any:
    """The file with the columns of the kind; times as they are."""
    polars = library("polars")
    try:
        parquet = path.suffix.lower() in {".parquet", ".pq"}
        found = polars.read_parquet(path) if parquet else polars.read_csv(path, infer_schema_length=10_000)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise _unusable(path, f"{type(error).__name__}: {str(error)[:200]}") from error
    given = {column.lower(): column for column in found.columns}
    names = {
        name: next((given[each] for each in (name, *_ALIASES.get(name, ())) if each in given), None)
        for name, _ in COLUMNS[kind]
    }
    needed = (*_NEEDED[kind], *(() if symbol else ("symbol",)))
    if missing := [name for name in needed if names[name] is None]:
        raise _unusable(path, f"no column {', '.join(missing)}; there are {', '.join(found.columns)[:200]}")
    if found.is_empty():
        raise _unusable(path, "it has no rows")
    columns = []
    for name, dtype in schema(kind).items():
        if name == "symbol" and symbol:
            columns.append(polars.lit(symbol).alias(name))
        elif (column := names[name]) is None:
            columns.append(polars.lit(_absent(kind, name), dtype=dtype).alias(name))
        else:
            kept = polars.col(column)
            columns.append((kept if name == "time" else kept.cast(dtype)).alias(name))
    try:
        return found.select(columns)
    except polars.exceptions.PolarsError as error:
        raise _unusable(path, str(error)[:200]) from error


def _absent(kind: Kind, name: str) -> Any:
    sort = dict(COLUMNS[kind])[name]
    return {"number": 0.0, "count": 0, "text": "" if name not in {"revised", "taker"} else None}.get(sort)


def _timed(path: Path, series: Series, rows: Any) -> Any:
    """Times as ns, UTC."""
    polars = library("polars")
    times = rows["time"]
    try:
        if times.dtype == polars.String and int(times.str.len_chars().max() or 0) <= len("2026-03-02"):
            times = times.str.to_date("%Y-%m-%d")
        if times.dtype == polars.Date:
            begun = [series.begins(on) for on in times.to_list()]
            times = (
                polars.Series("time", begun, dtype=polars.Int64).cast(polars.Datetime("ns")).dt.replace_time_zone("UTC")
            )
        elif times.dtype == polars.String:
            times = times.str.to_datetime(time_unit="ns", time_zone="UTC")
        elif times.dtype.is_integer():
            times = times.cast(polars.Int64).cast(polars.Datetime("ns")).dt.replace_time_zone("UTC")
        elif times.dtype.time_zone is None:
            times = times.cast(polars.Datetime("ns")).dt.replace_time_zone("UTC")
        else:
            times = times.dt.convert_time_zone("UTC").cast(polars.Datetime("ns", "UTC"))
    except (polars.exceptions.PolarsError, AttributeError, TypeError) as error:
        raise _unusable(path, f"column time: {str(error)[:200]}") from error
    return rows.with_columns(times.alias("time")).sort("time", maintain_order=True)


def _checked(path: Path, series: Series, rows: Any) -> Any:
    """Nothing needed is absent, no price is none, and no bar comes twice."""
    for name in _NEEDED[series.kind]:
        values = rows[name]
        if values.has_nulls() or (name != "time" and not (values.is_finite() & (values >= 0)).all()):
            raise _unusable(path, f"{series.symbol}: column {name} holds values that are none")
    if series.kind == "bars" and rows["time"].is_duplicated().any():
        raise _unusable(path, f"{series.symbol}: two bars of the same time")
    return rows


def _keep(store: Store, series: Series, rows: Any, now: int) -> None:
    """Writes the periods that the rows touch, with what was imported of other days before."""
    polars = library("polars")
    times = rows["time"].to_physical().to_list()
    first, last = series.day_of(times[0]), series.day_of(times[-1])
    for period in series.periods(first, last):
        days = max(first, period.first), min(last, period.last)
        piece = store.piece(series, period)
        new = _between(series, rows, *days)
        if piece is not None:
            old = polars.read_parquet(piece.path)
            ends = date.fromordinal(days[0].toordinal() - 1), date.fromordinal(days[1].toordinal() + 1)
            before, after = _between(series, old, piece.first, ends[0]), _between(series, old, ends[1], piece.last)
            new = polars.concat([before, new, after])
            days = min(days[0], piece.first), max(days[1], piece.last)
        draft = store.draft(series, period)
        kept: list[Row] = new.with_columns(polars.col("time").to_physical()).rows()
        draft.add(kept)
        draft.finish(about(series, *days, now))


def _between(series: Series, rows: Any, first: date, last: date) -> Any:
    """The rows of those days, inclusive."""
    times = rows["time"].to_physical()
    following = series.begins(date.fromordinal(last.toordinal() + 1))
    return rows.filter((times >= series.begins(first)) & (times < following))


def _canonical(path: Path, text: Any) -> str:
    try:
        return canonical(str(text))
    except PunaError as error:
        raise _unusable(path, f"column symbol: {error.what}") from error


def _unusable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} cannot be imported.",
        why=why,
        state="Nothing was stored.",
        remedy="puna data import --help names the columns",
        code="E663",
    )
