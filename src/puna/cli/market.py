"""`puna clock` and `puna asset`: trading hours, and what the broker says about symbols."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.account import ask, print_wire
from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.wire.trading import Asset, CalendarDay, Clock

__all__ = ["asset", "clock"]


@click.command
@click.option("--days", type=click.IntRange(1, 60), default=5, show_default=True, help="So many trading days.")
@config_option
@json_option
@verbose_option
def clock(*, days: int, config: Path | None, as_json: bool) -> None:
    """Whether the market is open, and the next trading days."""
    from puna.core import sessions
    from puna.wire.codec import format_time

    now, calendar = ask(load_config(config, follow_address=True), lambda alpaca: _hours(alpaca, days))
    if as_json:
        print_wire({"clock": now, "calendar": calendar})
        return
    click.echo(f"{sessions.new_york(now.timestamp):%Y-%m-%d %H:%M:%S} New York, {format_time(now.timestamp)}")
    following, word = (now.next_close, "closes") if now.is_open else (now.next_open, "opens")
    click.echo(f"{'open' if now.is_open else 'closed'}; {word} {sessions.new_york(following):%Y-%m-%d %H:%M} New York")
    if calendar:
        print_rows(
            [
                {"day": each.date, "open": each.open, "close": each.close, "settles": each.settlement_date or ""}
                for each in calendar
            ]
        )
    print_next("puna quote AAPL")


async def _hours(alpaca: "AsyncAlpaca", days: int) -> "tuple[Clock, list[CalendarDay]]":
    from puna.alpaca.trading import get_calendar, get_clock
    from puna.core import sessions

    now = await alpaca(get_clock())
    today = sessions.date_of(now.timestamp)
    calendar = await alpaca(get_calendar(today, today + timedelta(days=2 * days + 7)))
    return now, calendar[:days]


@click.command
@click.argument("symbols", nargs=-1, required=True)
@config_option
@json_option
@verbose_option
def asset(symbols: tuple[str, ...], *, config: Path | None, as_json: bool) -> None:
    """What the broker says about symbols: tradable, shortable, fractionable, increments."""
    from puna.alpaca.trading import get_asset
    from puna.core.symbols import canonical

    names = [canonical(symbol) for symbol in symbols]

    async def all_of_them(alpaca: "AsyncAlpaca") -> "list[Asset]":
        return [await alpaca(get_asset(name)) for name in names]

    found = ask(load_config(config, follow_address=True), all_of_them)
    if as_json:
        print_wire(found)
        return
    print_rows([_row(each) for each in found])
    print_next(f"puna quote {names[0]}")


def _row(each: "Asset") -> dict[str, str]:
    increments = {"size": each.min_order_size, "step": each.min_trade_increment, "tick": each.price_increment}
    return {
        "symbol": each.symbol,
        "class": each.asset_class,
        "exchange": each.exchange or "",
        "status": each.status or "",
        **{name: _yes(value) for name, value in _flags(each).items()},
        "least": ", ".join(f"{name} {value:f}" for name, value in increments.items() if value is not None),
        "name": each.name or "",
    }


def _flags(each: "Asset") -> dict[str, bool | None]:
    return {
        "tradable": each.tradable,
        "shortable": each.shortable,
        "marginable": each.marginable,
        "fractions": each.fractionable,
    }


def _yes(value: bool | None) -> str:  # noqa: FBT001 - what is shown
    return "-" if value is None else "yes" if value else "no"
