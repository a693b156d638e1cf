"""The same two tasks with the official SDK, alpaca-py, unmodified."""

import time
import warnings
from typing import Any

__all__ = ["round_trips", "tick_to_order"]

warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets")

from alpaca.data.live import StockDataStream  # noqa: E402 - after the filter for its websockets.legacy import
from alpaca.data.models import Quote  # noqa: E402
from alpaca.trading.client import TradingClient  # noqa: E402
from alpaca.trading.enums import OrderSide, TimeInForce  # noqa: E402
from alpaca.trading.requests import LimitOrderRequest  # noqa: E402


def _order(n: int) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="AAPL",
        qty=1,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.IOC,
        limit_price=1.0,
        client_order_id=f"alpaca-py-{n}",
    )


def _client(port: int) -> TradingClient:
    return TradingClient("bench", "bench", url_override=f"http://127.0.0.1:{port}")


def round_trips(port: int, count: int) -> list[int]:
    """Nanoseconds of `submit_order`, `count` times."""
    client = _client(port)
    client.get_account()
    samples = []
    for n in range(count):
        start = time.perf_counter_ns()
        client.submit_order(_order(n))
        samples.append(time.perf_counter_ns() - start)
    return samples


def tick_to_order(port: int, count: int) -> None:
    """Submits from inside the quote handler, as the SDK's users do."""
    client = _client(port)
    client.get_account()
    stream = StockDataStream("bench", "bench", url_override=f"ws://127.0.0.1:{port}/v2/iex")
    sent = 0

    async def on_quote(_: Quote | dict[Any, Any]) -> None:
        nonlocal sent
        client.submit_order(_order(sent))
        sent += 1
        if sent == count:
            await stream.stop_ws()

    stream.subscribe_quotes(on_quote, "AAPL")
    stream.run()
