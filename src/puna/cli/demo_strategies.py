"""Two of the three strategies of `puna demo`: short, so that they can be read; the third is `puna.engine.rebalance`.

They are no advice. `Momentum` says how much it wants to hold and leaves the orders to Puna; `Condor` checks its margin
and lets its packages of options be worked.
"""

from datetime import time, timedelta
from decimal import Decimal

from puna.core import sessions
from puna.core.pricing import package
from puna.core.spreads import closing, spread
from puna.core.types import Bar, Leg, OrderIntent
from puna.engine.strategy import Strategy

__all__ = ["Condor", "Momentum"]

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


class Condor(Strategy):
    """Sells the range in which the price may stay: an iron condor, opened and closed as one order each.

    The margin is checked first, against the capital of this strategy alone. The price starts where we wait and gives
    way step by step, never below the credit that was decided.
    """

    symbols = ("AAPL",)
    option_days = {"AAPL": 21}  # noqa: RUF012 - read, never changed

    away = Decimal("0.03")  # of the short strikes from the price
    width = Decimal(10)
    least_days = 7
    give = Decimal("0.15")  # of the middle credit
    most = 3
    opens, closes = time(10, 0), time(15, 30)

    def __init__(self) -> None:
        self.legs: tuple[Leg, ...] = ()
        self.qty = 0
        self.opened = self.closed = False

    def on_bar(self, bar: Bar) -> None:
        today = sessions.date_of(self.now)
        if self.now < sessions.at(today, self.opens) or self.closed:
            return
        if not self.legs:
            self.choose(bar.symbol)
        elif not self.opened:
            self.open()
        elif self.now >= min(sessions.at(today, self.closes), _late(self.now)):
            self.close()

    def choose(self, symbol: str) -> None:
        """Short strikes on both sides of the price, wings further out; their quotes are asked for from now on."""
        quote = self.quote(symbol)
        first = sessions.date_of(self.now) + timedelta(days=self.least_days)
        listed = [each for each in self.contracts(symbol) if each.expiration >= first]
        if quote is None or not quote.usable or not listed:
            return
        expiry, spot = min(each.expiration for each in listed), Decimal(repr(quote.mid))
        strikes = sorted({each.strike for each in listed if each.expiration == expiry})
        put = max((each for each in strikes if each <= spot * (1 - self.away)), default=None)
        call = min((each for each in strikes if each >= spot * (1 + self.away)), default=None)
        if put is None or call is None or not {put - self.width, call + self.width} <= set(strikes):
            return
        self.legs = spread("iron_condor", symbol, expiry, [put - self.width, put, call, call + self.width])
        self.watch(*(leg.symbol for leg in self.legs))

    def open(self) -> None:
        """As many as the margin allows, at most `most`; nothing when the quotes are not there yet."""
        price = self.price(self.legs)
        if price is None or price >= 0:
            return
        check = self.margin_check(self.legs, self.most, price)
        self.qty = min(self.most, check.largest_quantity)
        self.opened = True
        if not self.qty:
            self.closed = True
            return
        cap = (price * (1 - self.give)).quantize(CENT)
        why = f"credit {-price:.2f}, at most {check.margin_after} at risk, {check.largest_quantity} would fit"
        self.work_package(self.legs, self.qty, cap=cap, seconds_a_step=20, because=why)

    def close(self) -> None:
        """Takes back what was sold, before the day ends."""
        held = abs(self.position(self.legs[1].symbol))
        back = closing(self.legs)
        price = self.price(back)
        if not held:
            self.closed = True
        elif price is not None and not self.working():
            cap = (price * (1 + self.give) + CENT).quantize(CENT)
            self.work_package(back, held, cap=cap, seconds_a_step=20, because="the day ends")
            self.closed = True

    def price(self, legs: tuple[Leg, ...]) -> Decimal | None:
        """The middle of the package: a credit is negative."""
        quotes = {leg.symbol: quote for leg in legs if (quote := self.quote(leg.symbol)) is not None}
        sides = package(legs, quotes)
        return None if sides is None else sides.mid


def _late(now: int) -> int:
    """When the last half hour begins, which on a half day is at 12:30."""
    day = sessions.day(sessions.date_of(now))
    return day.close - 2 * LATE if day is not None else now
