"""`puna check FILE|CONFIG`: look-ahead, warm-up, determinism, orders: whether a strategy's backtest can be believed."""

from datetime import datetime
from pathlib import Path

import click

from puna.cli.output import DATE, json_option, verbose_option

__all__ = ["check"]

DEFAULT = Path("puna.toml")


@click.command
@click.argument("config", metavar="FILE|CONFIG", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "start", type=DATE, help="The first day; the first that there is by default.")
@click.option("--to", "end", type=DATE, help="The last day; the last that there is by default.")
@click.option("--bars", type=click.IntRange(20), default=600, show_default=True, help="The last so many of these days.")
@click.option("--seed", type=click.IntRange(0), help="Of chance and ids.  [default: sim.seed of the config]")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), default=Path("history"), show_default=True,
              help="The folder of the history.")  # fmt: skip
@click.option("--bundled", is_flag=True, help="The prices that ship with Puna, also where the history has some.")
@click.option("--timeframe", help="Of the bars.  [default: what the strategies want, made of minutes where needed]")
@click.option("--feed", help="Of the bars: iex, sip, us, own-NAME, ...  [default: data.feed; us for coins]")
@click.option("--adjust", default="raw", show_default=True, help="Of stocks' bars: raw, split, all, ...")
@json_option
@verbose_option
def check(
    *,
    config: Path | None,
    start: datetime | None,
    end: datetime | None,
    bars: int,
    seed: int | None,
    store: Path,
    bundled: bool,
    timeframe: str | None,
    feed: str | None,
    adjust: str,
    as_json: bool,
) -> int:
    """Whether a strategy looks ahead, needs more warm-up, changes by itself, or orders what cannot be placed.

    FILE is a .py file with strategies, CONFIG a configuration; puna.toml when neither is named. The strategies run over
    the same bars about fifteen times: as they are, with the future cut away, begun later, in fresh processes. Exit code
    0: nothing was found; 1: something was.
    """
    from puna.cli.check_run import Wish, run  # what it needs takes a moment to import

    path = config or DEFAULT
    if config is None and not DEFAULT.exists():
        raise click.UsageError("name a .py file or a configuration; there is no puna.toml here")
    days = (None if start is None else start.date(), None if end is None else end.date())
    return run(Wish(path, *days, bars, seed, store, bundled, timeframe, feed, adjust, as_json))
