"""Options on bars: single legs and packages from entry to expiry, each P&L worked out beside it to the cent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.types import Bar, Fill, Leg, OrderIntent, Side
from puna.engine.strategy import Strategy
from puna.errors import ConfigError
from puna.exchange.data import Split
from puna.research.backtest.data import History, history_of
from puna.research.backtest.run import BacktestResult, run_backtest
from puna.research.report.run_report import html, report

THURSDAY, FRIDAY = date(2024, 3, 14), date(2024, 3, 15)
MINUTE = 60_000_000_000
STOCK = "AAPL"
C170, C180, P170 = "AAPL240315C00170000", "AAPL240315C00180000", "AAPL240315P00170000"
LIMITS = RiskLimits(
    max_order_value=Decimal(1_000_000), max_order_percent=Decimal(1000),
    max_position_value=Decimal(1_000_000), max_position_percent=Decimal(1000),
    max_gross_percent=Decimal(1000), max_net_percent=Decimal(1000), max_open_percent=Decimal(1000),
)  # fmt: skip

Prices = Mapping[int, float] | Sequence[float]


def minutes_of(bars: Mapping[str, Sequence[Prices]], volume: float = 1000) -> History:
    """Bars of one price each, from the open of Thursday and of Friday on: a day's prices, or minute -> price."""
    columns = {}
    for symbol, days in bars.items():
        times, prices = [], []
        for on, told in zip((THURSDAY, FRIDAY), days, strict=False):
            open_ = sessions.trading_days(on, on)[0].open
            known = told if isinstance(told, Mapping) else dict(enumerate(told))
            times += [open_ + minute * MINUTE for minute in known]
            prices += list(known.values())
        row = np.array(prices, dtype=float)
        columns[symbol] = {
            "time": times,
            "volume": [volume] * len(row),
            **dict.fromkeys(("open", "high", "low", "close"), row),
        }
    return history_of("1Min", columns)


class Script(Strategy):
    """Does something at given bars of the stock: number -> what."""

    symbols: Sequence[str] = (STOCK, C170, C180)
    name = "script"

    def __init__(self, deeds: Mapping[int, Callable[["Script"], Any]], symbols: Sequence[str] = ()) -> None:
        self.symbols = symbols or type(self).symbols
        self.deeds = deeds
        self.bars: list[Bar] = []
        self.fills: list[Fill] = []
        self.refused: list[tuple[str, str]] = []

    def on_bar(self, bar: Bar) -> None:
        self.bars.append(bar)
        if deed := self.deeds.get(len(self.bars) - 1):
            deed(self)

    def on_fill(self, fill: Fill) -> None:
        self.fills.append(fill)

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:
        self.refused.append((code, reason))


def play(
    history: History, deeds: Mapping[int, Callable[[Script], Any]], **wanted: Any
) -> tuple[Script, BacktestResult]:
    script = Script(deeds, history.symbols)
    return script, run_backtest([script], history, **{"fees": None, "limits": LIMITS, "fills": "optimistic", **wanted})


def test_a_covered_call_that_ends_in_the_money_is_assigned() -> None:
    """Shares at 172, the call for 4.10, the shares leave for the strike: 172 - 4.10 is paid, 170 comes back."""
    history = minutes_of({STOCK: [[172.0] * 5, [175.0] * 5], C170: [[4.1] * 5, [5.0] * 5]})
    script, result = play(history, {0: lambda s: s.buy(STOCK, 100), 2: lambda s: s.sell(C170, 1, limit="4.10")})
    record = result.record
    assert script.refused == []
    assert [(row.symbol, row.side, row.qty, row.price) for row in record.fills] == [
        (STOCK, "buy", Decimal(100), Decimal(172)), (C170, "sell", Decimal(1), Decimal("4.1"))
    ]  # fmt: skip
    assert record.positions == []
    assert record.cash == 100_000 - 17_200 + 410 + 17_000
    assert result.equity[-1] == pytest.approx(100_210)
    assert {row.kind for row in record.actions} >= {"assignment"}


def call_spread(*, sell: str = C180, buy: str = C170) -> list[Leg]:
    return [Leg(symbol=buy, side=Side.BUY, ratio=1), Leg(symbol=sell, side=Side.SELL, ratio=1)]


