"""Matching: our resting orders against the market's quotes, by price, then time.

A buy fills at the ask, a sell at the bid, never at a worse price than its limit and never against another order of
ours. How much fills is the fill model's to say. Stops wait for a print (facts.md 5.2, ORD).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple, Protocol

from puna.core.types import AssetClass, exact
from puna.exchange.fees import kind
from puna.exchange.orders.live import LiveOrder
from puna.exchange.orders.trailing import follow, is_trailing
from puna.seams import Rng
from puna.wire.stream import QuoteMessage

__all__ = ["Book", "Books", "Execution", "FillModel", "Honest", "Paper"]

_ONE = Decimal(1)


class FillModel(Protocol):
    """How much of a marketable order fills."""

    def displayed(self, size: Decimal) -> Decimal | None:
        """How much of the size shown in a quote is ours to take while it lives; None is no end of it."""

    def part(self, leaves: Decimal) -> Decimal:
        """How much of what is left fills in one go, if there is no end of shares."""


@dataclass(frozen=True)
class Honest:
    """Shares shown are taken once: our orders share a quote's size by priority, and the rest waits for the next quote.

    Args:
        participation: our share of a displayed size, in whole shares or contracts, or in parts of coins.
    """

    participation: Decimal = _ONE

    def displayed(self, size: Decimal) -> Decimal | None:
        return size * self.participation

    def part(self, leaves: Decimal) -> Decimal:
        return leaves


@dataclass(frozen=True)
class Paper:
    """As Alpaca's paper accounts: size is not looked at; now and then an order fills in part (facts.md 9, PAPER).

    Args:
        rng: the chance.
        partial: how often an eligible order of two shares or more fills only in part.
    """

    rng: Rng
    partial: float = 0.1

    def displayed(self, size: Decimal) -> Decimal | None:  # noqa: ARG002 - the size is not looked at
        return None

    def part(self, leaves: Decimal) -> Decimal:
        whole = int(leaves)
        if whole < 2 or self.rng.random() >= self.partial:
            return leaves
        return Decimal(self.rng.randrange(1, whole))


class Execution(NamedTuple):
    """What the book has found: so much of this order, at this price."""

    order: LiveOrder
    qty: Decimal
    price: Decimal


class Book:
    """The resting orders of one symbol.

    Args:
        model: how much fills.
        stops_within_quote: whether only prints inside bid and ask elect stops.
        whole: whether sizes count in whole numbers only.
    """

    def __init__(self, model: FillModel, *, stops_within_quote: bool = True, whole: bool = True) -> None:
        self._whole = whole
        self.orders: dict[str, LiveOrder] = {}
        self.quote: QuoteMessage | None = None
        self._model = model
        self._stops_within_quote = stops_within_quote
        self._shown: dict[bool, Decimal | None] = {}

    @property
    def ask(self) -> Decimal | None:
        """The ask, when there is one."""
        return exact(self.quote.ap) if self.quote and self.quote.ap else None

    @property
    def bid(self) -> Decimal | None:
        """The bid, when there is one."""
        return exact(self.quote.bp) if self.quote and self.quote.bp else None

    def add(self, order: LiveOrder) -> None:
        self.orders[order.id] = order

    def remove(self, order: LiveOrder) -> None:
        self.orders.pop(order.id, None)

    def show(self, quote: QuoteMessage) -> None:
        """A new quote; what was taken from the last one is forgotten."""
        self.quote = quote
        self._shown = {True: self._displayed(quote.as_), False: self._displayed(quote.bs)}

    def _displayed(self, size: float) -> Decimal | None:
        ours = self._model.displayed(exact(size))
        return ours.to_integral_value(ROUND_FLOOR) if ours is not None and self._whole else ours

    def hear(self, price: Decimal, eligible: Callable[[LiveOrder], bool]) -> list[LiveOrder]:
        """A print: moves trailing stops and elects stops, which it gives back.

        A sell stop becomes a market order, a buy stop the limit order it carries.
        """
        if self._stops_within_quote and not self._within(price):
            return []
        return [each for each in self.orders.values() if each.is_stop and eligible(each) and _elects(price, each)]

    def match(self, eligible: Callable[[LiveOrder], bool]) -> Iterator[Execution]:
        """What fills now. Whoever iterates books each execution before asking for the next."""
        for is_buy, price in ((True, self.ask), (False, self.bid)):
            if price is not None:
                waiting = [o for o in self.orders.values() if o.is_buy is is_buy and not o.is_stop and eligible(o)]
                for order in sorted(waiting, key=_priority):
                    if order.is_open and order.accepts(price) and (qty := self._portion(order, price)):
                        yield Execution(order, qty, price)

    def _portion(self, order: LiveOrder, price: Decimal) -> Decimal:
        leaves, shown = order.leaves(price), self._shown[order.is_buy]
        at_once = order.body.time_in_force == "fok"
        qty = leaves if at_once else self._model.part(leaves)
        if shown is None:
            return qty
        if at_once and shown < leaves:
            return Decimal(0)
        qty = min(qty, shown)
        self._shown[order.is_buy] = shown - qty
        return qty

    def available(self, *, is_buy: bool) -> Decimal | None:
        """What is left of the size shown to a buyer or a seller; None is no end of it."""
        return self._shown.get(is_buy, Decimal(0))

    def consume(self, qty: Decimal, *, is_buy: bool) -> None:
        """Takes from the size shown."""
        left = self._shown.get(is_buy)
        if left is not None:
            self._shown[is_buy] = left - qty

    def part(self, qty: Decimal) -> Decimal:
        """How much of `qty` fills in one go, size aside."""
        return self._model.part(qty)

    def _within(self, price: Decimal) -> bool:
        return self.bid is not None and self.ask is not None and self.bid <= price <= self.ask


class Books(dict[str, Book]):
    """A book for each symbol, made when it is first asked for.

    Args:
        model: how much fills.
        stops_within_quote: as for `Book`.
    """

    def __init__(self, model: FillModel, *, stops_within_quote: bool) -> None:
        super().__init__()
        self._model = model
        self._stops_within_quote = stops_within_quote

    def __missing__(self, symbol: str) -> Book:
        whole = kind(symbol) is not AssetClass.CRYPTO
        book = self[symbol] = Book(self._model, stops_within_quote=self._stops_within_quote, whole=whole)
        return book


def _elects(price: Decimal, order: LiveOrder) -> bool:
    if is_trailing(order):
        follow(order, price)
    if order.stop is None or (price < order.stop if order.is_buy else price > order.stop):
        return False
    order.stop, order.is_stop = None, False
    return True


def _priority(order: LiveOrder) -> tuple[bool, Decimal, int]:
    """Market orders first, then the better price, then the earlier."""
    price = order.limit or Decimal(0)
    return order.limit is not None, -price if order.is_buy else price, order.ticket
