"""All cells of a sweep as one Parquet file: values, metrics, standing, error, and the returns as a list."""

from collections.abc import Sequence
from io import BytesIO

from puna.research.extra import library
from puna.research.sweep.cells import Failure, Row
from puna.research.sweep.judgement import Judgement

__all__ = ["parquet"]


def parquet(rows: Sequence[Row], judged: Judgement) -> bytes:
    """cells.parquet; a value's column is called by its key, a metric's by its name.

    Raises:
        ConfigError: E660, polars is not installed.
    """
    polars = library("polars")
    standing = {each.cell.key: each for each in judged.standings}
    metrics = list(judged.best.metrics)
    table: dict[str, list[object]] = {"cell": [row.cell.number for row in rows]}
    for key in judged.best.cell.values:
        table[key] = [row.cell.values[key] for row in rows]
    for name in metrics:
        # A parameter may be called like a metric.
        column = name if name not in table else f"{name} (metric)"
        table[column] = [None if isinstance(row.result, Failure) else row.result.metrics.get(name) for row in rows]
    found = [standing.get(row.cell.key) for row in rows]
    table["neighbourhood"] = [each and each.neighbourhood for each in found]
    table["deflated"] = [each and each.deflated for each in found]
    table["seconds"] = [row.nanos / 1e9 for row in rows]
    table["error"] = [
        f"{row.result.code} {row.result.what}" if isinstance(row.result, Failure) else None for row in rows
    ]
    table["returns"] = [None if isinstance(row.result, Failure) else row.result.returns for row in rows]
    file = BytesIO()
    polars.DataFrame(table, strict=False).write_parquet(file)
    return file.getvalue()
