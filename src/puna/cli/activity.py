"""`puna activity`: fills, fees, dividends, deposits and everything else that moved cash or positions."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.account import ask, print_wire
from puna.cli.config import load_config
from puna.cli.output import (
    DATE,
    config_option,
    json_option,
    money,
    new_york,
    price,
    print_next,
    print_rows,
    verbose_option,
)

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.wire.activities import Activity

__all__ = ["activity"]


@click.command
@click.option("--type", "types", multiple=True, help="FILL, DIV, FEE, OPASN, ...; as often as needed.")
@click.option("--after", type=DATE, help="Later than the beginning of this day.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest first, at most so many.")
@config_option
@json_option
@verbose_option
def activity(*, types: tuple[str, ...], after: datetime | None, limit: int, config: Path | None, as_json: bool) -> int:
    """What moved cash or positions: fills, fees, dividends, deposits, assignments."""
    from puna.alpaca.account import get_activities

    async def newest(alpaca: "AsyncAlpaca") -> "list[Activity]":
        found: list[Activity] = []
        call = get_activities(types or None, after=None if after is None else after.date(), page_size=min(limit, 100))
        async for each in alpaca(call):
            found.append(each)
            if len(found) == limit:
                break
        return found

    found = ask(load_config(config, follow_address=True), newest)
    if as_json:
        print_wire(found)
        return 0
    if found:
        print_rows([_row(each) for each in found], right=frozenset({"qty", "price", "amount"}))
    else:
        click.echo("no activities")
    print_next("puna account")
    return 0


def _row(each: "Activity") -> dict[str, str]:
    when = new_york(each.transaction_time) if each.transaction_time else each.date or "-"
    return {
        "when": when,
        "type": each.activity_type
        if each.activity_sub_type is None
        else f"{each.activity_type}/{each.activity_sub_type}",
        "symbol": each.symbol or "",
        "side": each.side or "",
        "qty": "-" if each.qty is None else f"{each.qty:f}",
        "price": price(each.price),
        "amount": money(each.net_amount),
        "what": each.description or each.order_status or "",
    }
