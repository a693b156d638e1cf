"""`puna run CONFIG`: strategies on the simulated exchange or on paper, until the session ends."""

from pathlib import Path

import click

from puna.cli.config import load_config
from puna.cli.output import json_option, verbose_option

__all__ = ["run"]


@click.command
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/NAME-...]")
@click.option("--resume", is_flag=True, help="End a halt: a person has found out why it was.")
@click.option("--accept-books", is_flag=True, help="Take the broker's cash and positions where ours differ.")
@json_option
@verbose_option
def run(*, config: Path, out: Path | None, resume: bool, accept_books: bool, as_json: bool) -> int:
    """Run the strategies of a config; its [account] mode decides where orders go."""
    loaded = load_config(config)
    from puna.cli.run_live import run_config  # what it needs takes a moment to import

    return run_config(loaded, out, resume=resume, accept_books=accept_books, as_json=as_json)
