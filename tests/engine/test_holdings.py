"""What a run holds at its end stands in its report: figures, payoff, scenarios, ends; and nothing when it is flat."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from puna.core import sessions
from puna.core.risk import RiskLimits
from puna.core.types import Quote
from puna.engine.holdings import holdings
from puna.engine.record import RunRecord, read_record, write_record
from puna.research.report.run_report import html, json, report, reread


def put_of(strategy: Any) -> str:
    """A put of AAPL at the money, a week or more ahead."""
    spot = strategy.quote("AAPL").mid
    first = sessions.date_of(strategy.now) + timedelta(days=7)
    there = [each for each in strategy.contracts("AAPL") if each.expiration >= first and each.right == "P"]
    expiry = min(each.expiration for each in there)
    near = [each for each in there if each.expiration == expiry]
    return str(min(near, key=lambda each: abs(each.strike - int(spot))))


async def held(lab: Any) -> tuple[Any, RunRecord]:
    """A run that ends with shares and puts against them."""
    market = lab.exchange()
    strategy = lab.scripted(
        m1=lambda s: s.watch(put_of(s)),
        m3=lambda s: (s.buy("AAPL", 60), s.buy(put_of(s), 1)),
    )
    strategy.option_days = {"AAPL": 21}
    trader = market.trader(strategy, minutes=10, deadline=10.0, limits=RiskLimits(max_quote_age_seconds=120.0))
    made = trader, await trader.run()
    assert strategy.refused == []
    return made


async def test_what_is_held_stands_in_record_and_report(lab: Any) -> None:
    """The line of the put, the shares' delta with it, nothing missing; the page shows it and report.json keeps it."""
    _, record = await held(lab)
    (row,) = record.holdings
    (line,) = row.lines
    assert (row.underlying, row.shares, line.qty, row.missing) == ("AAPL", Decimal(60), Decimal(1), [])
    assert 0 < row.greeks["delta"] < 40
    assert row.margin == 0
    assert row.grid[0][1][3] == 0
    assert min(point.profit for point in row.payoff) < 0 < row.payoff[-1].profit
    assert [end.symbol for end in row.ends] == [line.symbol]
    page = html(report(record)).decode()
    for part in ("Held at the end", line.symbol, "Margin of the options 0.00 USD", "Profit against now", "+10%"):
        assert part in page
    assert reread(json(report(record))).record.holdings == record.holdings
    assert read_record(write_record(record)).holdings == record.holdings


async def test_a_quote_that_is_missing_is_named_in_the_report(lab: Any) -> None:
    """Without the option's quote there is no total and no grid, and the page says which quote it is."""
    trader, record = await held(lab)
    portfolio, symbol = trader.gateway.blotter.portfolio, record.holdings[0].lines[0].symbol
    quotes = dict[str, Quote](trader.gateway.market.quotes)
    del quotes[symbol]
    record.holdings = holdings(portfolio, quotes, record.ended_ts)
    assert (record.holdings[0].greeks, record.holdings[0].grid) == ({}, [])
    assert f"Not known: {symbol} has no usable quote." in html(report(record)).decode()


async def test_a_flat_run_has_no_such_part(lab: Any) -> None:
    """Bought and sold again."""
    market = lab.exchange()
    strategy = lab.scripted(m1=lambda s: s.buy("AAPL", 1), m3=lambda s: s.sell("AAPL", 1))
    record = await market.trader(strategy, minutes=6).run()
    assert record.holdings == []
    assert "Held at the end" not in html(report(record)).decode()
    assert msgspec.json.decode(write_record(record))["holdings"] == []
    assert record.cash != Decimal(0)
