"""The framework's own DataTester on the embedded exchange: upstream's numbered data cases.

What is asserted is the framework's cache and what the tester was given, never a log. See docs/nautilus.md.
"""

from datetime import date, time
from typing import Any

import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

import pandas as pd
from nautilus_node import exchange_at, here, running
from nautilus_trader.model.data import Bar, BarType, InstrumentStatus, OrderBookDeltas, QuoteTick, TradeTick
from nautilus_trader.model.instruments import CurrencyPair, Equity, OptionContract
from nautilus_trader.test_kit.strategies.tester_data import DataTester, DataTesterConfig

from puna.core.sessions import at
from puna.exchange.faults import Fault
from puna.exchange.prices.halts import Halt

SECOND = 1_000_000_000
AAPL, BITCOIN = here("AAPL"), here("BTC/USD")
LONG_AGO = pd.Timedelta(days=6000)  # the exchange replays a day of 2012


class Listening(DataTester):
    """The tester, which also keeps what it is given."""

    def __init__(self, config: DataTesterConfig) -> None:
        super().__init__(config)
        self.heard: list[Any] = []
        self.history: list[Any] = []

    def on_quote_tick(self, quote: QuoteTick) -> None:
        self.heard.append(quote)

    def on_trade_tick(self, trade: TradeTick) -> None:
        self.heard.append(trade)

    def on_bar(self, bar: Bar) -> None:
        self.heard.append(bar)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        super().on_order_book_deltas(deltas)
        self.heard.append(deltas)

    def on_instrument(self, instrument: Any) -> None:
        self.heard.append(instrument)

    def on_instrument_status(self, data: Any) -> None:
        self.heard.append(data)

    def on_historical_data(self, data: Any) -> None:
        self.history += data if isinstance(data, list) else [data]

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.heard if isinstance(each, kind)]


def listening(symbol: str = "AAPL", **settings: Any) -> Listening:
    usual = {"instrument_ids": [here(symbol)], "log_data": False, "requests_start_delta": LONG_AGO}
    return Listening(DataTesterConfig(**(usual | settings)))


async def test_instruments() -> None:
    """D01 to D03: all of the venue, a subscription, and one alone, with the broker's increments."""
    with exchange_at() as exchange:
        one = listening(request_instruments=True, subscribe_instrument=True)
        async with running(exchange.url, one, provider={"load_all": True, "load_ids": None}) as run:
            await run.until(lambda: len(run.cache.instruments()) == 3)
            stock, coin = run.cache.instrument(AAPL), run.cache.instrument(BITCOIN)
            assert isinstance(stock, Equity)
            assert str(stock.price_increment) == "0.01"
            assert isinstance(coin, CurrencyPair)
            assert coin.size_increment.as_decimal() <= coin.min_quantity.as_decimal()
            await run.until(lambda: one.of(Equity))


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
async def test_quotes_and_trades(symbol: str) -> None:
    """D20, D30, D70: quotes and trades flow, in order, at the instrument's precision, until the actor stops."""
    with exchange_at() as exchange:
        one = listening(symbol, subscribe_quotes=True, subscribe_trades=True)
        async with running(exchange.url, one, load=(symbol,)) as run:
            await run.until(lambda: len(one.of(QuoteTick)) > 5 and len(one.of(TradeTick)) > 5)
            quotes = one.of(QuoteTick)
            assert all(quote.bid_price < quote.ask_price for quote in quotes)
            assert [quote.ts_event for quote in quotes] == sorted(quote.ts_event for quote in quotes)
            precision = run.cache.instrument(here(symbol)).price_precision
            assert {quote.bid_price.precision for quote in quotes} == {precision}
            one.stop()
            await run.until(lambda: not run.node.kernel.data_engine.subscribed_quote_ticks())


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
async def test_bars(symbol: str) -> None:
    """D40, D41: minute bars flow, stamped with their end, and history has the same ones."""
    with exchange_at(speed=240) as exchange:
        bar_type = BarType.from_str(f"{here(symbol)}-1-MINUTE-LAST-EXTERNAL")
        one = listening(symbol, bar_types=[bar_type], subscribe_bars=True)
        async with running(exchange.url, one, load=(symbol,)) as run:
            await run.until(lambda: len(one.of(Bar)) >= 3)
            bars = one.of(Bar)[:3]
            assert {bars[i + 1].ts_event - bars[i].ts_event for i in range(2)} == {60_000_000_000}
            start = pd.Timestamp(bars[0].ts_event - 60_000_000_000, tz="UTC")
            one.request_bars(bar_type, start=start)
            await run.until(lambda: len(one.history) >= 3)
            assert [str(bar) for bar in one.history[:3]] == [str(bar) for bar in bars]


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
async def test_history(symbol: str) -> None:
    """D21, D31: quotes and trades of the past, oldest first, no more than asked for."""
    with exchange_at(speed=240) as exchange:
        one = listening(symbol, subscribe_trades=True)
        async with running(exchange.url, one, load=(symbol,)) as run:
            await run.until(lambda: len(one.of(TradeTick)) > 5)
            start = pd.Timestamp(one.of(TradeTick)[0].ts_event - 1, tz="UTC")
            one.request_trade_ticks(here(symbol), start=start, limit=3)
            await run.until(lambda: len(one.history) == 3)
            assert [str(trade) for trade in one.history] == [str(trade) for trade in one.of(TradeTick)[:3]]
            one.history.clear()
            one.request_quote_ticks(here(symbol), start=start, limit=3)
            await run.until(lambda: len(one.history) == 3)


