"""A scalper of bitcoin on Alpaca through NautilusTrader: buys at the bid's side of the spread, takes a small profit.

    puna exchange --symbols AAPL,BTC/USD --port 8900 --speed 60 &
    python examples/nautilus/crypto_scalper.py --url http://127.0.0.1:8900 --seconds 20

Alpaca takes its fee out of the coins that are bought; what is sold again is what is held. Without --url it trades on
Alpaca's paper account, with ALPACA_API_KEY and ALPACA_SECRET_KEY from the environment.
"""

import argparse
import asyncio
from decimal import Decimal

from nautilus_trader.config import LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

from puna.nautilus import (
    ALPACA,
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    AlpacaLiveDataClientFactory,
    AlpacaLiveExecClientFactory,
    exec_engine_config,
)


class ScalperConfig(StrategyConfig, frozen=True):
    """What to trade, and how."""

    instrument_id: InstrumentId
    quantity: Decimal = Decimal("0.01")
    patience: int = 4


class Scalper(Strategy):
    """Buys at once, and sells what it holds a few quotes later; IOC limits through the spread, never at market."""

    def __init__(self, config: ScalperConfig) -> None:
        super().__init__(config)
        self.waited = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.config.instrument_id)

    def on_quote_tick(self, quote: QuoteTick) -> None:
        instrument_id = self.config.instrument_id
        if self.cache.orders_open(instrument_id=instrument_id) or self.cache.orders_inflight(
            instrument_id=instrument_id
        ):
            return
        held = self.portfolio.net_position(instrument_id)
        self.waited += 1
        if not held:
            self._order(OrderSide.BUY, self.config.quantity, quote.ask_price.as_decimal())
        elif self.waited >= self.config.patience:
            self.waited = 0
            self._order(OrderSide.SELL, held, quote.bid_price.as_decimal())

    def on_stop(self) -> None:
        held = self.portfolio.net_position(self.config.instrument_id)
        quote = self.cache.quote_tick(self.config.instrument_id)
        if held and quote is not None:
            self._order(OrderSide.SELL, held, quote.bid_price.as_decimal() * Decimal("0.99"))

    def _order(self, side: OrderSide, quantity: Decimal, price: Decimal) -> None:
        instrument = self.cache.instrument(self.config.instrument_id)
        order = self.order_factory.limit(
            instrument.id,
            side,
            instrument.make_qty(quantity, round_down=True),
            instrument.make_price(price),
            time_in_force=TimeInForce.IOC,
        )
        self.submit_order(order)


async def trade(url: str | None, seconds: float, symbol: str) -> TradingNode:
    """Runs a node for so long, and gives it back stopped."""
    instrument_id = InstrumentId.from_str(f"{symbol}.{ALPACA}")
    provider = AlpacaInstrumentProviderConfig(load_ids=frozenset({instrument_id}))
    keys = {"api_key": "key", "api_secret": "secret"} if url else {}
    node = TradingNode(
        TradingNodeConfig(
            logging=LoggingConfig(log_level="WARNING"),
            exec_engine=exec_engine_config(),
            data_clients={ALPACA: AlpacaDataClientConfig(base_url_http=url, instrument_provider=provider, **keys)},
            exec_clients={ALPACA: AlpacaExecClientConfig(base_url_http=url, instrument_provider=provider, **keys)},
            timeout_post_stop=2.0,
        ),
        loop=asyncio.get_running_loop(),
    )
    node.trader.add_strategy(Scalper(ScalperConfig(instrument_id=instrument_id)))
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
    parser = argparse.ArgumentParser(description="A bitcoin scalper on Alpaca through NautilusTrader.")
    parser.add_argument("--url", help="an exchange on loopback; default: Alpaca's paper account")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to trade")
    parser.add_argument("--symbol", default="BTC/USD")
    words = parser.parse_args()
    node = asyncio.run(trade(words.url, words.seconds, words.symbol))
    for order in node.cache.orders():
        print(order.client_order_id, order.side_string(), order.quantity, order.status_string(), order.avg_px or "")
    print(f"{len(node.cache.positions_closed())} round trips, {len(node.cache.positions_open())} positions open")


if __name__ == "__main__":
    main()
