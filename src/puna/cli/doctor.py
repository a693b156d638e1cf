"""`puna doctor`: may this machine trade? Each check says ok, warn or fail, and what it saw; exit 0 = healthy."""

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_json, print_next, print_rows, verbose_option
from puna.errors import PunaError

if TYPE_CHECKING:
    from puna.config import Config

__all__ = ["doctor"]

LEAST_FREE = 200 << 20  # bytes; the journal of a busy day is a few megabytes
MOST_SKEW = 2.0  # seconds; an order's deadline and a quote's age are judged by this machine's clock
TIMEOUT = 3.0
PACKAGES = ("aiohttp", "click", "msgspec", "numpy", "prometheus-client", "rich", "structlog")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    detail: str


@click.command
@config_option
@click.option("--offline", is_flag=True, help="Do not try to reach the broker.")
@json_option
@verbose_option
def doctor(*, config: Path | None, offline: bool, as_json: bool) -> int:
    """Check this machine, the configuration, the keys and the journal."""
    findings = list(_findings(config, offline=offline))
    healthy = all(found.verdict != "fail" for found in findings)
    if as_json:
        rows = [{"name": found.name, "verdict": found.verdict, "detail": found.detail} for found in findings]
        print_json({"healthy": healthy, "checks": rows})
    else:
        print_rows([{"check": found.name, "": found.verdict, "detail": found.detail} for found in findings])
        print_next("puna demo" if healthy else "mend what failed, then puna doctor again")
    return 0 if healthy else 1


def _findings(path: Path | None, *, offline: bool) -> Iterator[Finding]:
    yield from (_python(), _packages(), _sqlite(), _native())
    try:
        config = load_config(path)
    except PunaError as error:
        yield Finding("config", "fail", f"{error.code} {error.what} {error.why}".strip())
        return
    yield Finding("config", "ok", f"{path or 'no file: defaults and environment'}, mode {config.account.mode}")
    yield from _access(config)
    yield _keys(config)
    yield from _journal(config)
    yield from _alarms(config.path)
    broker = _broker(config, offline=offline)
    yield broker
    if config.keys is not None and config.base_url and broker.verdict != "warn" and not offline:
        yield _account(config)


def _access(config: "Config") -> Iterator[Finding]:
    """Whoever may write the configuration may loosen its limits."""
    if config.path is not None and config.path.stat().st_mode & 0o002:
        yield Finding("limits", "warn", f"anybody may write {config.path}, and so loosen its limits: chmod o-w")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "fail", f"{version}, {sys.executable}")


