"""Reports of many days: what the verdict says and doubts, every section, faults of the data, fill models."""

import json as stdlib_json
import re
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from puna.core import sessions
from puna.engine.record import (
    ActionRow,
    BookRow,
    Books,
    CheckRow,
    DataRow,
    EquityPoint,
    FillRow,
    NoteRow,
    OrderRow,
    PricePoint,
    RunRecord,
)
from puna.research.report.formats import share
from puna.research.report.run_report import Report, html, json, report, reread

DAYS = sessions.trading_days(date(2010, 1, 4), date(2011, 12, 30))
CENT = Decimal("0.01")


def closes(seed: int, drift: float = 0.0005, size: int = 300) -> list[PricePoint]:
    """A price that begins at 100 and scatters by one percent a day."""
    steps = np.random.default_rng(seed).normal(drift, 0.01, size)
    worth = (100 * np.cumprod(1 + steps)).round(2).tolist()
    return [PricePoint(day.close, price) for day, price in zip(DAYS, worth, strict=False)]


def in_and_out(points: list[PricePoint], spread: float = 0.05, every: int = 20) -> RunRecord:
    """Buys 500 shares, holds them for ten days, sells them, and waits for ten."""
    cash, held, equity, fills, orders = Decimal(100_000), 0, [], [], []
    for at, point in enumerate(points):
        side = "buy" if at % every == 0 else "sell" if at % every == every // 2 else ""
        if side:
            way = 1 if side == "buy" else -1
            price = Decimal(f"{point.close + way * spread:.2f}")
            cash -= way * 500 * price
            held += way * 500
            cid = f"puna-1-swing-{at}"
            known: dict[str, Any] = {"strategy": "swing", "symbol": "AAPL", "side": side, "qty": Decimal(500)}
            fills.append(FillRow(ts=point.ts, price=price, cid=cid, mid=point.close, **known))
            orders.append(
                OrderRow(
                    client_order_id=cid, type="market", tif="day", status="filled", ts_decision=point.ts - 10**9,
                    ts_final=point.ts, filled_qty=Decimal(500), avg_price=price, because=f"day {at}",
                    arrival_mid=point.close, **known,
                )
            )  # fmt: skip
        equity.append(EquityPoint(point.ts, (cash + held * Decimal(repr(point.close))).quantize(CENT)))
    return RunRecord(
        mode="backtest",
        run_id="swing-1",
        symbols=["AAPL"],
        strategies=["swing"],
        started_ts=points[0].ts if points else DAYS[0].open,
        ended_ts=points[-1].ts if points else DAYS[0].close,
        start_equity=Decimal(100_000),
        equity=equity,
        equity_end=equity[-1].equity if equity else Decimal(100_000),
        prices={"AAPL": points} if points else {},
        orders=orders,
        fills=fills,
        timeframe="1Day",
        fill_model="realistic",
        assumptions={"fills": "the close, and five cents of spread"},
        data=[_data(points)] if points else [],
        code_hash="c0de" * 16,
    )


def _data(points: list[PricePoint], **fields: Any) -> DataRow:
    known: dict[str, Any] = {"source": "a file", "feed": "sip", "timeframe": "1Day", "adjustment": "split"}
    known |= {"first": points[0].ts, "last": points[-1].ts, "bars": len(points), "digest": "da7a" * 16}
    return DataRow(symbol="AAPL", **(known | fields))


RUN = in_and_out(closes(1))


def doubts(made: Report) -> list[str]:
    return [doubt.short for doubt in made.distrust]


def text(made: Report) -> str:
    return re.sub(r"<[^>]*>", " ", html(made).decode())


