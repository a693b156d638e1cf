"""`puna alarms`, `puna ack`: what asks for a person, and a person's answer with a name and a reason, in the journal."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from puna.cli.output import json_option, print_json, print_next, print_rows, user_name, verbose_option
from puna.errors import PunaError

if TYPE_CHECKING:
    from puna.cli.target import Target
    from puna.engine.alarms import Alarm, Alarms
    from puna.engine.latch import Seen

__all__ = ["ack", "alarms"]

run_argument = click.argument("run", required=False, type=click.Path(path_type=Path))


@click.command
@run_argument
@click.option("--all", "every", is_flag=True, help="Those that were acknowledged as well: by whom, and why.")
@click.option("--test", is_flag=True, help="Send a test by every way that is configured.")
@json_option
@verbose_option
def alarms(*, run: Path | None, every: bool, test: bool, as_json: bool) -> int:
    """What asks for a person: halts, locks, failures that nobody has acknowledged yet.

    RUN is a configuration, the folder of a run, or a journal; without it the newest run that is trading, else
    puna.toml's, else the last one. Exit code 1 while an alarm stands; of --test, when one of the ways did not work.
    """
    if test:
        return _test(run, as_json=as_json)
    target = _target(run)
    known = _alarms(target)
    standing = list(known.standing.values())
    shown = sorted([*standing, *(known.ended.values() if every else ())], key=lambda each: each.number)
    if as_json:
        told = known.alerted
        rows = [msgspec.to_builtins(each) for each in shown]
        alerted = {"ts": told.ts, "up_to": told.up_to, "to": list(told.to)} if told else None
        print_json({"journal": str(target.journal), "standing": len(standing), "alerted": alerted, "alarms": rows})
    else:
        _show(target, known, shown)
    return 1 if standing else 0


@click.command
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--all", "every", is_flag=True, help="Every alarm that stands.")
@click.option("--reason", required=True, help="Why it may rest; it stands in the journal.")
@click.option("--by", default=None, help="Who says so.  [default: the user of this shell]")
@click.option("--run", type=click.Path(path_type=Path), help="A configuration, the folder of a run, or a journal.")
@click.option("--timeout", default=5.0, show_default=True, type=click.FloatRange(0.01, 600), help="Seconds to wait.")
@json_option
@verbose_option
def ack(
    *,
    numbers: tuple[int, ...],
    every: bool,
    reason: str,
    by: str | None,
    run: Path | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Acknowledge alarms, by their numbers or all: they are not told again, and the journal holds who and why.

    It ends no halt: `puna resume` does, and acknowledges what it ends. Exit code 7 when the process that trades has not
    taken it in time; it then does with its next look, or at the next start.
    """
    if bool(numbers) == every:
        raise click.UsageError("give the numbers of alarms (puna alarms), or --all")
    if not reason.strip():
        raise click.UsageError("--reason has no words")
    target = _target(run)
    standing = _alarms(target).standing
    if unknown := sorted(set(numbers) - standing.keys()):
        raise PunaError(
            f"No alarm {unknown[0]} stands in {target.journal}.",
            why="it was acknowledged, or never was" if not standing else f"those that stand: {_numbers(standing)}",
            state="Nothing was changed.",
            remedy="puna alarms --all",
            code="E524",
        )
    chosen = tuple(standing) if every else tuple(dict.fromkeys(numbers))
    who = (by or user_name()).strip()[:80] or "nobody"
    taken = not chosen or asyncio.run(_acknowledge(target, chosen, who, reason.strip(), timeout))
    left = [number for number in standing if number not in chosen]
    if as_json:
        found = {"acknowledged": list(chosen) if taken else [], "by": who, "standing": left}
        print_json(found | {"confirmed": taken, "journal": str(target.journal)})
    else:
        click.echo(_said(chosen, who, taken=taken))
        click.echo(f"journal {target.journal}")
        print_next("puna alarms" if left else "puna why SYMBOL TIME")
    return 0 if taken else 7


def _said(chosen: tuple[int, ...], who: str, *, taken: bool) -> str:
    if not chosen:
        return "no alarm stands"
    if not taken:
        return f"not yet taken: alarm {_numbers(chosen)}; the process does not look, and a start will"
    return f"acknowledged by {who}: alarm {_numbers(chosen)}"


