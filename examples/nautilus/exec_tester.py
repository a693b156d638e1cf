"""NautilusTrader's own ExecTester on Alpaca: opens a position, keeps two limits at the market, closes all at the end.

puna exchange --port 8900 --speed 60 &
python examples/nautilus/exec_tester.py --url http://127.0.0.1:8900 --seconds 10
"""

import argparse
import asyncio
from decimal import Decimal

from nautilus_trader.config import LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.test_kit.strategies.tester_exec import ExecTester, ExecTesterConfig

from puna.nautilus import (
    ALPACA,
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    AlpacaLiveDataClientFactory,
    AlpacaLiveExecClientFactory,
    exec_engine_config,
)


async def run(url: str | None, seconds: float, symbol: str) -> TradingNode:
    """Runs a node for so long, and gives it back stopped."""
    instrument_id = InstrumentId.from_str(f"{symbol}.{ALPACA}")
    provider = AlpacaInstrumentProviderConfig(load_ids=frozenset({instrument_id}))
    keys = {"api_key": "key", "api_secret": "secret"} if url else {}
    node = TradingNode(
        TradingNodeConfig(
            logging=LoggingConfig(log_level="INFO" if url is None else "WARNING"),
            exec_engine=exec_engine_config(),
            data_clients={ALPACA: AlpacaDataClientConfig(base_url_http=url, instrument_provider=provider, **keys)},
            exec_clients={ALPACA: AlpacaExecClientConfig(base_url_http=url, instrument_provider=provider, **keys)},
            timeout_post_stop=2.0,
        ),
        loop=asyncio.get_running_loop(),
    )
    settings = ExecTesterConfig(
        instrument_id=instrument_id,
        order_qty=Decimal(5),
        open_position_on_start_qty=Decimal(10),
        open_position_time_in_force=TimeInForce.DAY,
        limit_time_in_force=TimeInForce.DAY,
        close_positions_time_in_force=TimeInForce.DAY,
        tob_offset_ticks=200,
        modify_orders_to_maintain_tob_offset=True,
        log_data=url is None,
    )
    node.trader.add_strategy(ExecTester(settings))
    node.add_data_client_factory(ALPACA, AlpacaLiveDataClientFactory)
    node.add_exec_client_factory(ALPACA, AlpacaLiveExecClientFactory)
    node.build()
    running = asyncio.create_task(node.run_async())
    await asyncio.sleep(seconds)
    await node.stop_async()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return node


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="NautilusTrader's ExecTester on Alpaca.")
    parser.add_argument("--url", help="an exchange on loopback; default: Alpaca's paper account")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to run")
    parser.add_argument("--symbol", default="AAPL")
    words = parser.parse_args()
    node = asyncio.run(run(words.url, words.seconds, words.symbol))
    for order in node.cache.orders():
        print(order.client_order_id, order.type_string(), order.side_string(), order.quantity, order.status_string())


if __name__ == "__main__":
    main()
