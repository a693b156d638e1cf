"""`make bench` (or `python -m benchmarks [--quick] [--markdown] [NAME...]`): every benchmark, one table, one run."""

import sys
from importlib import import_module

from benchmarks.table import Row, markdown, show

SUBJECTS = (
    *("decode", "receive", "features", "payoffs", "orders", "nautilus", "exchange", "bus"),
    *("control", "services", "backtest", "sweep", "download"),
)
"""A module of this package each, with `rows(*, quick: bool) -> list[Row]`; a new one is registered by its name here."""
ASKED_FOR = ("lumibot",)
"""Only by name: they need an environment of their own."""


def main(arguments: list[str]) -> None:
    options = {"--quick", "--markdown"} & set(arguments)
    names = [each for each in arguments if each not in options] or list(SUBJECTS)
    known = (*SUBJECTS, *ASKED_FOR)
    if unknown := set(names) - set(known):
        raise SystemExit(
            f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(known)}, and --quick, --markdown"
        )
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += import_module(f"benchmarks.{name}").rows(quick="--quick" in options)
    if "--markdown" in options:
        print(markdown(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
