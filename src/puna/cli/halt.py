"""`puna halt`, `puna resume`: the trading state of a run, held down by a latch that outlives every process."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.output import json_option, print_json, print_next, verbose_option

if TYPE_CHECKING:
    from puna.cli.target import Target

__all__ = ["halt", "resume"]


@click.command
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--reason", default="a person asked for it", show_default=True, help="Why; it stands in the journal.")
@click.option("--strategy", help="Only this strategy.")
@click.option("--symbol", help="Only this symbol.")
@click.option("--reduce", is_flag=True, help="Let orders pass that reduce a position.")
@click.option("--timeout", default=3.0, show_default=True, type=click.FloatRange(0.01, 600), help="Seconds to wait.")
@click.option("--kill", is_flag=True, help="End a process that does not confirm in time.")
@click.option("--at-broker", is_flag=True, help="Suspend trading in the account's own settings as well.")
@json_option
@verbose_option
def halt(
    *,
    run: Path | None,
    reason: str,
    strategy: str | None,
    symbol: str | None,
    reduce: bool,
    timeout: float,
    kill: bool,
    at_broker: bool,
    as_json: bool,
) -> int:
    """Stop all new orders of a run, now and after every restart, until `puna resume`.

    RUN is a configuration, the folder of a run, or a journal; without it the newest run that is trading. What rests
    at the broker stays there, protective stops among it: `puna flatten` takes that away as well. With --at-broker
    the broker takes no new orders either, from nobody, until `puna resume --at-broker`; cancels and flatten go on.
    """
    from puna.cli.halting import press
    from puna.cli.target import find_running, find_target
    from puna.core.risk import TradingState

    state = TradingState.REDUCING if reduce else TradingState.HALTED
    scope = _scope(strategy, symbol)
    target, others = (find_target(run), []) if run is not None else find_running()
    if at_broker and (scope or reduce):
        raise click.UsageError("--at-broker halts the whole account, and all new orders")
    answer = asyncio.run(press(target, state, reason, scope, patience=timeout, kill=kill))
    suspended = _suspended(target, suspend=True) if at_broker else None
    if as_json:
        print_json(answer._asdict() | {"still_trading": [str(each) for each in others], "suspended": suspended})
    else:
        click.echo(f"{state}  {answer.text}")
        click.echo(f"journal {answer.journal}")
        if suspended:
            click.echo("broker  trading is suspended on this account")
        for other in others:
            click.echo(f"STILL TRADING  {other}: puna halt {other.parent}")
        print_next("puna flatten" if answer.confirmed else "puna halt --kill")
    return 0 if answer.confirmed else 7


@click.command
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--reason", required=True, help="Why trading may go on; it stands in the journal.")
@click.option("--strategy", help="Only this strategy.")
@click.option("--symbol", help="Only this symbol.")
@click.option("--timeout", default=10.0, show_default=True, type=click.FloatRange(0.01, 600), help="Seconds to wait.")
@click.option("--at-broker", is_flag=True, help="End the suspension in the account's own settings first.")
@json_option
@verbose_option
def resume(
    *,
    run: Path | None,
    reason: str,
    strategy: str | None,
    symbol: str | None,
    timeout: float,
    at_broker: bool,
    as_json: bool,
) -> int:
    """End a halt, with a reason; a running process compares its books with the broker's first.

    RUN is a configuration, the folder of a run, or a journal; without it the newest run that is trading, else
    puna.toml's, else the last one.
    """
    from puna.cli.halting import release
    from puna.cli.target import NothingRunsError, find_running, find_target

    try:
        target = find_target(run) if run is not None else find_running()[0]
    except NothingRunsError:  # a halt outlives its process, and may be ended without one
        target = find_target(None)
    if at_broker:
        _suspended(target, suspend=False)
    answer = asyncio.run(release(target, reason, _scope(strategy, symbol), patience=timeout))
    if as_json:
        print_json(answer._asdict())
    else:
        click.echo(f"{'active' if answer.confirmed else 'not resumed'}  {answer.text}")
        click.echo(f"journal {answer.journal}")
        print_next("puna positions" if answer.confirmed else "puna explain E520")
    return 0 if answer.confirmed else 1


def _suspended(target: "Target", *, suspend: bool) -> bool | None:
    """Sets the account's own switch, which holds whatever becomes of this machine (facts.md 4, `suspend_trade`)."""
    from puna.alpaca.account import set_configurations
    from puna.cli.account import ask
    from puna.cli.flatten import config_of
    from puna.errors import PunaError
    from puna.wire.account import ConfigurationsChange

    try:
        call = set_configurations(ConfigurationsChange(suspend_trade=suspend))
        return ask(config_of(target.config), lambda alpaca: alpaca(call)).suspend_trade
    except PunaError as error:
        done = "The run is halted here" if suspend else "Nothing was resumed"
        error.state = f"{done}; what the broker has made of the switch is not known."
        raise


def _scope(strategy: str | None, symbol: str | None) -> str:
    if strategy and symbol:
        raise click.UsageError("--strategy or --symbol, not both: give two commands")
    return f"strategy:{strategy}" if strategy else f"symbol:{symbol}" if symbol else ""
