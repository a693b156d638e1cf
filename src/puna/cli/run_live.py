"""What `puna run` does: the place where orders go, the folder, the run itself, its report.

Mode sim starts an exchange of its own, unless ALPACA_BASE_URL names one that runs already; mode paper goes to Alpaca. A
simulated run has a folder of its own each time, a paper account keeps one: its journal is taken up at each start.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import click

from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.trading import get_clock
from puna.cli.demo_text import books_line, closing, document
from puna.cli.output import aside, print_json, user_name
from puna.cli.run_folder import put
from puna.cli.strategies import strategies
from puna.config import Config, Mode
from puna.core.sessions import new_york, trading_days
from puna.engine.alerts import terms_of
from puna.engine.heard import HEARD, heard_bars
from puna.engine.loosened import Confirmation
from puna.engine.outbound import Timing
from puna.engine.pacing import PacedClock
from puna.engine.record import RunRecord
from puna.engine.strategy import Strategy
from puna.engine.trader import Trader, assemble
from puna.errors import BooksDifferError, ConfigError, PunaError
from puna.exchange.faults import load_faults
from puna.exchange.server import ExchangeConfig, ExchangeThread, Lockstep, Speed
from puna.research.report.run_report import html, json, report
from puna.seams import Clock, DrivenClock, SystemClock, seeded_rng, system_rng

__all__ = ["confirmation", "exchange_config", "run_config", "run_team"]

BANNERS = {
    Mode.SIM: ("SIMULATED EXCHANGE", "no account, no keys, no network, paper money", "black", "white"),
    Mode.PAPER: ("PAPER", "Alpaca's paper account, no real money", "white", "blue"),
}
NOBODY = Confirmation()
LOCKSTEP_KEYS = Credentials.of("sim", "sim")
PEEK_SECONDS = 0.3
MOVING = 0.01  # market seconds that pass in PEEK_SECONDS of a clock that is not standing


class Place(NamedTuple):
    """Where orders go, and whose time it is."""

    endpoints: Endpoints
    credentials: Credentials
    clock: Clock
    exchange: ExchangeThread | None = None


class Wish(NamedTuple):
    """What was asked for."""

    config: Config
    folder: Path
    resume: bool
    accept_books: bool
    as_json: bool
    prepare: Callable[[Trader], None]
    confirmed: Confirmation


def confirmation(config: Config, version: str, by: str) -> Confirmation:
    """A person's word on looser limits.

    Raises:
        ConfigError: E530, on a live account whoever starts it cannot be the second person.
    """
    if by and config.account.mode is Mode.LIVE and by.casefold() == user_name().casefold():
        raise ConfigError(
            f"{by} starts this run, and cannot be the second person who confirms its limits.",
            state="Nothing was started.",
            remedy="Somebody else looks at the change and gives a name.",
            code="E530",
        )
    return Confirmation(version, by)


def run_config(
    config: Config,
    out: Path | None,
    *,
    resume: bool,
    accept_books: bool,
    as_json: bool,
    confirmed: Confirmation = NOBODY,
) -> int:
    """Runs the strategies to the end of the session; 0 when it ended well, 1 after a halt or a failed strategy.

    Raises:
        PunaError: it could not be started or go on; BooksDifferError when the books differ at the end.
    """
    with aside(when=as_json):
        record, folder = run_team(config, strategies(config), out, resume, accept_books, as_json, confirmed=confirmed)
    return _tell(record, folder, as_json=as_json)


def run_team(
    config: Config,
    team: list[Strategy],
    out: Path | None,
    resume: bool,  # noqa: FBT001
    accept_books: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
    prepare: Callable[[Trader], None] = lambda _: None,
    confirmed: Confirmation = NOBODY,
) -> tuple[RunRecord, Path]:
    """Runs these strategies where the configuration says; the record and its folder. `prepare` sees the trader first.

    Raises:
        PunaError: it could not be started or go on.
    """
    if config.account.mode is Mode.PAPER:
        _keys(config)
    folder = _folder(config, out)
    if not as_json:
        _greet(config, team, folder)
    with ExitStack() as stack:
        place = stack.enter_context(_place(config, folder))
        wish = Wish(config, folder, resume, accept_books, as_json, prepare, confirmed)
        record = asyncio.run(_run(wish, team, place))
        if place.exchange is not None:
            record.event_log_hash = place.exchange.event_log_hash()
    return record, folder


def _greet(config: Config, team: list[Strategy], folder: Path) -> None:
    """The mode in words and colour, before anything happens."""
    name, text, ink, paper = BANNERS[config.account.mode]
    click.secho(f" {name} ", fg=ink, bg=paper, bold=True, nl=False)
    click.echo(f" {text}")
    click.echo(f"strategies {', '.join(each.name for each in team)} \N{MIDDLE DOT} folder {folder}\n")


async def _run(wish: Wish, team: list[Strategy], place: Place) -> RunRecord:
    config, folder = wish.config, wish.folder
    trader = assemble(
        team,
        place.endpoints,
        place.credentials,
        place.clock,
        journal=config.beside(config.journal.path) if config.journal.path else folder / "journal.sqlite",
        limits=config.risk,
        netting=config.sleeves.netting,
        timing=_timing(place.clock),
        rng=seeded_rng(f"run {config.sim.seed}") if place.clock.driven else system_rng(),
        mode=str(config.account.mode),
        feed=config.data.feed if config.account.mode is Mode.PAPER else None,
        until=_until(config, place),
        rate_limit=0 if place.exchange is not None else 200,
        accept_books=wish.accept_books,
        resume=wish.resume,
        activities=config.account.activities_feed,
        alerts=terms_of(config, folder.name),
    )
    if not wish.as_json:
        trader.say = trader.say_order = _say
    trader.gateway.confirmed = wish.confirmed
    wish.prepare(trader)
    with _stopping(trader):
        record = await trader.run()
    put(folder / HEARD, heard_bars(trader.heard))
    record.run_id = folder.name
    record.config = config.path.read_text() if config.path else ""
    record.seed = config.sim.seed if place.exchange is not None else None
    return record


@contextmanager
def _stopping(trader: Trader) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in good order, a second one ends the process."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        for each in signals:
            loop.remove_signal_handler(each)
        click.echo(
            "stopping: strategies are told, orders end, books are compared (once more to leave at once)", err=True
        )
        trader.stop()

    for each in signals:
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


def _say(ts: int, text: str) -> None:
    click.echo(f"  {new_york(ts):%H:%M:%S}  {text}", err=True)


@contextmanager
def _place(config: Config, folder: Path) -> Iterator[Place]:
    """Where orders go."""
    if config.account.mode is Mode.PAPER:
        yield Place(Endpoints.paper(config.data.feed), _keys(config), SystemClock())
    elif config.base_url is not None:
        endpoints = Endpoints.at(config.base_url, config.data.feed)
        credentials = _keys(config) if config.keys else LOCKSTEP_KEYS
        yield Place(endpoints, credentials, asyncio.run(_clock_of(endpoints, credentials)))
    else:
        with ExchangeThread(exchange_config(config, folder / "exchange.jsonl")) as exchange:
            yield Place(Endpoints.at(exchange.url), LOCKSTEP_KEYS, _own_clock(config), exchange)


def _keys(config: Config) -> Credentials:
    if config.keys is None:
        raise ConfigError(
            "There are no API keys.",
            state="Nothing was sent.",
            remedy="set ALPACA_API_KEY and ALPACA_SECRET_KEY, or their *_FILE forms; check: puna doctor",
            code="E008",
        )
    return Credentials(config.keys.key, config.keys.secret)


def exchange_config(config: Config, log: Path | None) -> ExchangeConfig:
    """The exchange that a configuration of mode sim asks for; its event log goes to `log`."""
    sim = config.sim
    free = not isinstance(sim.speed, str)
    return ExchangeConfig(
        seed=sim.seed,
        day=sim.day,
        days=sim.days,
        symbols=sim.symbols or None,
        cash=sim.cash,
        pacing=Speed(sim.speed) if not isinstance(sim.speed, str) else Lockstep(),
        faults=load_faults(config.beside(sim.faults), day=sim.day) if sim.faults else (),
        log_path=log,
        wait_for=() if free else ("data", "trading"),
        # In a free run market time passes while we connect: a few seconds of wall time of it come before the open.
        lead_seconds=60 if isinstance(sim.speed, str) else max(60, round(3 * sim.speed)),
    )


def _own_clock(config: Config) -> Clock:
    return DrivenClock(0) if isinstance(config.sim.speed, str) else PacedClock(config.sim.speed)


async def _clock_of(endpoints: Endpoints, credentials: Credentials) -> Clock:
    """The clock that goes with an exchange that runs already: in lockstep it stands still until we come."""
    wall = SystemClock()
    async with AsyncAlpaca(credentials, endpoints) as alpaca:
        first, began = (await alpaca(get_clock())).timestamp, wall.monotonic()
        await wall.sleep(PEEK_SECONDS)
        second, ended = (await alpaca(get_clock())).timestamp, wall.monotonic()
    passed = (second - first) / 1e9
    if passed < MOVING:
        return DrivenClock(0)
    factor = passed / ((ended - began) / 1e9)
    return PacedClock(round(factor) if factor >= 1 else factor)


def _timing(clock: Clock) -> Timing:
    """Waits are in market time, and answers take wall time: at a speed, no wait is shorter than a second of that."""
    factor = clock.factor if isinstance(clock, PacedClock) else 0.0
    usual = Timing()
    return Timing(
        settle=max(usual.settle, factor),
        intent=max(usual.intent, 5 * factor),
        transit=max(usual.transit, 2 * factor),
        resting=max(usual.resting, 10 * factor),
        refresh=max(usual.refresh, factor),
    )


def _until(config: Config, place: Place) -> int | None:
    """The end of the last day that an exchange of ours replays; elsewhere the next close."""
    if place.exchange is None:
        return None
    first, count = config.sim.day, config.sim.days
    days = trading_days(first, first + timedelta(days=2 * count + 10))
    return days[count - 1].close


def _folder(config: Config, out: Path | None) -> Path:
    """A new one for each simulated run, one for good for a paper account."""
    name = config.path.stem if config.path else "run"
    folder = out or (Path("runs") / f"{name}-paper" if config.account.mode is Mode.PAPER else _free(name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot take a run.",
            why=error.strerror or str(error),
            state="Nothing was started and nothing was changed.",
            remedy="Name another folder with --out.",
            code="E034",
        ) from error
    return folder


def _free(name: str) -> Path:
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def _tell(record: RunRecord, folder: Path, *, as_json: bool) -> int:
    """The report in the folder, the last screen or one JSON document, the exit code."""
    made = report(record)
    put(folder / "report.json", json(made))
    put(folder / "report.html", html(made))
    if as_json:
        print_json(document(made, folder))
    else:
        click.echo()
        for line in closing(made, folder):
            click.echo(line)
    if record.books is None:
        raise PunaError(
            "The books could not be compared with the broker's at the end.",
            why=next((note.text for note in reversed(record.notes) if "could not be compared" in note.text), ""),
            state=f"The run is over; journal and report are in {folder}.",
            remedy="See what is there: puna positions, puna orders. The next start compares before it sends anything.",
            code="E511",
        )
    if not record.books.equal:
        raise BooksDifferError(
            "Our books and the broker's differ.",
            why=books_line(record),
            state=f"The run is over and trading is halted; journal and report are in {folder}.",
            remedy="Compare with `puna positions` and `puna account`; then start with --accept-books --resume.",
        )
    failed = any(note.code == "E910" for note in record.notes)
    return 1 if failed or record.outcome == "halted" else 0
