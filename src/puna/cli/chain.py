"""`puna chain`: the options of one underlying around the money, with quotes, volatility and Greeks."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from puna.cli.account import ask
from puna.cli.config import load_config
from puna.cli.output import DATE, config_option, json_option, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.wire.options import OptionSnapshot

__all__ = ["chain"]


@click.command
@click.argument("symbol")
@click.option("--expiry", type=DATE, help="This day only; the nearest one when not given.")
@click.option("--type", "right", type=click.Choice(["call", "put"]), help="Calls or puts only.")
@click.option("--strikes", type=click.IntRange(1), default=10, show_default=True, help="So many around the price.")
@config_option
@json_option
@verbose_option
def chain(
    symbol: str,
    *,
    expiry: datetime | None,
    right: Literal["call", "put"] | None,
    strikes: int,
    config: Path | None,
    as_json: bool,
) -> int:
    """The options of one underlying around its price: quotes, implied volatility, Greeks.

    Exit 1 when there are none that match.
    """
    from puna.core import symbols

    name = str(symbols.parse(symbol))
    day = None if expiry is None else expiry.date()
    found, spot = ask(load_config(config, follow_address=True), lambda alpaca: _asked(alpaca, name, day, right))
    rows = [_row(contract, each) for contract, each in _nearest(found, spot, day, strikes)]
    if as_json:
        print_json({"underlying": name, "price": spot, "contracts": rows})
    elif rows:
        click.echo(f"{name} {'-' if spot is None else f'{spot:f}'}")
        print_rows(rows, right=frozenset(rows[0]) - {"contract", "expiry", "type"})
        print_next(f'puna order 1 --leg "buy 1 {rows[0]["contract"]}" --preview')
    else:
        click.echo(f"no options of {name} that match", err=True)
    return 0 if rows else 1


async def _asked(
    alpaca: "AsyncAlpaca", name: str, day: date | None, right: Literal["call", "put"] | None
) -> "tuple[list[tuple[str, OptionSnapshot]], Decimal | None]":
    """The chain, and the price of the underlying where there is a quote."""
    from puna.alpaca.options import get_option_chain
    from puna.alpaca.quotes import get_quotes

    quotes = await alpaca(get_quotes([name]))
    found = [each async for each in alpaca(get_option_chain(name, expiration_date=day, type=right))]
    return found, quotes[name].mid if name in quotes else None


def _nearest(
    found: "list[tuple[str, OptionSnapshot]]", spot: Decimal | None, day: date | None, count: int
) -> "list[tuple[str, OptionSnapshot]]":
    """One expiration, and of that the strikes nearest to the price, in the order of strikes, calls first."""
    from puna.core import symbols

    parsed = [(option, name, each) for name, each in found if isinstance(option := symbols.parse(name), symbols.Option)]
    wanted = day or min((option.expiration for option, _, _ in parsed), default=None)
    there = [each for each in parsed if each[0].expiration == wanted]
    middle = spot if spot is not None else _middle([option.strike for option, _, _ in there])
    strikes = sorted({option.strike for option, _, _ in there}, key=lambda strike: (abs(strike - middle), strike))
    chosen = set(strikes[:count])
    kept = sorted(
        (each for each in there if each[0].strike in chosen), key=lambda each: (each[0].strike, each[0].right)
    )
    return [(name, each) for _, name, each in kept]


def _middle(strikes: list[Decimal]) -> Decimal:
    return sorted(strikes)[len(strikes) // 2] if strikes else Decimal(0)


def _row(name: str, each: "OptionSnapshot") -> dict[str, str]:
    from puna.core import symbols
    from puna.wire.options import Greeks, OptionQuote

    option = symbols.parse(name)
    assert isinstance(option, symbols.Option)  # noqa: S101 - for the type checker; `_nearest` kept nothing else
    quote, greeks = each.latest_quote or OptionQuote(t=0), each.greeks or Greeks()
    return {
        "contract": name,
        "expiry": option.expiration.isoformat(),
        "type": "call" if option.right == "C" else "put",
        "strike": f"{option.strike.normalize():f}",
        "bid": _cell(quote.bp, ".2f"),
        "ask": _cell(quote.ap, ".2f"),
        "iv": _cell(each.implied_volatility, ".1%"),
        "delta": _cell(greeks.delta, "+.3f"),
        "gamma": _cell(greeks.gamma, ".4f"),
        "theta": _cell(greeks.theta, "+.3f"),
        "vega": _cell(greeks.vega, ".3f"),
    }


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
