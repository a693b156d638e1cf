"""What `puna parity` does: the run, the same day in one process and on the bars that it heard, the comparison."""

import json as plain_json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from puna.cli.config import load_config
from puna.cli.output import aside, print_json
from puna.cli.run_folder import put
from puna.cli.run_live import exchange_config, run_team
from puna.cli.strategies import strategies
from puna.config import Config, Mode
from puna.engine.heard import HEARD, read_heard
from puna.engine.record import RunRecord
from puna.errors import ConfigError
from puna.research.backtest.recorded_run import RECORDED, books_at_start, history_heard
from puna.research.backtest.replay import run_replay
from puna.research.backtest.run import run_backtest
from puna.research.checks.parity import Parity, by_kind, compared
from puna.research.report.run_report import html, json, report

__all__ = ["Wish", "compare"]

SHOWN = 10


class Wish(NamedTuple):
    """What was asked for."""

    run: Path
    config: Path | None
    fills: str
    every: bool
    as_json: bool


def compare(wish: Wish) -> int:
    """Compares; 0, or 1 when something differs that must not, or that nothing explains.

    Raises:
        ConfigError: E676, there is no such run, or its configuration is another one.
        DataError: its bars cannot be read.
    """
    with aside(when=wish.as_json):
        strict, loose = _compared(wish)
    if wish.as_json:
        print_json({"in_process": strict and _document(strict), "on_bars": _document(loose)})
    else:
        if strict is not None:
            _show(strict, every=wish.every)
            click.echo()
        _show(loose, every=wish.every)
    return 1 if loose.unexplained or (strict is not None and strict.unexplained) else 0


def _compared(wish: Wish) -> tuple[Parity | None, Parity]:
    """In one process, where that can be had, and on bars."""
    record, loaded, folder = _record(wish)
    strict = None
    if _repeatable(loaded):
        _tell_step("the same day in one process", wish)
        replay = run_replay(
            strategies(loaded), exchange_config(loaded, None), limits=loaded.risk, netting=loaded.sleeves.netting
        )
        # Connections that are cut on purpose have nothing to befall in one process: what follows from them may differ.
        sure = not loaded.sim.faults
        strict = compared(record, replay, ("over sockets", "in one process"), same_market=sure)
    _tell_step("the same day on the bars that it heard", wish)
    return strict, _on_bars(wish, record, loaded, folder)


def _on_bars(wish: Wish, record: RunRecord, loaded: Config, folder: Path) -> Parity:
    """The backtest on what the run has heard, from the books that it began with."""
    file = folder / HEARD
    if not file.is_file():
        raise _unfit(f"{folder} holds no {HEARD}.", "the run was recorded by an earlier version, or ended too soon")
    history = history_heard(read_heard(file.read_bytes(), str(file)), str(file))
    cash, holding = books_at_start(record, history.columns)
    result = run_backtest(
        strategies(loaded),
        history,
        cash=cash,
        holding=holding,
        fills=RECORDED if wish.fills == "recorded" else wish.fills,
        seed=loaded.sim.seed,
        limits=loaded.risk,
        fees=None,
        netting=loaded.sleeves.netting,
    )
    return compared(record, result.record, ("over sockets", f"on bars, {wish.fills}"), same_market=False)


def _record(wish: Wish) -> tuple[RunRecord, Config, Path]:
    """The record of a run, its configuration and its folder; a configuration is run first."""
    if wish.run.suffix == ".toml":
        loaded = load_config(wish.run)
        if loaded.account.mode is not Mode.SIM:
            raise _unfit(f"{wish.run} is not in mode sim.", "only a simulated day is run for the sake of comparing it")
        _tell_step("the day over sockets", wish)
        record, folder = run_team(loaded, strategies(loaded), None, resume=False, accept_books=False, as_json=True)
        made = report(record)
        put(folder / "report.json", json(made))
        put(folder / "report.html", html(made))
        return record, loaded, folder
    record = _read(wish.run)
    path = wish.config or Path(f"{wish.run.resolve().name.rpartition('-')[0]}.toml")
    loaded = load_config(path)
    if record.config and path.exists() and record.config != path.read_text():
        raise _unfit(
            f"{path} is not what {wish.run} was run with.", "its text has changed since, or it is another file"
        )
    return record, loaded, wish.run


def _read(run: Path) -> RunRecord:
    try:
        body = plain_json.loads((run / "report.json").read_bytes())["record"]
        return msgspec.convert(body, RunRecord, strict=False)
    except (OSError, ValueError, KeyError, msgspec.ValidationError) as error:
        raise _unfit(f"{run} holds no run.", f"{type(error).__name__}: {str(error)[:120]}") from error


def _repeatable(config: Config) -> bool:
    """Whether the exchange of the run can be had again, quote for quote: one of its own, in lockstep."""
    sim = config.account.mode is Mode.SIM and config.base_url is None
    return sim and isinstance(config.sim.speed, str)


def _unfit(what: str, why: str) -> ConfigError:
    return ConfigError(
        what, why=why, state="Nothing was run.", remedy="Name the folder of a puna run, and --config its file.",
        code="E676",
    )  # fmt: skip


def _tell_step(text: str, wish: Wish) -> None:
    if sys.stderr.isatty() and not wish.as_json:
        click.echo(f"{text} ...", err=True)


def _document(found: Parity) -> dict[str, Any]:
    return {
        "score": round(found.score, 4),
        "orders": found.orders,
        "alike": found.alike,
        "decisions": dict(zip((*found.names, "alike"), found.decisions, strict=True)),
        "filled_on_both": found.fills[0],
        "filled_alike": found.fills[1],
        "equity": dict(zip(found.names, found.equity, strict=True)),
        "unexplained": len(found.unexplained),
        "differences": [each._asdict() for each in found.differences],
    }


def _show(found: Parity, *, every: bool) -> None:
    one, other = found.names
    mine, theirs, alike = found.decisions
    filled, same = found.fills
    click.secho(f"{one} and {other}", bold=True)
    click.echo(
        f"  parity      {found.score:.1%}: {found.alike:,} of {found.orders:,} orders are the same in everything"
    )
    click.echo(f"  decisions   {mine:,} and {theirs:,}, {alike:,} alike")
    click.echo(f"  fills       {filled:,} orders filled on both sides, {same:,} alike")
    click.echo(f"  equity      {found.equity[0]:,.2f} and {found.equity[1]:,.2f}")
    if found.differences:
        told = len(found.differences)
        click.echo(f"  different   {told:,}, {told - len(found.unexplained):,} of them explained")
    for kind, rows in by_kind(found.differences).items():
        click.echo(f"  {kind}: {len(rows):,}")
        for each in rows if every else rows[:SHOWN]:
            click.echo(f"    {each.order}  {each.one}  |  {each.other}\n      {each.why}")
        if not every and len(rows) > SHOWN:
            click.echo(f"    and {len(rows) - SHOWN:,} more: --all")
