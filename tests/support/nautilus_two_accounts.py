"""Two accounts in one node, at the most talkative level of the framework's log: what a test reads for secrets."""

import asyncio
import sys

from nautilus_node import exchange_at, here
from nautilus_strategies import ByHand
from nautilus_trader.config import LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import TraderId

from puna.nautilus import (
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    AlpacaLiveDataClientFactory,
    AlpacaLiveExecClientFactory,
    exec_engine_config,
)


async def main() -> None:
    """Trades at both exchanges, and says what each holds."""
    paper, live = ByHand("paper"), ByHand("live")
    provider = AlpacaInstrumentProviderConfig(load_ids=frozenset({here("AAPL")}))
    with exchange_at() as one, exchange_at(seed=4) as two:
        accounts = {
            "ALPACA": (one.url, "canary-key-1", "canary-secret-1"),
            "OTHER": (two.url, "canary-key-2", "canary-secret-2"),
        }
        settings = {
            name: {"api_key": key, "api_secret": secret, "base_url_http": url, "instrument_provider": provider}
            for name, (url, key, secret) in accounts.items()
        }
        node = TradingNode(
            TradingNodeConfig(
                trader_id=TraderId("TWO-001"),
                logging=LoggingConfig(log_level="DEBUG"),
                exec_engine=exec_engine_config(),
                data_clients={"ALPACA": AlpacaDataClientConfig(**settings["ALPACA"])},
                exec_clients={
                    "ALPACA": AlpacaExecClientConfig(**settings["ALPACA"]),
                    "OTHER": AlpacaExecClientConfig(paper=False, **settings["OTHER"]),
                },
                timeout_post_stop=0.5,
            ),
            loop=asyncio.get_running_loop(),
        )
        node.trader.add_strategy(paper)
        node.trader.add_strategy(live)
        node.add_data_client_factory("ALPACA", AlpacaLiveDataClientFactory)
        node.add_exec_client_factory("ALPACA", AlpacaLiveExecClientFactory)
        node.add_exec_client_factory("OTHER", AlpacaLiveExecClientFactory)
        node.build()
        work = asyncio.create_task(node.run_async())
        async with asyncio.timeout(20):
            while not node.trader.is_running:  # noqa: ASYNC110 - what is waited for happens in the framework's tasks
                await asyncio.sleep(0.01)
            orders = [paper.market(here("AAPL"), "3", client="ALPACA"), live.market(here("AAPL"), "4", client="OTHER")]
            while not all(order.is_closed for order in orders):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        held = [exchange.books().positions["AAPL"][0] for exchange in (one, two)]
        sys.stdout.write(f"positions {held[0]} and {held[1]}\n")
        await node.stop_async()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        node.kernel.dispose()


if __name__ == "__main__":
    asyncio.run(main())
