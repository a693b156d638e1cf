"""`puna why`: the causal chain of an order, or of a moment in which there was none, out of a run's journal."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from puna.cli.output import json_option, money, print_next, verbose_option

if TYPE_CHECKING:
    from puna.engine.why import Chain, CheckRow, Moment, Story

__all__ = ["why"]

NANOS = 1_000_000_000


@click.command
@click.argument("what", metavar="ORDER | SYMBOL TIME", nargs=-1, required=True)
@click.option("--run", type=click.Path(path_type=Path), help="A configuration, the folder of a run, or a journal.")
@json_option
@verbose_option
def why(*, what: tuple[str, ...], run: Path | None, as_json: bool) -> None:
    """Why an order was what it was: bar, reason, risk checks, broker, fills, cost; or why there was none.

    ORDER is a client_order_id, the end of one, or the broker's id; also one that risk refused. SYMBOL TIME asks about a
    minute (10:31) or the half minutes around a second (10:31:07), New York, of the run's last day or of a date before
    it: 2012-09-19T10:31. Without --run it is puna.toml's run, or the last one in runs/.
    """
    from puna.cli.target import find_target
    from puna.engine.entries import from_record
    from puna.engine.storage import records
    from puna.engine.why import Story, around, find_order
    from puna.engine.why import why as chain_of

    if len(what) > 2:
        raise click.UsageError("give an order, or a symbol and a time")
    journal = find_target(run).journal
    if not as_json:
        click.echo(f"journal    {journal}")
    story = Story((seq, from_record(seq, record)) for seq, record in records(journal))
    if len(what) == 1:
        chain = chain_of(story, find_order(story, what[0]))
        _print(chain, journal) if as_json else _show(chain)
        return
    begin, end = _span(what[1], story)
    moment = around(story, what[0], begin, end)
    _print(moment, journal) if as_json else _show_moment(moment)


def _print(value: object, journal: Path) -> None:
    body = {"journal": str(journal)} | msgspec.to_builtins(value, str_keys=True)
    click.echo(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())


def _span(text: str, story: "Story") -> tuple[int, int]:
    """The time that is asked about, ns."""
    from puna.core.sessions import at, date_of

    match = re.fullmatch(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d?:\d\d)(:\d\d)?", text)
    try:
        on = date.fromisoformat(match[1]) if match and match[1] else date_of(_last(story))
        wall = datetime.strptime(f"{match[2]}{match[3] or ':00'}", "%H:%M:%S").time() if match else None  # noqa: DTZ007
    except ValueError:
        wall = None
    if wall is None or match is None:
        raise click.UsageError(f"{text[:40]!r} is no time: 10:31, 10:31:07 or 2012-09-19T10:31")
    begin = at(on, wall)
    return (begin - 30 * NANOS, begin + 30 * NANOS) if match[3] else (begin, begin + 60 * NANOS)


def _last(story: "Story") -> int:
    """The last moment of the market that the journal knows."""
    from puna.engine.entries import Epoch, Evidence, Reconciled

    return max((entry.ts for _, entry in story.entries if isinstance(entry, Epoch | Evidence | Reconciled)), default=0)


def _show(chain: "Chain") -> None:
    click.echo(f"{chain.order}   {chain.strategy}: {chain.wish}")
    click.echo(f"{chain.outcome}\n")
    if chain.bar is not None:
        bar = chain.bar
        click.echo(
            f"bar        {_at(bar.ts_event)}  open {bar.open:g} high {bar.high:g} low {bar.low:g} close {bar.close:g}"
        )
    if chain.seen:
        click.echo(f"seen       {', '.join(f'{name} {value:g}' for name, value in chain.seen.items())}")
    click.echo(f"because    {chain.because or '(the strategy gave no reason)'}")
    click.echo(f"decided    {_at(chain.decided)}  quote {chain.quote or 'not known'}, {chain.held:f} held")
    for name, value in (("parent", chain.parent), ("replaces", chain.replaces)):
        if value:
            click.echo(f"{name:<10} {value}")
    for row in chain.checks:
        click.echo(f"risk       {_check(row)}")
    for step in chain.steps:
        click.echo(f"order      {_at(step.ts)}  {step.what}")
    if chain.broker_ids:
        click.echo(f"broker id  {', '.join(chain.broker_ids)}")
    for fill in chain.fills:
        beside = f", middle {fill.mid:f}" if fill.mid is not None else ""
        cost = "" if fill.cost_bp is None else f", {fill.cost_bp:f} bp beyond the middle of the decision"
        inside = ", crossed inside" if fill.internal else ""
        what = f"{fill.qty:f} at {fill.price:f}" if fill.qty else f"its price corrected to {fill.price:f}"
        click.echo(f"fill       {_at(fill.ts)}  {what}{inside}{beside}{cost}")
    if chain.cost is not None:
        click.echo(f"cost       {money(chain.cost)} against the middle when it was decided")
    refused = next((row for row in chain.checks if not row.passed), None)
    print_next(f"puna explain {refused.code}" if refused else "puna why SYMBOL TIME")


def _check(row: "CheckRow") -> str:
    numbers = f"  {'; '.join(row.numbers)}" if row.numbers else ""
    return f"{row.code} {row.name:<15} {'ok' if row.passed else 'NO'}{numbers}{f'  {row.says}' if row.says else ''}"


def _show_moment(moment: "Moment") -> None:
    click.echo(f"{moment.symbol}, {_at(moment.begin)} to {_at(moment.end)} New York   trading {moment.state}")
    for lock in moment.locks:
        click.echo(f"locked     {lock}")
    for alarm in moment.alarms:
        click.echo(f"alarm      {alarm}")
    for text in moment.refused:
        click.echo(f"refused    {text}")
    for step in moment.events:
        click.echo(f"           {_at(step.ts)}  {step.what}")
    if not (moment.orders or moment.refused):
        click.echo(f"no strategy asked for anything in {moment.symbol}: nothing was sent, and nothing was refused")
    print_next(f"puna why {moment.orders[0]}" if moment.orders else "puna why --help")


def _at(ts: int) -> str:
    from puna.core.sessions import new_york

    return f"{new_york(ts):%H:%M:%S}"
