"""The domain's nouns, frozen: orders, fills, positions, quotes, trades, bars.

Money and quantity are Decimal. Prices of market data are float64, as the data API sends them; where such a price
becomes money it passes through `exact`, which gives back the decimal that was printed (a float's shortest
representation is exact for up to 15 significant digits, and Alpaca prints fewer). Times are whole nanoseconds since the
epoch, UTC: `ts_event` when it happened, `ts_init` when it reached us.
"""

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

import msgspec

__all__ = [
    "ZERO",
    "AssetClass",
    "Bar",
    "Fill",
    "Leg",
    "OrderClass",
    "OrderIntent",
    "OrderType",
    "Position",
    "PositionIntent",
    "Quote",
    "Side",
    "StopLoss",
    "TakeProfit",
    "TimeInForce",
    "Trade",
    "exact",
]

ZERO = Decimal(0)
_INFINITE = float("inf")


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    sign: int  # +1 for a buy, -1 for a sell

    def __init__(self, word: str) -> None:
        self.sign = 1 if word == "buy" else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order prices itself."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class AssetClass(StrEnum):
    """What kind of thing is traded."""

    US_EQUITY = "us_equity"
    US_OPTION = "us_option"
    CRYPTO = "crypto"


class OrderClass(StrEnum):
    """Whether an order stands alone or brings others with it."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    MLEG = "mleg"


class PositionIntent(StrEnum):
    """Whether an order is meant to open or to close."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask. Sizes are shares, contracts or coins; a side that is not quoted has price 0."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_event: int
    ts_init: int

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def usable(self) -> bool:
        """Both sides quoted and not crossed; NaN is never usable."""
        return 0 < self.bid <= self.ask < _INFINITE


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One print on the tape."""

    symbol: str
    price: float
    size: float
    ts_event: int
    ts_init: int


class Bar(msgspec.Struct, frozen=True, gc=False):
    """Open, high, low, close, volume of the interval that begins at `ts_event`; known from `ts_init` on."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    ts_event: int
    ts_init: int
    trade_count: int = 0
    vwap: float = 0.0


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One leg of a multi-leg order: `ratio` units for each unit of the parent."""

    symbol: str
    side: Side
    ratio: int
    position_intent: PositionIntent | None = None


class TakeProfit(msgspec.Struct, frozen=True, gc=False):
    """The leg that takes the profit of a bracket, OCO or OTO order: a limit order."""

    limit_price: Decimal


class StopLoss(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The leg that ends the loss of a bracket, OCO or OTO order: a stop, or a stop-limit order."""

    stop_price: Decimal
    limit_price: Decimal | None = None


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What we want from the broker, under the id that stays its key for good.

    Args:
        client_order_id: at most 48 characters, made from the journal's epoch and counter, so a replay makes the same.
        strategy: who wants it.
        symbol: canonical symbol; of a multi-leg order its underlying.
        side: buy or sell; a multi-leg order always buys its package, at a negative price when that is a credit.
        qty: in shares, contracts or coins, always positive; of a multi-leg order the number of packages; of an order by
            `notional` the most that the money may buy, for reservations only.
        type: market, limit, stop, stop_limit, trailing_stop.
        time_in_force: day, gtc, ioc, fok, opg, cls.
        ts: market time of the decision, ns.
        limit_price: for limit and stop_limit; of a multi-leg order the net price of one package, a credit is negative;
            of an OCO order that of its take-profit leg.
        stop_price: for stop and stop_limit.
        extended_hours: may trade outside 09:30-16:00 New York (limit orders only).
        order_class: simple; bracket (entry, `take_profit` and `stop_loss`), oco (both, without an entry), oto (one of
            them), mleg (`legs`).
        legs: of a multi-leg order, two to four.
        position_intent: whether it opens or closes; options.
        notional: money instead of a quantity; day orders of fractionable stocks, and crypto.
        trail_price: distance of a trailing stop, in dollars; this or `trail_percent`.
        trail_percent: distance of a trailing stop, in percent.
        take_profit: of a bracket, oco or oto order.
        stop_loss: of a bracket, oco or oto order.
        parent: id of the parent order whose child this is.
        leg_of: client_order_id of the order whose leg this is.
        deadline: market time, ns, after which the intent must no longer be sent.
        replaces: client_order_id of the order that this one takes the place of.
        because: the strategy's reason, for people.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType
    time_in_force: TimeInForce
    ts: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    legs: tuple[Leg, ...] = ()
    position_intent: PositionIntent | None = None
    notional: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    parent: str | None = None
    leg_of: str | None = None
    deadline: int | None = None
    replaces: str | None = None
    because: str = ""


class Fill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A step in an order's cumulative filled quantity, as booked: `qty` more at `price`.

    The key that merges every source is (order, `cum_qty`); `price` is the average over this step, rounded to nine
    decimals, and `adjustment` is what the rounding left over, so that `notional` is exact. A bust has a negative `qty`.
    A later, better knowledge of earlier prices is a step of `qty` 0 whose `adjustment` carries the difference.
    An `internal` one was crossed with another strategy of the account (`core.netting`): the broker knows nothing of it.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    ts_event: int
    execution_id: str = ""
    fee: Decimal = ZERO
    adjustment: Decimal = ZERO
    internal: bool = False

    @property
    def notional(self) -> Decimal:
        """What the step was worth: positive for more filled, negative for a bust, without the multiplier."""
        return self.qty * self.price + self.adjustment


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is held: `qty` is negative when short, `cost` is the signed cost of what is open."""

    symbol: str
    qty: Decimal
    cost: Decimal

    @property
    def average_price(self) -> Decimal:
        return self.cost / self.qty if self.qty else ZERO


def exact(price: float) -> Decimal:
    """The decimal that a market-data price was printed as."""
    return _printed(price) if price else Decimal(repr(price))  # 0.0 and -0.0 are equal, and not printed alike


@lru_cache(maxsize=4096, typed=True)  # many ask for the sides of one quote
def _printed(price: float) -> Decimal:
    return Decimal(repr(price))
