"""Two strategies on one account: each has its own cash, positions and profit, and their orders do not meet."""

from decimal import Decimal
from typing import Any

import pytest

from puna.errors import ConfigError


def pair(lab: Any, one: dict[str, Any], two: dict[str, Any]) -> tuple[Any, Any]:
    """Two scripted strategies with half of the account each."""
    first, second = lab.scripted(**one), lab.scripted(**two)
    first.name, second.name = "first", "second"
    first.capital = second.capital = Decimal("0.5")
    return first, second


async def test_each_has_its_own(lab: Any) -> None:
    """Both trade the same symbol; positions and cash are apart, and together they are the account's."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m1": lambda s: s.buy("AAPL", 10), "m5": lambda s: (s.cash, s.profit, s.position("AAPL"))},
        {"m2": lambda s: s.buy("AAPL", 3), "m5": lambda s: (s.cash, s.profit, s.position("AAPL"))},
    )
    trader = market.trader(first, second, minutes=8, journal=lab.journal)
    await trader.run()
    (cash, gain, held), (cash2, gain2, held2) = first.results[1], second.results[1]
    assert (held, held2) == (10, 3)
    assert cash + cash2 == trader.gateway.blotter.portfolio.cash
    assert 50_000 - cash > 3 * (50_000 - cash2)
    assert gain is not None
    assert gain2 is not None


async def test_opposite_orders_do_not_meet(lab: Any) -> None:
    """While one waits to sell, the other's purchase is refused with the order that is in the way (R114)."""
    market = lab.exchange()
    first, second = pair(
        lab,
        {"m0": lambda s: s.buy("AAPL", 1), "m1": lambda s: s.sell("AAPL", 1, limit=800)},
        {"m3": lambda s: s.buy("AAPL", 2)},
    )
    await market.trader(first, second, minutes=6, journal=lab.journal).run()
    ((code, reason),) = second.refused
    assert code == "R114"
    assert "our own" in reason
    assert (first.position("AAPL"), second.position("AAPL")) == (1, 0)


async def test_more_than_the_account_is_refused(lab: Any) -> None:
    """Sixty and fifty percent: nothing is started."""
    market = lab.exchange()
    first, second = pair(lab, {}, {})
    first.capital = Decimal("0.6")
    with pytest.raises(ConfigError, match="110%"):
        market.trader(first, second, minutes=5, journal=lab.journal)
