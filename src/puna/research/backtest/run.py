"""Backtests: the same strategies, gateway, risk, books and venue as live, on a history of bars and a virtual clock.

    history = bundled_days(["AAPL"], date(2010, 1, 4), date(2012, 12, 31))
    result = run_backtest([MyStrategy()], history, cash=100_000, fills="realistic", seed=7)
    result.equity[-1], result.record.fills

A strategy object is used once. `run_backtests` makes fresh ones and runs all three fill models side by side.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from puna.core import sessions
from puna.core.portfolio import Portfolio, Reason
from puna.core.risk import RiskLimits
from puna.core.types import exact
from puna.engine.entries import Decision, Entry, Evidence, Intent, Refusal
from puna.engine.record import ActionRow, DataRow, EquityPoint, PricePoint, RunRecord
from puna.engine.strategy import Strategy
from puna.engine.timeframe import minutes
from puna.errors import ConfigError
from puna.exchange.account.actions import CorporateEvent
from puna.exchange.account.terms import AccountTerms
from puna.exchange.fees import FeeSchedule
from puna.exchange.option_margin import as_option
from puna.exchange.options import ExchangeConfig
from puna.exchange.orders.book import Honest
from puna.exchange.prices.bars import Timeframe
from puna.exchange.terms import VenueOptions
from puna.research.backtest.bars import BarLoop, Progress
from puna.research.backtest.chain import looked_ahead
from puna.research.backtest.data import History
from puna.research.backtest.differences import differences_of
from puna.research.backtest.equity import equity_of, start_of
from puna.research.backtest.fills import FILLS, Fills
from puna.research.backtest.house import BarHouse
from puna.research.backtest.market import BarMarket, Glass
from puna.research.backtest.stage import VirtualClock
from puna.research.backtest.ticks import is_ticking
from puna.research.backtest.view import HistoryView
from puna.seams import SystemClock

__all__ = ["BacktestResult", "run_backtest", "run_backtests", "venue_options"]

MOST_POINTS = 20_000
INTEREST = Decimal("0.0625")
BORROW = Decimal("0.03")
SELL_OUT = 30
WHOLE_DAY = 390
"""Minutes before the close of its last day at which what cannot be exercised is sold; of bars of a day at the open."""


@dataclass(frozen=True)
class BacktestResult:
    """What one backtest gives.

    Attributes:
        fills: the name of the fill model; `fills_text` is what it assumes.
        times: ns; the beginning, then the end of each bar (once where several symbols' bars end together).
        equity: dollars, cash and positions at the last closes, at those times; NumPy, not thinned.
        bars: how many bars were told.
        seconds: wall time.
        history: what it was run on (`history.source`, `.feed`, `.adjustment`, `.digest`).
        seed: of ids and chance at the venue.
        entries: the journal: every decision with its view of the world, intent, refusal and piece of evidence.
        differences: what differs from live.
        moments: when the portfolio changed, ns, and what it was then.
    """

    fills: str
    fills_text: str
    times: NDArray[np.int64]
    equity: NDArray[np.float64]
    bars: int
    seconds: float
    history: History
    seed: int
    entries: Sequence[Entry]
    differences: Sequence[str]
    moments: Sequence[tuple[int, Portfolio]]
    _make_record: Callable[[], RunRecord]

    @cached_property
    def record(self) -> RunRecord:
        """The run as `puna run` records it, mode "backtest": orders, fills, positions, equity, prices, notes, books.

        The input of every report. Equity and prices are thinned to 20,000 points at most; `times` and `equity` are not.
        """
        record = self._make_record()
        if not self.history.columns:
            return record  # played on the exchange, it has kept its equity and prices itself
        record.equity = [
            EquityPoint(int(self.times[at]), exact(round(float(self.equity[at]), 2)).quantize(Decimal("0.01")))
            for at in _thinned(len(self.times))
        ]
        record.prices = {
            symbol: [
                PricePoint(int(each.known[at]), float(each.close[at]))
                for at in _thinned(len(each), MOST_POINTS // len(self.history.columns))
            ]
            for symbol, each in self.history.columns.items()
        }
        return record

    @property
    def decisions(self) -> list[Decision | Refusal]:
        """What was decided about each order, in order: sent, with the view of the world then, or refused, and why."""
        return [each for each in self.entries if isinstance(each, Decision | Refusal)]

    @property
    def intents(self) -> list[Intent]:
        """Every order that was sent."""
        return [each for each in self.entries if isinstance(each, Intent)]

    @property
    def evidence(self) -> list[Evidence]:
        """What the venue said of them."""
        return [each for each in self.entries if isinstance(each, Evidence)]

    @property
    def profit(self) -> float:
        """The last equity less the first, dollars."""
        return float(self.equity[-1] - self.equity[0])


def run_backtest(
    strategies: Sequence[Strategy],
    history: History,
    *,
    cash: Decimal | int | str = 100_000,
    fills: str | Fills = "realistic",
    seed: int = 7,
    limits: RiskLimits | None = None,
    fees: FeeSchedule | None = FeeSchedule(),  # noqa: B008 - frozen
    options: VenueOptions | None = None,
    netting: bool = True,
    holding: Mapping[str, tuple[Decimal, Decimal]] = MappingProxyType({}),
    progress: Progress = lambda *_: None,
) -> BacktestResult:
    """Runs strategies over a history of bars, and gives equity, orders, fills, decisions and the books.

    Everything an order passes live it passes here: sizing, 28 risk checks, reservation, journal entries, the venue's
    rules of acceptance, matching, ledger, fees, margin, splits, dividends, expiry, reconciliation. A bar is told at its
    end; what is ordered then meets the market from the next bar's open on. The same strategies, history, seed and fill
    model give the same result, to the last bit.

    Args:
        strategies: fresh objects, each with a name of its own (else its class's); a backtest uses them up.
        history: bars of every symbol that they name, of their timeframe, or of "1Min" where they want longer ones.
        cash: what the account begins with.
        fills: optimistic, realistic, pessimistic (`puna.research.backtest.fills`), or a model of your own.
        seed: of the venue's ids.
        limits: risk limits; the defaults suit an account of 100,000.
        fees: what trading costs; None is nothing.
        options: the venue's terms instead of `venue_options(...)`; `cash` and `fees` count for nothing then.
        netting: whether opposite orders of two strategies are crossed inside the account.
        holding: what the account holds at the beginning beside `cash`: symbol -> quantity, average price.
        progress: hears how many bars are done, of how many.

    Raises:
        ConfigError: E674, the strategies and the history do not fit together; E673, no such fill model.
        PunaError: E672, the books do not add up at the end; the result would be worth nothing.
    """
    model = _model(fills)
    wall = SystemClock()
    began = wall.monotonic()
    _check_fit(strategies, history)
    for each in strategies:
        each.name = each.name or type(each).__name__.lower()
    terms = options or venue_options(history, cash=Decimal(cash), fees=fees)
    market = BarMarket(history)
    clock = VirtualClock(start_of(history))
    glasses = {symbol: Glass(symbol, model, sized=bool(each.volume.any())) for symbol, each in history.columns.items()}
    view = HistoryView(market, glasses, clock, looked_ahead(strategies), _warmup(strategies, history))
    house = BarHouse(
        strategies,
        market,
        view,
        clock,
        options=terms,
        limits=_limits(limits or RiskLimits(), history),
        config=ExchangeConfig(seed=seed, cash=terms.cash),
        seed=seed,
        netting=netting,
        check=lambda timeframe: _check_timeframe(timeframe, history),
    )
    loop = BarLoop(house, market, view, glasses, progress)
    for symbol, (_, cost) in holding.items():
        if view.look(symbol) is None:  # until its first bar it is worth what it cost
            price = float(cost)
            market.put(glasses[symbol].step(clock.time, price, price, price, 0.0))
            house.advance(clock.time)
    house.bring(holding)
    house.begin()
    loop.play()
    house.end(over=False)
    ended = clock.time
    house.pass_to(_last_books(market), loop.mark)  # fees, expiries, what was cancelled
    house.close()
    house.check_conservation()
    times, equity = equity_of(history, house.moments, house.owed)
    differences = differences_of(history, ticking=is_ticking(strategies, market))

    def record() -> RunRecord:
        made = house.recorder.record(
            "backtest", ended, (wall_end - began) / 1e9, outcome=house.outcome, state=str(house.state)
        )
        made.symbols, made.strategies = house.desk.symbols, list(house.desk.strategies)
        made.seed = seed
        made.day = sessions.date_of(history.span[0]).isoformat()
        made.fill_model, made.timeframe = model.name, history.timeframe
        made.assumptions = {"fills": model.text, **{f"differs {at}": text for at, text in enumerate(differences, 1)}}
        made.data, made.actions = _data_rows(history), _action_rows(house, history)
        made.equity_end = exact(round(float(equity[-1]), 2))
        return made

    wall_end = wall.monotonic()
    return BacktestResult(
        model.name,
        model.text,
        times,
        equity,
        history.rows,
        (wall_end - began) / 1e9,
        history,
        seed,
        house.journal.entries,
        differences,
        house.moments,
        record,
    )


def run_backtests(
    make: Callable[[], Sequence[Strategy]],
    history: History,
    *,
    fills: Sequence[str | Fills] = tuple(FILLS),
    progress: Progress = lambda *_: None,
    **wanted: Any,
) -> Mapping[str, BacktestResult]:
    """The same under several fill models, side by side; by name.

    Args:
        make: fresh strategies for each.
        history: as for `run_backtest`.
        fills: which models.
        progress: hears how many bars are done, of all models' together.
        **wanted: as for `run_backtest`.
    """
    found: dict[str, BacktestResult] = {}
    total, before = history.rows * len(fills), 0

    def tell(done: int, _: int) -> None:
        progress(before + done, total)

    for each in fills:
        result = run_backtest(make(), history, fills=each, progress=tell, **wanted)
        found[result.fills] = result
        before += history.rows
    return found


def venue_options(history: History, *, cash: Decimal, fees: FeeSchedule | None) -> VenueOptions:
    """The terms of a backtest's venue: no latency but that an order comes after what caused it; what it costs is real.

    Dividends that the history knows are paid, a debit costs margin interest where fees are charged. On bars of a day
    options that cannot be exercised are sold at the open of their last day: half an hour before its end is no bar's.
    """
    actions = tuple(
        CorporateEvent(kind="dividend", symbol=each.symbol, ex_date=each.ex_date, cash=exact(each.cash))
        for each in history.dividends
    )
    account = AccountTerms(
        dividends=bool(actions),
        actions=actions,
        interest=INTEREST if fees else None,
        borrow=BORROW if fees else None,
        option_activities="at_once",
        sell_out_minutes=SELL_OUT if Timeframe.parse(history.timeframe).intraday else WHOLE_DAY,
    )
    return VenueOptions(
        cash=cash,
        fills=Honest(),
        fees=fees,
        ack_ns=1,
        new_ns=0,
        match_ns=1,
        cancel_ns=0,
        replace_ns=0,
        stops_within_quote=False,
        account=account,
    )


def _model(name: str | Fills) -> Fills:
    if isinstance(name, Fills):
        return name
    if name not in FILLS:
        raise ConfigError(
            f"There is no fill model {name[:20]!r}.",
            why=f"there are {', '.join(FILLS)}",
            state="Nothing was run.",
            code="E673",
        )
    return FILLS[name]


def _check_fit(strategies: Sequence[Strategy], history: History) -> None:
    """Whether the strategies can be run on these bars."""
    if not strategies:
        raise _unfit("There is no strategy to run.", "")
    missing = sorted({name for each in strategies for name in each.symbols if name not in history.columns})
    if missing:
        raise _unfit(
            f"The history has no bars of {', '.join(missing[:8])}.",
            f"{history.source} holds {', '.join(history.symbols[:8])}",
        )
    options = {name: option for name in history.columns if (option := as_option(name)) is not None}
    if alone := sorted(name for name, option in options.items() if option.root not in history.columns):
        raise _unfit(
            f"The history has no bars of what {', '.join(alone[:4])} stand on.",
            "options settle at their underlying's bars, and strategies hear these",
        )
    for each in strategies:
        if each.symbols and all(name in options for name in each.symbols):
            raise _unfit(f"{each.name or type(each).__name__} names options only.", "strategies hear bars of stocks")


def _warmup(strategies: Sequence[Strategy], history: History) -> dict[tuple[str, str], int]:
    """Symbol and timeframe -> how many bars, where nobody is told bars of that timeframe as they end."""
    found: dict[tuple[str, str], int] = {}
    told = {history.timeframe, *(each.timeframe for each in strategies)}
    for each in strategies:
        for frame, count in each.warmup.items():
            for symbol in () if frame in told else each.symbols:
                found[symbol, frame] = max(count, found.get((symbol, frame), 0))
    return found


def _check_timeframe(timeframe: str, history: History) -> None:
    """The history's own, or minutes that are made of minutes."""
    if timeframe == history.timeframe:
        return
    made = re.fullmatch(r"([0-9]{1,2})Min", timeframe)
    if history.timeframe != "1Min" or made is None:
        raise _unfit(f"A strategy wants bars of {timeframe}.", f"the history holds bars of {history.timeframe}")
    minutes(timeframe)


def _unfit(what: str, why: str) -> ConfigError:
    return ConfigError(
        what,
        why=why,
        state="Nothing was run.",
        remedy="Name other symbols or days, or get their bars: puna data get.",
        code="E674",
    )


def _last_books(market: BarMarket) -> int:
    """When the venue closes its books for the last time: on the trading day after the bars."""
    day = sessions.day(market.sessions[-1].date)
    assert day is not None  # noqa: S101 - a session is of a trading day
    return day.post_close


def _limits(limits: RiskLimits, history: History) -> RiskLimits:
    """Days end with the session, so what is decided on them waits for the next one."""
    return limits if Timeframe.parse(history.timeframe).intraday else replace(limits, allow_queued=True)


def _data_rows(history: History) -> list[DataRow]:
    return [
        DataRow(
            symbol=symbol,
            source=history.source,
            feed=history.feeds.get(symbol, history.feed),
            timeframe=history.timeframe,
            adjustment=history.adjustment,
            first=int(each.begin[0]),
            last=int(each.begin[-1]),
            bars=len(each),
            digest=history.digest,
        )
        for symbol, each in history.columns.items()
    ]


def _action_rows(house: BarHouse, history: History) -> list[ActionRow]:
    """What moved cash or positions without an order, and every split of raw prices, also of what was not held.

    Fees are a figure of their own; a split that nobody held must not be taken for a gain or a loss either.
    """
    moved = house.gateway.blotter.moved.values()
    rows = [
        ActionRow(ts=each.ts, symbol=each.symbol, kind=str(each.reason), text=each.reference, cash=each.cash)
        for each in moved
        if each.reason not in (Reason.FEE, Reason.FEE_IN_KIND, Reason.SPLIT)
    ]
    first, last = history.span
    rows += [
        ActionRow(ts=ts, symbol=each.symbol, kind="split", text=f"{each.new_rate} for {each.old_rate}", factor=factor)
        for each in history.splits
        for factor in [Decimal(each.new_rate) / each.old_rate]
        if first <= (ts := sessions.at(each.ex_date, time(4))) <= last
    ]
    return sorted(rows, key=lambda row: row.ts)


def _thinned(count: int, most: int = MOST_POINTS) -> Sequence[int]:
    """At most so many of these numbers, evenly, the first and the last among them."""
    if count <= most:
        return range(count)
    return [*np.unique(np.linspace(0, count - 1, max(2, most)).astype(np.int64)).tolist()]