async def test_order_book() -> None:
    """D10, D13, D14: a coin's book, as deltas, as a snapshot, and kept by the tester itself."""
    with exchange_at() as exchange:
        one = listening("BTC/USD", subscribe_book_deltas=True, manage_book=True, request_book_snapshot=True)
        async with running(exchange.url, one, load=("BTC/USD",)) as run:
            await run.until(lambda: len(one.of(OrderBookDeltas)) > 2)
            book = one._books[BITCOIN]
            assert book.best_bid_price() < book.best_ask_price()
            assert any(isinstance(each, OrderBookDeltas) for each in one.history)


async def test_order_book_at_interval() -> None:
    """D11: the framework keeps the book of the deltas, and hands it out at an interval."""
    with exchange_at() as exchange:
        one = listening("BTC/USD", subscribe_book_at_interval=True, book_interval_ms=200)
        async with running(exchange.url, one, load=("BTC/USD",)) as run:
            await run.until(lambda: run.cache.order_book(BITCOIN) is not None)
            await run.until(lambda: run.cache.order_book(BITCOIN).best_bid_price() is not None)


async def test_a_mute_stream_is_made_anew() -> None:
    """Own case: connected and silent is a failure; quotes flow again, and the subscription was made once."""
    mute = Fault(on="socket:data", action="mute", nth=8, seconds=600)
    with exchange_at(faults=(mute,)) as exchange:
        one = listening(subscribe_quotes=True)
        async with running(exchange.url, one, data={"stale_after_secs": 1.0}) as run:
            await run.until(lambda: len(one.of(QuoteTick)) > 3)
            before = len(one.of(QuoteTick))
            await run.until(lambda: len(one.of(QuoteTick)) > before + 12)


async def test_status() -> None:
    """D60: a halt and the resumption of a stock arrive as statuses."""
    opened = at(date(2012, 9, 19), time(9, 30))
    halt = Halt("AAPL", opened + 120 * SECOND, seconds=120)
    with exchange_at(halts=(halt,)) as exchange:
        one = listening(subscribe_instrument_status=True)
        async with running(exchange.url, one) as run:
            await run.until(lambda: len(one.of(InstrumentStatus)) >= 2)
            assert [each.action.name for each in one.of(InstrumentStatus)][:2] == ["HALT", "TRADING"]


async def test_what_alpaca_does_not_have() -> None:
    """D12, D15, D50 to D53, D61 to D63 do not apply: nothing comes, and nothing breaks."""
    with exchange_at() as exchange:
        settings: dict[str, Any] = {
            "subscribe_book_depth": True,
            "subscribe_mark_prices": True,
            "subscribe_funding_rates": True,
        }
        one = listening(subscribe_quotes=True, request_book_deltas=True, subscribe_instrument_close=True, **settings)
        async with running(exchange.url, one) as run:
            await run.until(lambda: one.of(QuoteTick))


async def test_custom_parameters() -> None:
    """D71, D72: `adjustment` of a request for bars, `filters` of one for instruments."""
    with exchange_at() as exchange:
        one = listening()
        async with running(exchange.url, one) as run:
            one.request_instruments(AAPL.venue, params={"filters": {"symbol_prefix": "A"}})
            await run.until(lambda: run.cache.instrument(AAPL) is not None)
            day = BarType.from_str(f"{AAPL}-1-DAY-LAST-EXTERNAL")
            start = pd.Timestamp("2005-02-01", tz="UTC")
            end = pd.Timestamp("2005-03-10", tz="UTC")
            one.request_bars(day, start=start, end=end, params={"adjustment": "raw"})
            await run.until(lambda: one.history)
            raw = list(one.history)
            one.history.clear()
            one.request_bars(day, start=start, end=end, params={"adjustment": "split"})
            await run.until(lambda: one.history)
            assert len(raw) == len(one.history)
            assert raw[0].close > one.history[0].close


async def test_option_chain() -> None:
    """Own case: a chain is loaded to the end of its pages, with strikes, expiry at New York's close, and quotes."""
    with exchange_at() as exchange:
        probe = listening()
        async with running(exchange.url, probe, provider={"load_all": True, "option_underlyings": ("AAPL",)}) as run:
            chain = [each for each in run.cache.instruments() if isinstance(each, OptionContract)]
            assert len(chain) > 100
            assert {each.underlying for each in chain} == {"AAPL"}
            near = min(chain, key=lambda each: (each.expiration_ns, abs(float(each.strike_price) - 700)))
            probe.subscribe_quote_ticks(near.id)
            await run.until(lambda: [each for each in probe.of(QuoteTick) if each.instrument_id == near.id])
