"""`puna margin`: what an option order would ask of margin and cash, its payoff drawn; what the account holds."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from puna.cli.output import DATE, config_option, json_option, money, print_json, print_next, verbose_option
from puna.cli.payoff_view import break_evens, draw
from puna.errors import ConfigError

if TYPE_CHECKING:
    from puna.cli.margin_view import Outlook, Situation
    from puna.core.margin import MarginCheck, OptionPosition

__all__ = ["margin"]

_LEG = re.compile(r"(?P<strike>[0-9]{1,6}(\.[0-9]{1,3})?)(?P<right>[CP])\s+(?P<ratio>[+-]?[0-9]{1,4})")


@click.command
@click.argument("legs", metavar="[LEGS]", required=False)
@click.option("--price", help="Net price a share of one unit: a debit is positive, a credit negative.")
@click.option("--qty", default=1, show_default=True, type=click.IntRange(1, 10_000), help="Units.")
@click.option("--buying-power", default="100000", show_default=True, help="Options buying power, dollars.")
@click.option("--level", default=3, show_default=True, type=click.IntRange(0, 3), help="Options trading level.")
@click.option("--shares", default=0, show_default=True, help="Shares of the underlying that are held and free.")
@click.option("--spot", help="Price of the underlying: adds what becomes of each leg at its expiration.")
@click.option("--iv", help="Implied volatility such as 20%: with --spot, adds Greeks, scenarios and early assignment.")
@click.option("--on", "on", type=DATE, help="The day that --spot and --iv are of; today.")
@click.option("--rate", default="4%", show_default=True, help="Interest a year, for --iv.")
@click.option(
    "--dividend", "dividends", multiple=True, metavar="EX-DATE=AMOUNT", help="A dividend; as often as needed."
)
@config_option
@json_option
@verbose_option
def margin(
    *,
    legs: str | None,
    price: str | None,
    qty: int,
    buying_power: str,
    level: int,
    shares: int,
    spot: str | None,
    iv: str | None,
    on: datetime | None,
    rate: str,
    dividends: tuple[str, ...],
    config: Path | None,
    as_json: bool,
) -> int:
    """Margin, cost, break-evens and largest size of an option order, with its payoff.

    LEGS is an underlying, an expiration and signed legs:

      puna margin "SPY 2026-03-20 480P -1, 470P +1, 520C -1, 530C +1" --price -1.60

    Without LEGS: what the account holds, by underlying: margin, Greeks, payoff, scenarios, how each option ends, early
    assignments. Of the options only --rate and --dividend go with it.
    """
    if legs is None:
        return _held(config, rate, dividends, as_json=as_json)
    if price is None:
        raise click.UsageError("LEGS need --price")
    from puna.core.margin import check_order

    market = _situation(spot, iv, on, rate, dividends)
    order, net = read_legs(legs), _decimal("--price", price)
    power = _decimal("--buying-power", buying_power)
    held = {order[0].underlying: shares}
    check = check_order(order, net, qty, buying_power=power, level=level, shares=held)
    found = _outlook(order, qty, market)
    if as_json:
        print_json(_document(order, net, qty, check) | _outlook_document(found))
    else:
        _show(order, net, qty, check)
        if market and found:
            from puna.cli.margin_view import show_outlook

            show_outlook(order, market, found)
        print_next("puna margin --help")
    return 0 if check.allowed else 6


_OF_ORDERS = ("price", "qty", "buying_power", "level", "shares", "spot", "iv", "on")


def _held(config: Path | None, rate: str, dividends: tuple[str, ...], *, as_json: bool) -> int:
    """What the account holds."""
    context = click.get_current_context()
    for name in _OF_ORDERS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is about an order, and needs LEGS")
    from puna.cli.config import load_config
    from puna.cli.margin_held import look, show
    from puna.cli.margin_view import read_dividends

    found = look(load_config(config, follow_address=True), _percent("--rate", rate), read_dividends(dividends))
    if as_json:
        print_json(found.document())
    else:
        show(found)
        print_next("puna positions")
    return 0


def _situation(
    spot: str | None, iv: str | None, on: datetime | None, rate: str, dividends: tuple[str, ...]
) -> "Situation | None":
    """The market that the options describe; None without a spot price."""
    from puna.cli.margin_view import Situation, read_dividends
    from puna.core.sessions import date_of
    from puna.seams import SystemClock

    if spot is None:
        if iv is not None or dividends:
            raise click.UsageError("--iv and --dividend need --spot: without a price nothing can be valued")
        return None
    day = on.date() if on else date_of(SystemClock().now())
    volatility = None if iv is None else _percent("--iv", iv)
    price = _decimal("--spot", spot)
    if price <= 0 or volatility == 0:
        raise click.UsageError("--spot and --iv must be positive")
    return Situation(price, day, volatility, _percent("--rate", rate), read_dividends(dividends))


def _percent(name: str, text: str) -> Decimal:
    from puna.config.amounts import read_amount

    try:
        return read_amount(text, "share")
    except ValueError as error:
        raise ConfigError(
            f"{name} is {text[:40]!r}.", why=str(error), remedy="Write it like 20%.", code="E641"
        ) from None


def _outlook(order: Sequence["OptionPosition"], qty: int, market: "Situation | None") -> "Outlook | None":
    from puna.cli.margin_view import outlook

    return outlook(order, qty, market) if market else None


def _outlook_document(found: "Outlook | None") -> dict[str, object]:
    """The part of the JSON document that --spot adds."""
    if found is None:
        return {}
    from puna.cli.margin_view import MOVES, SHIFTS, leg_name
    from puna.core.sessions import new_york

    return {
        "expiries": [
            {
                "leg": leg_name(each.position),
                "contracts": each.position.quantity,
                "closes": new_york(each.closes),
                "days_left": each.days_left,
                "outcome": each.outcome,
                "shares": each.shares,
                "cash": each.cash,
            }
            for each in found.calendar
        ],
        "early_assignment": [
            {"leg": leg_name(each.position), "by": each.by, "gain": each.gain, "why": each.why}
            for each in found.warnings
        ],
        "greeks": found.total and found.total._asdict(),
        "scenarios": found.grid
        and {"moves": MOVES, "shifts": SHIFTS, "days": found.days, "profit": _rounded(found.grid)},
    }


def _rounded(grid: list[list[list[float]]]) -> list[list[list[float]]]:
    """To the cent; estimates have no more."""
    return [[[round(value, 2) for value in line] for line in block] for block in grid]


def read_legs(text: str) -> list["OptionPosition"]:
    """Positions from text such as `SPY 2026-03-20 480P -1, 470P +1`.

    Raises:
        ConfigError: a part cannot be read; the text says which.
    """
    from puna.core.margin import OptionPosition, Right

    words = text.split(maxsplit=2)
    if len(words) < 3 or not re.fullmatch(r"[A-Z]{1,6}", words[0]):
        raise _unreadable(text, "It begins with an underlying in capitals, and an expiration: SPY 2026-03-20 ...")
    try:
        expiry = date.fromisoformat(words[1])
    except ValueError:
        raise _unreadable(words[1], "An expiration is a date such as 2026-03-20.") from None
    found = []
    for part in words[2].split(","):
        leg = _LEG.fullmatch(part.strip())
        if leg is None:
            raise _unreadable(part.strip(), "A leg is a strike with C or P and a signed ratio: 480P -1.")
        right = Right.CALL if leg["right"] == "C" else Right.PUT
        found.append(OptionPosition(words[0], expiry, right, Decimal(leg["strike"]), int(leg["ratio"])))
    return found


def _unreadable(part: str, remedy: str) -> ConfigError:
    return ConfigError(f"The legs cannot be read at {part[:40]!r}.", remedy=remedy, code="E641")


def _decimal(name: str, text: str) -> Decimal:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,4})?", text):
        raise ConfigError(f"{name} is {text[:40]!r}.", remedy="Write an amount such as -1.60.", code="E641")
    return Decimal(text)


def profit(order: Sequence["OptionPosition"], net: Decimal, qty: int, price: Decimal) -> Decimal:
    """Dollars at expiration with the underlying at `price`, the premium counted."""
    from puna.core.margin import payoff

    return (payoff(order, price) - net * order[0].multiplier) * qty


def _strikes(order: Sequence["OptionPosition"]) -> list[Decimal]:
    return sorted({leg.strike for leg in order})


def _show(order: Sequence["OptionPosition"], net: Decimal, qty: int, check: "MarginCheck") -> None:
    click.echo(f"{_described(order)}   x{qty} at {net:+}   {'allowed' if check.allowed else 'REFUSED'}")
    click.echo()
    line = partial(profit, order, net, qty)
    draw(_strikes(order), line)
    click.echo()
    rows = {
        "margin before": money(check.margin_before),
        "margin after": "unlimited risk" if check.margin_after is None else money(check.margin_after),
        "cost basis": "-" if check.cost_basis is None else money(check.cost_basis),
        "break-even": ", ".join(f"{each:f}" for each in break_evens(_strikes(order), line)) or "none",
        "largest size": str(check.largest_quantity),
    }
    for name, value in rows.items():
        click.echo(f"{name:<14}{value:>16}")
    for pair in check.pairs:
        against = _leg_text(pair.covered_by) if pair.covered_by else pair.how
        click.echo(f"{'pairing':<14}{_leg_text(pair.short)} against {against}, {pair.contracts} contract(s)")
    for reason in check.reasons:
        click.echo(f"{'refused':<14}{reason}")
    if check.simplified:
        legs, units = check.simplified
        click.echo(f"{'simplified':<14}{_described(legs)}   x{units}")


def _described(order: Sequence["OptionPosition"]) -> str:
    legs = ", ".join(f"{leg.strike:f}{leg.right[0].upper()} {leg.quantity:+d}" for leg in order)
    return f"{order[0].underlying} {order[0].expiry} {legs}"


def _leg_text(leg: "OptionPosition") -> str:
    return f"{leg.expiry:%d %b} {leg.strike:f}{leg.right[0].upper()}"


def _document(order: Sequence["OptionPosition"], net: Decimal, qty: int, check: "MarginCheck") -> dict[str, object]:
    return {
        "order": _described(order),
        "quantity": qty,
        "net_price": net,
        "allowed": check.allowed,
        "reasons": check.reasons,
        "margin_before": check.margin_before,
        "margin_after": check.margin_after,
        "change": check.change,
        "cost_basis": check.cost_basis,
        "shortfall": check.shortfall,
        "largest_quantity": check.largest_quantity,
        "break_evens": break_evens(_strikes(order), partial(profit, order, net, qty)),
        "pairs": [
            {
                "short": _leg_text(pair.short),
                "covered_by": _leg_text(pair.covered_by) if pair.covered_by else None,
                "contracts": pair.contracts,
                "how": pair.how,
            }
            for pair in check.pairs
        ],
    }