def test_the_verdict_says_what_when_on_which_data_with_which_fills_and_how_sure() -> None:
    """All of it in sentences, before the first figure."""
    made = report(RUN)
    for words in (
        "Swing traded AAPL with 100,000.00 USD: 30 orders, 30 of them filled",
        "Daily bars of AAPL from 4 January 2010 to",
        "300 in all, adjusted for splits, feed sip, a file.",
        "Fills are realistic: the close, and five cents of spread.",
        "The fills cost 750.00 USD against the middle of the quote",
        "Its Sharpe ratio is",
        "with 95\N{NO-BREAK SPACE}% when its days are resampled in blocks",
        "that it is above zero at all has a probability of",
    ):
        assert words in made.verdict
    opening = text(made)
    assert opening.index("Sharpe ratio is") < opening.index("P&amp;L after costs")
    assert "4 January 2010 to" in opening


def test_every_section_is_there() -> None:
    """What the issue of a report lists, each as a part that the navigation leads to."""
    body = html(report(RUN, [replace(RUN, fill_model="optimistic"), replace(RUN, fill_model="pessimistic")])).decode()
    wanted = (
        "equity drawdown falls months rolling distribution exposure models result reasons prices orders refused fills "
        "data figures made"
    )
    for name in wanted.split():
        assert f'id="{name}"' in body
        assert f'href="#{name}"' in body
    for words in (
        "Signal",
        "Sizing",
        "Slippage",
        "Spread",
        "Fees",
        "holding every symbol in equal parts",
        "2010",
        "Beta",
    ):
        assert words in body


def test_figures_carry_meaning_and_interval() -> None:
    """Each has one line that says what it means; the Sharpe ratio its interval, in the page and in report.json."""
    made = report(RUN)
    body = stdlib_json.loads(json(made))
    told = {metric["name"]: metric for metric in body["metrics"]}
    assert len(told) > 45
    assert all(metric["meaning"].endswith(".") for metric in told.values())
    assert (
        told["sharpe_ratio"]["interval"]["low"]
        < told["sharpe_ratio"]["value"]
        < told["sharpe_ratio"]["interval"]["high"]
    )
    page = text(made)
    assert all(metric["meaning"].partition("'")[0] in page for metric in told.values())


def test_a_report_can_be_read_again() -> None:
    """report.json gives the same report and the same page, fill models included, to the last byte."""
    made = report(RUN, [replace(RUN, fill_model="pessimistic")])
    again = reread(json(made))
    assert json(again) == json(made)
    assert html(again) == html(made)
    with pytest.raises(msgspec.DecodeError):
        reread(b'{"some": "thing"}')


def test_an_unadjusted_split_is_found() -> None:
    """Planted: prices halve from one day to the next and stay there. The page says so and names the day."""
    points = [replace(p, close=p.close / 2) if at >= 150 else p for at, p in enumerate(closes(1))]
    made = report(in_and_out(points))
    assert "AAPL jumps like an unadjusted split." in doubts(made)
    (jump,) = made.jumps
    assert (jump.split, sessions.date_of(jump.ts)) == ("2 for 1", DAYS[150].date)
    assert "Jumps that nobody accounted for" in text(made)
    known = replace(
        in_and_out(points), actions=[ActionRow(ts=DAYS[150].open, symbol="AAPL", kind="split", factor=Decimal(2))]
    )
    assert report(known).jumps == []
    assert report(RUN).jumps == []


def test_a_gap_in_the_data_is_found() -> None:
    """Planted: seven trading days are missing. Holidays and weekends are not."""
    points = closes(1)
    made = report(in_and_out(points[:100] + points[107:]))
    assert "Prices of AAPL are missing." in doubts(made)
    (gap,) = made.gaps
    assert (gap.days, sessions.date_of(gap.start), sessions.date_of(gap.end)) == (7, DAYS[99].date, DAYS[107].date)
    assert "seven trading days" in text(made)
    assert report(RUN).gaps == []


def test_a_hole_of_hours_within_a_session_is_found() -> None:
    """Minute bars without two hours of the morning; the night is no hole."""
    minutes = [PricePoint(day.open + n * 60 * 10**9, 100.0) for day in DAYS[:3] for n in range(1, 391)]
    made = report(replace(RUN, prices={"AAPL": minutes[:400] + minutes[520:]}))
    (gap,) = made.gaps
    assert gap.days == 0
    assert "The longest hole is 2.0 hours of AAPL" in " ".join(doubt.text for doubt in made.distrust)
    assert report(replace(RUN, prices={"AAPL": minutes})).gaps == []


