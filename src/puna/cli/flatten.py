"""`puna flatten`: halt, cancel everything, close everything, and look until the broker shows nothing, twice."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from puna.cli.output import json_option, money, price, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.config import Config
    from puna.engine.flatten import Flatness

__all__ = ["config_of", "flatten"]


@click.command
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--reason", default="flatten", show_default=True, help="Why; it stands in the journal.")
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds in all.")
@click.option("--patience", default=10.0, show_default=True, help="Seconds without any change before it gives up.")
@json_option
@verbose_option
def flatten(*, run: Path | None, reason: str, timeout: float, patience: float, as_json: bool) -> int:
    """Halt, cancel every order, close every position, until the broker says flat, twice.

    If it cannot be made flat, what remains is listed with the reason: a closed market, a halted symbol. RUN is a
    configuration, or the folder of a run; puna.toml when it is left out. Positions are closed by the broker's own
    endpoint, which cannot reverse them, so it may be repeated at any time. It needs neither the journal nor the running
    process; that one is halted first, and hears of the fills as of anybody's.
    """
    from puna.cli.account import ask
    from puna.engine.flatten import flatten as until_flat
    from puna.seams import SystemClock

    config = config_of(run)
    _halted(run, reason, as_json=as_json)

    def flat(alpaca: "AsyncAlpaca") -> "Awaitable[Flatness]":
        say = partial(_say, as_json=as_json)
        return until_flat(alpaca, SystemClock(), seconds=timeout, patience=patience, say=say)

    found = ask(config, flat)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        _show(found)
    return 0 if found.flat else 1


def config_of(run: Path | None) -> "Config":
    """What leads to the broker: the configuration named, or the one that is here, or the environment."""
    from puna.cli.config import load_config
    from puna.cli.output import DEFAULT_CONFIG

    named = run if run is not None and run.suffix == ".toml" else None
    return load_config(named or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None), follow_address=True)


def _halted(run: Path | None, reason: str, *, as_json: bool) -> None:
    """The run's process must not open again what is closed here. An account without a run is made flat all the same."""
    from puna.cli.halting import press
    from puna.cli.output import DEFAULT_CONFIG
    from puna.cli.target import NothingRunsError, NothingThereError, find_running, find_target
    from puna.core.risk import TradingState

    try:
        target, others = (find_target(run), []) if run is not None else find_running()
    except NothingRunsError as error:
        if DEFAULT_CONFIG.exists():  # what is configured here stays halted when it starts
            _halted(DEFAULT_CONFIG, reason, as_json=as_json)
        else:
            _say(f"nothing to be halted: {error.what}", as_json=as_json)
        return
    except NothingThereError as error:
        _say(f"nothing to be halted: {error.what}", as_json=as_json)
        return
    answer = asyncio.run(press(target, TradingState.HALTED, reason, ""))
    _say(f"halted: {answer.text}; journal {answer.journal}", as_json=as_json)
    for other in others:
        _say(f"STILL TRADING: {other}", as_json=as_json)


def _say(text: str, *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"  {text}", err=True)


def _show(found: "Flatness") -> None:
    """The certificate, or what is left."""
    if found.flat:
        click.echo(f"flat: account {found.account} at {found.at}: no open order, no position, seen twice")
    else:
        click.echo(f"NOT flat: account {found.account} at {found.at}")
    if found.closed:
        print_rows(
            [
                {
                    "closed": each.symbol,
                    "filled": f"{each.filled:f}",
                    "average": price(each.average),
                    "order": each.order_id,
                }
                for each in found.closed
            ],
            right=frozenset({"filled", "average"}),
        )
    click.echo(f"{len(found.cancelled)} orders cancelled, {found.looks} looks in {found.seconds:.1f} s")
    for row in found.remaining:
        click.echo(f"remains  {row.what} {row.symbol} {row.qty:f}: {row.why}")
    click.echo(f"cash {money(found.cash)}, equity {money(found.equity)}")
    print_next("puna resume --reason TEXT" if found.flat else "puna flatten")
