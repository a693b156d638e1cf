"""The two strategies of `puna demo`: short, so that they can be read, and busy, so that there is something to see.

They are no advice. `Momentum` says how much it wants to hold and leaves the orders to Puna; `DipBuyer` places, moves
and cancels its own orders, and reacts to what becomes of them.
"""

from decimal import Decimal
from statistics import fmean, pstdev

from puna.core import sessions
from puna.core.orders import Order
from puna.core.types import Bar, OrderIntent, OrderType, Side
from puna.engine.strategy import Strategy

__all__ = ["DipBuyer", "Momentum"]

CENT = Decimal("0.01")
LATE = 15 * 60_000_000_000


def is_late(now: int) -> bool:
    """The last quarter of an hour before the close, which on a half day is at 13:00."""
    day = sessions.day(sessions.date_of(now))
    return day is not None and now >= day.close - LATE


class Momentum(Strategy):
    """Holds what has risen for half an hour, twice as much if it rose strongly, until it falls."""

    symbols = ("AAPL", "GOOG", "MSFT")
    timeframe = "5Min"
    warmup = {"1Day": 20}  # noqa: RUF012 - read, never changed
    drift = Decimal("0.05")

    lookback = 6
    rising = 0.0010
    strong = 0.0040
    weight = Decimal("0.25")
    modest = False

    def on_bar(self, bar: Bar) -> None:
        bars = self.history(bar.symbol)
        if is_late(self.now):
            self.target(bar.symbol, 0, because="flat before the close")
        elif len(bars) > self.lookback:
            self.follow(bar.symbol, bar.close / bars[-1 - self.lookback].close - 1)

    def follow(self, symbol: str, move: float) -> None:
        """Turns the move of the last half hour into a weight."""
        told = f"moved {move:+.2%} in 30 minutes"
        if move >= self.strong and not self.modest:
            self.target(symbol, 2 * self.weight, because=f"{told}: twice the weight")
        elif move >= self.rising and not self.position(symbol):
            self.target(symbol, self.weight, because=told)
        elif move < 0:
            self.target(symbol, 0, because=told)

    def on_refused(self, intent: OrderIntent, code: str, reason: str) -> None:  # noqa: ARG002 - any limit will do
        """A limit was met: asking again every five minutes would not change it."""
        self.modest = True


class DipBuyer(Strategy):
    """Waits below the mean with a limit order, protects what it got with a stop, and sells when the price is back.

    It has one order in a symbol at a time, because opposite orders of one account must not meet.
    """

    symbols = ("FB", "IBM")

    window = 60
    depth = 1.5  # standard deviations below the mean
    stop = Decimal("0.006")  # below the mean price paid
    weight = Decimal("0.20")
    step = Decimal("0.001")  # a limit is moved when it is further off than this

    def on_bar(self, bar: Bar) -> None:
        closes = [each.close for each in self.history(bar.symbol)[-self.window :]]
        if len(closes) < self.window:
            return
        mean, held = fmean(closes), self.position(bar.symbol)
        working = next((order for order in self.orders() if order.intent.symbol == bar.symbol), None)
        if is_late(self.now):
            self.leave(bar.symbol, working, held, "flat before the close")
        elif held:
            self.guard(bar, working, held, mean)
        else:
            self.wait_below(bar.symbol, working, mean - self.depth * pstdev(closes))

    def wait_below(self, symbol: str, working: Order | None, price: float) -> None:
        """A bid below the market that follows the mean."""
        limit = Decimal(price).quantize(CENT)
        why = f"{self.depth} standard deviations below the mean"
        if working is None:
            if self.equity is not None:
                self.buy(symbol, self.weight * self.equity // limit, limit=limit, because=why)
        elif working.replaceable and abs(limit - (working.intent.limit_price or limit)) > self.step * limit:
            self.replace(working.client_order_id, limit=limit, because="the mean has moved")

    def guard(self, bar: Bar, working: Order | None, held: Decimal, mean: float) -> None:
        """What is held has a stop, and goes when the price is back at its mean."""
        back = bar.close >= mean
        if working is None:
            stop = (Decimal(repr(bar.close)) * (1 - self.stop)).quantize(CENT)
            if back:
                self.sell(bar.symbol, held, because="back at the mean")
            else:
                self.sell(bar.symbol, held, stop=stop, because="not more than 0.6 % may be lost")
        elif working.intent.side is Side.BUY:
            self.cancel(working.client_order_id, because="what was bought is enough")
        elif back and working.intent.type is OrderType.STOP:
            self.cancel(working.client_order_id, because="back at the mean: sell instead")

    def leave(self, symbol: str, working: Order | None, held: Decimal, why: str) -> None:
        """Nothing stays open, and nothing is held."""
        if working is not None and working.intent.type is not OrderType.MARKET:
            self.cancel(working.client_order_id, because=why)
        elif working is None and held:
            self.sell(symbol, held, because=why)