def _packages() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    from puna import __version__

    found, missing = [f"puna {__version__}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "fail", f"missing: {', '.join(missing)}")
    return Finding("packages", "ok", ", ".join(found))


def _sqlite() -> Finding:
    """WAL with synchronous=FULL needs nothing newer than 3.7; RETURNING and STRICT tables need 3.37."""
    fits = sqlite3.sqlite_version_info >= (3, 37)
    return Finding("sqlite", "ok" if fits else "fail", sqlite3.sqlite_version)


def _native() -> Finding:
    from puna.native import PRESENT

    return Finding("native", "ok", "puna_native in use" if PRESENT else "not installed; the same in Python is in use")


def _keys(config: "Config") -> Finding:
    from puna.config import Mode
    from puna.config.environment import Environment, keys

    try:
        pair = keys(Environment(os.environ, dotenv=Path(".env")))
    except PunaError as error:
        return Finding("keys", "fail", f"{error.code} {error.what}")
    if pair:
        return Finding("keys", "ok", f"*** from {pair.origin}")
    needed = config.account.mode is not Mode.SIM
    return Finding("keys", "fail" if needed else "ok", "none; mode sim needs none" if not needed else "none are set")


def _journal(config: "Config") -> Iterator[Finding]:
    place = config.beside(config.journal.path) if config.journal.path else Path("runs")
    folder = next(each for each in (place, *place.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(folder).free
    enough, writable = free >= LEAST_FREE, os.access(folder, os.W_OK)
    what = f"{free >> 20:,} MB free in {folder}" + ("" if writable else ", which may not be written to")
    yield Finding("disk", "ok" if enough and writable else "fail", what)
    if config.journal.path:
        yield _readable(place)


def _alarms(config: Path | None) -> Iterator[Finding]:
    """What asks for a person, of the configuration's run, or of the last one."""
    from puna.cli.target import find_target
    from puna.engine.alarms import alarms_of
    from puna.engine.storage import records

    try:
        journal = find_target(config).journal
        standing = alarms_of(records(journal)).standing
    except PunaError:  # there is no run yet, or `journal` says what is wrong with it
        return
    if standing:
        last = [*standing.values()][-1]
        yield Finding("alarms", "warn", f"{len(standing)} stand in {journal}, the last: {last.code}; see puna alarms")


def _readable(journal: Path) -> Finding:
    """Whether SQLite finds the file whole, and the records their chain; it is opened for reading only."""
    if not journal.exists():
        return Finding("journal", "ok", f"{journal} will be made")
    try:
        connection = sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            verdict = _chain(connection) if verdict == "ok" else verdict
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("journal", "fail", f"{journal}: {error}")
    return Finding("journal", "ok" if verdict == "ok" else "fail", f"{journal}: {verdict}")


def _chain(connection: sqlite3.Connection) -> str:
    """`ok`, or the first record that does not fit all before it."""
    from puna.engine.storage import GENESIS, chained
    from puna.seams import Record

    chain = GENESIS
    for seq, kind, key, ts, body, stored in connection.execute(
        "SELECT seq, kind, key, ts, body, chain FROM records ORDER BY seq"
    ):
        chain = chained(chain, seq, Record(kind, key, ts, body))
        if chain != stored:
            return f"record {seq} was changed, taken out or put in"
    return "ok"


def _broker(config: "Config", *, offline: bool) -> Finding:
    """How far this machine's clock is from the broker's Date header; no keys are sent."""
    from puna.config import Mode
    from puna.config.environment import PAPER_HOST

    url = config.base_url or (f"https://{PAPER_HOST}" if config.account.mode is Mode.PAPER else None)
    if url is None:
        return Finding("broker", "ok", "mode sim starts its own exchange")
    if offline:
        return Finding("broker", "ok", f"{url} was not tried (--offline)")
    try:
        skew = _skew(url)
    except (OSError, ValueError, TypeError) as error:
        return Finding("broker", "warn", f"{url} was not reached ({error}); clock skew unknown")
    fits = abs(skew) <= MOST_SKEW
    return Finding("broker", "ok" if fits else "fail", f"{url} reached, clock {skew:+.1f} s from the broker's")


def _account(config: "Config") -> Finding:
    """Whether the broker accepts the keys: only an answer to a question that needs them tells."""
    from puna.alpaca.trading import get_account
    from puna.cli.account import ask
    from puna.errors import AuthError

    try:
        found = ask(config, lambda alpaca: alpaca(get_account()))
    except AuthError as error:
        return Finding("account", "fail", f"{error.code} {error.what}")
    except PunaError as error:
        return Finding("account", "warn", f"{error.code} {error.what}")
    return Finding("account", "ok", f"{found.account_number or found.id}, {found.status}")


def _skew(url: str, wall: Callable[[], float] = time.time) -> float:  # noqa: TID251 - the clock itself is examined
    """Seconds that this machine's clock is ahead; a Date header is cut to the second, so half of one is added."""
    from email.utils import parsedate_to_datetime
    from http.client import HTTPConnection, HTTPSConnection
    from urllib.parse import urlsplit

    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = kind(where.hostname or "", where.port, timeout=TIMEOUT)
    try:
        began = wall()
        connection.request("HEAD", "/v2/clock")
        header = connection.getresponse().getheader("Date")
        ended = wall()
    finally:
        connection.close()
    if header is None:
        raise ValueError("no Date header")
    return (began + ended) / 2 - (parsedate_to_datetime(header).timestamp() + 0.5)
