"""`puna run CONFIG`: strategies on the simulated exchange or on paper, until the session ends."""

from pathlib import Path

import click

from puna.cli.config import load_config
from puna.cli.output import json_option, verbose_option
from puna.errors import ConfigError

__all__ = ["run"]


@click.command
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/NAME-...]")
@click.option("--resume", is_flag=True, help="End a halt: a person has found out why it was.")
@click.option("--accept-books", is_flag=True, help="Take the broker's cash and positions where ours differ.")
@click.option("--confirm-limits", metavar="VERSION", default="", help="Limits looser than before may apply; with --by.")
@click.option("--by", metavar="NAME", default="", help="Who confirms them; of a live account a second person.")
@json_option
@verbose_option
def run(
    *,
    config: Path,
    out: Path | None,
    resume: bool,
    accept_books: bool,
    confirm_limits: str,
    by: str,
    as_json: bool,
) -> int:
    """Run the strategies of a config; its [account] mode decides where orders go.

    CONFIG is a TOML file. Mode sim, the default, is the simulated exchange, or the `puna exchange` that
    ALPACA_BASE_URL names; mode paper is Alpaca's paper account. Ctrl-C ends a run in good order. Exit code 0: it ended
    well; 1: trading was halted, a strategy failed, or the books differ.

    Limits that are looser than those of the last run on the same journal are told, with what they were, and written
    down. On a live account they do not apply until a second person confirms their version.
    """
    if bool(confirm_limits) != bool(by.strip()):
        raise click.UsageError("--confirm-limits and --by go together")
    if config.suffix == ".py":
        raise ConfigError(
            f"{config} is a strategy and no configuration.",
            why="a configuration says which strategy runs where, and within which limits",
            state="Nothing was started.",
            remedy=f'Write {config.stem}.toml: [[strategy]], name = "{config.stem}", use = "{config.name}:CLASS". '
            "puna backtest and puna check take a .py file as it is.",
        )
    loaded = load_config(config)
    from puna.cli.run_live import confirmation, run_config  # what it needs takes a moment to import

    word = confirmation(loaded, confirm_limits, by.strip())
    return run_config(loaded, out, resume=resume, accept_books=accept_books, as_json=as_json, confirmed=word)
