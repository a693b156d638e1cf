"""Protections in a trading process: set off by what happens, durable, ended by time or by a person."""

from decimal import Decimal
from typing import Any

from puna.core.risk import RiskLimits

D = Decimal


async def run(
    lab: Any, market: Any, limits: RiskLimits, minutes: int, resume: bool = False, **deeds: Any
) -> tuple[Any, Any]:
    strategy = lab.scripted(**deeds)
    strategy.symbols = ("AAPL", "MSFT")
    trader = market.trader(strategy, minutes=minutes, journal=lab.journal, limits=limits, resume=resume)
    await trader.run()
    return strategy, trader


async def test_a_daily_loss_stops_new_risk_and_lets_reductions_pass(lab: Any) -> None:
    """The first tick against the position is a loss of more than a cent: no more buying, selling out passes."""
    market = lab.exchange()
    limits = RiskLimits(max_daily_loss_value=D("0.01"))
    strategy, trader = await run(
        lab, market, limits, 40,
        m1=lambda s: s.buy("AAPL", 50), m30=lambda s: s.buy("AAPL", 1), m35=lambda s: s.sell("AAPL", 50),
    )  # fmt: skip
    assert [code for code, _ in strategy.refused] == ["R121"]
    assert "daily_loss" in strategy.refused[0][1]
    assert trader.gateway.blotter.portfolio.qty("AAPL") == 0
    assert ("", "daily_loss") in trader.gateway.blotter.locks
    assert any(note.code == "R121" for note in trader.gateway.blotter.notes)


async def test_a_lock_outlives_the_process_and_a_person_ends_it(lab: Any) -> None:
    """A drawdown is there after the restart; `resume` ends it, and the equity of then is looked at anew."""
    market = lab.exchange()
    limits = RiskLimits(max_drawdown_percent=D("0.0001"))
    await run(lab, market, limits, 20, m1=lambda s: s.buy("AAPL", 50), m15=lambda s: s.sell("AAPL", 50))
    strategy, _ = await run(lab, market, limits, 25, m22=lambda s: s.buy("AAPL", 1))
    assert [code for code, _ in strategy.refused] == ["R121"]
    strategy, trader = await run(lab, market, RiskLimits(), 30, resume=True, m27=lambda s: s.buy("AAPL", 1))
    assert strategy.refused == []
    assert trader.gateway.blotter.locks == {}


async def test_losing_trades_in_a_row_cool_a_strategy_down(lab: Any) -> None:
    """Buying at the ask and selling at the bid loses each time: after two, the third purchase waits."""
    market = lab.exchange()
    limits = RiskLimits(max_losses_in_a_row=2, cooldown_seconds=600)
    deeds = {f"m{2 * n + 1}": (lambda s: s.buy("AAPL", 1)) for n in range(10)}
    sells = {
        f"m{2 * n + 2}": (lambda s: s.sell("AAPL", s.position("AAPL")) if s.position("AAPL") else None)
        for n in range(10)
    }
    strategy, trader = await run(lab, market, limits, 30, **(deeds | sells))
    tally = trader.gateway.guard.tally
    assert tally is not None
    assert strategy.refused
    assert {code for code, _ in strategy.refused} == {"R121"}
    lock = trader.gateway.blotter.locks["strategy:scripted", "losses_in_a_row"]
    assert lock.until > lab.OPEN


async def test_nothing_is_counted_without_a_limit(lab: Any) -> None:
    """No protection configured: no tally in the journal, and none in decisions."""
    market = lab.exchange()
    _, trader = await run(lab, market, RiskLimits(), 5, m1=lambda s: s.buy("AAPL", 1))
    assert trader.gateway.blotter.tally is None


async def test_a_strategy_that_repeats_itself_is_stopped(lab: Any) -> None:
    """More orders in a symbol than allowed within the window: R125."""
    market = lab.exchange()
    limits = RiskLimits(max_repeats=2)
    deeds: dict[str, Any] = {f"m{n}": (lambda s: s.buy("AAPL", 1)) for n in range(1, 6)}
    strategy, _ = await run(lab, market, limits, 10, **deeds)
    assert [code for code, _ in strategy.refused] == ["R125"] * 3
    assert len(market.orders()) == 2


async def test_a_position_without_a_stop_stops_its_strategy(lab: Any) -> None:
    """Row 25: too long without one: told once, nothing is opened, a stop passes; with it the strategy opens again."""
    market = lab.exchange()
    limits = RiskLimits(max_unprotected_seconds=120.0)
    strategy, trader = await run(
        lab, market, limits, 20,
        m1=lambda s: s.buy("AAPL", 10), m2=lambda s: s.buy("AAPL", 1), m8=lambda s: s.buy("MSFT", 1),
        m9=lambda s: s.sell("AAPL", 6, stop="600"), m12=lambda s: s.buy("MSFT", 2),
        m13=lambda s: s.sell("AAPL", 5, stop="600"), m15=lambda s: s.buy("MSFT", 3, stop_loss="20", take_profit="60"),
    )  # fmt: skip
    assert [code for code, _ in strategy.refused] == ["R129", "R129"]
    assert len([note for note in trader.gateway.blotter.notes if note.code == "R129"]) == 1
    assert trader.gateway.blotter.portfolio.qty("MSFT") == 3


async def test_watched_exits_are_cover_too(lab: Any) -> None:
    """A trail that Puna watches covers what it protects; what was bought beside it has a minute to get its own."""
    market = lab.exchange()
    limits = RiskLimits(max_unprotected_seconds=60.0)
    strategy, trader = await run(
        lab, market, limits, 12,
        m1=lambda s: s.buy("AAPL", 10), m2=lambda s: s.protect("AAPL", trail_percent=5, take_profit=900),
        m6=lambda s: s.buy("MSFT", 1), m10=lambda s: s.buy("MSFT", 2),
    )  # fmt: skip
    assert [each.begun.parent.symbol for each in trader.gateway.blotter.working.values()] == ["AAPL"]
    assert [code for code, _ in strategy.refused] == ["R129"]


async def test_orders_that_do_not_fill_lock_their_strategy(lab: Any) -> None:
    """Row 28: more than ten orders for each fill, from the twentieth on: locked until tomorrow; selling out passes."""
    market = lab.exchange()
    limits = RiskLimits(max_orders_per_fill=D(10))
    deeds: dict[str, Any] = {
        f"m{n}": (lambda s, n=n: s.buy("AAPL", 1, limit=D(600) + n, tif="ioc")) for n in range(2, 27)
    }
    strategy, trader = await run(
        lab, market, limits, 40,
        m1=lambda s: s.buy("AAPL", 1), m30=lambda s: s.sell("AAPL", 1), **deeds,
    )  # fmt: skip
    assert {code for code, _ in strategy.refused} == {"R121"}
    assert "20 orders of today brought 1 fills" in strategy.refused[0][1]
    assert len(market.orders()) == 21
    assert trader.gateway.blotter.portfolio.qty("AAPL") == 0
    lock = trader.gateway.blotter.locks["strategy:scripted", "orders_per_fill"]
    assert lock.until > lab.CLOSE
