"""How an error leaves the command line: four plain lines, or JSON, on stderr; a traceback only with `-v`."""

import json
import sys
import traceback
from collections.abc import Iterator, Sequence

import click

from puna.errors import PunaError

__all__ = ["report"]

_VERBOSE = {"-v", "--verbose"}


def report(error: BaseException, words: Sequence[str]) -> int:
    """Tells of `error` on stderr and gives its exit code; `words` are the command line's."""
    if _VERBOSE & set(words):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    known = list(dict.fromkeys(map(_known, _leaves(error))))
    for one in known:
        click.echo(_json(one) if "--json" in words else _text(one), err=True)
    return known[0].exit_code


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _known(error: BaseException) -> PunaError:
    """The error itself, or what can be said of one that nobody expected."""
    if isinstance(error, PunaError):
        return error
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return PunaError(
            f"The system refused{where}: {error.strerror or error}.",
            remedy="once more with -v shows where",
            code="E901",
        )
    return PunaError(
        f"Puna failed: {type(error).__name__}: {error}",
        why="this is a mistake in Puna, not in what you typed",
        state="What was sent before stands in the journal.",
        remedy="once more with -v shows where; please report it",
        code="E900",
    )


def _text(error: PunaError) -> str:
    lines = str(error)
    return lines if "puna explain" in lines else f"{lines}\n      more: puna explain {error.code}"


def _json(error: PunaError) -> str:
    body = {name: getattr(error, name) for name in ("code", "what", "why", "state", "remedy", "exit_code")}
    return json.dumps({"error": body}, ensure_ascii=not _utf8())


def _utf8() -> bool:
    return (sys.stderr.encoding or "").lower().replace("-", "") == "utf8"