@pytest.mark.parametrize(
    ("changes", "short"),
    [
        ({"data": [_data(closes(1), feed="iex")]}, "IEX volume for AAPL."),
        ({"data": [_data(closes(1), adjustment="raw")]}, "Raw prices of AAPL."),
        (
            {"data": [_data(closes(1), source="invented minutes of real days, seed 7")]},
            "The path within each day is inv",
        ),
        ({}, "Look-ahead was not checked."),
        ({"checks": [CheckRow(name="look-ahead", passed=False, text="It saw tomorrow.")]}, "Failed: look-ahead."),
        ({"books": Books(equal=False, rows=[BookRow(item="cash", ours=CENT, broker=-CENT)])}, "The books differ."),
        ({"outcome": "halted"}, "The run was halted."),
        ({"trials": 200, "trial_deviation": 0.2}, "Chosen from 200 trials."),
        ({"trials": 200}, "Chosen from 200 trials."),
        ({"ended_ts": RUN.started_ts + 86_400 * 10**9 * 7}, "7 days."),
    ],
)
def test_doubts_are_said(changes: dict[str, Any], short: str) -> None:
    """Each by its cause."""
    assert [each for each in doubts(report(replace(RUN, **changes))) if each.startswith(short)]


def test_doubts_are_not_said_without_a_cause() -> None:
    """A checked run on adjusted consolidated prices that earns every day is doubted for its fills and nothing else."""
    steady = [PricePoint(day.close, 100 * 1.001**at) for at, day in enumerate(DAYS)]
    checked = replace(in_and_out(steady, spread=0.0, every=2), checks=[CheckRow(name="look-ahead", passed=True)])
    assert set(doubts(report(checked))) == {"Fills are guessed from bars."}


def test_luck_is_called_luck() -> None:
    """Prices without drift: a gain, if there is one, lies well inside the interval around nothing."""
    lucky = next(
        made for seed in range(9) if (made := report(in_and_out(closes(seed, 0.0), 0.0))).record.equity_end > 100_000
    )
    assert "It may be luck." in doubts(lucky)
    (doubt,) = [doubt for doubt in lucky.distrust if doubt.short == "It may be luck."]
    assert re.search(r"lose in \d+.% of the draws", doubt.text)


def test_fill_models_stand_side_by_side() -> None:
    """In the order optimistic, realistic, pessimistic; when one gains and another loses, that is said."""
    rising = closes(1, 0.002)
    fair, best, worst = (
        replace(in_and_out(rising, spread), fill_model=name)
        for spread, name in ((0.05, "realistic"), (0.0, "optimistic"), (9.0, "pessimistic"))
    )
    made = report(fair, [worst, best])
    assert [each.name for each in made.variants] == ["optimistic", "realistic", "pessimistic"]
    assert "It hangs on the fills." in doubts(made)
    assert "With optimistic and realistic fills it gains, with pessimistic fills it does not." in text(made)
    assert "It hangs on the fills." not in doubts(report(RUN, [replace(RUN, fill_model="optimistic")]))


def test_of_a_few_days_every_point_is_drawn() -> None:
    """Three days of minutes are a curve of 1,170 points with dates, not one of three."""
    minutes = [PricePoint(day.open + n * 60 * 10**9, 100 + n / 100) for day in DAYS[:3] for n in range(1, 391)]
    made = report(in_and_out(minutes, every=200))
    page = html(made).decode()
    curve = next(found for found in re.findall(r'd="(M[^"]*)" class="line"', page))
    assert curve.count("L") > 1000
    assert "04 Jan" in page[: page.index('id="drawdown"')]
    assert "Windows need 60 days; this run has 3." in page


