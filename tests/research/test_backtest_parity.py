"""Parity: a day over sockets and the same day in one process are the same; on bars what differs is named."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.cli.demo_strategies import Condor
from puna.cli.run_live import exchange_config, run_team
from puna.config import Config, SimSection
from puna.core.types import Bar, Fill
from puna.engine.heard import HEARD, read_heard
from puna.engine.record import PositionRow
from puna.engine.strategy import Strategy
from puna.exchange.options import ExchangeConfig
from puna.research.backtest.data import bundled_minutes
from puna.research.backtest.recorded_run import RECORDED, books_at_start, history_heard
from puna.research.backtest.replay import run_replay
from puna.research.backtest.run import run_backtest
from puna.research.checks.parity import compared

DAY = date(2012, 7, 3)  # closes at 13:00


class Busy(Strategy):
    """Orders of many kinds, driven by bars and fills."""

    symbols = ("IBM", "MSFT")
    name = "busy"
    warmup = {"1Day": 5}  # noqa: RUF012 - as strategies write it

    def on_start(self) -> None:
        self.bars = 0
        self.resting = ""

    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        if bar.symbol == "MSFT":
            self.target("MSFT", "0.2" if bar.close > bar.open else 0, because="it rose")
        elif self.bars % 20 < 2 and not self.position("IBM"):
            self.buy("IBM", 20, take_profit=round(bar.close * 1.001, 2), stop_loss=round(bar.close * 0.999, 2))
        elif self.bars % 50 < 2:
            self.resting = self.buy("IBM", 5, limit=round(bar.close * 0.995, 2))
        elif self.resting and self.cancel(self.resting):
            self.resting = ""

    def on_fill(self, fill: Fill) -> None:
        self.last = fill.price


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = Config(sim=SimSection(day=DAY, symbols=("IBM", "MSFT")))
    folder: Path = tmp_path_factory.mktemp("parity")
    live, _ = run_team(config, [Busy()], folder, resume=False, accept_books=False, as_json=True)
    live.assumptions["folder"] = str(folder)
    replay = run_replay([Busy()], exchange_config(config, None), limits=config.risk)
    return live, replay


def test_sockets_change_nothing(both: Any) -> None:
    """Every decision, id, end and fill of the run over HTTP and WebSocket is that of the run in one process."""
    live, replay = both
    found = compared(live, replay, ("sockets", "process"), same_market=True)
    assert found.differences == ()
    assert found.same_decisions
    assert found.same_fills
    assert found.decisions[0] > 100
    assert found.fills[0] > 50
    assert [row.client_order_id for row in live.orders] == [row.client_order_id for row in replay.orders]
    assert [row.ts_decision for row in live.orders] == [row.ts_decision for row in replay.orders]
    assert live.equity_end == replay.equity_end


def test_bars_decide_the_same_where_only_bars_decide(both: Any) -> None:
    """On the minutes of that day the same targets are wanted in the same minutes; sizes and prices are explained."""
    live, _ = both
    history = bundled_minutes(["IBM", "MSFT"], DAY, 1)
    bars = run_backtest([Busy()], history, fees=None, seed=7)
    found = compared(live, bars.record, ("sockets", "bars"), same_market=False)
    wanted = [[(row.ts_decision // 60_000_000_000, row.side) for row in record.orders if row.symbol == "MSFT"]
              for record in (live, bars.record)]  # fmt: skip
    assert wanted[0] == wanted[1]
    assert found.differences
    assert all(each.why for each in found.differences)


def test_bars_that_a_run_heard_give_its_day_again(both: Any) -> None:
    """On recorded bars and quotes: the same targets in the same sizes at the same prices; the rest is explained."""
    live, _ = both
    file = Path(live.assumptions["folder"]) / HEARD
    history = history_heard(read_heard(file.read_bytes(), str(file)), "a run")
    cash, holding = books_at_start(live)
    assert (cash, holding) == (live.start_cash, {})
    bars = run_backtest([Busy()], history, cash=cash, fees=None, fills=RECORDED)
    found = compared(live, bars.record, ("sockets", "bars"), same_market=False)
    assert found.unexplained == ()
    assert found.score > 0.7
    early = [row for row in found.differences if row.ts < live.orders[40].ts_decision]
    assert len(early) < 10


def test_what_a_run_held_before_is_found_from_its_end(both: Any) -> None:
    """Positions at the end, less what was traded, are those of the beginning."""
    live, _ = both
    kept = PositionRow(symbol="MSFT", qty=Decimal(50), cost=Decimal(1500), mark=Decimal(31))
    others = [row for row in live.positions if row.symbol != "MSFT"]
    traded = sum((row.qty if row.side == "buy" else -row.qty for row in live.fills if row.symbol == "MSFT"), Decimal(0))
    later = msgspec.structs.replace(live, positions=[*others, msgspec.structs.replace(kept, qty=traded + 50)])
    _, holding = books_at_start(later)
    assert {symbol: qty for symbol, (qty, _) in holding.items()} == {"MSFT": Decimal(50)}
    cash, none = books_at_start(later, ["IBM"])
    assert (cash > live.start_cash + 50 * 20, none) == (True, {})


def test_a_backtest_begins_with_what_the_account_held() -> None:
    """Shares that were held before count in equity and position, can be sold, and the books are equal at the end."""

    class Sells(Strategy):
        symbols = ("MSFT",)

        def on_start(self) -> None:
            self.began: list[Decimal | None] = [self.position("MSFT"), self.equity]

        def on_bar(self, bar: Bar) -> None:
            if self.position("MSFT") and not self.orders():
                self.sell("MSFT", 50)

    team = Sells()
    history = replace(bundled_minutes(["MSFT"], DAY, 1), past={}, daily={})
    holding = {"MSFT": (Decimal(50), Decimal(31))}
    result = run_backtest([team], history, cash=1000, fees=None, holding=holding)
    assert team.began == [Decimal(50), None]  # nothing was quoted yet
    assert [(row.side, row.filled_qty) for row in result.record.orders] == [("sell", Decimal(50))]
    assert result.record.books is not None
    assert result.record.books.equal


def test_a_fault_is_found(both: Any) -> None:
    """An order that is missing, another quantity and another price are three differences, called faults."""
    live, replay = both
    rows = list(replay.orders)
    filled = next(at for at, row in enumerate(rows) if row.avg_price and row.leg_of is None)
    changed = rows[filled]
    rows[filled] = type(changed)(**{
        **{name: getattr(changed, name) for name in changed.__struct_fields__},
        "qty": changed.qty + 1, "avg_price": changed.avg_price + Decimal("0.01"),
    })  # fmt: skip
    del rows[next(at for at in range(filled + 1, len(rows)) if rows[at].leg_of is None)]
    spoiled = type(replay)(**{name: getattr(replay, name) for name in replay.__struct_fields__} | {"orders": rows})
    found = compared(live, spoiled, ("sockets", "process"), same_market=True)
    assert not found.same_decisions
    assert {each.kind for each in found.differences} >= {"size", "fill", "signal"}
    assert len(found.unexplained) == len(found.differences)
    assert found.score < 1
    assert all("fault" in each.why for each in found.differences)


def test_options_and_packages_run_without_a_wire() -> None:
    """An iron condor on the exchange's chains: opened and closed as packages, books equal to the cent."""
    condor = Condor()
    condor.name = "condor"
    config = ExchangeConfig(day=DAY, symbols=("AAPL",), cash=Decimal(100_000))
    record = run_replay([condor], replace(config, seed=11))
    assert record.books is not None
    assert record.books.equal
    heads = [row for row in record.orders if row.legs and row.status == "filled"]
    assert len(heads) >= 1
    assert all(len(row.legs) == 4 for row in heads)
