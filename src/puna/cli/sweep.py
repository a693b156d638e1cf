"""`puna sweep CONFIG key=a,b,c ...`: a backtest for each combination of values, and how much of the best is luck."""

from datetime import date, datetime
from pathlib import Path

import click

from puna.cli.output import DATE, json_option, verbose_option

__all__ = ["sweep"]


@click.command
@click.argument("words", nargs=-1, metavar="[CONFIG KEY=VALUES...]")
@click.option("--from", "start", type=DATE, help="The first day; the first that there is by default.")
@click.option("--to", "end", type=DATE, help="The last day; the last that there is by default.")
@click.option("--search", type=click.Choice(["grid", "random", "optuna"]), default="grid", show_default=True,
              help="Every combination, cells drawn at random, or Optuna's TPE (extra sweep).")  # fmt: skip
@click.option("--cells", type=click.IntRange(1, 1_000_000), default=100, show_default=True,
              help="How many cells random and optuna take.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="Of the search and of every backtest.  [default: sim.seed]")
@click.option("--by", default="sharpe", show_default=True, metavar="METRIC", help="What cells are compared by.")
@click.option("--fills", type=click.Choice(["optimistic", "realistic", "pessimistic"]), default="realistic",
              show_default=True, help="The fill model.")  # fmt: skip
@click.option(
    "--walk-forward",
    "folds",
    type=click.IntRange(1),
    metavar="FOLDS",
    help="Choose on the past, run what is chosen afresh on the time after; so often.",
)
@click.option(
    "--train", type=click.IntRange(2), metavar="PERIODS", help="The last periods to choose on; all by default."
)
@click.option("--purge", type=click.IntRange(0), default=0, show_default=True, metavar="PERIODS",
              help="How long a decision goes on to be felt; so many are not trained on before a test.")  # fmt: skip
@click.option("--embargo", type=click.IntRange(0), default=0, show_default=True, metavar="PERIODS",
              help="So many more are left out.")  # fmt: skip
@click.option("--warmup", type=click.IntRange(0), default=0, show_default=True, metavar="PERIODS",
              help="Before a test its cell hears so many and orders nothing.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes.  [default: the cores of this machine]")
@click.option("--ray", is_flag=False, flag_value="local", metavar="[ADDRESS]",
              help="Run on a Ray cluster (extra sweep); without an address, on a Ray started here.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
              help="End a cell that takes longer, and go on without it.  [default: wait for ever]")  # fmt: skip
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), default=Path("history"), show_default=True,
              help="The folder of the history.")  # fmt: skip
@click.option("--bundled", is_flag=True, help="The prices that ship with Puna, also where the history has some.")
@click.option("--timeframe", help="Of the bars.  [default: what the strategies want, made of minutes where needed]")
@click.option("--feed", help="Of the bars: iex, sip, us, own-NAME, ...  [default: data.feed; us for coins]")
@click.option("--adjust", default="raw", show_default=True, help="Of stocks' bars: raw, split, all, ...")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the sweep.  [default: runs/NAME-sweep-N]")
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Go on with a sweep that was interrupted; cells that failed are tried again.")  # fmt: skip
@json_option
@verbose_option
@click.pass_context
def sweep(
    ctx: click.Context,
    *,
    words: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    search: str,
    cells: int,
    seed: int | None,
    by: str,
    fills: str,
    folds: int | None,
    train: int | None,
    purge: int,
    embargo: int,
    warmup: int,
    jobs: int | None,
    ray: str | None,
    timeout: float | None,
    store: Path,
    bundled: bool,
    timeframe: str | None,
    feed: str | None,
    adjust: str,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
) -> int:
    """A backtest for each combination of values, judged by neighbourhoods, luck and overfitting.

    KEY is a parameter of a strategy (lookback, or momentum.lookback), its capital, or a risk limit such as
    risk.max_position. VALUES are a,b,c or 1..10 or 0.1..0.5:0.1 with a step.
    """
    from puna.cli.sweep_run import run  # what it needs takes a moment to import
    from puna.cli.sweep_wish import Judging, Wish, resumed

    judging = Judging(by, folds, train, purge, embargo, warmup)
    if resume is not None:
        if words or out:
            raise click.UsageError("--resume takes a folder and neither CONFIG, KEY=VALUES nor --out.")
        given = {name for name in Judging._fields if ctx.get_parameter_source(name) is not _DEFAULT}
        return run(resumed(resume, judging, given, jobs=jobs, ray=ray, timeout=timeout, as_json=as_json))
    if not words or "=" in words[0]:
        raise click.UsageError("Missing CONFIG: a sweep runs the strategies of a configuration, or of a .py file.")
    config, *varied = words
    days = _date(start), _date(end)
    return run(
        Wish(
            config=Path(config),
            words=tuple(varied),
            search=search,
            cells=cells,
            seed=seed,
            fills=fills,
            bars=(*days, store, bundled, timeframe, feed, adjust),
            judging=judging,
            jobs=jobs,
            ray=ray,
            timeout=timeout,
            out=out,
            as_json=as_json,
        )
    )


_DEFAULT = click.core.ParameterSource.DEFAULT


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
