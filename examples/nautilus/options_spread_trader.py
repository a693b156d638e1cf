"""An iron condor on Alpaca through NautilusTrader: one multi-leg order, its fill as a whole and the fills of its legs.

    puna exchange --port 8900 --speed 60 &
    python examples/nautilus/options_spread_trader.py --url http://127.0.0.1:8900 --seconds 20

The chain comes from the broker; the short strikes lie a few percent away from the price. Without --url it trades on
Alpaca's paper account, with ALPACA_API_KEY and ALPACA_SECRET_KEY from the environment.
"""

import argparse
import asyncio
from decimal import Decimal

from nautilus_trader.config import LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OptionKind, OrderSide, TimeInForce
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, new_generic_spread_id
from nautilus_trader.model.instruments import OptionContract
from nautilus_trader.trading.strategy import Strategy

from puna.nautilus import (
    ALPACA,
    ALPACA_VENUE,
    AlpacaDataClientConfig,
    AlpacaExecClientConfig,
    AlpacaInstrumentProviderConfig,
    AlpacaLiveDataClientFactory,
    AlpacaLiveExecClientFactory,
    exec_engine_config,
)


class CondorConfig(StrategyConfig, frozen=True):
    """What to trade, and how."""

    underlying_id: InstrumentId
    quantity: Decimal = Decimal(1)
    away: Decimal = Decimal("0.03")


class Condor(Strategy):
    """Opens one iron condor of the nearest expiration, for the credit that its quotes give."""

    def __init__(self, config: CondorConfig) -> None:
        super().__init__(config)
        self.legs: list[tuple[OptionContract, int]] = []
        self.quotes: dict[InstrumentId, QuoteTick] = {}
        self.spread_id: InstrumentId | None = None
        self.whole: list[OrderFilled] = []
        self.parts: list[OrderFilled] = []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.config.underlying_id)

    def on_quote_tick(self, quote: QuoteTick) -> None:
        if quote.instrument_id == self.config.underlying_id:
            if not self.legs:
                self._choose(quote.bid_price.as_decimal())
            return
        self.quotes[quote.instrument_id] = quote
        if self.spread_id is None and self.legs and len(self.quotes) == len(self.legs):
            self.spread_id = new_generic_spread_id([(leg.id, ratio) for leg, ratio in self.legs])
            self.request_instrument(self.spread_id, callback=lambda _: self._open())

    def on_order_filled(self, event: OrderFilled) -> None:
        (self.whole if event.instrument_id == self.spread_id else self.parts).append(event)

    def _choose(self, price: Decimal) -> None:
        """Puts below and calls above the price, each with a wing further out."""
        chain = [each for each in self.cache.instruments(venue=ALPACA_VENUE) if isinstance(each, OptionContract)]
        nearest = min(each.expiration_ns for each in chain)
        chain = sorted((each for each in chain if each.expiration_ns == nearest), key=lambda each: each.strike_price)
        low, high = price * (1 - self.config.away), price * (1 + self.config.away)
        puts = [each for each in chain if each.option_kind is OptionKind.PUT and each.strike_price <= low]
        calls = [each for each in chain if each.option_kind is OptionKind.CALL and each.strike_price >= high]
        self.legs = [(puts[-2], 1), (puts[-1], -1), (calls[0], -1), (calls[1], 1)]
        for leg, _ in self.legs:
            self.subscribe_quote_ticks(leg.id)

    def _open(self) -> None:
        spread = self.cache.instrument(self.spread_id)
        if spread is None:
            self.log.error("the spread could not be loaded")
            return
        net = sum(
            (ratio * (quote.ask_price if ratio > 0 else quote.bid_price).as_decimal())
            for leg, ratio in self.legs
            if (quote := self.quotes[leg.id])
        )
        order = self.order_factory.limit(
            spread.id,
            OrderSide.BUY,
            spread.make_qty(self.config.quantity),
            spread.make_price(net + Decimal("0.05")),
            time_in_force=TimeInForce.DAY,
        )
        self.submit_order(order)


async def trade(url: str | None, seconds: float, symbol: str) -> TradingNode:
    """Runs a node for so long, and gives it back stopped."""
    underlying_id = InstrumentId.from_str(f"{symbol}.{ALPACA}")
    provider = AlpacaInstrumentProviderConfig(load_all=True, symbol_prefix=symbol, option_underlyings=(symbol,))
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
    node.trader.add_strategy(Condor(CondorConfig(underlying_id=underlying_id)))
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
    parser = argparse.ArgumentParser(description="An iron condor on Alpaca through NautilusTrader.")
    parser.add_argument("--url", help="an exchange on loopback; default: Alpaca's paper account")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to trade")
    parser.add_argument("--symbol", default="AAPL")
    words = parser.parse_args()
    node = asyncio.run(trade(words.url, words.seconds, words.symbol))
    for order in node.cache.orders():
        print(order.instrument_id, order.side_string(), order.quantity, order.status_string(), order.avg_px or "")
    for position in node.cache.positions_open():
        print(position)


if __name__ == "__main__":
    main()
