"""What `puna check` does: the strategies, their bars, the four questions, the screen, the marks for reports."""

import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import click

from puna.cli.backtest_data import history_for
from puna.cli.check_child import Job
from puna.cli.check_elsewhere import Processes
from puna.cli.check_marks import keep_marks
from puna.cli.output import aside, print_json, print_next
from puna.cli.strategy_code import code_hash, team_from
from puna.core.sessions import date_of, new_york
from puna.engine.strategy import Strategy
from puna.research.backtest.data import History
from puna.research.checks.case import Case, Finding, Verdict, latest
from puna.research.checks.run import check

__all__ = ["Wish", "run"]

STEPS = 16
WIDTH = 116
_WORDS = {"passed": ("ok", "green"), "found": ("FOUND", "red"), "not checked": ("not checked", "yellow")}


class Wish(NamedTuple):
    """What was asked for."""

    path: Path
    start: date | None
    end: date | None
    bars: int
    seed: int | None
    store: Path
    bundled: bool
    timeframe: str | None
    feed: str | None
    adjust: str
    as_json: bool


def run(wish: Wish) -> int:
    """Answers the questions; 0, or 1 when something was found.

    Raises:
        PunaError: the strategies cannot be loaded, there are no bars, or no fresh process can run them.
    """
    with aside(when=wish.as_json):
        config, team = team_from(wish.path)
    code = code_hash(wish.path)
    seed = config.sim.seed if wish.seed is None else wish.seed
    history = latest(
        history_for(
            team, config, store=wish.store, bundled=wish.bundled, timeframe=wish.timeframe, feed=wish.feed,
            adjustment=wish.adjust, days=(wish.start, wish.end), seed=seed,
        ),
        wish.bars,
    )  # fmt: skip
    if not wish.as_json:
        _greet(history, team)
    case = Case(lambda: team_from(wish.path)[1], history, config.sim.cash, seed, config.risk, config.sleeves.netting)
    with _steps(shown=sys.stderr.isatty() and not wish.as_json) as tell, aside():
        verdicts = check(case, Processes(_job(wish, seed)), tell)
    marks = keep_marks(code, verdicts, _bars(history))
    found = any(each.outcome == "found" for each in verdicts)
    if wish.as_json:
        print_json(_document(wish, verdicts, history, code, marks))
        return int(found)
    for each in verdicts:
        _show(each)
    click.echo(f"\nkept for reports of this code: {marks}")
    print_next(f"puna explain {_first(verdicts).code}" if found else f"puna backtest {wish.path}")
    return int(found)


def _job(wish: Wish, seed: int) -> Job:
    return Job(
        path=str(wish.path.resolve()),
        out="",
        store=str(wish.store.resolve()),
        bundled=wish.bundled,
        timeframe=wish.timeframe,
        feed=wish.feed,
        adjust=wish.adjust,
        start=wish.start,
        stop=wish.end,
        seed=seed,
        end=None,
        shift=0,
        bars=wish.bars,
    )


def _greet(history: History, team: Sequence[Strategy]) -> None:
    click.secho(" CHECK ", fg="black", bg="white", bold=True, nl=False)
    click.echo(f" {', '.join(each.name for each in team)} \N{MIDDLE DOT} {_bars(history)}\n")


def _bars(history: History) -> str:
    first, last = (date_of(ts) for ts in history.span)
    return f"{history.rows:,} bars of {history.timeframe}, {first} to {last}, {', '.join(history.symbols[:5])}"


@contextmanager
def _steps(*, shown: bool) -> Iterator[Callable[[str], None]]:
    """A bar with what is being done, on a terminal's stderr."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        line = drawn.add_task("", total=STEPS)

        def tell(text: str) -> None:
            drawn.update(line, description=text, advance=1)

        yield tell


def _show(verdict: Verdict) -> None:
    word, colour = _WORDS[verdict.outcome]
    click.echo(f"{verdict.name:<16}", nl=False)
    told = f"{word:<6} "
    click.secho(told, fg=colour, bold=verdict.outcome == "found", nl=False)
    if verdict.outcome == "found":
        click.echo()
        for each in verdict.findings:
            _show_finding(each)
    else:
        click.echo(_wrapped(verdict.text, 16 + len(told), " " * (16 + len(told))).lstrip())
    for note in verdict.notes:
        click.echo(_wrapped(f"note  {note}", 22, "                "))


def _show_finding(finding: Finding) -> None:
    times = f"  ({finding.count:,} times)" if finding.count > 1 and finding.code == "E693" else ""
    rows = [(finding.code, f"{finding.what}{times}")]
    if finding.ts:
        who = ", ".join(each for each in (finding.strategy, finding.symbol) if each)
        rows.append(("first", f"{new_york(finding.ts):%Y-%m-%d %H:%M:%S} New York{', ' if who else ''}{who}"))
    before, after = ("order", "answer") if finding.code == "E693" else ("as it is", "then")
    rows += [(before, finding.before)] if finding.before else []
    rows += [(after, finding.after)] if finding.after and finding.after != finding.what else []
    rows += [("why", finding.why), ("do", finding.remedy)]
    for name, text in rows:
        click.echo(_wrapped(f"  {name:<10}{text}", 12))


def _wrapped(text: str, indent: int, first: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True, replace_whitespace=True,
    )  # fmt: skip


def _first(verdicts: Sequence[Verdict]) -> Finding:
    return next(finding for each in verdicts for finding in each.findings)


def _document(wish: Wish, verdicts: Sequence[Verdict], history: History, code: str, marks: Path) -> dict[str, Any]:
    return {
        "file": str(wish.path),
        "passed": all(each.outcome != "found" for each in verdicts),
        "code": code,
        "marks": str(marks),
        "bars": {
            "source": history.source,
            "timeframe": history.timeframe,
            "symbols": list(history.symbols),
            "rows": history.rows,
            "digest": history.digest,
        },
        "checks": [
            {
                "name": each.name,
                "outcome": each.outcome,
                "text": each.text,
                "findings": [{**asdict(finding), "time": _utc(finding.ts)} for finding in each.findings],
                "notes": list(each.notes),
            }
            for each in verdicts
        ],
    }


def _utc(ts: int) -> str | None:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ts / 1e9, UTC).isoformat() if ts else None
