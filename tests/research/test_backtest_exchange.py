"""Backtests on days of the exchange: options from entry to exercise and assignment, coins, halts, fees, depths."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from puna.core.risk import RiskLimits
from puna.core.symbols import Option
from puna.core.types import Bar, Fill
from puna.engine.strategy import Strategy
from puna.exchange.options import ExchangeConfig
from puna.research.backtest.exchange_days import run_exchange, run_exchanges
from puna.research.backtest.run import BacktestResult

DAY = date(2012, 7, 5)  # a Thursday; options expire on the day after


class Writer(Strategy):
    """Buys a hundred shares and writes a call on them that ends in the money, tomorrow."""

    symbols: Sequence[str] = ("IBM",)
    option_days = {"IBM": 3}  # noqa: RUF012 - as strategies write it
    name = "writer"

    def on_start(self) -> None:
        self.contract = ""
        self.wrote = False
        self.heard: list[Fill] = []

    def on_fill(self, fill: Fill) -> None:
        self.heard.append(fill)

    def on_bar(self, bar: Bar) -> None:
        if not self.contract:
            self.contract = str(self.pick(bar.close))
            self.watch(self.contract)
            self.buy("IBM", 100)
        elif not self.wrote and self.position("IBM") >= 100 and (quote := self.quote(self.contract)):
            self.wrote = True
            self.sell(self.contract, 1, limit=Decimal(repr(quote.bid)))

    def pick(self, price: float) -> Option:
        """A call five percent in the money, of the first expiry."""
        calls = [each for each in self.contracts("IBM") if each.right == "C"]
        first = min(each.expiration for each in calls)
        return max(
            (each for each in calls if each.expiration == first and float(each.strike) < price * 0.95),
            key=lambda each: each.strike,
        )


class Holder(Writer):
    """Buys such a call and holds it."""

    def on_bar(self, bar: Bar) -> None:
        if not self.contract:
            self.contract = str(self.pick(bar.close))
            self.watch(self.contract)
        elif not self.wrote and (quote := self.quote(self.contract)):
            self.wrote = True
            self.buy(self.contract, 1, limit=Decimal(repr(quote.ask)))


def played(kind: type[Writer], **wanted: Any) -> tuple[Writer, BacktestResult]:
    strategy = kind()
    config = ExchangeConfig(day=DAY, days=3, symbols=("IBM",), seed=3)
    return strategy, run_exchange([strategy], config, fills="optimistic", **wanted)


def test_a_written_call_is_assigned_and_the_shares_leave() -> None:
    """After the expiry neither shares nor call are there; the strike was paid, and the books are equal to the cent."""
    writer, result = played(Writer, fees=None)
    record = result.record
    assert {fill.symbol for fill in writer.heard} == {"IBM", writer.contract}
    assert record.positions == []
    assert record.books is not None
    assert record.books.equal
    paid = sum(row.qty * row.price for row in record.fills if row.symbol == "IBM")
    premium = sum(row.qty * row.price * 100 for row in record.fills if row.symbol != "IBM")
    strike = Decimal(writer.contract[-8:]) / 1000 * 100
    assert record.cash == record.start_cash - paid + premium + strike


def test_a_held_call_is_exercised_and_the_shares_come() -> None:
    """In the money at its expiry, it becomes a hundred shares for the strike."""
    holder, result = played(Holder, fees=None)
    record = result.record
    assert [(row.symbol, row.qty) for row in record.positions] == [("IBM", Decimal(100))]
    strike = Decimal(holder.contract[-8:]) / 1000 * 100
    premium = sum(row.qty * row.price * 100 for row in record.fills)
    assert record.cash == record.start_cash - premium - strike


def test_quotes_of_options_are_fresh_enough_at_the_next_bar() -> None:
    """What a strategy sees of a contract when a bar comes is half a minute old at most: no order is refused for it."""

    class Watch(Holder):
        def on_start(self) -> None:
            super().on_start()
            self.ages: list[float] = []

        def on_bar(self, bar: Bar) -> None:
            if self.contract and (quote := self.quote(self.contract)):
                self.ages.append((self.now - quote.ts_event) / 1e9)
            super().on_bar(bar)

    watch = Watch()
    config = ExchangeConfig(day=DAY, days=1, symbols=("IBM",), seed=3)
    record = run_exchange([watch], config, fills="optimistic").record
    assert record.refusals == 0
    assert len(record.fills) == 1
    assert len(watch.ages) > 100
    assert max(watch.ages) <= 31


class Coins(Strategy):
    """Buys a coin when a share's bar comes, and sells it later."""

    symbols = ("IBM", "BTC/USD")
    name = "coins"

    def on_start(self) -> None:
        self.bars = 0

    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        if self.bars == 3:
            self.buy("BTC/USD", "0.1", tif="gtc")
        elif self.bars == 60 and (held := self.position("BTC/USD")):
            self.sell("BTC/USD", held * Decimal("0.9"), tif="gtc")


def test_coins_pay_their_fees_in_coins() -> None:
    """What a purchase brings is less by the fee; the ledger and the books agree about it at the end of the day."""
    config = ExchangeConfig(day=date(2012, 7, 3), symbols=("IBM", "BTC/USD"), seed=5)
    result = run_exchange([Coins()], config, fills="optimistic")
    record = result.record
    assert [row.symbol for row in record.fills][:1] == ["BTC/USD"]
    assert record.books is not None
    assert record.books.equal


def test_coins_are_warmed_up_beside_stocks() -> None:
    """Each kind by its own route: both have the bars of before the first event."""

    class Warm(Coins):
        warmup = {"1Min": 5}  # noqa: RUF012 - as strategies write it

        def on_start(self) -> None:
            super().on_start()
            self.before = {symbol: len(self.history(symbol)) for symbol in self.symbols}

    warm = Warm()
    run_exchange([warm], ExchangeConfig(day=date(2012, 7, 3), symbols=("IBM", "BTC/USD"), seed=5), fills="optimistic")
    assert warm.before == {"IBM": 5, "BTC/USD": 5}


class Greedy(Strategy):
    """Wants more than a quote shows."""

    symbols = ("IBM",)
    name = "greedy"

    def on_start(self) -> None:
        self.asked = False

    def on_bar(self, bar: Bar) -> None:
        if not self.asked:
            self.asked = True
            self.buy(bar.symbol, 250)


def test_less_depth_means_more_parts() -> None:
    """The same order takes as many quotes as the depth of the model asks for."""
    config = ExchangeConfig(day=date(2012, 7, 3), symbols=("IBM",), seed=5)
    limits = RiskLimits(
        max_order_value=Decimal(100_000), max_order_percent=Decimal(100),
        max_position_value=Decimal(100_000), max_position_percent=Decimal(100),
    )  # fmt: skip
    parts = {
        name: len(each.record.fills) for name, each in run_exchanges(lambda: [Greedy()], config, limits=limits).items()
    }
    assert parts["optimistic"] <= parts["realistic"] <= parts["pessimistic"]
    assert parts["pessimistic"] > parts["optimistic"]


def test_an_unknown_model_is_no_model() -> None:
    """There are three."""
    with pytest.raises(KeyError):
        run_exchange([Greedy()], ExchangeConfig(day=DAY, symbols=("IBM",)), fills="magic")
