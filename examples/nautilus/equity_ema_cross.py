"""A moving-average cross on a stock, traded through NautilusTrader on Alpaca.

    puna exchange --port 8900 --speed 60 &
    python examples/nautilus/equity_ema_cross.py --url http://127.0.0.1:8900 --seconds 20

Without --url it trades on Alpaca's paper account, with ALPACA_API_KEY and ALPACA_SECRET_KEY from the environment.
"""

import argparse
import asyncio
from decimal import Decimal

from nautilus_trader.config import LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import Bar, BarType
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


class EmaCrossConfig(StrategyConfig, frozen=True):
    """What to trade, and how."""

    bar_type: BarType
    quantity: Decimal = Decimal(10)
    fast: int = 3
    slow: int = 8


class EmaCross(Strategy):
    """Long while the fast average is above the slow one, flat otherwise."""

    def __init__(self, config: EmaCrossConfig) -> None:
        super().__init__(config)
        self.fast = ExponentialMovingAverage(config.fast)
        self.slow = ExponentialMovingAverage(config.slow)

    def on_start(self) -> None:
        bar_type = self.config.bar_type
        self.register_indicator_for_bars(bar_type, self.fast)
        self.register_indicator_for_bars(bar_type, self.slow)
        self.subscribe_bars(bar_type)

    def on_bar(self, _: Bar) -> None:
        if not self.indicators_initialized():
            return
        instrument_id = self.config.bar_type.instrument_id
        rising = self.fast.value > self.slow.value
        if rising and self.portfolio.is_flat(instrument_id):
            self._order(OrderSide.BUY)
        elif not rising and self.portfolio.is_net_long(instrument_id):
            self._order(OrderSide.SELL)

    def on_stop(self) -> None:
        instrument_id = self.config.bar_type.instrument_id
        self.cancel_all_orders(instrument_id)
        self.close_all_positions(instrument_id, time_in_force=TimeInForce.DAY, reduce_only=False)

    def _order(self, side: OrderSide) -> None:
        instrument_id = self.config.bar_type.instrument_id
        if self.cache.orders_inflight(instrument_id=instrument_id) or self.cache.orders_open(
            instrument_id=instrument_id
        ):
            return
        quantity = self.cache.instrument(instrument_id).make_qty(self.config.quantity)
        self.submit_order(self.order_factory.market(instrument_id, side, quantity, time_in_force=TimeInForce.DAY))


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
    bar_type = BarType.from_str(f"{instrument_id}-1-MINUTE-LAST-EXTERNAL")
    node.trader.add_strategy(EmaCross(EmaCrossConfig(bar_type=bar_type)))
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
    parser = argparse.ArgumentParser(description="A moving-average cross on Alpaca through NautilusTrader.")
    parser.add_argument("--url", help="an exchange on loopback; default: Alpaca's paper account")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to trade")
    parser.add_argument("--symbol", default="AAPL")
    words = parser.parse_args()
    node = asyncio.run(trade(words.url, words.seconds, words.symbol))
    for order in node.cache.orders():
        print(order.client_order_id, order.side_string(), order.quantity, order.status_string(), order.avg_px or "")
    print(f"{len(node.cache.positions_closed())} round trips, {len(node.cache.positions_open())} positions open")


if __name__ == "__main__":
    main()
