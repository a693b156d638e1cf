"""What `puna margin` adds with --spot: the calendar of the legs, and with --iv their Greeks and a grid of scenarios."""

import re
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from typing import NamedTuple

import click

from puna.cli.output import money, print_rows
from puna.core.margin import OptionPosition, Right
from puna.core.option_book import MOVES, SHIFTS
from puna.core.option_calendar import Dividend, EarlyAssignment, Expiry, assignment_warnings, expiries
from puna.core.options import (
    DAYS_A_YEAR,
    Contract,
    Greeks,
    Held,
    american_value,
    book_greeks,
    scenario_grid,
)
from puna.core.sessions import at, date_of, new_york
from puna.errors import ConfigError

__all__ = [
    "MOVES",
    "SHIFTS",
    "Outlook",
    "Situation",
    "expiry_row",
    "greeks_row",
    "leg_name",
    "outlook",
    "read_dividends",
    "show_grid",
    "show_outlook",
]

_NOON = time(12)


class Situation(NamedTuple):
    """The market as it is assumed.

    Attributes:
        spot: price of the underlying.
        on: the day.
        iv: one implied volatility for all legs, a fraction; None when it is not known.
        rate: interest a year, a fraction.
        dividends: of the underlying.
    """

    spot: Decimal
    on: date
    iv: Decimal | None
    rate: Decimal
    dividends: tuple[Dividend, ...]


class Outlook(NamedTuple):
    """What comes of the legs; `legs`, `total` and `grid` are None without a volatility.

    `grid` is [days][volatility shift][move] in dollars against now.
    """

    calendar: list[Expiry]
    warnings: list[EarlyAssignment]
    legs: list[Greeks] | None
    total: Greeks | None
    days: tuple[float, ...]
    grid: list[list[list[float]]] | None


def read_dividends(texts: Sequence[str]) -> tuple[Dividend, ...]:
    """`2026-03-20=1.75` as ex-date and amount.

    Raises:
        ConfigError: it cannot be read.
    """
    found = []
    for text in texts:
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d)=(\d{1,6}(\.\d{1,6})?)", text)
        try:
            found.append(Dividend(date.fromisoformat(match[1]), Decimal(match[2])) if match else None)
        except ValueError:
            found.append(None)
        if found[-1] is None:
            raise ConfigError(
                f"--dividend is {text[:40]!r}.",
                remedy="Write the ex-date and the amount: 2026-03-20=1.75.",
                code="E641",
            )
    return tuple(each for each in found if each)


def outlook(order: Sequence[OptionPosition], quantity: int, market: Situation) -> Outlook:
    """The calendar, and with a volatility the rest, of `quantity` units."""
    held = [leg.times(quantity) for leg in order]
    now, spots = at(market.on, _NOON), {leg.underlying: market.spot for leg in held}
    calendar = expiries(held, spots, now)
    if market.iv is None:
        return Outlook(calendar, [], None, None, (), None)
    book = [_valued(leg, now, float(market.iv)) for leg in held]
    spot, rate = float(market.spot), float(market.rate)
    prices = {
        leg.series: Decimal(str(round(american_value(item.contract, spot, item.volatility, rate, steps=200), 4)))
        for leg, item in zip(held, book, strict=True)
    }
    paid = {leg.underlying: market.dividends for leg in held}
    last = max(item.contract.years for item in book) * DAYS_A_YEAR
    days = (0.0, last / 2, last)
    return Outlook(
        calendar,
        assignment_warnings(held, spots, prices, now, paid, market.rate),
        [book_greeks([item], spot, rate) for item in book],
        book_greeks(book, spot, rate),
        days,
        scenario_grid(book, spot, MOVES, SHIFTS, days, rate),
    )


def _valued(leg: OptionPosition, now: int, iv: float) -> Held:
    years = max((leg.expiry - date_of(now)).days, 0) / DAYS_A_YEAR
    return Held(Contract(leg.right is Right.CALL, float(leg.strike), years), leg.quantity, iv, leg.multiplier)


def show_outlook(order: Sequence[OptionPosition], market: Situation, found: Outlook) -> None:
    """Greeks, scenarios, calendar and warnings as tables."""
    if found.legs is not None and found.total is not None and market.iv is not None:
        click.echo(
            f"\nGreeks in dollars of the whole position, spot {market.spot:f}, volatility {market.iv * 100:.1f}%"
        )
        rows = [{"leg": leg_name(leg)} | greeks_row(each) for leg, each in zip(order, found.legs, strict=True)]
        print_rows([*rows, {"leg": "all"} | greeks_row(found.total)], right=frozenset(Greeks._fields))
        show_grid(found.days, found.grid or [], MOVES, SHIFTS)
    click.echo(f"\nwhat becomes of it with {order[0].underlying} at {market.spot:f}")
    print_rows([expiry_row(each) for each in found.calendar], right=frozenset({"contracts", "days", "shares", "cash"}))
    for each in found.warnings:
        click.echo(f"early assignment of {leg_name(each.position)} by {each.by}: {each.why}")


def show_grid(
    days: Sequence[float], grid: Sequence[Sequence[Sequence[float]]], moves: Sequence[float], shifts: Sequence[float]
) -> None:
    """A table for each day: rows are shifts of the volatility, columns moves of the price."""
    for day, block in zip(days, grid, strict=True):
        click.echo(f"\nprofit against now, after {day:.0f} days, by move of the price and shift of the volatility")
        rows = [
            {"volatility": f"{shift * 100:+.0f}%"}
            | {f"{move:+.0%}": f"{value:,.0f}" for move, value in zip(moves, line, strict=True)}
            for shift, line in zip(shifts, block, strict=True)
        ]
        print_rows(rows, right=frozenset(rows[0]))


def greeks_row(each: Greeks) -> dict[str, str]:
    """A cell for each, dollars."""
    return {field: f"{value:,.2f}" for field, value in each._asdict().items()}


def expiry_row(each: Expiry) -> dict[str, str]:
    """A line of the calendar."""
    return {
        "leg": leg_name(each.position),
        "contracts": f"{each.position.quantity:+d}",
        "trades until": f"{new_york(each.closes):%Y-%m-%d %H:%M} New York",
        "days": str(each.days_left),
        "outcome": str(each.outcome),
        "shares": f"{each.shares:+,d}" if each.shares else "-",
        "cash": money(each.cash) if each.shares else "-",
    }


def leg_name(leg: OptionPosition) -> str:
    """`20 Mar 480P`."""
    return f"{leg.expiry:%d %b} {leg.strike:f}{leg.right[0].upper()}"
