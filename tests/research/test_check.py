"""Checks of strategies: planted faults are found by the question that is about them, sound strategies pass."""

import io
import random
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from puna import Strategy
from puna.core.types import Bar
from puna.research.backtest.data import History, bundled_days, bundled_minutes
from puna.research.backtest.run import run_backtest
from puna.research.checks.case import Case, Verdict, ended_at, known_times, latest, started_at
from puna.research.checks.run import check
from puna.research.checks.tables import cut_table

WHOLE = bundled_days(["AAPL", "IBM"], date(2011, 1, 3), date(2012, 6, 29))
DAYS = latest(WHOLE, 60)


class Daily(Strategy):
    symbols = ("AAPL", "IBM")
    timeframe = "1Day"


class Mean(Daily):
    """Sound: everything comes from bars that were told, and the warm-up suffices."""

    warmup: Mapping[str, int] = {"1Day": 20}

    def on_bar(self, bar: Bar) -> None:
        closes = [each.close for each in self.history(bar.symbol)][-20:]
        self.target(bar.symbol, "0.3" if bar.close > sum(closes) / len(closes) else 0, because="the mean")


class Cold(Daily):
    """An average that begins with the first bar it hears."""

    def on_start(self) -> None:
        self.mean: dict[str, float] = {}

    def on_bar(self, bar: Bar) -> None:
        old = self.mean.get(bar.symbol, bar.close)
        self.mean[bar.symbol] = mean = old + (bar.close - old) / 20
        self.target(bar.symbol, "0.3" if bar.close > mean else 0)


class Forgetful(Daily):
    """Remembers in itself that it has bought, and so buys again after a start."""

    def on_start(self) -> None:
        self.bought = ""

    def on_bar(self, bar: Bar) -> None:
        self.bought = self.bought or self.buy("AAPL", 10)


class Engine(Daily):
    """Reaches through the desk to the columns of the engine."""

    def on_bar(self, bar: Bar) -> None:
        market: Any = self._desk
        columns = market._market._market.history.columns[bar.symbol]
        tomorrow = columns.close[(columns.known > self.now)][:1]
        self.target(bar.symbol, "0.3" if tomorrow.size and tomorrow[0] > bar.close else 0)


class Chance(Daily):
    """Tosses a coin."""

    def on_bar(self, bar: Bar) -> None:
        self.target(bar.symbol, "0.3" if random.random() > 0.5 else 0)


class Reasons(Daily):
    """Decides the same each time, and says something else."""

    count = 0

    def on_bar(self, bar: Bar) -> None:
        type(self).count += 1
        self.target(bar.symbol, "0.3" if bar.close > bar.open else 0, because=f"bar {self.count}")


class Wrong(Daily):
    """A price between two ticks, and part of a share that is to rest for days."""

    def on_bar(self, bar: Bar) -> None:
        if bar.symbol == "IBM":
            self.buy("IBM", 3, limit=round(bar.close) - Decimal("10.005"))
        else:
            self.buy("AAPL", "0.5", limit=round(bar.close) - 50, tif="gtc")


class Failing(Daily):
    def on_bar(self, bar: Bar) -> None:
        raise RuntimeError("on purpose")


class Idle(Daily):
    """Never orders anything."""


def ask(made: Callable[[], Strategy], history: History = DAYS) -> dict[str, Verdict]:
    return {each.name: each for each in check(Case(lambda: [made()], history))}


def outcomes(found: dict[str, Verdict]) -> list[str]:
    return [each.outcome for each in found.values()]


def test_a_sound_strategy_passes() -> None:
    """Whatever is cut off, begun later or run again: the same decisions, and no order is refused."""
    found = ask(Mean)
    assert outcomes(found) == ["passed"] * 4, found


def test_a_sound_strategy_on_minutes_passes() -> None:
    """The same within a day; what it would order after the close is no fault of the order."""

    class Minutes(Mean):
        timeframe = "1Min"
        warmup: Mapping[str, int] = {"1Min": 20}

        def on_bar(self, bar: Bar) -> None:
            closes = [each.close for each in self.history(bar.symbol)][-20:]
            self.target(bar.symbol, "0.3" if bar.close > sum(closes) / len(closes) else 0)

    day = latest(bundled_minutes(["AAPL", "IBM"], date(2012, 9, 19), 1), 60)
    assert outcomes(ask(Minutes, day)) == ["passed"] * 4


def test_columns_of_the_engine_are_found() -> None:
    """Tomorrow's close decides: at the first decision already, which is told with both answers."""
    found = ask(Engine)["look-ahead"]
    assert found.outcome == "found"
    (first,) = found.findings
    assert (first.code, first.strategy) == ("E690", "engine")
    assert "buy" in first.before
    assert first.after == "nothing"
    orders = run_backtest([Engine()], DAYS, fees=None).record.orders
    assert first.ts == orders[0].ts_decision


