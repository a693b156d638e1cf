"""`puna demo`: a trading day, end to end and offline, and a report of it."""

from datetime import datetime
from pathlib import Path

import click

from puna.cli.output import DATE, json_option, verbose_option

__all__ = ["demo"]

DAY = "2012-07-25"
"""The morning after results that disappointed at Apple; Facebook rises on the eve of its own first ones."""

BANNER = "SIMULATED EXCHANGE \N{MIDDLE DOT} no account, no keys, no network, paper money"


@click.command
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="The same seed gives the same day.")
@click.option("--day", type=DATE, default=DAY, show_default=True, help="Of March 2000 to 2013.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/demo-SEED]")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 600),
    help="How long the day takes at least.  [default: 6 on a terminal, so that one sees it; else 0]",
)
@click.option("--services", is_flag=True, help="Through four processes on a bus, in about a minute.")
@json_option
@verbose_option
def demo(*, seed: int, day: datetime, out: Path | None, seconds: float | None, services: bool, as_json: bool) -> int:
    """A whole trading day on the simulated exchange: no account, no keys, no network."""
    on = day.date()
    if not as_json:
        click.echo(BANNER)
        click.echo(
            f"puna demo \N{MIDDLE DOT} {on:%A}, {on.day} {on:%B %Y}, real daily prices \N{MIDDLE DOT} seed {seed}\n"
        )
    if services:
        from puna.cli.demo_services import run_services

        return run_services(seed, on, out or Path("runs") / "demo-services", as_json=as_json)
    from puna.cli.demo_run import run_demo  # what it needs takes a moment to import

    return run_demo(seed, on, out or Path("runs") / f"demo-{seed}", seconds, as_json=as_json)