def _numbers(chosen: Iterable[int]) -> str:
    return ", ".join(map(str, chosen))


def _target(run: Path | None) -> "Target":
    from puna.cli.target import NothingRunsError, find_running, find_target

    if run is not None:
        return find_target(run)
    try:
        return find_running()[0]
    except NothingRunsError:  # alarms outlive their process
        return find_target(None)


def _alarms(target: "Target") -> "Alarms":
    from puna.engine.alarms import alarms_of
    from puna.engine.storage import records

    return alarms_of(records(target.journal))


def _show(target: "Target", known: "Alarms", shown: "list[Alarm]") -> None:
    click.echo(f"journal {target.journal}")
    print_rows(
        [
            {
                "alarm": str(each.number),
                "since": _at(each.ts),
                "code": each.code,
                "what": f"{each.text}{f' ({each.count} times)' if each.count > 1 else ''}",
                "ended": f"{_at(each.ended or 0)} {each.by}: {each.reason}" if each.by else "stands",
            }
            for each in shown
        ],
        right=frozenset({"alarm"}),
    )
    if not known.standing:
        click.echo("no alarm stands")
        if known.ended and not shown:
            print_next("puna alarms --all")
        return
    told = known.alerted
    fresh = [number for number in known.standing if told is None or number > told.up_to]
    click.echo(f"told last {_at(told.ts)} by {', '.join(told.to)}" if told else "nobody was told: puna explain E523")
    if told and fresh:
        click.echo(f"not told yet: {_numbers(fresh)}")
    first = next(iter(known.standing.values()))
    print_next(f"puna explain {first.code}, then puna ack {first.number} --reason TEXT")


def _at(ts: int) -> str:
    from puna.core.sessions import new_york

    return f"{new_york(ts):%Y-%m-%d %H:%M:%S}"


async def _acknowledge(target: "Target", chosen: tuple[int, ...], who: str, reason: str, patience: float) -> bool:
    """Into the journal: by the process that has it, or by us when none has."""
    from puna.engine.latch import Latch, Seen
    from puna.seams import RandomIds, SystemClock

    clock, latch = SystemClock(), Latch(target.journal)
    seen = Seen(id=RandomIds().uuid(), alarms=chosen, by=who, reason=reason)
    latch.see(seen)
    end = clock.monotonic() + round(patience * 1e9)
    while latch.pending(seen) and clock.monotonic() < end:
        if target.owner is None:
            _write(target.journal, seen)
            latch.noticed(seen)
            break
        await clock.sleep(0.02)
    return not latch.pending(seen)


def _write(journal: Path, seen: "Seen") -> None:
    """When nobody has the journal open."""
    from puna.engine.entries import Acknowledged, to_record
    from puna.engine.storage import SqliteStorage
    from puna.seams import SystemClock

    storage = SqliteStorage(journal)
    try:
        entry = Acknowledged(ts=SystemClock().now(), alarms=seen.alarms, by=seen.by, reason=seen.reason)
        storage.append([to_record(entry)])
    finally:
        storage.close()


def _test(run: Path | None, *, as_json: bool) -> int:
    """What was taken by which way."""
    from puna.cli.flatten import config_of
    from puna.engine.alerts import terms_of
    from puna.engine.delivery import Alert, send

    terms = terms_of(config_of(run), "test")
    ways = [*terms.channels, *([terms.heartbeat] if terms.heartbeat is not None else [])]
    if not ways:
        raise PunaError(
            "There is nobody to be told.",
            why="alerts.command, PUNA_ALERT_WEBHOOK and PUNA_ALERT_HEARTBEAT are not set",
            state="Nothing was sent.",
            remedy="puna config explain alerts",
            code="E523",
        )
    taken, failed = asyncio.run(send(ways, Alert(run=terms.run, test=True)))
    if as_json:
        print_json({"taken": list(taken), "failed": failed})
    else:
        rows = [{"way": name, "": "ok", "detail": "taken"} for name in taken]
        print_rows([*rows, *({"way": name, "": "fail", "detail": why} for name, why in failed.items())])
        print_next("puna explain E523" if failed else "puna run")
    return 1 if failed else 0
