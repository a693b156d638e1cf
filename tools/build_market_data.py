"""Writes src/puna/exchange/data/daily.csv.gz from the package bokeh_sampledata: `python tools/build_market_data.py`.

Needs `pip install --no-deps bokeh_sampledata==2026.1`. Any other content than the one that the provenance file
describes stops the tool, and so does any row that is not a trading day's plausible open, high, low, close and volume:
what is repaired, and why, has to be written into REPAIRS first (and into the provenance file).
"""

import csv
import gzip
import hashlib
import io
import sys
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

__all__ = ["REPAIRS", "SOURCE_SHA256", "TARGET", "content", "rows"]

TARGET = Path(__file__).parents[1] / "src" / "puna" / "exchange" / "data" / "daily.csv.gz"
PACKAGE, VERSION, MEMBER = "bokeh_sampledata", "2026.1", "bokeh_sampledata/_data/stocks.csv.gz"
# Of the uncompressed CSV, as the package's own inventory (licenses/datasets.json) states it.
SOURCE_SHA256 = "e73fe05d106b7da1abe8f947264c514afd02cef5c9db4864b9437c84d6bd6069"

# (symbol, date) -> (open, high, low, close, volume) to use instead. Empty: no row of this version needs a repair.
REPAIRS: dict[tuple[str, str], tuple[str, str, str, str, str]] = {}


class Row(NamedTuple):
    """One line of the shipped file."""

    symbol: str
    date: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    @property
    def sound(self) -> bool:
        """Prices in order, and something traded."""
        inside = self.low <= min(self.open, self.close) and max(self.open, self.close) <= self.high
        return inside and self.low > 0 and self.volume > 0


def source() -> str:
    """The package's CSV, checked.

    Raises:
        SystemExit: another version of the package, or another content.
    """
    package = distribution(PACKAGE)
    raw = gzip.decompress(Path(str(package.locate_file(MEMBER))).read_bytes())
    if package.version != VERSION or hashlib.sha256(raw).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"expected {PACKAGE} {VERSION} with {MEMBER} of sha256 {SOURCE_SHA256}")
    return raw.decode()


def rows(text: str) -> Iterator[Row]:
    """The shipped rows: adjusted closes left out, prices rounded half up to the cent."""
    for line in csv.DictReader(io.StringIO(text)):
        key = line["Ticker"], line["Date"]
        values = REPAIRS.get(key) or tuple(line[name] for name in ("Open", "High", "Low", "Close", "Volume"))
        open_, high, low, close = (_cent(price) for price in values[:4])
        yield Row(*key, open_, high, low, close, int(values[4]))


def content(table: list[Row]) -> str:
    """The shipped CSV.

    Raises:
        SystemExit: an anomaly that REPAIRS does not know.
    """
    if unsound := [row for row in table if not row.sound]:
        raise SystemExit("anomalies, to be repaired in REPAIRS:\n" + "\n".join(map(str, unsound)))
    keys = [(row.symbol, row.date) for row in table]
    if keys != sorted(set(keys)):
        raise SystemExit("rows are doubled or out of order")
    return "symbol,date,open,high,low,close,volume\n" + "".join(f"{','.join(map(str, row))}\n" for row in table)


def _cent(price: str) -> Decimal:
    # Rounding is monotonic, so low <= open, close <= high survives it.
    return Decimal(price).quantize(Decimal("0.01"), ROUND_HALF_UP)


def main() -> None:
    text = source()
    table = list(rows(text))
    body = content(table).encode()
    changed = sum(
        any(Decimal(line[name]) != _cent(line[name]) for name in ("Open", "High", "Low", "Close"))
        for line in csv.DictReader(io.StringIO(text))
    )
    # GzipFile writes the same header everywhere; gzip.compress leaves a byte of it to the platform.
    with TARGET.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(body)
    sys.stdout.write(
        f"{TARGET.name}: {len(table)} rows, {changed} with a price rounded, {len(REPAIRS)} repaired, "
        f"{TARGET.stat().st_size} bytes\ncontent sha256 {hashlib.sha256(body).hexdigest()}\n"
    )


if __name__ == "__main__":
    main()
