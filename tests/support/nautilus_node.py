"""A NautilusTrader node on an exchange of its own, for tests: started, watched, stopped, and thrown away."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from nautilus_trader.config import LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import InstrumentId, TraderId

from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed
from puna.nautilus.config import (
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    exec_engine_config,
)
from puna.nautilus.constants import ALPACA
from puna.nautilus.factories import AlpacaLiveDataClientFactory, AlpacaLiveExecClientFactory

__all__ = ["PATIENCE", "Running", "exchange_at", "here", "running"]

PATIENCE = 20.0
_NUMBERS = itertools.count(1)


class Running:
    """A node that runs."""

    def __init__(self, node: TradingNode) -> None:
        self.node = node
        self.cache = node.cache
        self._stopped = False

    async def stop(self) -> None:
        """Strategies stop, the broker's last words are heard, clients disconnect; the cache can still be read."""
        if not self._stopped:
            self._stopped = True
            await self.node.stop_async()

    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        """Waits until it is so."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in the framework's own tasks
                await asyncio.sleep(0.01)

    def status(self, order: Any) -> str:
        """An order's status as the cache has it."""
        return str(self.cache.order(order.client_order_id).status_string())

    def position(self, instrument: InstrumentId) -> Any:
        """The signed position that the cache holds."""
        return sum(each.signed_decimal_qty() for each in self.cache.positions_open(instrument_id=instrument))


def here(symbol: str) -> InstrumentId:
    """`AAPL` on Alpaca."""
    return InstrumentId.from_str(f"{symbol}.{ALPACA}")


def exchange_at(speed: float = 60.0, **config: Any) -> ExchangeThread:
    """An exchange whose time runs by itself, and begins a second of market time before the open."""
    usual: dict[str, Any] = {
        "pacing": Speed(speed),
        "lead_seconds": 1,
        "wait_for": (),
        "seed": 3,
        "symbols": ("AAPL", "MSFT", "BTC/USD"),
    }
    return ExchangeThread(ExchangeConfig(**(usual | config)))


@asynccontextmanager
async def running(
    url: str,
    *components: Any,
    load: tuple[str, ...] = ("AAPL",),
    data: dict[str, Any] | None = None,
    execution: dict[str, Any] | None = None,
    provider: dict[str, Any] | None = None,
    engine: dict[str, Any] | None = None,
) -> AsyncIterator[Running]:
    """A node with these strategies and actors, connected and reconciled; stopped in order at the end."""
    instruments = AlpacaInstrumentProviderConfig(
        **({"load_ids": frozenset(here(symbol) for symbol in load)} | (provider or {}))
    )
    common = {"api_key": "key", "api_secret": "secret", "base_url_http": url, "instrument_provider": instruments}
    config = TradingNodeConfig(
        trader_id=TraderId(f"TESTER-{next(_NUMBERS):03d}"),
        logging=LoggingConfig(log_level="ERROR", print_config=False),
        exec_engine=exec_engine_config(**(engine or {})),
        data_clients={ALPACA: AlpacaDataClientConfig(**common, **(data or {}))},
        exec_clients={ALPACA: AlpacaExecClientConfig(**common, **(execution or {}))},
        timeout_connection=PATIENCE,
        timeout_reconciliation=PATIENCE,
        timeout_portfolio=PATIENCE,
        timeout_disconnection=PATIENCE,
        timeout_post_stop=0.5,
    )
    node = TradingNode(config=config, loop=asyncio.get_running_loop())
    for component in components:
        add = node.trader.add_strategy if hasattr(component, "submit_order") else node.trader.add_actor
        add(component)
    node.add_data_client_factory(ALPACA, AlpacaLiveDataClientFactory)
    node.add_exec_client_factory(ALPACA, AlpacaLiveExecClientFactory)
    node.build()
    work = asyncio.create_task(node.run_async())
    run = Running(node)
    try:
        await run.until(lambda: node.is_running() or work.done())
        if work.done():
            work.result()
        await run.until(lambda: node.trader.is_running)
        yield run
    finally:
        await run.stop()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        node.kernel.dispose()
