"""`puna parity RUN`: a recorded day through the backtest, and where it can be had again also in one process."""

from pathlib import Path

import click

from puna.cli.output import json_option, verbose_option

__all__ = ["parity"]


@click.command
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False),
              help="The configuration of the run.  [default: NAME.toml here, for runs/NAME-1]")  # fmt: skip
@click.option("--fills", type=click.Choice(("recorded", "optimistic", "realistic", "pessimistic")), default="recorded",
              show_default=True, help="Of the backtest; recorded: the quotes that the run saw.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Show every difference, not the first ten of a kind.")
@json_option
@verbose_option
def parity(*, run: Path, config: Path | None, fills: str, every: bool, as_json: bool) -> int:
    """Put a recorded day through the backtest and compare: each difference explained, one score.

    RUN is the folder of a `puna run`, simulated or paper, or a configuration in mode sim, which is run first. A
    simulated day in lockstep is gone through in one process too, where nothing at all may differ. Exit code 1: it
    does, or a difference on bars has no explanation.
    """
    from puna.cli.parity_run import Wish, compare  # what it needs takes a moment to import

    return compare(Wish(run, config, fills, every, as_json))
