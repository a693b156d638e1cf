"""Absolute ceilings of a live account in the gateway, who takes no limits above them from anybody."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from puna.core.risk import RiskLimits
from puna.engine.storage import owner
from puna.errors import ConfigError

NAMED = RiskLimits(allowed=("AAPL",))
HIGH = msgspec.structs.replace(NAMED, max_gross_value=Decimal(10_000_001))


@pytest.mark.parametrize("limits", [HIGH, RiskLimits(), None])
async def test_a_live_gateway_is_not_made_above_a_ceiling(lab: Any, limits: RiskLimits | None) -> None:
    """Nothing starts, and the journal is free again; the same limits do on paper."""
    market = lab.exchange()
    with pytest.raises(ConfigError, match="live account") as caught:
        market.trader(lab.scripted(), mode="live", limits=limits, journal=lab.journal)
    assert caught.value.exit_code == 3
    assert "max_gross_value is 10000001" in caught.value.why or "allowed" in caught.value.why
    assert owner(lab.journal) is None
    assert market.trader(lab.scripted(), mode="paper", limits=limits).gateway.limits == (limits or RiskLimits())


async def test_limits_that_are_lifted_while_it_trades_are_not_taken(lab: Any) -> None:
    """From whoever they come: the old ones stay in force, and an order above them is still refused."""
    market = lab.exchange()
    limits = msgspec.structs.replace(NAMED, max_order_value=Decimal(5000))
    refused: list[str] = []

    def lift(strategy: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            trader.gateway.limits = HIGH
        refused.append(caught.value.why)
        strategy.buy("AAPL", 10)

    strategy = lab.scripted(m1=lift)
    trader = market.trader(strategy, mode="live", limits=limits, minutes=4)
    await trader.run()
    assert "at most 10000000" in refused[0]
    assert trader.gateway.limits == limits
    assert [code for code, _ in strategy.refused] == ["R106"]
    assert market.orders() == []


async def test_the_address_decides_too(lab: Any) -> None:
    """Whatever the mode is called, an address that is neither paper nor loopback counts as live."""
    endpoints = lab.exchange().endpoints
    assert not endpoints.live
    assert not type(endpoints).paper().live
    elsewhere = replace(endpoints)
    object.__setattr__(elsewhere, "trading", "https://api.alpaca.markets")
    assert elsewhere.live
