"""`puna report`: the report of a run written anew and shown; or several runs against each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.output import json_option, print_json, print_next, print_words, verbose_option

if TYPE_CHECKING:
    from puna.research.report.run_report import Report

__all__ = ["report"]

_FILES = ("report.json", "record.json")  # the services leave a record


@click.command
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The page; beside the first run if not told."
)
@click.option("--trials", metavar="N|SWEEP", help="How many trials the run was chosen from; or the folder of a sweep.")
@click.option("--open", "show", is_flag=True, help="Show the page in the browser.")
@json_option
@verbose_option
def report(*, runs: tuple[Path, ...], out: Path | None, trials: str | None, show: bool, as_json: bool) -> None:
    """Write the report of a run anew and say what it says; of several runs, compare them with the first.

    RUN is the folder of a run, or its report.json; the newest one in runs/ when none is named. One run: report.html
    and report.json, and equity, fills and orders as Parquet when polars is installed (the extra research). Several
    runs: one page with their figures side by side, what differs, and whether the difference may be luck.
    """
    if trials is not None and len(runs) > 1:
        raise click.UsageError("--trials is told of one run.")
    sources = [_source(run) for run in runs] or [_newest()]
    made = [_read(source) for source in sources]
    if trials is not None:
        made = [_chosen_from(made[0], trials)]
    if len(made) == 1:
        _one(made[0], sources[0], out, show=show, as_json=as_json)
    else:
        _several(made, sources, out, show=show, as_json=as_json)


def _chosen_from(made: "Report", trials: str) -> "Report":
    """The report of a run that is the best of so many trials, or of a sweep's.

    Raises:
        DataError: E654, the folder tells no trials.
    """
    from puna.research.report.run_report import again
    from puna.research.sweep.tried import Tried, sign, tried_in

    number = int(trials) if trials.isdecimal() else None
    if number == 0:
        raise click.UsageError("--trials: there was one trial at least, the run itself.")
    sign(made.record, tried_in(Path(trials)) if number is None else Tried(number))
    return again(made)


def _one(made: "Report", source: Path, out: Path | None, *, show: bool, as_json: bool) -> None:
    """The files beside the run, and what they say."""
    from puna.cli.run_folder import put
    from puna.research.report.run_report import html, json

    target = out or source.with_name("report.html")
    put(target, html(made))
    written = [target]
    if out is None:
        put(source.with_name("report.json"), json(made))
        written += [source.with_name("report.json"), *_tables(made, source.parent)]
    if as_json:
        print_json(_document(made, written))
    else:
        _tell(made, written)
        print_next(f"puna report {source.parent} OTHER_RUN compares it with another")
    if show:
        click.launch(str(target.resolve()))


def _tables(made: "Report", folder: Path) -> list[Path]:
    """Parquet, where polars is installed."""
    from importlib.util import find_spec

    from puna.cli.run_folder import put
    from puna.research.report.tables import tables

    if find_spec("polars") is None:
        return []
    others = [each.record for path in sorted(folder.glob("*/report.json")) if (each := _read(path)).record.fill_model]
    files = tables([made.record, *others])
    for name, body in files.items():
        put(folder / name, body)
    return [folder / name for name in files]


def _document(made: "Report", written: Sequence[Path]) -> dict[str, object]:
    return {
        "headline": made.headline,
        "verdict": made.verdict,
        "distrust": [doubt._asdict() for doubt in made.distrust],
        "metrics": {
            metric.name: {
                "value": metric.value,
                "unit": metric.unit,
                **({} if metric.interval is None else {"low": metric.interval.low, "high": metric.interval.high}),
            }
            for metric in made.metrics
        },
        "fill_models": {each.name: {m.name: m.value for m in each.metrics} for each in made.variants},
        "files": [str(path) for path in written],
    }


def _tell(made: "Report", written: Sequence[Path]) -> None:
    click.echo(made.headline)
    click.echo()
    print_words(made.verdict)
    click.echo()
    for doubt in made.distrust:
        print_words(f"{doubt.short} {doubt.text}", "distrust    ")
    for path in written:
        click.echo(f"{path.suffix[1:]:<10}  {path}")


def _several(made: "Sequence[Report]", sources: Sequence[Path], out: Path | None, *, show: bool, as_json: bool) -> None:
    """The page of a comparison, and what it says."""
    import json

    from puna.cli.run_folder import put
    from puna.research.report.comparison import compare, comparison_html, comparison_json

    found = compare(made)
    target = out or sources[0].parent.parent / f"{'-against-'.join(source.parent.name for source in sources)}.html"
    put(target, comparison_html(found))
    if as_json:
        print_json({**json.loads(comparison_json(found)), "files": [str(target)]})
        return
    click.echo(found.headline)
    click.echo()
    print_words(found.verdict)
    click.echo()
    for name, values in found.differs.items():
        print_words(f"{name}: {' | '.join(value or 'not known' for value in values)}", "differs     ")
    click.echo(f"html        {target}")
    if show:
        click.launch(str(target.resolve()))


def _newest() -> Path:
    """The report that was written last."""
    from puna.cli.target import NothingThereError

    found = [path for path in Path("runs").glob("*/report.json") if path.is_file()]
    if not found:
        raise NothingThereError(
            "There is no run here.",
            why="no folder in runs has a report.json",
            state="Nothing was written.",
            remedy="Name the folder of a run, or make one: puna demo.",
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def _source(named: Path) -> Path:
    """The file that a run's report is made from.

    Raises:
        NothingThereError: E041, there is none.
    """
    from puna.cli.target import NothingThereError

    found = next((named / name for name in _FILES if (named / name).is_file()), None) if named.is_dir() else named
    if found is not None and found.is_file():
        return found
    raise NothingThereError(
        f"There is no report of {named}.",
        why=_why(named),
        state="Nothing was written.",
        remedy="Name the folder of a run that has ended, such as runs/demo-7.",
    )


def _why(named: Path) -> str:
    if not named.exists():
        return f"{named} does not exist"
    if (named / "sweep.html").exists():
        return f"{named} is a sweep: its report is {named / 'sweep.html'}"
    return f"{named} has no report.json; a run writes it when it ends"


def _read(source: Path) -> "Report":
    """The report that a file holds, worked out anew.

    Raises:
        DataError: E654, it is no report of a run.
    """
    import msgspec

    from puna.engine.record import read_record
    from puna.errors import DataError
    from puna.research.report.run_report import report as report_of
    from puna.research.report.run_report import reread

    try:
        body = source.read_bytes()
        return report_of(read_record(body)) if source.name == "record.json" else reread(body)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{source} cannot be read as the report of a run.",
            why=str(error)[:200],
            state="Nothing was written.",
            remedy="Name the folder of a run; run it again if its report is damaged.",
            code="E654",
        ) from error
