"""A backtest on days of the embedded exchange: its quotes, options and coins instead of bars, with three depths.

What bars leave open is known here: quotes, sizes and the order of prints. A fill model decides only how much of a
quote's size is ours; spread and price are the quote's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from puna.core.risk import RiskLimits
from puna.engine.strategy import Strategy
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.options import ExchangeConfig
from puna.exchange.orders.book import Honest
from puna.research.backtest.data import History
from puna.research.backtest.replay import play_replay
from puna.research.backtest.run import BORROW, INTEREST, BacktestResult

__all__ = ["DEPTHS", "EXCHANGE_DIFFERENCES", "Depth", "run_exchange", "run_exchanges"]


class Depth(NamedTuple):
    """How much of a quote's size is ours, and that in words."""

    share: Decimal
    text: str


DEPTHS: Mapping[str, Depth] = {
    "optimistic": Depth(Decimal(1), "all that a quote shows is ours"),
    "realistic": Depth(Decimal("0.5"), "half of what a quote shows is ours, the rest waits for the next quote"),
    "pessimistic": Depth(Decimal("0.1"), "a tenth of what a quote shows is ours, the rest waits for the next quote"),
}

EXCHANGE_DIFFERENCES = (
    "The days are real, the way through each day, its quotes and its options are invented by a seed.",
    "Our own orders do not move the market.",
    "No connection drops, no answer gets lost, no rate limit holds an order back.",
)
"""What differs from live, for the report."""


def run_exchange(
    strategies: Sequence[Strategy],
    config: ExchangeConfig,
    *,
    fills: str = "realistic",
    limits: RiskLimits | None = None,
    fees: FeeSchedule | None = FeeSchedule(),  # noqa: B008 - frozen
    netting: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> BacktestResult:
    """Runs strategies over days of the exchange, options and coins included; the result is as `run_backtest`'s.

    Args:
        strategies: fresh objects, each with a name of its own.
        config: days, symbols, seed, cash, halts; its venue's fills and fees are those named here.
        fills: optimistic, realistic, pessimistic: see `DEPTHS`.
        limits: risk limits.
        fees: what trading costs; None is nothing.
        netting: as in `puna run`.
        progress: hears how many minutes of market time are over, of how many.

    Raises:
        KeyError: no such fill model.
        DataError: a symbol without prices, or a day without data.
        PunaError: E672, the books do not add up.
    """
    depth = DEPTHS[fills]
    account: AccountTerms = replace(
        config.venue.account, interest=INTEREST if fees else None, borrow=BORROW if fees else None,
        option_activities="at_once",
    )  # fmt: skip
    venue = replace(config.venue, fills=Honest(depth.share), fees=fees, account=account)
    for each in strategies:
        each.name = each.name or type(each).__name__.lower()
    record, house = play_replay(
        strategies, replace(config, venue=venue), limits or RiskLimits(), netting=netting, night=True,
        progress=progress,
    )  # fmt: skip
    record.fill_model = fills
    record.timeframe = "1Min"
    record.assumptions = {
        "fills": depth.text,
        **{f"differs {number}": text for number, text in enumerate(EXCHANGE_DIFFERENCES, 1)},
    }
    history = History("1Min", {}, f"days of the exchange, seed {config.seed}")
    return BacktestResult(
        fills,
        depth.text,
        np.array([point.ts for point in record.equity], dtype=np.int64),
        np.array([float(point.equity) for point in record.equity]),
        sum(len(points) for points in record.prices.values()),
        record.elapsed_seconds,
        history,
        config.seed,
        house.journal.entries,
        EXCHANGE_DIFFERENCES,
        house.moments,
        lambda: record,
    )


def run_exchanges(
    make: Callable[[], Sequence[Strategy]],
    config: ExchangeConfig,
    *,
    fills: Sequence[str] = tuple(DEPTHS),
    limits: RiskLimits | None = None,
    fees: FeeSchedule | None = FeeSchedule(),  # noqa: B008 - frozen
    netting: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, BacktestResult]:
    """The same under several depths, side by side; by name."""
    found: dict[str, BacktestResult] = {}

    def tell(done: int, total: int) -> None:
        progress(len(found) * total + done, len(fills) * total)

    for each in fills:
        found[each] = run_exchange(make(), config, fills=each, limits=limits, fees=fees, netting=netting, progress=tell)
    return found
