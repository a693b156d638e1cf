"""`puna parity RUN`: a simulated run over sockets beside the same day in one process, and beside a backtest on bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puna.cli.config import load_config
from puna.cli.output import json_option, print_json, verbose_option

if TYPE_CHECKING:
    from puna.config import Config
    from puna.engine.record import RunRecord
    from puna.research.parity import Parity

__all__ = ["parity"]

SHOWN = 10


@click.command
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False),
              help="The configuration of the run.  [default: NAME.toml here, for runs/NAME-1]")  # fmt: skip
@click.option("--fills", type=click.Choice(("optimistic", "realistic", "pessimistic")), default="realistic",
              show_default=True, help="The fill model of the backtest on bars.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Show every difference, not the first ten of a kind.")
@json_option
@verbose_option
def parity(*, run: Path, config: Path | None, fills: str, every: bool, as_json: bool) -> int:
    """Compare a simulated run with the same day in one process and on bars: each difference explained.

    RUN is the folder of a `puna run` in mode sim, or a configuration, which is run first. Exit code 1: the run over
    sockets and the one in process differ, which they must not.
    """
    record, loaded = _record(run, config)
    from puna.cli.backtest_data import history_for  # what they need takes a moment to import
    from puna.cli.run_live import exchange_config
    from puna.cli.strategies import strategies
    from puna.core import sessions
    from puna.research.backtest import run_backtest
    from puna.research.backtest_replay import run_replay
    from puna.research.parity import compared

    replay = run_replay(strategies(loaded), exchange_config(loaded, None), limits=loaded.risk)
    strict = compared(record, replay, ("over sockets", "in one process"), same_market=True)
    team, day = strategies(loaded), loaded.sim.day
    last = sessions.trading_days(day, sessions.date_of(record.ended_ts))[-1].date
    history = history_for(
        team, loaded, store=Path("history"), bundled=True, timeframe="1Min", feed=None, adjustment="raw",
        days=(day, last), seed=loaded.sim.seed,
    )  # fmt: skip
    bars = run_backtest(
        team, history, cash=loaded.sim.cash, fills=fills, seed=loaded.sim.seed, limits=loaded.risk, fees=None
    )
    loose = compared(record, bars.record, ("over sockets", f"on bars, {fills}"), same_market=False)
    if as_json:
        print_json({"in_process": _document(strict), "on_bars": _document(loose)})
    else:
        _tell(strict, every=every)
        click.echo()
        _tell(loose, every=every)
    return 0 if strict.same_decisions and strict.same_fills else 1


def _record(run: Path, config: Path | None) -> "tuple[RunRecord, Config]":
    """The record of a run, and its configuration; a configuration is run first."""
    if run.suffix == ".toml":
        loaded = load_config(run)
        _check_sim(loaded)
        from puna.cli.run_folder import put
        from puna.cli.run_live import run_team
        from puna.cli.strategies import strategies
        from puna.research.report import html, json, report

        record, folder = run_team(loaded, strategies(loaded), None, resume=False, accept_books=False, as_json=True)
        made = report(record)
        put(folder / "report.json", json(made))
        put(folder / "report.html", html(made))
        return record, loaded
    record = _read(run)
    path = config or Path(f"{run.resolve().name.rpartition('-')[0]}.toml")
    loaded = load_config(path)
    _check_sim(loaded)
    if record.config and path.exists() and record.config != path.read_text():
        raise _unfit(f"{path} is not what {run} was run with.", "its text has changed since, or it is another file")
    return record, loaded


def _read(run: Path) -> "RunRecord":
    import json

    import msgspec

    from puna.engine.record import RunRecord

    try:
        return msgspec.convert(json.loads((run / "report.json").read_bytes())["record"], RunRecord, strict=False)
    except (OSError, ValueError, KeyError, msgspec.ValidationError) as error:
        raise _unfit(f"{run} holds no run.", f"{type(error).__name__}: {str(error)[:120]}") from error


def _check_sim(config: "Config") -> None:
    from puna.config import Mode

    if config.account.mode is not Mode.SIM or config.base_url is not None or not isinstance(config.sim.speed, str):
        raise _unfit(
            "Only a run on an exchange of its own, in lockstep, can be repeated.",
            "paper, an exchange that runs already, and a day at a speed are never twice the same",
        )


def _unfit(what: str, why: str) -> Exception:
    from puna.errors import ConfigError

    return ConfigError(
        what, why=why, state="Nothing was run.", remedy="Name the folder of a run in mode sim, and --config its file.",
        code="E676",
    )  # fmt: skip


def _document(found: "Parity") -> dict[str, Any]:
    return {
        "decisions": dict(zip((*found.names, "alike"), found.decisions, strict=True)),
        "filled_on_both": found.fills[0],
        "filled_alike": found.fills[1],
        "equity": dict(zip(found.names, found.equity, strict=True)),
        "differences": [each._asdict() for each in found.differences],
    }


def _tell(found: "Parity", *, every: bool) -> None:
    one, other = found.names
    mine, theirs, alike = found.decisions
    filled, same = found.fills
    click.echo(f"{one} and {other}")
    click.echo(f"  decisions   {mine} and {theirs}, {alike} alike")
    click.echo(f"  fills       {filled} orders filled on both sides, {same} alike")
    click.echo(f"  equity      {found.equity[0]:,.2f} and {found.equity[1]:,.2f}")
    for what in dict.fromkeys(each.what for each in found.differences):
        rows = [each for each in found.differences if each.what == what]
        click.echo(f"  {what}: {len(rows)} differ; {rows[0].why}")
        for each in rows if every else rows[:SHOWN]:
            click.echo(f"    {each.order:<34} {each.one}  |  {each.other}")
        if not every and len(rows) > SHOWN:
            click.echo(f"    and {len(rows) - SHOWN} more: --all")