def test_nothing_traded_is_a_report_too() -> None:
    """No order in 300 days: said in words, nothing divided by zero, sections without content say so."""
    idle = replace(
        RUN, fills=[], orders=[], equity=[replace_equity(p) for p in RUN.equity], equity_end=Decimal(100_000)
    )
    made = report(idle)
    assert made.headline == "Swing made nothing"
    assert "no orders" in made.verdict
    page = text(made)
    for words in ("No order was sent.", "Nothing was filled.", "Nothing was held", "No position was opened."):
        assert words in page
    empty = report(RunRecord(mode="backtest"))
    assert "made nothing" in empty.headline
    assert html(empty)


def replace_equity(point: EquityPoint) -> EquityPoint:
    return EquityPoint(point.ts, Decimal(100_000))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.integers(0, 5), st.integers(2, 12))
def test_any_length_makes_a_page(size: int, seed: int, every: int) -> None:
    """From no day to fifty, with trades on some of them."""
    made = report(in_and_out(closes(seed, size=size), every=every))
    body = html(made).decode()
    assert "nan" not in re.sub(r"<style>.*?</style>", "", body, flags=re.DOTALL).lower().replace("finance", "")
    assert json(reread(json(made))) == json(made)


def test_many_orders_do_not_make_a_page_that_cannot_be_read() -> None:
    """Of 3,000 orders the first and the last stand in the page, all of them in report.json."""
    orders = [replace(RUN.orders[0], client_order_id=f"puna-1-swing-{n}") for n in range(3000)]
    made = report(replace(RUN, orders=orders))
    page = html(made)
    assert page.count(b"<tr id=") == 400
    assert b"of 3,000 orders; all stand in report.json" in page
    assert len(stdlib_json.loads(json(made))["record"]["orders"]) == 3000


def test_a_run_whose_orders_were_refused_is_doubted() -> None:
    """Twelve of 42: the code that did it most, its words, and that something else was tested than was meant."""
    refused = [
        replace(
            RUN.orders[0],
            client_order_id=f"r{n}",
            status="refused",
            filled_qty=Decimal(0),
            refusal_code="R106",
            refusal_text="worth too much: 66222.14 against 50000.00",
        )
        for n in range(12)
    ]
    (doubt,) = [each for each in report(replace(RUN, orders=RUN.orders + refused)).distrust if "refused" in each.short]
    assert doubt.short == "12 of 42 orders were refused."
    assert "12 of them by R106 (worth too much: 66,222.14 against 50,000.00)" in doubt.text
    few = report(replace(RUN, orders=RUN.orders + refused[:3]))
    assert not [each for each in few.distrust if "refused" in each.short]


def test_a_strategy_that_was_stopped_is_doubted() -> None:
    """When, and by what."""
    note = NoteRow(ts=DAYS[5].close, code="E910", text="strategy swing failed in on_bar: KeyError")
    (doubt,) = [each for each in report(replace(RUN, notes=[note])).distrust if "stopped" in each.short]
    assert "From 11 Jan 2010 16:00 on: strategy swing failed" in doubt.text


def test_nearly_all_is_not_all() -> None:
    """Parts of a whole keep their distance from nothing and from everything."""
    space = "\N{NO-BREAK SPACE}%"
    assert [share(part) for part in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        f"0{space}", f"under 1{space}", f"50{space}", f"over 99{space}", f"100{space}"
    ]  # fmt: skip
    assert share(0.9999, 1) == f"over 99.9{space}"


def test_refusals_are_counted_by_code() -> None:
    """Two codes, the more frequent one first, with its words."""
    refused = [
        replace(
            RUN.orders[n],
            client_order_id=f"r{n}",
            status="refused",
            filled_qty=Decimal(0),
            refusal_code=code,
            refusal_text=words,
        )
        for n, (code, words) in enumerate(
            [("40310000", "no buying power"), ("R104", "position cap"), ("R104", "position cap")]
        )
    ]
    page = text(report(replace(RUN, orders=refused)))
    assert page.index("our risk checks") < page.index("no buying power")
