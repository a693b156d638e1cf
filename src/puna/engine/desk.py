"""The desk: where strategies stand. Orders go to the gateway, events come back, and their failures stay theirs.

A strategy that raises is stopped, and nothing else is: the failure is written down, its open orders are cancelled or
left, as it says itself, and the others go on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from traceback import extract_tb
from typing import Any

from puna.core.orders import Order, Status
from puna.core.parent import Parent
from puna.core.portfolio import Portfolio, equity
from puna.core.risk import Breach
from puna.core.sleeves import Sleeve, check_shares
from puna.core.symbols import asset_class, is_symbol, underlying
from puna.core.types import ZERO, AssetClass, Bar, OrderIntent, Position, Quote, TimeInForce, Trade
from puna.engine.blotter import Change
from puna.engine.coverage import Coverage
from puna.engine.entries import ParentBegun, ParentEnded
from puna.engine.gateway import Gateway
from puna.engine.parents import Parents
from puna.engine.strategy import Strategy
from puna.engine.timeframe import Aggregate, minutes
from puna.engine.working import Working
from puna.errors import ConfigError, DataError

__all__ = ["StrategyDesk"]

LONGEST_NAME = 24
PACKAGE = Path(__file__).parents[1]


class StrategyDesk:
    """All strategies of a run, on one gateway.

    Args:
        strategies: each with a name of its own.
        gateway: takes their orders.
        feed: of quotes asked for over REST; None leaves it to the broker.
        check: refuses a timeframe that cannot be had; live, all but minutes that divide an hour.

    Raises:
        ConfigError: two of one name, a name that cannot stand in an id, no symbols, or an impossible timeframe.
    """

    def __init__(
        self,
        strategies: Sequence[Strategy],
        gateway: Gateway,
        *,
        feed: str | None = None,
        check: Callable[[str], object] = minutes,
    ) -> None:
        self._gateway = gateway
        self._market = gateway.market
        self.strategies = {each.name: each for each in strategies}
        self.stopped: dict[str, str] = {}
        self.on_failure: Callable[[str, str], None] = lambda *_: None
        self.on_order: Callable[[str], None] | None = None
        self.parents = Parents(gateway, feed=feed)
        self.parents.on_done = self._tell_done
        self.parents.exits.position = self.position
        self._coverage = Coverage(gateway)
        self._watched: set[str] = set()
        self._aggregates: dict[tuple[str, str], Aggregate] = {}
        self._ended = False
        _check(strategies, check)
        for each in strategies:
            each._desk = self  # noqa: SLF001 - the one who runs it sets it
        gateway.tell_refusal = self.tell_refusal
        gateway.sight = self._seen

    @property
    def symbols(self) -> list[str]:
        """Everything that any strategy wants to see."""
        return sorted({symbol for each in self.strategies.values() for symbol in each.symbols})

    @property
    def options(self) -> list[str]:
        """What no stream brings and must be asked for: options that are held or watched, and coins."""
        held = (symbol for symbol in self._gateway.blotter.portfolio.positions if symbol not in self.symbols)
        options = (each for each in held if asset_class(each) is AssetClass.US_OPTION)
        coins = (each for each in self.symbols if is_symbol(each) and asset_class(each) is AssetClass.CRYPTO)
        return sorted({*self._watched, *options, *coins})

    @property
    def wants_trades(self) -> list[str]:
        """Symbols whose prints somebody listens to."""
        listeners = [each for each in self.strategies.values() if type(each).on_trade is not Strategy.on_trade]
        return sorted({symbol for each in listeners for symbol in each.symbols})

    # What strategies ask for.

    @property
    def now(self) -> int:
        return self._gateway.clock.now()

    def new_id(self, strategy: str) -> str:
        return self._gateway.next_id(strategy)

    def submit(self, intent: OrderIntent) -> str:
        if not self._refused(intent):
            self._gateway.submit(intent)
        return intent.client_order_id

    def replace(self, client_order_id: str, intent: OrderIntent) -> str:
        if not self._refused(intent):
            self._gateway.replace(client_order_id, intent)
        return intent.client_order_id

    def cancel(self, client_order_id: str, because: str) -> bool:
        return self._gateway.cancel(client_order_id, because)

    def guard(self, strategy: str, parent: Parent, because: str, entry: OrderIntent | None = None) -> str | None:
        if entry is not None and self._refused(entry):
            return None
        return self.parents.begin(strategy, parent, because, entry)

    def work(self, strategy: str, parent: Parent, because: str) -> str:
        return self.parents.begin(strategy, parent, because)

    def stop_work(self, parent_id: str, because: str) -> bool:
        return self.parents.stop(parent_id, because)

    def working(self, strategy: str) -> list[Working]:
        return [each for each in self.parents if each.begun.strategy == strategy]

    def order(self, client_order_id: str) -> Order | None:
        return self._gateway.order(client_order_id)

    def orders(self, strategy: str) -> list[Order]:
        every = self._gateway.open_orders()
        return [order for order in every if order.intent.strategy == strategy and order.intent.parent is None]

    def position(self, strategy: str, symbol: str) -> Decimal:
        """By its own fills; what the account held before belongs to the only one who trades the symbol, if there is."""
        held = sum((each.qty for each in self._before(strategy) if each.symbol == symbol), ZERO)
        return self._gateway.blotter.sleeve(strategy, symbol) + held

    def _before(self, strategy: str) -> list[Position]:
        """What the account held when the books began, of symbols that nobody else trades."""
        opening, owner = self._gateway.blotter.opening, self.strategies.get(strategy)
        if opening is None or not opening.positions or owner is None:
            return []
        others = {symbol for each in self.strategies.values() if each is not owner for symbol in each.symbols}
        mine = set(owner.symbols) - others
        return [each for each in opening.positions if each.symbol in mine]

    def sleeve(self, strategy: str) -> Sleeve:
        return self._gateway.blotter.sleeve_of(strategy, self.strategies[strategy].capital)

    def marks(self, symbols: Iterable[str]) -> Mapping[str, Decimal]:
        return self._market.marks(symbols)

    def holding(self, symbol: str) -> Decimal:
        return self._gateway.blotter.portfolio.qty(symbol)

    def contracts(self, root: str) -> tuple[str, ...]:
        return self._market.options.get(root, ())

    def watch(self, symbols: Iterable[str]) -> None:
        self._watched.update(symbols)

    def quote(self, symbol: str) -> Quote | None:
        return self._market.quotes.get(symbol)

    def bars(self, symbol: str, timeframe: str) -> tuple[Bar, ...]:
        return self._market.bars(symbol, timeframe)

    def worth(self, strategy: str) -> Decimal | None:
        if self.strategies[strategy].capital == 1:
            return self.equity()
        sleeve, before = self.sleeve(strategy), self._before(strategy)
        symbols = {*sleeve.book.positions, *(each.symbol for each in before)}
        marks = self._market.marks(symbols)
        own = sleeve.equity(marks)
        # What was there before stands at its cost in what the sleeve was given.
        kept = Portfolio(cash=-sum((each.cost for each in before), ZERO), positions={p.symbol: p for p in before})
        try:
            return None if own is None else own + equity(kept, marks)
        except DataError:
            return None

    def equity(self) -> Decimal | None:
        portfolio = self._gateway.blotter.portfolio
        try:
            return equity(portfolio, self._market.marks(portfolio.positions))
        except DataError:
            return None

    # What strategies hear.

    def start(self) -> None:
        """Calls `on_start`, and tells again of fills that nobody is known to have heard of."""
        self._gateway.tell = self.tell
        self.parents.take_up()
        for each in list(self.strategies.values()):
            self.call(each, each.on_start)
        for booked in self._gateway.untold():
            if (owner := self.strategies.get(booked.fill.strategy)) is not None:
                self.call(owner, owner.on_fill, booked.fill)
        self.parents.go_on()
        self._coverage.take_up()

    def hear_quote(self, quote: Quote) -> None:
        if self._market.take_quote(quote):
            self.parents.hear_quote(quote)
            for each in self._watching(quote.symbol):
                self.call(each, each.on_quote, quote)

    def hear_trade(self, trade: Trade) -> None:
        if self._market.take_trade(trade):
            for each in self._watching(trade.symbol):
                self.call(each, each.on_trade, trade)

    def hear_minute(self, bar: Bar) -> bool:
        """A bar of one minute, for those who want it so, and as part of longer ones."""
        if not self._market.take_bar("1Min", bar):
            return False
        self.parents.hear_minute(bar)
        for timeframe in sorted({each.timeframe for each in self.strategies.values()}):
            for complete in self._bars_of(timeframe, bar):
                for each in self._watching(bar.symbol):
                    if each.timeframe == timeframe:
                        self.call(each, each.on_bar, complete)
        return True

    def hear_bar(self, timeframe: str, bar: Bar) -> bool:
        """A bar of whichever timeframe, where bars do not come as minutes; those who want it so hear of it."""
        if timeframe == "1Min":
            return self.hear_minute(bar)
        if not self._market.take_bar(timeframe, bar):
            return False
        for each in self._watching(bar.symbol):
            if each.timeframe == timeframe:
                self.call(each, each.on_bar, bar)
        return True

    def tell(self, changes: Sequence[Change]) -> None:
        """Orders changed; durable and booked."""
        for change in changes:
            if self.on_order is not None:
                for line in _lines(change):
                    self.on_order(line)
            self.parents.hear(change)
            if not self._ended:
                self._coverage.hear(change.order)
            owner = self.strategies.get(change.order.intent.strategy)
            if owner is None:
                continue
            for fill in change.fills:
                self.call(owner, owner.on_fill, fill)
            if change.order.intent.parent is None:
                self.call(owner, owner.on_order, change.order)

    def tell_refusal(self, intent: OrderIntent, code: str, reason: str) -> None:
        """An order was not sent."""
        if self.on_order is not None:
            self.on_order(f"{intent.strategy}  {_wish(intent)} refused  {code} {reason}")
        self.parents.hear_refusal(intent, code, reason)
        owner = self.strategies.get(intent.strategy)
        if owner is not None and intent.parent is None:
            self.call(owner, owner.on_refused, intent, code, reason)

    def _tell_done(self, begun: ParentBegun, ended: ParentEnded) -> None:
        """A parent order is over."""
        if self.on_order is not None:
            parent = begun.parent
            done = f"{ended.filled:f} of {parent.qty:f} {parent.symbol}: {ended.reason}"
            self.on_order(f"{begun.strategy}  worked {parent.side} {done}")
        if (owner := self.strategies.get(begun.strategy)) is not None:
            self.call(owner, owner.on_parent, begun, ended)

    def stop(self, *, over: bool) -> None:
        """Lets parent orders end and calls `on_stop`; open orders are cancelled or left.

        When the session is over, day orders end alone.
        """
        self.parents.stop_all("the run is ending")
        for each in list(self.strategies.values()):
            self.call(each, each.on_stop)
            self._leave(each, over=over)
        self._ended = self.parents.over = True

    # Inside.

    def _seen(self, intent: OrderIntent) -> Mapping[str, float]:
        owner = self.strategies.get(intent.strategy)
        return owner.seen if owner is not None else {}

    def _watching(self, symbol: str) -> list[Strategy]:
        """Who hears of a symbol's market: nobody once the run is ending, lest orders leave that nobody waits for."""
        if self._ended:
            return []
        return [each for each in self.strategies.values() if symbol in each.symbols]

    def _bars_of(self, timeframe: str, minute: Bar) -> list[Bar]:
        if timeframe == "1Min":
            return [minute]
        made = self._aggregates.setdefault((minute.symbol, timeframe), Aggregate(minutes(timeframe))).take(minute)
        return [bar for bar in made if self._market.take_bar(timeframe, bar)]

    def _refused(self, intent: OrderIntent) -> bool:
        """A stopped strategy trades no more, nobody does after the end, nor what he has not named."""
        if self._ended:
            why = "the run is ending"
        elif intent.strategy in self.stopped:
            why = "this strategy was stopped"
        elif _names(intent.symbol).isdisjoint(self.strategies[intent.strategy].symbols):
            why = f"{intent.symbol} is not among the symbols of this strategy"
        else:
            return False
        self._gateway.refuse(intent, Breach("R102", "instrument", why))
        return True

    def call(self, strategy: Strategy, callback: Callable[..., Any], *args: object) -> None:
        """Calls a strategy; what it raises ends it, and nothing else."""
        if strategy.name in self.stopped:
            return
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - a user's code may raise anything
            self.fail(strategy, callback.__name__, error)

    def fail(self, strategy: Strategy, where: str, error: Exception) -> None:
        """A strategy has raised: it is stopped, its orders are cancelled or left, and the others go on."""
        what = f"{type(error).__name__}: {error}{_line(error)}"
        self.stopped[strategy.name] = what
        fate = "cancelled" if strategy.when_stopped == "cancel" else "left"
        text = f"strategy {strategy.name} failed in {where} and was stopped; its open orders are {fate}: {what}"
        self._gateway.note("E910", text)
        self.on_failure(strategy.name, text)
        self.parents.stop_all("its strategy failed", strategy.name)
        self._leave(strategy, over=False)

    def _leave(self, strategy: Strategy, *, over: bool) -> None:
        for order in self.orders(strategy.name) if strategy.when_stopped == "cancel" else ():
            if not (over and order.intent.time_in_force is TimeInForce.DAY):
                self._gateway.cancel(order.client_order_id, "its strategy has ended")


