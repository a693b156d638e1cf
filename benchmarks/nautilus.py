"""The NautilusTrader adapter: a quote's frame in, `Strategy.on_quote_tick` called; against ticks that are made already.

Both ways end in the same data engine, message bus and strategy, without a queue between; what differs is the adapter's
part: reading the frame, finding the instrument, making the tick. Needs the extra `nautilus`, so Python 3.12.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from benchmarks.table import Row, interleaved

__all__ = ["rows"]

ROUNDS = 20
EACH = 500
FRAME = (
    b'[{"T":"q","S":"AAPL","bx":"V","bp":%d.%02d,"bs":120,"ax":"V","ap":%d.%02d,"as":280,"c":["R"],"z":"C",'
    b'"t":"2026-03-12T14:30:00.%09dZ"}]'
)


def rows(*, quick: bool) -> list[Row]:
    """One row; none where the framework is not installed."""
    try:
        import nautilus_trader  # noqa: F401, PLC0415 - is it there?
    except ImportError:
        print("no nautilus_trader here (it needs Python 3.12): its rows are left out")
        return []
    return asyncio.run(_rows(4 if quick else ROUNDS))


async def _rows(rounds: int) -> list[Row]:
    from nautilus_trader.common.component import LiveClock, MessageBus, TestClock  # noqa: PLC0415
    from nautilus_trader.config import DataEngineConfig, StrategyConfig  # noqa: PLC0415
    from nautilus_trader.data.engine import DataEngine  # noqa: PLC0415
    from nautilus_trader.model.identifiers import TraderId  # noqa: PLC0415
    from nautilus_trader.portfolio.portfolio import Portfolio  # noqa: PLC0415
    from nautilus_trader.test_kit.stubs.component import TestComponentStubs  # noqa: PLC0415
    from nautilus_trader.trading.strategy import Strategy  # noqa: PLC0415

    from puna.nautilus import ALPACA, AlpacaDataClientConfig  # noqa: PLC0415
    from puna.nautilus.connection import Pool  # noqa: PLC0415
    from puna.nautilus.data import AlpacaDataClient  # noqa: PLC0415
    from puna.nautilus.instruments import instrument_of  # noqa: PLC0415
    from puna.nautilus.parsing import quote_of  # noqa: PLC0415
    from puna.nautilus.providers import AlpacaInstrumentProvider  # noqa: PLC0415
    from puna.wire.frames import read_data  # noqa: PLC0415
    from puna.wire.stream import QuoteMessage  # noqa: PLC0415
    from puna.wire.trading import Asset  # noqa: PLC0415

    clock, trader = TestClock(), TraderId("BENCH-001")
    bus = MessageBus(trader_id=trader, clock=clock)
    cache = TestComponentStubs.cache()
    portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
    engine = DataEngine(msgbus=bus, cache=cache, clock=clock, config=DataEngineConfig())
    config = AlpacaDataClientConfig(api_key="key", api_secret="secret", base_url_http="http://127.0.0.1:9")
    loop = asyncio.get_running_loop()
    connection = Pool().get(config, None, loop)
    provider = AlpacaInstrumentProvider(connection.alpaca, LiveClock(), config.instrument_provider)
    client = AlpacaDataClient(loop, connection, bus, cache, LiveClock(), provider, config, ALPACA)
    stock = instrument_of(Asset(id="1", symbol="AAPL", asset_class="us_equity"), 0)
    provider.add(stock)
    cache.add_instrument(stock)
    engine.register_client(client)

    class Listening(Strategy):  # type: ignore[misc]  # the framework has no types
        """Counts quotes."""

        def __init__(self) -> None:
            super().__init__(StrategyConfig())
            self.count = 0

        def on_start(self) -> None:
            bus.subscribe(topic=f"data.quotes.{ALPACA}.AAPL", handler=self.handle_quote_tick)

        def on_quote_tick(self, _: Any) -> None:
            self.count += 1

    strategy = Listening()
    strategy.register(trader, portfolio, bus, cache, clock)
    engine.start()
    strategy.start()

    frames = [FRAME % (100, i % 100, 100, i % 100, i) for i in range(EACH)]
    read = [message for frame in frames for message in read_data(frame)]
    ticks = [quote_of(message, stock, 1) for message in read if isinstance(message, QuoteMessage)]

    def from_frames() -> list[int]:
        def one(frame: bytes) -> None:
            for message in read_data(frame):
                client._deliver(message)  # noqa: SLF001 - what the stream's consumer calls

        return _timed(one, frames)

    samples = interleaved(
        ROUNDS,
        {"puna: from a frame": from_frames, "ready ticks": lambda: _timed(client._handle_data, ticks)},  # noqa: SLF001
    )
    if strategy.count < 2 * rounds * EACH:
        raise SystemExit(f"the strategy heard {strategy.count} quotes of {2 * rounds * EACH}")
    await connection.alpaca.close()
    return [Row("Nautilus: quote frame to on_quote_tick", samples)]


def _timed(work: Callable[[Any], None], items: list[Any]) -> list[int]:
    """Nanoseconds an item, as the mean of each fifty: one alone is shorter than the clock is fine."""
    samples = []
    for start in range(0, len(items), 50):
        part = items[start : start + 50]
        began = time.perf_counter_ns()
        for item in part:
            work(item)
        samples.append((time.perf_counter_ns() - began) // len(part))
    return samples
