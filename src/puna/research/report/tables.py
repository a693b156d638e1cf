"""A run as Parquet: equity, fills and orders, typed, for polars, DuckDB or pandas. Needs the extra `research`.

Times are UTC with nanoseconds; money and quantities are decimals, exact to nine places, as Alpaca has them.
"""

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

from puna.engine.record import RunRecord
from puna.research.extra import library
from puna.research.statistics.metrics import exposures

__all__ = ["TABLES", "tables"]

TABLES = ("equity.parquet", "fills.parquet", "orders.parquet")
_PLACES = Decimal("1e-9")
_Column = tuple[str, str, list[Any]]


def tables(records: Sequence[RunRecord]) -> dict[str, bytes]:
    """File name -> Parquet; the column `fill_model` tells the runs apart when there are several.

    Raises:
        ConfigError: E660, polars is not installed.
    """
    made = (_equity, _fills, _orders)
    return {
        name: _parquet(_joined([each(record) for record in records])) for name, each in zip(TABLES, made, strict=True)
    }


def _equity(record: RunRecord) -> list[_Column]:
    """Equity at every point, with the gross exposure then: all positions, long and short added, at their last price."""
    walked = iter([*exposures(record), (2**63 - 1, 0.0)])
    ahead, gross, held = next(walked), 0.0, []
    for point in record.equity:
        while ahead[0] <= point.ts:
            gross, ahead = ahead[1], next(walked)
        held.append(gross)
    return [
        ("fill_model", "text", [record.fill_model] * len(record.equity)),
        ("time", "time", [point.ts for point in record.equity]),
        ("equity", "money", [point.equity for point in record.equity]),
        ("exposure", "number", held),
    ]


def _fills(record: RunRecord) -> list[_Column]:
    rows = record.fills
    return [
        ("fill_model", "text", [record.fill_model] * len(rows)),
        ("time", "time", [row.ts for row in rows]),
        ("strategy", "text", [row.strategy for row in rows]),
        ("symbol", "text", [row.symbol for row in rows]),
        ("side", "text", [row.side for row in rows]),
        ("qty", "money", [row.qty for row in rows]),
        ("price", "money", [row.price for row in rows]),
        ("mid", "number", [row.mid for row in rows]),
        ("client_order_id", "text", [row.cid for row in rows]),
        ("internal", "flag", [row.internal for row in rows]),
    ]


def _orders(record: RunRecord) -> list[_Column]:
    rows = record.orders
    words = ("client_order_id", "strategy", "symbol", "side", "type", "tif", "status", "because")
    maybe = ("broker_id", "refusal_code", "refusal_text", "replaces", "parent", "leg_of")
    money = ("qty", "limit", "stop", "filled_qty", "avg_price")
    return [
        ("fill_model", "text", [record.fill_model] * len(rows)),
        ("decided", "time", [row.ts_decision for row in rows]),
        ("ended", "time", [row.ts_final for row in rows]),
        *((name, "text", [getattr(row, name) for row in rows]) for name in (*words, *maybe)),
        *((name, "money", [getattr(row, name) for row in rows]) for name in money),
        ("arrival_mid", "number", [row.arrival_mid for row in rows]),
    ]


def _joined(parts: Sequence[list[_Column]]) -> list[_Column]:
    """One table below the other."""
    return [
        (columns[0][0], columns[0][1], [value for column in columns for value in column[2]])
        for columns in zip(*parts, strict=True)
    ]


def _parquet(columns: Sequence[_Column]) -> bytes:
    polars = library("polars")
    kinds = {
        "text": polars.String,
        "time": polars.Datetime("ns", "UTC"),
        "money": polars.Decimal(38, 9),
        "number": polars.Float64,
        "flag": polars.Boolean,
    }
    series = [
        polars.Series(name, [_exact(value) for value in values] if kind == "money" else values, kinds[kind])
        for name, kind, values in columns
    ]
    body = BytesIO()
    polars.DataFrame(series).write_parquet(body)
    return body.getvalue()


def _exact(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_PLACES)
