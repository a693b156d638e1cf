"""`make bench` (or `python -m benchmarks [NAME...]`): every benchmark, one table, one run."""

import sys
from collections.abc import Callable

from benchmarks import decode, features, orders
from benchmarks.table import Row, show

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "decode": decode.rows,
    "features": features.rows,
    "orders": orders.rows,
}


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    for name in names or BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += BENCHMARKS[name]()
    show(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