@pytest.mark.parametrize(("last", "worth"), [(165.0, 0), (176.5, 650), (190.0, 1000)])
def test_a_vertical_held_to_expiry_is_worth_what_lies_between_its_strikes(last: float, worth: int) -> None:
    """Bought for 4.00 - 1.50; at the end it brings its intrinsic value, by cash or through shares, to the cent.

    With only the lower call in the money shares come for its strike, and are worth the last price.
    """
    stock = [[172.0] * 5, [172.0, last, last]]
    history = minutes_of({STOCK: stock, C170: [[4.0] * 5, [4.0]], C180: [[1.5] * 5, [1.5]]})
    script, result = play(history, {0: lambda s: s.package(call_spread(), 1, limit="2.50")})
    record = result.record
    assert script.refused == []
    assert sorted((row.symbol, row.side, row.price) for row in record.fills) == [
        (C170, "buy", Decimal(4)), (C180, "sell", Decimal("1.5"))
    ]  # fmt: skip
    shares = {row.symbol: row.qty for row in record.positions}
    assert shares == ({STOCK: Decimal(100)} if worth == 650 else {})
    held = Decimal(repr(last)) * shares.get(STOCK, Decimal(0))
    assert record.cash + held == 100_000 - 250 + worth
    assert record.equity_end == 100_000 - 250 + worth


def test_what_is_held_is_marked_at_its_last_bar() -> None:
    """Equity after each bar is cash, shares and contracts at their last closes; a contract without a bar keeps its."""
    later = "AAPL240621C00170000"
    history = minutes_of({STOCK: [[172.0, 172, 173, 174]], later: [{0: 4.0, 1: 4.1, 2: 4.6}]})
    _, result = play(history, {0: lambda s: s.buy(later, 2, limit="5.00")})
    paid = 2 * 410
    assert result.equity.tolist() == pytest.approx(
        [100_000, 100_000, 100_000, 100_000 - paid + 920, 100_000 - paid + 920]
    )


