"""Coins: seeded prices around the clock. They are invented: no day of any real coin is in them.

Over days a price follows a tree of midpoints (each day's level is known without walking through all days before it),
inside a day a bridge of random steps from its level to the next day's. Whole numbers and random bits only: the same
seed gives the same prices on every machine. Prices are in billionths of a dollar, sizes in billionths of a coin; a day
is a day of UTC.
"""

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

from puna.exchange.prices.bars import Candle
from puna.seams import seeded_rng

__all__ = [
    "COINS",
    "DAY_NS",
    "NANO",
    "Coin",
    "CoinDay",
    "CoinQuote",
    "Level",
    "book",
    "coarse_day",
    "coin_day",
    "levels",
]

NANO = 1_000_000_000
DAY_NS = 86_400 * NANO
COARSE = 96
"""Candles of a day that nobody sees minute by minute: a quarter of an hour each."""

_MILLION = 1_000_000
_SPAN = 1 << 15  # days since 1970, to 2059
_CALMEST = 120_000  # no midpoint lies further from the line than about 12 %, so prices stay in their neighbourhood
_DEPTH = 10


class Coin(NamedTuple):
    """A pair: where its price lives, and its asset's increments. Prices and sizes in billionths, moves in millionths.

    `daily` is the deviation of a day's move, `volume` what is traded in a day, `spread` between bid and ask.
    """

    pair: str
    name: str
    price: int
    tick: int
    least: int
    daily: int
    volume: int
    spread: int


COINS = {
    each.pair: each
    for each in (
        Coin("BTC/USD", "Bitcoin / US Dollar", 62_000 * NANO, NANO // 100, 20_000, 28_000, 1_600 * NANO, 400),
        Coin("DOGE/USD", "Dogecoin / US Dollar", NANO // 8, 10_000, 10 * NANO, 52_000, 90_000_000 * NANO, 900),
        Coin("ETH/USD", "Ethereum / US Dollar", 3_000 * NANO, NANO // 100, 400_000, 36_000, 24_000 * NANO, 500),
        Coin("LTC/USD", "Litecoin / US Dollar", 80 * NANO, NANO // 1000, 15_000_000, 40_000, 120_000 * NANO, 800),
        Coin("SOL/USD", "Solana / US Dollar", 150 * NANO, NANO // 1000, 8_000_000, 46_000, 300_000 * NANO, 700),
    )
}
"""What can be traded, by pair."""


class CoinQuote(NamedTuple):
    """Bid and ask, and what is shown there."""

    bid: int
    bid_size: int
    ask: int
    ask_size: int


class Level(NamedTuple):
    """One price of a book."""

    price: int
    size: int


class CoinDay(NamedTuple):
    """One day of one coin: the price that nobody knows, step by step, and 64 random bits for each step."""

    coin: Coin
    middle: list[int]
    bits: list[int]

    def quote(self, step: int) -> CoinQuote:
        coin, middle, bits = self.coin, self.middle[step], self.bits[step]
        half = max(coin.tick, middle * coin.spread // (2 * _MILLION) * (2 + (bits & 3)) // 3)
        bid = max(coin.tick, (middle - half) // coin.tick * coin.tick)
        ask = -(-(middle + half) // coin.tick) * coin.tick
        lot = self.lot
        return CoinQuote(bid, lot * (1 + (bits >> 2 & 31)), ask, lot * (1 + (bits >> 7 & 31)))

    def trade(self, step: int) -> tuple[int, int, bool] | None:
        """Price, size and whether the buyer took; None one time in eight."""
        bits = self.bits[step] >> 12
        if not bits & 7:
            return None
        quote, buys = self.quote(step), bool(bits & 8)
        return quote.ask if buys else quote.bid, self.lot * (1 + (bits >> 4 & 31)) // 4 + (bits >> 9 & 1023), buys

    @property
    def lot(self) -> int:
        """A usual size: what the day's volume makes of a step."""
        return max(1, self.coin.volume // (len(self.middle) * 4))


def coin_day(coin: Coin, day: int, steps: int, seed: int) -> CoinDay:
    """The day with that number since 1970, in so many steps."""
    rng = seeded_rng(f"{seed}:{coin.pair}:{day}:{steps}")
    price, target = levels(coin, day, seed), levels(coin, day + 1, seed)
    spread, middle, bits = coin.daily * 1000 // isqrt(steps), [], []
    for left in range(steps, 0, -1):
        middle.append(price)
        bits.append(rng.getrandbits(64))
        # The count of ones in 64 random bits: a normal deviate of mean 32 and deviation 4.
        jitter = price * spread * (rng.getrandbits(64).bit_count() - 32) // (4 * NANO)
        price = max(coin.tick * 4, price + (target - price) // left + jitter)
    return CoinDay(coin, middle, bits)


def coarse_day(coin: Coin, day: int, seed: int) -> list[Candle]:
    """A day long past: a candle for each quarter of an hour."""
    path = coin_day(coin, day, COARSE, seed)
    width, candles = DAY_NS // COARSE, []
    for step, bits in enumerate(path.bits):
        here = path.middle[step] // coin.tick * coin.tick
        there = (path.middle[step + 1] if step + 1 < COARSE else levels(coin, day + 1, seed)) // coin.tick * coin.tick
        wick = here * coin.daily // (_MILLION * 32)
        high = max(here, there) + wick * (bits & 15) // 16 // coin.tick * coin.tick
        low = min(here, there) - wick * (bits >> 4 & 15) // 16 // coin.tick * coin.tick
        volume = path.lot * (4 + (bits >> 8 & 7))
        prints = 20 + (bits >> 11 & 63)
        candles.append(
            Candle(day * DAY_NS + step * width, here, high, low, there, volume, prints, volume * (high + low) // 2)
        )
    return candles


@lru_cache(maxsize=8192)
def levels(coin: Coin, day: int, seed: int) -> int:
    """The price at midnight (UTC) of the day with that number since 1970."""
    low, high, below, above = 0, _SPAN, coin.price, coin.price
    while low < day < high:
        middle = (low + high) // 2
        between = _between(
            coin, below, above, high - low, seeded_rng(f"{seed}:{coin.pair}:{low}:{high}").getrandbits(64)
        )
        low, high, below, above = (low, middle, below, between) if day <= middle else (middle, high, between, above)
    return above if day == high else below


def _between(coin: Coin, below: int, above: int, span: int, bits: int) -> int:
    """The midpoint of two levels, moved by chance as a random walk over so many days would be."""
    deviation = min(coin.daily * isqrt(span * 10_000 // 4) // 100, _CALMEST)
    move = deviation * (bits.bit_count() - 32) // 4
    line = (below + above) // 2
    return line * (_MILLION + move) // _MILLION if move >= 0 else line * _MILLION // (_MILLION - move)


def book(quote: CoinQuote, tick: int, bits: int) -> tuple[list[Level], list[Level]]:
    """Bids and asks behind a quote, ten a side; the further away, the more is shown."""
    gap = max(tick, (quote.ask - quote.bid) // (2 * tick) * tick)
    bids, asks = [Level(quote.bid, quote.bid_size)], [Level(quote.ask, quote.ask_size)]
    for rank in range(1, _DEPTH):
        mixed = (bits * (2 * rank + 1) * 0x9E3779B97F4A7C15 >> 40) & 0xFFFF
        if (price := quote.bid - rank * gap) > 0:
            bids.append(Level(price, quote.bid_size * (rank + 1 + (mixed & 7)) // 2))
        asks.append(Level(quote.ask + rank * gap, quote.ask_size * (rank + 1 + (mixed >> 3 & 7)) // 2))
    return bids, asks
