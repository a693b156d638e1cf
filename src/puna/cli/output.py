"""What the verbs share: options, JSON, plain tables, and the line that says what to do next."""

import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from textwrap import wrap
from typing import Any, TypeVar

import click

__all__ = [
    "DATE",
    "aside",
    "config_option",
    "json_option",
    "money",
    "new_york",
    "price",
    "print_json",
    "print_next",
    "print_rows",
    "print_words",
    "user_name",
    "verbose_option",
]

F = TypeVar("F", bound=Callable[..., Any])


class _Day(click.DateTime):
    """A day as people write it: 2012-07-25."""

    name = "date"

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{str(value)!r} is no day: YYYY-MM-DD, such as 2012-07-25", param, ctx)


DATE = _Day()

DEFAULT_CONFIG = Path("puna.toml")


def json_option(verb: F) -> F:
    """`--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(verb)


def verbose_option(verb: F) -> F:
    """`-v` behind a verb; `main` reads it."""
    return click.option("-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of an error.")(
        verb
    )


def config_option(verb: F) -> F:
    """`--config FILE`, as the argument `config`; puna.toml when there is one here."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=lambda: DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None,
        help="The TOML file; ./puna.toml when there is one.",
    )(verb)


@contextmanager
def aside(*, when: bool = True) -> Iterator[None]:
    """What strategies print goes to stderr, so that stdout holds one JSON document and nothing else."""
    if not when:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def print_json(value: object) -> None:
    """One JSON document on stdout; money as strings."""
    click.echo(json.dumps(value, default=_plain, indent=2))


def print_next(text: str, *, as_json: bool = False) -> None:
    """The next useful command, on stderr: it is talk, not output."""
    if not as_json:
        click.echo(f"next: {text}", err=True)


def print_rows(rows: Sequence[Mapping[str, str]], *, right: frozenset[str] = frozenset()) -> None:
    """A table with its column names; columns in `right` are numbers. Without rows it is nothing."""
    if not rows:
        return
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}

    def line(cells: Mapping[str, str]) -> str:
        return "  ".join(
            cells[name].rjust(widths[name]) if name in right else cells[name].ljust(widths[name]) for name in names
        ).rstrip()

    for cells in ({name: name for name in names}, *rows):
        click.echo(line(cells))


def print_words(text: str, label: str = "") -> None:
    """A paragraph, broken at the terminal's width and at most 100 columns; a label stands before its first line."""
    width = min(100, shutil.get_terminal_size().columns)
    lines = wrap(text, width, initial_indent=label, subsequent_indent=" " * len(label), break_on_hyphens=False)
    for line in lines:
        click.echo(line)


def money(value: Decimal | None, *, places: int = 2) -> str:
    """1,234.50; a dash when it is not known."""
    return "-" if value is None else f"{value:,.{places}f}"


def price(value: Decimal | None) -> str:
    """650.00, 1,234.5678, 0.123456789: to the cent, and as far as the price itself goes, up to four or nine digits."""
    if value is None:
        return "-"
    most = 4 if abs(value) >= 1 else 9
    whole, _, digits = money(value, places=most).partition(".")
    return f"{whole}.{digits.rstrip('0'):0<2}"


def new_york(ts: int | None) -> str:
    """An instant (ns) as people at the exchange read it: 2026-03-02 09:30:00 ET. JSON output keeps UTC."""
    from puna.core.sessions import new_york as at_new_york

    return "-" if ts is None else f"{at_new_york(ts):%Y-%m-%d %H:%M:%S} ET"


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (tuple, frozenset, set)):
        return list(value)
    return str(value)


def user_name() -> str:
    """Who sits at this shell, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user's name
        return f"uid {os.getuid()}"