def test_a_package_waits_for_a_minute_in_which_all_its_legs_trade() -> None:
    """Ordered after the first bar; one leg's next bar comes in the third, where both opens are met, and not before."""
    history = minutes_of(
        {STOCK: [[172.0] * 6], C170: [[4.0, 4.0, 4.0, 4.2, 4.0, 4.0]], C180: [{0: 1.5, 3: 1.4, 5: 1.5}]}
    )
    script, result = play(history, {0: lambda s: s.package(call_spread(), 1, limit="2.90")})
    assert script.refused == []
    open_ = sessions.trading_days(THURSDAY, THURSDAY)[0].open
    assert [(row.symbol, row.price, (row.ts - open_) // MINUTE) for row in result.record.fills] == [
        (C170, Decimal("4.2"), 3), (C180, Decimal("1.4"), 3)
    ]  # fmt: skip


def test_a_package_that_never_meets_its_limit_expires() -> None:
    """Its net price stays above the limit all day, though each leg alone has its price at some time."""
    history = minutes_of({STOCK: [[172.0] * 4, [172.0]], C170: [[4.0, 3.0, 4.0, 3.0]], C180: [[1.5, 0.4, 1.5, 0.4]]})
    script, result = play(history, {0: lambda s: s.package(call_spread(), 1, limit="2.40")})
    assert script.refused == []
    assert result.record.fills == []
    assert result.record.orders[0].status in ("expired", "canceled")


def test_an_order_for_a_contract_without_bars_waits_for_one() -> None:
    """The next bar of the contract is ten minutes away: it fills there, at that price."""
    history = minutes_of({STOCK: [[172.0] * 15], C170: [{0: 4.0, 11: 4.4}]})
    _, result = play(history, {0: lambda s: s.buy(C170, 1)})
    assert [row.price for row in result.record.fills] == [Decimal("4.4")]


def test_a_contract_that_has_not_traded_for_long_is_a_stale_quote() -> None:
    """A quarter of an hour after its last bar no new order is decided on it; for a minute longer it still is."""
    history = minutes_of({STOCK: [[172.0] * 30], C170: [{0: 4.0, 29: 4.0}]})
    script, _ = play(history, {14: lambda s: s.buy(C170, 1, limit="3.00"), 18: lambda s: s.buy(C170, 1, limit="3.00")})
    assert [code for code, _ in script.refused] == ["R110"]
    assert "too old" in script.refused[0][1]


def test_a_bought_call_ends_at_the_close_and_not_at_what_comes_after_it() -> None:
    """At 16:00 it is a dollar in the money and becomes shares, though after-hours fall below the strike."""
    friday = {**dict.fromkeys(range(390), 171.0), 400: 160.0}
    history = minutes_of({STOCK: [[172.0] * 3, friday], C170: [[4.0] * 3, {0: 1.0}]})
    _, result = play(history, {0: lambda s: s.buy(C170, 1)})
    record = result.record
    assert [(row.symbol, row.qty) for row in record.positions] == [(STOCK, Decimal(100))]
    assert record.cash == 100_000 - 400 - 17_000
    assert record.equity_end == 100_000 - 400 - 17_000 + 16_000


def test_a_put_out_of_the_money_ends_worthless() -> None:
    """What was paid for it is gone, and the expiry is told as an action."""
    history = minutes_of({STOCK: [[172.0] * 3, [171.0] * 3], P170: [[1.2] * 3]})
    _, result = play(history, {0: lambda s: s.buy(P170, 3)})
    assert result.record.positions == []
    assert result.record.cash == 100_000 - 360
    assert "expiry" in {row.kind for row in result.record.actions}


def test_a_call_that_cannot_be_paid_for_is_sold_half_an_hour_before_its_end() -> None:
    """An account of 1,000 cannot buy a hundred shares: the contract is sold at the first bar after half past three."""
    history = minutes_of({STOCK: [[172.0] * 3, [175.0] * 390], C170: [[4.0] * 3, [5.0] * 361 + [6.0] * 29]})
    _, result = play(history, {0: lambda s: s.buy(C170, 1)}, cash=1_000)
    assert [(row.symbol, row.qty, row.price) for row in result.record.fills] == [
        (C170, Decimal(1), Decimal(4)), (C170, Decimal(1), Decimal(5))
    ]  # fmt: skip
    assert result.record.cash == 1_000 - 400 + 500


def test_on_daily_bars_it_is_sold_at_the_open_of_its_last_day() -> None:
    """Half an hour before the close is inside of the day's bar: the contract goes at the open, for 6."""
    days = sessions.trading_days(date(2024, 3, 13), FRIDAY)
    times = [sessions.at(day.date, time()) for day in days]
    rows = {STOCK: [(172.0, 175.0)] * 3, C170: [(4.0, 4.0), (4.0, 5.0), (6.0, 4.0)]}
    columns = {}
    for symbol, prices in rows.items():
        opens, closes = np.array(prices).T
        four = {"open": opens, "high": np.maximum(opens, closes), "low": np.minimum(opens, closes), "close": closes}
        columns[symbol] = {"time": times, "volume": [1000.0] * 3, **four}
    script = Script({0: lambda s: s.buy(C170, 1, limit="4.00")}, [STOCK, C170])
    script.timeframe = "1Day"
    result = run_backtest(
        [script], history_of("1Day", columns), fees=None, limits=LIMITS, fills="optimistic", cash=1_000
    )
    assert [row.price for row in result.record.fills] == [Decimal(4), Decimal(6)]
    assert result.record.cash == 1_000 - 400 + 600


def test_an_uncovered_call_is_refused() -> None:
    """Without shares a written call has no cover: risk or the venue says no, and nothing is sold."""
    history = minutes_of({STOCK: [[172.0] * 4], C170: [[4.0] * 4]})
    _, result = play(history, {0: lambda s: s.sell(C170, 1)})
    assert result.record.fills == []
    assert result.record.orders[0].status == "refused"


def test_contracts_are_listed_until_they_end() -> None:
    """Those of the history within the days that were asked for, a strategy that names none of them among it."""
    later = "AAPL240322C00170000"
    history = minutes_of({STOCK: [[172.0] * 3, [171.0] * 3], C170: [[4.0]], P170: [[1.0]], later: [[5.0]]})
    seen: list[list[str]] = []
    script = Script(dict.fromkeys(range(6), lambda s: seen.append([str(each) for each in s.contracts(STOCK)])), [STOCK])
    script.option_days = {STOCK: 3}
    run_backtest([script], history)
    assert seen == [[C170, P170]] * 6


@pytest.mark.parametrize("symbols", [[C170], [STOCK, "MSFT240315C00400000"]])
def test_options_without_their_underlying_are_refused(symbols: list[str]) -> None:
    """They settle at its bars, and strategies hear it: E674."""
    history = minutes_of({symbol: [[5.0] * 3] for symbol in symbols})
    with pytest.raises(ConfigError) as caught:
        run_backtest([Script({}, symbols)], history)
    assert caught.value.code == "E674"


def test_what_is_held_at_the_end_stands_in_the_report_with_its_greeks() -> None:
    """Shares and a written call that outlive the bars: their worth, a delta between none and all, and how they end."""
    later = "AAPL240621C00170000"
    history = minutes_of({STOCK: [[172.0] * 5, [172.0] * 3], later: [[8.0] * 5, [8.0] * 3]})
    _, result = play(history, {0: lambda s: s.buy(STOCK, 100), 2: lambda s: s.sell(later, 1, limit="8.00")})
    (row,) = result.record.holdings
    assert (row.underlying, row.spot, row.shares) == (STOCK, Decimal(172), Decimal(100))
    assert [(line.symbol, line.qty, line.value) for line in row.lines] == [(later, Decimal(-1), Decimal(-800))]
    assert -100 < row.lines[0].greeks["delta"] < 0
    assert row.greeks["delta"] == pytest.approx(100 + row.lines[0].greeks["delta"])
    assert [(each.symbol, each.outcome, each.cash) for each in row.ends] == [(later, "assigned", Decimal(17_000))]
    assert b"Held at the end" in html(report(result.record))


@pytest.mark.parametrize(("fills", "price"), [("optimistic", 4.0), ("realistic", 4.04), ("pessimistic", 4.08)])
def test_the_spread_of_options_is_a_part_of_their_price(fills: str, price: float) -> None:
    """A hundredth of it on each side, twice that for the pessimist; packages pay it on every leg."""
    history = minutes_of({STOCK: [[172.0] * 4], C170: [[4.0] * 4], C180: [[1.0] * 4]})
    deeds = {0: lambda s: s.buy(C170, 1), 1: lambda s: s.package(call_spread(), 1, limit="3.50")}
    _, result = play(history, deeds, fills=fills)
    half = price / 4 - 1
    assert [float(row.price) for row in result.record.fills] == pytest.approx([price, price, 1 - half], abs=1e-9)


def test_a_bar_of_few_contracts_gives_one() -> None:
    """A tenth of three is none, but somebody traded: one of two contracts in each bar."""
    history = minutes_of({STOCK: [[172.0] * 4], C170: [[4.0] * 4]}, volume=3)
    _, result = play(history, {0: lambda s: s.buy(C170, 2)}, fills="realistic")
    assert [row.qty for row in result.record.fills] == [1, 1]


def test_a_credit_spread_needs_what_it_may_lose() -> None:
    """Ten dollars between the strikes less 2.50 of credit: an account of 900 carries one package, and not two."""
    history = minutes_of({STOCK: [[172.0] * 4, [165.0] * 4], C170: [[4.0] * 4], C180: [[1.5] * 4]})
    sold = call_spread(buy=C180, sell=C170)
    one, result = play(history, {0: lambda s: s.package(sold, 1, limit="-2.50")}, cash=900)
    two, refused = play(history, {0: lambda s: s.package(sold, 2, limit="-2.50")}, cash=900)
    assert one.refused == []
    assert result.record.cash == 900 + 250
    assert refused.record.fills == []
    assert [code for code, _ in two.refused] == ["R113"]


def test_warm_up_brings_bars_of_contracts_too() -> None:
    """What a strategy asks for before its first bar it gets of every symbol that it names, each from its own route."""
    history = minutes_of({STOCK: [[172.0] * 3, [173.0] * 3], C170: [[4.0] * 3, [5.0] * 3]}).between(FRIDAY, None)
    script = Script({}, [STOCK, C170])
    script.warmup = {"1Min": 2}
    known: dict[str, list[float]] = {}
    script.deeds = {0: lambda s: known.update({each: [bar.close for bar in s.history(each)] for each in s.symbols})}
    run_backtest([script], history)
    assert known == {STOCK: [172.0, 172.0, 173.0], C170: [4.0, 4.0, 5.0]}


@pytest.mark.parametrize("waits", [False, True])
def test_at_a_stock_s_bar_its_contracts_are_as_new_as_it(waits: bool) -> None:
    """The quote of a contract at a bar's end is of its bar that ended then, whether or not an order is open."""
    history = minutes_of({STOCK: [[172.0] * 5], C170: [[4.0, 4.1, 4.2, 4.3, 4.4]]})
    seen: list[float] = []

    def look(script: Script) -> None:
        quote = script.quote(C170)
        assert quote is not None
        seen.append(quote.bid)
        if waits and len(seen) == 1:
            script.buy(STOCK, 1, limit="160")

    play(history, dict.fromkeys(range(5), look))
    assert seen == [4.0, 4.1, 4.2, 4.3, 4.4]


@pytest.mark.parametrize(("last", "end"), [(88.0, 100_200), (80.0, 99_600)])
def test_a_split_makes_two_contracts_of_one_and_equity_stays(last: float, end: int) -> None:
    """A call at 170 becomes two at 85, which have no bars: their cost counts until their end at the last price."""
    history = minutes_of({STOCK: [[172.0] * 3, [88.0, 88.0, last]], C170: [[4.0] * 3]})
    history = replace(history, splits=(Split(STOCK, FRIDAY, 1, 2),))
    _, result = play(history, {0: lambda s: s.buy(C170, 1)})
    assert result.equity.tolist() == pytest.approx([*[100_000] * 6, end])
