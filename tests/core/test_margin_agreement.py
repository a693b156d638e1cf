"""Our options margin against the exchange's, which was written separately and shares none of its code."""

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from puna.core.margin import OptionPosition, Right, UnlimitedRisk, maintenance_margin, order_cost_basis
from puna.core.symbols import Option
from puna.exchange.option_margin import HUNDRED, needs

PORTFOLIOS = 1000
UNDERLYINGS = ("AAPL", "SPY", "F")
EXPIRIES = (date(2026, 3, 20), date(2026, 4, 17), date(2026, 6, 18))


def portfolio(chance: Random) -> list[OptionPosition]:
    """One to ten series of up to three underlyings and three expirations, long and short."""
    found: dict[object, OptionPosition] = {}
    for _ in range(chance.randint(1, 10)):
        each = OptionPosition(
            chance.choice(UNDERLYINGS),
            chance.choice(EXPIRIES),
            chance.choice(list(Right)),
            Decimal(chance.randint(1, 60)) * Decimal("2.5"),
            chance.choice([-7, -3, -2, -1, 1, 2, 3, 7]),
        )
        found[each.series] = each
    return list(found.values())


def symbol(p: OptionPosition) -> str:
    return str(Option(p.underlying, p.expiry, "C" if p.right is Right.CALL else "P", p.strike))


def theirs(book: list[OptionPosition]) -> tuple[Decimal, dict[str, Decimal]]:
    """Cash and shares that the exchange asks for, shares by underlying."""
    found = {
        name: needs({symbol(p): Decimal(p.quantity) for p in book if p.underlying == name}) for name in UNDERLYINGS
    }
    return sum((each.cash for each in found.values()), Decimal(0)), {name: each.shares for name, each in found.items()}


def test_a_thousand_random_portfolios_agree() -> None:
    """With the shares that the exchange says are needed, both require the same cash, to the cent."""
    chance = Random(5)
    bounded = 0
    for _ in range(PORTFOLIOS):
        book = portfolio(chance)
        cash, shares = theirs(book)
        assert maintenance_margin(book, shares) == cash, book
        if any(shares.values()):
            short = next(name for name, n in shares.items() if n)
            with pytest.raises(UnlimitedRisk):
                maintenance_margin(book, shares | {short: shares[short] - 1})
        else:
            bounded += 1
            assert maintenance_margin(book) == cash
    assert 100 < bounded < PORTFOLIOS - 100


def test_what_orders_cost_agrees() -> None:
    """A thousand orders on top of a thousand books: margin after less margin before, plus the net price."""
    chance = Random(6)
    for _ in range(PORTFOLIOS):
        held, legs = portfolio(chance), [p for p in portfolio(chance) if p.underlying == "SPY"][:4]
        if not legs:
            continue
        price = Decimal(chance.randint(-500, 500)) / 100
        after: dict[object, OptionPosition] = {p.series: p for p in held}
        for leg in legs:
            known = after.get(leg.series)
            after[leg.series] = OptionPosition(
                leg.underlying, leg.expiry, leg.right, leg.strike, leg.quantity + (known.quantity if known else 0)
            )
        before, shares_before = theirs(held)
        cash, shares = theirs(list(after.values()))
        most = {name: max(shares[name], shares_before[name]) for name in UNDERLYINGS}
        if most == shares == shares_before:
            assert order_cost_basis(legs, price, 1, held, most) == cash - before + price * HUNDRED
