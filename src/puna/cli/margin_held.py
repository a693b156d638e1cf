"""`puna margin` without legs: what the account holds, by underlying, and what may come of it."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from puna.alpaca import mapping
from puna.alpaca.corporate import get_corporate_actions
from puna.alpaca.trading import get_account, get_clock, get_positions
from puna.cli.account import ask
from puna.cli.margin_view import expiry_row, greeks_row, leg_name, show_grid
from puna.cli.output import money, new_york, print_rows
from puna.cli.payoff_view import break_evens, draw
from puna.core.option_book import MOVES, SHIFTS, Line, OptionBook, option_books
from puna.core.option_calendar import Dividend
from puna.core.options import Greeks
from puna.core.sessions import date_of
from puna.core.symbols import Option, asset_class, canonical, parse, underlying
from puna.core.types import ZERO, AssetClass, Position
from puna.engine.quotes import latest_quotes
from puna.errors import PunaError
from puna.seams import SystemClock
from puna.wire.corporate import CashDividend

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.config import Config

__all__ = ["Holdings", "look", "show"]


PAID_LATER = timedelta(days=60)
"""The broker lists dividends by the day on which they are paid, weeks after the ex-date that counts."""


class Holdings(NamedTuple):
    """What an account holds.

    Attributes:
        now: the broker's time, ns.
        books: by underlying.
        coins: what is held and has neither margin nor Greeks here.
        maintenance: maintenance margin as the broker says it.
        unread: why dividends are not known; empty when they are.
    """

    now: int
    books: list[OptionBook]
    coins: list[str]
    maintenance: Decimal | None
    unread: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "now": new_york(self.now),
            "broker_maintenance_margin": self.maintenance,
            "underlyings": [_document(each) for each in self.books],
            "left_out": self.coins,
            "dividends_unknown": self.unread or None,
        }


def look(config: "Config", rate: Decimal, dividends: tuple[Dividend, ...]) -> Holdings:
    """Asks the broker for positions, quotes and dividends. Nothing is sent.

    Args:
        config: names the account.
        rate: interest a year, a fraction.
        dividends: of every underlying, besides what the broker tells.

    Raises:
        PunaError: no broker, or no answer.
    """

    async def question(alpaca: "AsyncAlpaca") -> Holdings:
        now = int((await alpaca(get_clock())).timestamp)
        account = await alpaca(get_account())
        held = [_canonical(mapping.position(body)) for body in await alpaca(get_positions())]
        coins = [each.symbol for each in held if asset_class(each.symbol) is AssetClass.CRYPTO]
        rest = [each for each in held if each.symbol not in coins]
        roots = sorted({underlying(each.symbol) for each in rest})
        found = await latest_quotes(alpaca, SystemClock(), {*roots, *(s.symbol for s in rest)}, feed=config.data.feed)
        quotes = {quote.symbol: quote for quote in found}
        told, unread = await _dividends(alpaca, roots, now, rest)
        paid = {root: (*told.get(root, ()), *dividends) for root in roots}
        books = option_books(rest, quotes, now, float(rate), paid)
        return Holdings(now, books, coins, account.maintenance_margin, unread)

    return ask(config, question)


def _canonical(held: Position) -> Position:
    return Position(symbol=canonical(held.symbol), qty=held.qty, cost=held.cost)


async def _dividends(
    alpaca: "AsyncAlpaca", roots: list[str], now: int, held: Sequence[Position]
) -> tuple[dict[str, tuple[Dividend, ...]], str]:
    """Dividends announced until the last expiration, and why they are not known."""
    ends = [option.expiration for each in held if isinstance(option := parse(each.symbol), Option)]
    if not ends:
        return {}, ""
    found: dict[str, tuple[Dividend, ...]] = {}
    call = get_corporate_actions(roots, types=["cash_dividend"], start=date_of(now), end=max(ends) + PAID_LATER)
    try:
        async for action in alpaca(call):
            if isinstance(action, CashDividend) and action.ex_date:
                paid = Dividend(date.fromisoformat(action.ex_date), Decimal(str(action.rate)))
                found[action.symbol] = (*found.get(action.symbol, ()), paid)
    except (PunaError, ValueError) as error:
        return {}, error.what if isinstance(error, PunaError) else str(error)
    return found, ""


def show(holdings: Holdings) -> None:
    """Each underlying with its tables; what is missing is said where it is missed."""
    if not holdings.books and not holdings.coins:
        click.echo("no positions")
        return
    click.echo(f"as of {new_york(holdings.now)}; maintenance margin says the broker: {money(holdings.maintenance)}")
    for book in holdings.books:
        _show(book)
    if holdings.coins:
        click.echo(f"\nleft out, coins have no margin: {', '.join(holdings.coins)}")
    if holdings.unread:
        click.echo(f"\ndividends are not known, so early assignments by them are not told: {holdings.unread}")


def _show(book: OptionBook) -> None:
    spot = "no usable quote" if book.spot is None else f"{book.spot:f} ({new_york(book.as_of)})"
    click.echo(f"\n{book.underlying}  {spot}")
    _show_lines(book)
    rows = {"options margin": "unlimited risk" if book.requirement is None else money(book.requirement)}
    if book.shares:
        rows["shares margin"] = money(book.shares_requirement)
    if book.lines:
        rows["break-even"] = ", ".join(f"{each:f}" for each in break_evens(book.strikes, book.profit)) or "none"
    for name, value in rows.items():
        click.echo(f"{name:<14}{value:>16}")
    for text in book.missing:
        click.echo(f"{'not known':<14}{text}")
    if not book.lines:
        return
    click.echo("\nprofit against what was paid, when all options have ended at that price")
    draw(book.strikes, book.profit)
    if book.grid is None:
        click.echo("no scenarios: what is not known above would be needed")
    else:
        show_grid(book.days, book.grid, MOVES, SHIFTS)
    click.echo("\nhow each ends, with the price where it is")
    print_rows([expiry_row(each) for each in book.calendar], right=frozenset({"contracts", "days", "shares", "cash"}))
    for warning in book.warnings:
        click.echo(f"early assignment of {leg_name(warning.position)} by {warning.by}: {warning.why}")


def _show_lines(book: OptionBook) -> None:
    rows = [_row(line) for line in book.lines]
    if book.shares:
        shares = Greeks(float(book.shares), 0.0, 0.0, 0.0, 0.0)
        value = None if book.spot is None else book.shares * book.spot
        rows.append(_cells("shares", f"{book.shares:f}", book.shares_cost, value, None, shares))
    if book.lines:
        known = [line.value for line in book.lines]
        value = None if None in known else sum((each for each in known if each is not None), ZERO)
        if value is not None and book.shares:
            value = None if book.spot is None else value + book.shares * book.spot
        cost = book.shares_cost + sum((line.cost for line in book.lines), ZERO)
        rows.append(_cells("all", "", cost, value, None, book.total))
    print_rows(rows, right=frozenset(rows[0]) - {"held"})


def _row(line: Line) -> dict[str, str]:
    name = leg_name(line.position)
    return _cells(name, f"{line.position.quantity:+d}", line.cost, line.value, line.volatility, line.greeks)


def _cells(
    name: str, qty: str, cost: Decimal, value: Decimal | None, volatility: float | None, greeks: Greeks | None
) -> dict[str, str]:
    figures = dict.fromkeys(Greeks._fields, "-") if greeks is None else greeks_row(greeks)
    return {
        "held": name,
        "qty": qty,
        "cost": money(cost),
        "value": money(value),
        "volatility": "-" if volatility is None else f"{volatility:.1%}",
    } | figures


def _slope_beyond(book: OptionBook) -> Decimal:
    """Dollars for each dollar that the price rises beyond the last strike."""
    last = max(book.strikes, default=ZERO)
    return book.profit(last + 1) - book.profit(last)


def _document(book: OptionBook) -> dict[str, Any]:
    return {
        "underlying": book.underlying,
        "spot": book.spot,
        "spot_as_of": new_york(book.as_of) if book.as_of else None,
        "shares": book.shares,
        "shares_margin": book.shares_requirement,
        "options": [
            {
                "symbol": line.symbol,
                "contracts": line.position.quantity,
                "cost": line.cost,
                "price": line.price,
                "value": line.value,
                "implied_volatility": line.volatility,
                "greeks": line.greeks and line.greeks._asdict(),
            }
            for line in book.lines
        ],
        "margin": book.requirement,
        "unlimited_risk": book.requirement is None,
        "greeks": book.total and book.total._asdict(),
        "break_evens": break_evens(book.strikes, book.profit) if book.lines else [],
        "payoff": [{"price": strike, "profit": book.profit(strike)} for strike in (ZERO, *book.strikes)],
        "payoff_slope_beyond": _slope_beyond(book),
        "scenarios": book.grid
        and {
            "moves": MOVES,
            "shifts": SHIFTS,
            "days": [round(each, 2) for each in book.days],
            "profit": [[[round(value, 2) for value in line] for line in block] for block in book.grid],
        },
        "expiries": [
            {
                "leg": leg_name(each.position),
                "contracts": each.position.quantity,
                "closes": new_york(each.closes),
                "days_left": each.days_left,
                "outcome": each.outcome,
                "shares": each.shares,
                "cash": each.cash,
                "sold_out_from": new_york(each.sold_out_from) if each.position.quantity > 0 else None,
            }
            for each in book.calendar
        ],
        "early_assignment": [
            {"leg": leg_name(each.position), "by": each.by, "gain": each.gain, "why": each.why}
            for each in book.warnings
        ],
        "not_known": book.missing,
    }
