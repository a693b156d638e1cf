"""`puna quote` and `puna history`: latest quotes with mid and spread, bars of any timeframe, of any kind of symbol."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.account import ask
from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, new_york, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.quotes import LatestQuote

__all__ = ["history", "quote"]


@click.command
@click.argument("symbols", nargs=-1, required=True)
@config_option
@json_option
@verbose_option
def quote(symbols: tuple[str, ...], *, config: Path | None, as_json: bool) -> int:
    """The latest quotes, with mid and spread: stocks, options, coins."""
    from puna.alpaca.quotes import get_quotes
    from puna.core.symbols import canonical

    settings = load_config(config, follow_address=True)
    found = ask(settings, lambda alpaca: alpaca(get_quotes(symbols)))
    missing = [name for name in dict.fromkeys(map(canonical, symbols)) if name not in found]
    if as_json:
        print_json({"quotes": [_row(each, plain=True) for each in found.values()], "missing": missing})
        return 1 if missing else 0
    if found:
        print_rows([_row(each) for each in found.values()], right=frozenset(_COLUMNS) - {"symbol", "at"})
    for name in missing:
        click.echo(f"no quote of {name}", err=True)
    print_next(f"puna history {symbols[0]} --timeframe 1Min")
    return 1 if missing else 0


_COLUMNS = ("symbol", "bid", "ask", "mid", "spread", "bp", "bid size", "ask size", "at")


def _row(each: "LatestQuote", *, plain: bool = False) -> dict[str, str]:
    from puna.wire.codec import format_time

    numbers = (each.bid, each.ask, each.mid, each.spread)
    cells = [
        each.symbol,
        *(_number(value) for value in numbers),
        "-" if each.spread_bps is None else f"{each.spread_bps:.1f}",
        _number(each.bid_size),
        _number(each.ask_size),
        format_time(each.ts) if plain else new_york(each.ts),
    ]
    return dict(zip((name.replace(" ", "_") if plain else name for name in _COLUMNS), cells, strict=True))


def _number(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:f}"


@click.command
@click.argument("symbols", nargs=-1, required=True)
@click.option(
    "--timeframe", default="1Day", show_default=True, help="1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week, 1Month."
)
@click.option("--from", "start", metavar="DATE|TIME", help="The first day or instant; the current day when not given.")
@click.option("--to", "end", metavar="DATE|TIME", help="The last day or instant.")
@click.option(
    "--adjust", default="split", show_default=True, help="Of stocks: raw, split, dividend, spin-off, all, or several."
)
@click.option("--limit", type=click.IntRange(1), default=1_000, show_default=True, help="The last so many a symbol.")
@config_option
@json_option
@verbose_option
def history(
    symbols: tuple[str, ...],
    *,
    timeframe: str,
    start: str | None,
    end: str | None,
    adjust: str,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> int:
    """Bars of any timeframe, to the end of the span: stocks, options, coins."""
    from puna.alpaca.quotes import get_history

    span = (_moment("--from", start), _moment("--to", end))
    settings = load_config(config, follow_address=True)
    call = get_history(symbols, timeframe, *span, adjustment=adjust)
    found = ask(settings, lambda alpaca: alpaca(call))
    rows: dict[str, list[dict[str, str]]] = {}
    for symbol, bar in found:
        rows.setdefault(symbol, []).append(_bar(symbol, bar, plain=as_json))
    last = [row for each in rows.values() for row in each[-limit:]]
    if as_json:
        print_json(last)
    elif last:
        print_rows(last, right=frozenset({"open", "high", "low", "close", "volume", "vwap"}))
        print_next(f"puna quote {symbols[0]}")
    else:
        click.echo("no bars in that span")
    return 0


def _bar(symbol: str, bar: object, *, plain: bool) -> dict[str, str]:
    from puna.wire.codec import format_time
    from puna.wire.market import Bar

    assert isinstance(bar, Bar)  # noqa: S101 - for the type checker; the call answers bars
    names: Sequence[tuple[str, float]] = (
        ("open", bar.o),
        ("high", bar.h),
        ("low", bar.l),
        ("close", bar.c),
        ("volume", bar.v),
        ("vwap", bar.vw),
    )
    time = format_time(int(bar.t)) if plain else new_york(int(bar.t))
    return {"symbol": symbol, "time": time, **{name: f"{value:.10g}" for name, value in names}}


def _moment(name: str, text: str | None) -> date | None:
    """A day, or an instant; without an offset it is UTC."""
    if text is None:
        return None
    try:
        if len(text) == len("2026-03-02"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{name} is a day or a time such as 2026-03-02 or 2026-03-02T14:30, not {text!r}"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
