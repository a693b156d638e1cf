"""`puna watchdog`: beside a run, on another machine at best: calls off its orders when it dies, hangs or is cut off."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.output import json_option, print_json, print_next, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.cli.target import Target
    from puna.config import Config
    from puna.engine.watchdog import CalledOff, Standing

__all__ = ["watchdog"]


@click.command
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--after", default=10.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds of silence.")
@click.option("--timeout", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds to cancel.")
@json_option
@verbose_option
def watchdog(*, run: Path | None, after: float, timeout: float, as_json: bool) -> int:
    """Watch a run; when it dies, hangs or loses the broker, halt it and cancel its orders that could add risk.

    RUN is a configuration, the folder of a run, or a journal; without it the newest run that is trading. Orders that
    reduce a position stay, protective stops among them. Exit 0 when the run ended by itself, 1 when it had to be called
    off, 7 when some of its orders could not be.
    """
    from puna.cli.target import find_running, find_target

    target = find_target(run) if run is not None else find_running()[0]
    standing = asyncio.run(_watch(target, after, as_json=as_json))
    if not _over(standing):
        return _act(target, standing, timeout, as_json=as_json)
    if as_json:
        print_json({"standing": standing, "journal": str(target.journal), "cancelled": [], "kept": [], "remaining": []})
    else:
        click.echo(f"{standing}; nothing was done")
        print_next("puna orders")
    return 0


async def _watch(target: "Target", after: float, *, as_json: bool) -> "Standing":
    """Until something has to be done, or nothing any more."""
    from puna.engine.latch import Latch
    from puna.engine.watchdog import LOOK_SECONDS, Standing, Watchdog
    from puna.seams import SystemClock

    clock, last = SystemClock(), None
    dog = Watchdog(Latch(target.journal), clock, after)
    while (standing := dog.look()) in (Standing.WAITING, Standing.ALIVE):
        if standing is not last and not as_json:
            click.echo(f"{target.journal}: {standing}", err=True)
        last = standing
        await clock.sleep(LOOK_SECONDS)
    return standing


async def _told(config: "Config", target: "Target", standing: "Standing") -> None:
    """The run itself cannot tell anybody: so the watchdog does, a few times if need be."""
    from puna.engine.alarms import Alarm
    from puna.engine.alerts import terms_of
    from puna.engine.delivery import Alert, send
    from puna.seams import SystemClock

    clock, terms = SystemClock(), terms_of(config, target.journal.parent.name)
    now, text = SystemClock().now(), f"watchdog: {standing}; it is halted, and its orders that add risk are cancelled"
    alarm = Alarm(number=0, ts=now, last=now, code="E522", text=text)
    channels = list(terms.channels)
    for pause in (1.0, 5.0, 15.0, 0.0):
        taken, failed = await send(channels, Alert(run=terms.run, alarms=(alarm,)))
        channels = [each for each in channels if each.name not in taken]
        if not channels:
            return
        await clock.sleep(pause)
    click.echo(f"  nobody was told by {', '.join(f'{name} ({why})' for name, why in failed.items())}", err=True)


def _over(standing: "Standing") -> bool:
    from puna.engine.watchdog import Standing

    return standing is Standing.ENDED


def _act(target: "Target", standing: "Standing", timeout: float, *, as_json: bool) -> int:
    """Halt first, so that what hangs sends nothing when it wakes up; then the broker."""
    from puna.cli.account import ask
    from puna.cli.flatten import config_of
    from puna.cli.halting import press
    from puna.core.risk import TradingState
    from puna.engine.watchdog import call_off
    from puna.seams import SystemClock

    halt = press(target, TradingState.HALTED, f"watchdog: {standing}", "", patience=1.0, by="watchdog")
    answer = asyncio.run(halt)
    if not as_json:
        click.echo(f"{standing}: halted ({answer.text})", err=True)

    config = config_of(target.config)

    async def off(alpaca: "AsyncAlpaca") -> "CalledOff":
        telling = asyncio.create_task(_told(config, target, standing))  # beside the cancels, never before them
        try:
            return await call_off(alpaca, SystemClock(), timeout, lambda text: click.echo(f"  {text}", err=True))
        finally:
            await telling

    found = ask(config, off)
    if as_json:
        print_json({"standing": standing, "journal": str(target.journal)} | found._asdict())
    else:
        for name, orders in found._asdict().items():
            click.echo(f"{name:<10} {', '.join(orders) or 'none'}")
        print_next("puna flatten" if found.remaining else "puna positions")
    return 7 if found.remaining else 1