def _line(error: Exception) -> str:
    """Where an error was raised: the innermost line of the strategy's file, which is the first that is not Puna's."""
    frames = [each for each in extract_tb(error.__traceback__) if not Path(each.filename).is_relative_to(PACKAGE)]
    mine = [each for each in frames if each.filename == frames[0].filename]
    return f" ({Path(mine[-1].filename).name}, line {mine[-1].lineno})" if mine else ""


def _lines(change: Change) -> Iterable[str]:
    """What happened to an order, for people: each fill, and an end without one."""
    order, intent = change.order, change.order.intent
    for fill in change.fills:
        if not fill.qty:  # a later word on the price of what was booked already
            continue
        because = f"  ({intent.because})" if intent.because else ""
        done = f"  {order.filled_qty:f} of {intent.qty:f}" if order.filled_qty < intent.qty else ""
        where = f"{_price(fill.price)}{'  crossed inside' if fill.internal else ''}"
        yield f"{intent.strategy}  {fill.side} {fill.qty:f} {fill.symbol} at {where}{done}{because}"
    if order.is_terminal and order.status is not Status.FILLED:
        reason = f"  {order.reason}" if order.reason else ""
        yield f"{intent.strategy}  {_wish(intent)} {order.raw_status}{reason}"


def _price(value: Decimal) -> str:
    """A price for people: what came out of two averages of the broker's has digits that nobody traded at."""
    short = round(value, 4 if value >= 1 else 9).normalize()
    return f"{short:f}"


