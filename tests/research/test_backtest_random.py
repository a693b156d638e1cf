"""Strategies that order at random: of every kind, at every moment; books, ledger and result stay sound."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.types import Bar, Fill
from puna.engine.strategy import Strategy
from puna.exchange.data import Split
from puna.research.backtest.data import History, history_of
from puna.research.backtest.fills import FILLS
from puna.research.backtest.run import BacktestResult, run_backtest

MINUTE = 60_000_000_000
_MUCH = Decimal(10_000_000)
WIDE = RiskLimits(
    max_order_value=_MUCH, max_order_percent=_MUCH, max_position_value=_MUCH, max_position_percent=_MUCH,
    max_gross_value=_MUCH, max_gross_percent=_MUCH, max_net_value=_MUCH, max_net_percent=_MUCH,
    max_open_value=_MUCH, max_open_percent=_MUCH, allow_short=True,
)  # fmt: skip
SYMBOLS = (("AAA",), ("AAA", "BBB"), ("BTC/USD",), ("AAA", "BTC/USD"))


def history(rng: random.Random, symbols: tuple[str, ...]) -> History:
    """Two days and a half of walks with gaps and thin minutes; the first stock splits on the second morning."""
    days = sessions.trading_days(date(2012, 11, 20), date(2012, 11, 23))
    bars: dict[str, dict[str, Any]] = {}
    for symbol in symbols:
        grid = [ts for day in days for ts in range(day.open, day.close, 5 * MINUTE) if rng.random() < 0.9]
        if "/" in symbol:
            grid = list(range(days[0].open, days[-1].close, 20 * MINUTE))
        steps = np.array([rng.gauss(0, 0.004) for _ in grid])
        close = np.round(50 * np.exp(np.cumsum(steps)), 2)
        open_ = np.round(np.r_[50.0, close[:-1]] * np.exp([rng.gauss(0, 0.002) for _ in grid]), 2)
        reach = np.array([[rng.random() * 0.4 for _ in grid] for _ in range(2)])
        bars[symbol] = {
            "time": grid,
            "open": open_,
            "close": close,
            "high": np.round(np.maximum(open_, close) + reach[0], 2),
            "low": np.round(np.minimum(open_, close) - reach[1], 2),
            "volume": [rng.choice([0, 50, 500, 100_000]) for _ in grid],
        }
    frame = "5Min" if all("/" not in each for each in symbols) else "20Min"
    if frame == "20Min":
        bars = {symbol: each for symbol, each in bars.items() if "/" in symbol}
    splits = [Split("AAA", days[1].date, 1, 2)] if "AAA" in bars and rng.random() < 0.5 else []
    return history_of(frame, bars, splits=splits)


class Random(Strategy):
    """One bar in four, and one fill in ten, it does something."""

    name = "random"

    def __init__(self, rng: random.Random, bars: History) -> None:
        self.rng = rng
        self.symbols = bars.symbols
        self.timeframe = bars.timeframe
        self.ids: list[str] = []

    def on_bar(self, bar: Bar) -> None:
        if self.rng.random() < 0.25:
            self.act(bar.symbol, bar.close)

    def on_fill(self, fill: Fill) -> None:
        if self.rng.random() < 0.1:
            self.act(fill.symbol, float(fill.price))

    def act(self, symbol: str, price: float) -> None:
        """An order of some kind; what cannot be asked for is let be."""
        rng, coin = self.rng, "/" in symbol
        qty = rng.choice(["0.5", "1.25"] if coin else ["1", "3", "10", "0.5"])
        tif = "gtc" if coin else rng.choice(["day", "gtc"])
        side = rng.choice([self.buy, self.sell])

        def near() -> float:
            return round(price * rng.uniform(0.99, 1.01), 2)

        deeds: list[Callable[[], str | None]] = [
            lambda: side(symbol, qty, tif=tif),
            lambda: side(symbol, qty, limit=near(), tif=tif),
            lambda: side(symbol, qty, stop=near(), tif=tif),
            lambda: side(symbol, qty, trail="0.30", tif=tif),
            lambda: self.buy(symbol, notional=100, tif=tif),
            lambda: self.target(symbol, rng.choice(["0", "0.1", "0.3"])),
            lambda: self.work(symbol, "buy", 10, style="twap", seconds=1800, slices=3),
        ]
        if not coin and "." not in qty:
            deeds.append(
                lambda: self.buy(symbol, qty, take_profit=round(price * 1.01, 2), stop_loss=round(price * 0.99, 2))
            )
        if self.ids:
            deeds += [lambda: self.replace(rng.choice(self.ids), limit=near()), self.withdraw]
        with suppress(ValueError, KeyError):
            if made := rng.choice(deeds)():
                self.ids.append(made)

    def withdraw(self) -> None:
        """Cancels one of its orders."""
        self.cancel(self.rng.choice(self.ids))


def played(seed: int) -> tuple[BacktestResult, int]:
    rng = random.Random(seed)
    bars = history(rng, SYMBOLS[seed % len(SYMBOLS)])
    fees: dict[str, Any] = {} if rng.random() < 0.6 else {"fees": None}
    model = rng.choice(sorted(FILLS))
    return run_backtest([Random(rng, bars)], bars, fills=model, limits=WIDE, seed=seed, **fees), bars.rows


def check(seed: int) -> int:
    """A run whose books do not add up raises by itself (E672)."""
    result, rows = played(seed)
    record = result.record
    assert result.bars == rows
    assert record.outcome == "completed", record.notes
    assert [note for note in record.notes if note.code == "E910"] == []
    assert record.books is not None
    assert record.books.equal
    assert np.isfinite(result.equity).all()
    for row in record.orders:
        assert row.filled_qty <= row.qty or row.type == "market"
        assert row.status not in ("pending", "sent", "in_doubt", "unknown"), row
    return len(record.fills)


def test_a_few_random_days() -> None:
    """Eight seeds over stocks, two stocks, coins: something is filled, and everything adds up."""
    assert sum(check(seed) for seed in range(8)) > 50


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(8, 108))
def test_another_random_day(seed: int) -> None:
    """The same with another seed."""
    check(seed)
