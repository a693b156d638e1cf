"""What the account and the market are now, as acceptance sees them: standing, situation, legs, what is claimed."""

from collections.abc import Callable, Container
from decimal import Decimal

from puna.core import sessions
from puna.exchange.fees import kind
from puna.exchange.ledger import Ledger
from puna.exchange.option_margin import HUNDRED, as_option, needs
from puna.exchange.orders.blotter import Blotter
from puna.exchange.orders.book import Books
from puna.exchange.orders.hours import is_live
from puna.exchange.orders.instruments import Instruments
from puna.exchange.orders.live import LiveOrder
from puna.exchange.orders.multileg import LegHere
from puna.exchange.orders.situation import Situation
from puna.exchange.prices.market import Market
from puna.exchange.statements import Standing, standing
from puna.exchange.terms import VenueOptions
from puna.wire.trading import LegRequest, OrderRequest

__all__ = ["Survey"]

ZERO = Decimal(0)


class Survey:
    """Reads of orders, books, ledger and market; what it keeps up to date are the quotes and marks of options.

    Args:
        market: quotes of options.
        instruments: what trades.
        blotter: all orders.
        books: the quotes, by symbol.
        ledger: what is held.
        marks: the last known price of each symbol.
        halted: the symbols that do not trade now.
        options: the terms.
    """

    def __init__(
        self,
        market: Market,
        instruments: Instruments,
        *,
        blotter: Blotter,
        books: Books,
        ledger: Ledger,
        marks: dict[str, Decimal],
        halted: Container[str],
        options: VenueOptions,
    ) -> None:
        self._market = market
        self._instruments = instruments
        self._blotter = blotter
        self._books = books
        self._ledger = ledger
        self._marks = marks
        self._halted = halted
        self._options = options
        self.located: Callable[[str, int], Decimal] = lambda _symbol, _now: ZERO

    def govern(self, options: VenueOptions) -> None:
        """From now on these terms hold."""
        self._options = options

    def claimed(self, symbol: str, without: LiveOrder | None = None) -> Decimal:
        """Of the position what open orders would take out of it, and what written calls lock; never more than it."""
        held = self._ledger.quantity(symbol)
        taken = self._blotter.claimed(symbol, held, without)
        locked = self._locked(symbol, without) if held > 0 else ZERO
        return min(taken + locked, abs(held))

    def _locked(self, symbol: str, without: LiveOrder | None) -> Decimal:
        """Shares that cover calls: those that are written, and those that open orders would write."""
        writing = sum((order.writes_calls for order in self._blotter.open() if order is not without), ZERO)
        if not writing and not any(as_option(each) for each in self._ledger.holdings):
            return ZERO
        opening = (each for each in self._blotter.open() if each.underlying == symbol and each is not without)
        return self._covering(symbol) + sum((each.writes_calls for each in opening), ZERO) * HUNDRED

    def _covering(self, symbol: str) -> Decimal:
        """Shares that written calls need, each as many as its contract delivers."""
        held = (
            (self._instruments.delivers(root), self._options_held(root)) for root in self._instruments.roots(symbol)
        )
        return sum((needs(options).shares / HUNDRED * each.shares for each, options in held), ZERO)

    def _options_held(self, underlying: str) -> dict[str, Decimal]:
        return {
            symbol: each.qty
            for symbol, each in self._ledger.holdings.items()
            if (option := as_option(symbol)) is not None and option.root == underlying
        }

    def standing(self, without: LiveOrder | None = None) -> Standing:
        """The account's values now; `without` is an order that is about to be replaced."""
        return standing(
            self._ledger.cash,
            self._ledger.holdings,
            self._marks,
            self._instruments.assets,
            self._options,
            self._blotter.taken(without) + self._ledger.accrued,
            self._blotter.taken(without, cash=True),
        )

    def situation(self, name: str, now: int, without: LiveOrder | None = None, underlying: str = "") -> Situation:
        """All that acceptance of an order in this symbol depends on; of a multi-leg order, by its underlying."""
        asset = self._instruments.find(name, now)
        symbol = asset.symbol if asset else ""
        option = as_option(symbol)
        root = option.root if option else underlying
        self.look(symbol, now)
        account, held, bid, ask = self.standing(without), self._ledger.quantity(symbol), *self._sides(symbol, now)
        return Situation(
            options=self._options,
            now=now,
            session=sessions.session_at(now),
            asset=asset,
            held=held,
            available=abs(held) - self.claimed(symbol, without),
            open_orders=[order for order in self._blotter.open(symbol) if order is not without],
            known=self._blotter.by_client_id,
            buying_power=account.buying_power,
            equity=account.equity,
            located=self.located(symbol, now),
            is_restricted=account.is_restricted,
            bid=bid,
            ask=ask,
            last=self._marks.get(symbol),
            over=self._instruments.is_over(name, now),
            halted=(root or symbol) in self._halted,
            cash_power=account.non_marginable_buying_power,
            contract=self._instruments.contract(symbol, now) if option else None,
            options_held=self._options_held(root) if root else {},
            free_shares=max(self._ledger.quantity(root), ZERO) - self.claimed(root, without) if root else ZERO,
        )

    def _sides(self, symbol: str, now: int) -> tuple[Decimal | None, Decimal | None]:
        """Bid and ask, as far as they count now."""
        book = self._books.get(symbol)
        if book is None or not is_live(book.quote, now, kind(symbol)):
            return None, None
        return book.bid, book.ask

    def look(self, symbol: str, now: int) -> None:
        """An option's quote is made when somebody looks; its mark is the middle (facts.md 5.5 names none: INF)."""
        quote = self._market.quote(symbol) if as_option(symbol) else None
        book = self._books[symbol] if quote else None
        if quote is None or book is None or (book.quote is not None and book.quote.t == quote.t):
            return
        book.show(quote)
        if is_live(quote, now) or symbol not in self._marks:
            sides = [side for side in (book.bid, book.ask) if side is not None]
            self._marks[symbol] = sum(sides, ZERO) / 2 if sides else ZERO

    def legs(self, request: OrderRequest, now: int, without: LiveOrder | None = None) -> list[LegHere]:
        """The legs that were asked for, and what is known of them."""
        return [self._leg(each, now, without) for each in request.legs or ()]

    def _leg(self, asked: LegRequest, now: int, without: LiveOrder | None) -> LegHere:
        asset = self._instruments.find(asked.symbol, now)
        symbol = asset.symbol if asset else asked.symbol
        self.look(symbol, now)
        held, (bid, ask) = self._ledger.quantity(symbol), self._sides(symbol, now)
        return LegHere(
            asked=asked,
            asset=asset,
            contract=self._instruments.contract(symbol, now) if as_option(symbol) else None,
            over=self._instruments.is_over(asked.symbol, now),
            held=held,
            available=abs(held) - self.claimed(symbol, without),
            bid=bid,
            ask=ask,
        )