def _names(symbol: str) -> set[str]:
    """Under which names a strategy may have asked for a symbol: its own, or that of what it is written on."""
    return {symbol, underlying(symbol)} if is_symbol(symbol) else {symbol}


def _wish(intent: OrderIntent) -> str:
    price = "" if intent.limit_price is None else f" at {intent.limit_price:f}"
    return f"{intent.side} {intent.qty:f} {intent.symbol}{price}"


def _check(strategies: Sequence[Strategy], check: Callable[[str], object]) -> None:
    names = [each.name for each in strategies]
    for each in strategies:
        fits = each.name.replace("_", "a").isalnum() and each.name.isascii() and len(each.name) <= LONGEST_NAME
        if not fits or names.count(each.name) > 1:
            why = (
                "it stands twice"
                if fits
                else f"1 to {LONGEST_NAME} letters, digits and underscores fit into an order's id"
            )
            raise _unusable(f"A strategy cannot be called {each.name!r}.", why)
        if not each.symbols:
            raise _unusable(f"The strategy {each.name} has no symbols.", "it would neither see nor trade anything")
        check(each.timeframe)
    shares = {each.name: each.capital for each in strategies if each.capital != 1}  # 1 is the default: not a share
    check_shares(shares)


def _unusable(what: str, why: str) -> ConfigError:
    return ConfigError(what, why=why, state="Nothing was started.", remedy="Change it in the configuration or class.")
