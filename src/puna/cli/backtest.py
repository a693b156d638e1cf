"""`puna backtest CONFIG`: the strategies of a config, or of a Python file, on bars of the past."""

from datetime import date, datetime
from pathlib import Path

import click

from puna.cli.output import DATE, json_option, verbose_option

__all__ = ["backtest"]

MODELS = ("optimistic", "realistic", "pessimistic", "all")


@click.command
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "start", type=DATE, help="The first day; the first that there is by default.")
@click.option("--to", "end", type=DATE, help="The last day; the last that there is by default.")
@click.option("--seed", type=click.IntRange(0), help="Of chance and ids.  [default: sim.seed of the config]")
@click.option("--fills", type=click.Choice(MODELS), default="all", show_default=True, help="Which fill models.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), default=Path("history"), show_default=True,
              help="The folder of the history.")  # fmt: skip
@click.option("--bundled", is_flag=True, help="The prices that ship with Puna, also where the history has some.")
@click.option(
    "--exchange", is_flag=True, help="Days of the embedded exchange, with quotes, options and coins, not bars."
)
@click.option("--timeframe", help="Of the bars.  [default: what the strategies want, made of minutes where needed]")
@click.option("--feed", help="Of the bars: iex, sip, us, own-NAME, ...  [default: data.feed; us for coins]")
@click.option("--adjust", default="raw", show_default=True, help="Of stocks' bars: raw, split, all, ...")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/NAME-backtest-N]")
@json_option
@verbose_option
def backtest(
    *,
    config: Path,
    start: datetime | None,
    end: datetime | None,
    seed: int | None,
    fills: str,
    store: Path,
    bundled: bool,
    exchange: bool,
    timeframe: str | None,
    feed: str | None,
    adjust: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run the strategies of a config, or of a .py file, on bars of the past: same orders, risk and books as live."""
    from puna.cli.backtest_run import Wish, run  # what it needs takes a moment to import

    models = MODELS[:-1] if fills == "all" else (fills,)
    days = _date(start), _date(end)
    wish = Wish(config, *days, seed, models, store, bundled, exchange, timeframe, feed, adjust, out, as_json)
    return run(wish)


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