def test_a_short_warm_up_is_found() -> None:
    """An average that begins with the first bar decides otherwise after a start; nothing else is wrong."""
    found = ask(Cold)
    assert outcomes(found) == ["passed", "found", "passed", "passed"]
    (first,) = found["warm-up"].findings
    assert first.code == "E691"
    assert "declares no warm-up" in first.why


def test_what_is_forgotten_at_a_start_is_found() -> None:
    """A strategy that is never flat is started with what it held, and must not buy it again."""
    (first,) = ask(Forgetful)["warm-up"].findings
    assert "holding what it held" in first.what
    assert (first.before, first.after) == ("nothing", "buy 10 AAPL")


@pytest.mark.parametrize("made", [Chance, Reasons])
def test_what_changes_by_itself_is_found(made: type[Strategy]) -> None:
    """A coin; a count that outlives the run, even where it moves the reason only. The others are not guessed at."""
    found = ask(made)
    assert outcomes(found)[:3] == ["not checked", "not checked", "found"]
    (first,) = found["determinism"].findings
    assert "in the same process" in first.what
    assert first.before != first.after


def test_orders_that_cannot_be_placed_are_found() -> None:
    """Each kind once, with its code, its first place and its number."""
    found = ask(Wrong)["order validity"]
    first = {each.symbol: each for each in found.findings}
    assert "R103" in first["IBM"].what
    assert first["IBM"].count == 60
    assert "R103" in first["AAPL"].what
    assert first["AAPL"].ts == known_times(DAYS)[0]


def test_limits_of_ones_own_are_no_fault_of_the_order() -> None:
    """Half of the account in one order is more than the limits allow: a note, not a finding."""

    class Large(Daily):
        def on_bar(self, bar: Bar) -> None:
            self.target(bar.symbol, "0.6")

    found = ask(Large)["order validity"]
    assert found.outcome == "passed"
    assert any(note.startswith("R106") for note in found.notes)


def test_a_failure_is_found() -> None:
    """An error in a callback is told with its text."""
    (first,) = ask(Failing)["order validity"].findings
    assert (first.code, "on purpose" in first.what) == ("E910", True)


def test_what_was_not_checked_is_not_said_to_pass() -> None:
    """No order tells nothing of orders; two bars tell nothing of the future."""
    assert ask(Idle)["order validity"].outcome == "not checked"
    assert ask(Idle, latest(WHOLE, 2))["look-ahead"].outcome == "not checked"


def test_a_cut_leaves_what_was_known() -> None:
    """Bars that were over stay; begun later, all of them are there, as past and as bars."""
    middle = known_times(WHOLE)[200]
    cut = ended_at(WHOLE, middle)
    assert known_times(cut) == known_times(WHOLE)[:201]
    later = started_at(WHOLE, int(WHOLE.columns["IBM"].begin[201]))
    assert known_times(later) == known_times(WHOLE)[201:]
    assert len(later.past["IBM"]) == 201
    assert len(started_at(later, int(WHOLE.columns["IBM"].begin[210])).past["IBM"]) == 210


END = int(datetime.fromisoformat("2012-03-02T21:00:00+00:00").timestamp()) * 10**9


@pytest.mark.parametrize(
    ("kind", "body", "kept"),
    [
        (".csv", "date,close\n2012-03-01,1\n2012-03-02,2\n2012-03-05,3\n", "date,close\n2012-03-01,1\n2012-03-02,2\n"),
        (".csv", "x,time\na,2012-03-02T20:59:00Z\nb,2012-03-02T21:01:00Z\n", "x,time\na,2012-03-02T20:59:00Z\n"),
        (".csv", "1330700000,5\n1330722001,6\n", "1330700000,5\n"),
        (".jsonl", '{"t": 1330700000000000000}\n{"t": 1330722001000000000}\n', '{"t": 1330700000000000000}\n'),
        (".json", '{"2012-03-01": 1, "2012-03-05": 2}', '{"2012-03-01": 1}'),
        (".json", '{"AAPL": [["2012-03-01", 1], ["2012-03-05", 2]]}', '{"AAPL": [["2012-03-01", 1]]}'),
        (".json", '{"fast": 10, "slow": 30}', None),
        (".csv", "name,lookback\na,10\n", None),
        (".npy", "anything", None),
    ],
)
def test_tables_end_at_a_moment(kind: str, body: str, kept: str | None) -> None:
    """Rows of later moments go, whatever the column of time is called; what tells no time is not guessed at."""
    assert cut_table(body.encode(), kind, END) == (None if kept is None else kept.encode())


def test_parquet_tables_end_at_a_moment() -> None:
    """By their first column of times."""
    pl = pytest.importorskip("polars")
    body = io.BytesIO()
    pl.DataFrame({"a": [1, 2], "on": [date(2012, 3, 2), date(2012, 3, 5)]}).write_parquet(body)
    cut = cut_table(body.getvalue(), ".parquet", END)
    assert cut is not None
    assert pl.read_parquet(io.BytesIO(cut))["a"].to_list() == [1]
