"""What `puna demo --services` does: the same kind of day through four processes on a bus, watched from outside.

Everything is as `puna up` does it, with a configuration of its own in the folder of the run. At the end the books that
execution kept are compared with the exchange's ledger, and a report is written.
"""

import asyncio
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from puna.cli.config import load_config
from puna.cli.demo_text import closing, document
from puna.cli.output import print_json
from puna.cli.run_folder import put
from puna.cli.up import run_up
from puna.engine.record import RunRecord
from puna.errors import BooksDifferError, PunaError
from puna.research.report.run_report import html, json, report

__all__ = ["run_services"]

SPEED = 600.0
CONFIG = """\
# puna demo --services: the system as four processes
[account]
mode = "sim"

[sim]
seed = {seed}
day = {day}
symbols = ["AAPL", "GOOG", "IBM", "MSFT"]

[[model]]
name = "trend"
use = "puna.services.trend:Trend"
symbols = ["AAPL", "GOOG", "IBM", "MSFT"]
weight = "20%"
threshold = 0.3

[risk]
max_position = "25%"
# A day in 40 seconds: a tenth of a second of this machine is a minute of the market.
max_quote_age_seconds = 900
"""


def run_services(seed: int, day: date, folder: Path, *, as_json: bool) -> int:
    """Plays the day through four processes; 0 when it ended well.

    Raises:
        BooksDifferError: execution's books are not the exchange's.
        PunaError: a component died too often, or the day was stopped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "services.toml"
    path.write_text(CONFIG.format(seed=seed, day=day.isoformat()))
    config = load_config(path)
    services = config.beside(config.services.folder)
    for old in ("journal.sqlite", "record.json", "execution.inbox", "signals.outbox", "risk.outbox", "risk.json"):
        (services / old).unlink(missing_ok=True)
    ended = asyncio.run(run_up(config, path.resolve(), folder / "logs", SPEED, os.environ, as_json=as_json))
    if ended["given_up"]:
        raise PunaError(
            f"{', '.join(ended['given_up'])} died again and again.",
            why=_last_words(folder / "logs" / f"{ended['given_up'][0]}.log"),
            state="The other processes were stopped in good order.",
            remedy=f"The logs are in {folder / 'logs'}.",
        )
    record = _record(services / "record.json", folder)
    made = report(record)
    put(folder / "report.json", json(made))
    put(folder / "report.html", html(made))
    _tell(made, ended, folder, as_json=as_json)
    _compare(record, ended["exchange"])
    return 0


def _record(path: Path, folder: Path) -> RunRecord:
    try:
        record = msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except (OSError, msgspec.MsgspecError) as error:
        raise PunaError(
            "The day was stopped before anything was traded.",
            why=str(error),
            remedy=f"The logs are in {folder / 'logs'}.",
        ) from error
    record.run_id = folder.name
    return record


def _tell(made: Any, ended: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({**document(made, folder), "services": ended})
        return
    click.echo()
    for line in closing(made, folder):
        click.echo(line)
    restarts = sum(ended["restarts"].values())
    click.echo(f"\nfour processes, {restarts} restarts; the exchange's ledger says {ended['exchange']['cash']} in cash")


def _compare(record: RunRecord, ledger: dict[str, Any] | None) -> None:
    """The books of execution against the exchange's own."""
    held = {row.symbol: row.qty for row in record.positions if row.qty}
    theirs = {row["symbol"]: Decimal(row["qty"]) for row in ledger["positions"]} if ledger else {}
    if ledger is None or Decimal(str(ledger["cash"])) != record.cash or theirs != held:
        raise BooksDifferError(
            "Execution's books and the exchange's ledger differ.",
            why=f"cash {record.cash} against {ledger['cash'] if ledger else 'nothing'}; {held} against {theirs}",
            state="The day is over; journal, logs and report are written.",
            remedy="Please report it, with the folder of the run.",
        )


def _last_words(log: Path) -> str:
    return log.read_text()[-300:] if log.exists() else ""
