"""`puna up`: the four components as processes, the exchange with them in mode sim, and one live table."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_json, print_next, verbose_option

if TYPE_CHECKING:
    from rich.table import Table

    from puna.config import Config
    from puna.services.supervisor import Supervisor

__all__ = ["run_up", "up"]

SPEED = 60.0


@click.command
@config_option
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Of the simulated exchange.  [default: 60]")
@json_option
@verbose_option
def up(*, config: Path | None, speed: float | None, as_json: bool) -> int:
    """Start market-data, signals, execution and risk as processes, and watch over them."""
    loaded = load_config(config)
    if loaded.path is None:
        raise click.UsageError(
            "a configuration is needed: --config FILE, or puna.toml here; `puna demo --services` has one"
        )
    chosen = speed or (SPEED if isinstance(loaded.sim.speed, str) else loaded.sim.speed)
    folder = loaded.beside(loaded.services.folder)
    ended = asyncio.run(run_up(loaded, loaded.path.resolve(), folder / "logs", chosen, os.environ, as_json=as_json))
    if as_json:
        print_json(ended)
    else:
        click.echo(_ending(ended, folder))
    return 0 if ended["ok"] else 1


def _ending(ended: Mapping[str, Any], folder: Path) -> str:
    """The last line for people."""
    ledger = (ended["exchange"] or {}).get("cash")
    restarts = sum(ended["restarts"].values())
    parts = [f"four processes, {restarts} restart{'' if restarts == 1 else 's'}"]
    parts += [f"{name} was given up" for name in ended["given_up"]]
    parts += [f"the exchange's ledger says {ledger} in cash"] if ledger else []
    return "; ".join([*parts, f"logs in {folder / 'logs'}"])


async def run_up(
    config: "Config", path: Path, logs: Path, speed: float, environ: Mapping[str, str], *, as_json: bool
) -> dict[str, Any]:
    """Runs the system until Ctrl-C, the end of the simulated days, or until a component is given up."""
    from puna.services.place import Place
    from puna.services.supervisor import Supervisor

    Place(config, "execution").prepare()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Supervisor(config, path, logs, environ, speed=speed) as system:
        if not as_json:
            system.say = lambda text: click.echo(text, err=True)
            _greet(config, system)
        await _watch(system, stop, live=sys.stderr.isatty() and not as_json)
        healths = {name: (child.health or {}) for name, child in system.children.items() if name != "exchange"}
        failed = [name for name, child in system.children.items() if child.given_up]
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    return {
        "ok": not failed,
        "given_up": failed,
        "restarts": {name: child.restarts for name, child in system.children.items()},
        "health": {name: body.get("status") for name, body in healths.items()},
        "exchange": system.ended,
    }


def _greet(config: "Config", system: "Supervisor") -> None:
    services = config.services
    if system.base_url and config.account.mode == "sim":
        click.secho(" SIMULATED EXCHANGE ", fg="black", bg="white", bold=True, nl=False)
        click.echo(f" {system.base_url}")
    for name in ("market-data", "signals", "execution", "risk"):
        port = getattr(services, f"{name.replace('-', '_')}_port")
        click.echo(f"  {name:12} http://{services.host}:{port}/health")
    print_next(f"curl http://{services.host}:{services.execution_port}/health")


async def _watch(system: "Supervisor", stop: asyncio.Event, *, live: bool) -> None:
    """Until somebody stops it, the days are over, or a component is given up."""
    from rich.live import Live

    from puna.seams import SystemClock

    clock = SystemClock()
    shown = Live(_table(system), refresh_per_second=4, transient=True) if live else None
    with shown or nullcontext():
        while not stop.is_set() and not _finished(system):
            await clock.sleep(0.25)
            if shown is not None:
                shown.update(_table(system))


def _finished(system: "Supervisor") -> bool:
    """The exchange has ended, the days are over, or somebody was given up."""
    if system.over.is_set() or any(child.given_up for child in system.children.values()):
        return True
    execution = system.children["execution"].health or {}
    return "the session is over" in str(execution.get("message", "")) and "exchange" in system.children


def _table(system: "Supervisor") -> "Table":
    """One row a component: how it is, what it did."""
    from rich.table import Table

    table = Table(title="puna up", title_justify="left")
    for heading in ("component", "status", "ready", "pid", "restarts", "processed", "what is the case"):
        table.add_column(heading)
    for name, child in system.children.items():
        if name == "exchange":
            continue
        health = child.health or {}
        status = "given up" if child.given_up else str(health.get("status", "starting"))
        processed = (health.get("metrics") or {}).get("messages_processed", "")
        message = str(health.get("message", ""))[:70]
        ready = "yes" if child.ready else "no"
        table.add_row(name, status, ready, str(child.pid or "-"), str(child.restarts), str(processed), message)
    return table
