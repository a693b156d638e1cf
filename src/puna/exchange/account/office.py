"""The back office: everything of an account that is no order: configurations, activities, watchlists, locates, history.

It answers the commands that concern them, and keeps what the days leave behind.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal

from puna.core import sessions
from puna.core.types import AssetClass
from puna.exchange.account import configurations
from puna.exchange.account.activities import Activities
from puna.exchange.account.commands import (
    AccountCommand,
    AccountReply,
    AddToWatchlist,
    Configure,
    CreateWatchlist,
    DeleteWatchlist,
    DoNotExercise,
    Exercise,
    RemoveFromWatchlist,
    RequestLocate,
    UpdateWatchlist,
)
from puna.exchange.account.corporate import CorporateActions, of_market
from puna.exchange.account.expiry import OptionsLife
from puna.exchange.account.history import Ask, Cashflow, Curve, history
from puna.exchange.account.locates import Locates
from puna.exchange.account.watchlists import Watchlists
from puna.exchange.ledger import CENT, Cause, Charge
from puna.exchange.log import EventLog
from puna.exchange.orders.desk import Desk
from puna.exchange.prices.market import Market
from puna.exchange.refusals import Refusal, not_found
from puna.exchange.terms import VenueOptions
from puna.wire.account import Watchlist
from puna.wire.codec import Amount
from puna.wire.trading import Order, TradeUpdate

__all__ = ["BackOffice"]

_FEE_WORDS = {"SEC": "REG"}
"""The ledger's names -> Alpaca's sub types of FEE, where they differ (SPEC-T, ActivitySubType)."""


class BackOffice:
    """The office of one account.

    Args:
        account_id: whose it is.
        opened: when the account was opened, ns.
        desk: orders, books, prices.
        market: which actions its data knows.
        options: the terms as they are without configurations.
        log: gets activities and fees.
        govern: is told the terms under changed configurations.
    """

    def __init__(
        self,
        *,
        account_id: str,
        opened: int,
        desk: Desk,
        market: Market,
        options: VenueOptions,
        log: EventLog,
        govern: Callable[[VenueOptions], None],
    ) -> None:
        self.activities = Activities(account_id=account_id, log=log)
        self.configurations = configurations.first(options)
        self.watchlists = Watchlists(account_id, self.activities.group, desk.asset)
        self.locates = Locates(
            new_id=self.activities.group, find=desk.asset, price=desk.marks.get, pay=self._pay_locate
        )
        self.curve = Curve(opened, options.cash)
        self.corporate = CorporateActions(
            events=(*of_market(market), *options.account.actions),
            ledger=desk.ledger,
            activities=self.activities,
            pays=options.account.dividends,
        )
        self.options = OptionsLife(
            account_id=account_id,
            ledger=desk.ledger,
            activities=self.activities,
            terms=options.account,
            find=desk.instruments.find,
            delivers=desk.instruments.delivers,
            available=lambda symbol: abs(desk.ledger.quantity(symbol)) - desk.claimed(symbol),
            price=desk.marks.get,
            means=lambda: desk.standing().buying_power,
        )
        self._desk = desk
        self._ledger = desk.ledger
        self._options = options
        self._log = log
        self._govern = govern
        self._changes = 0
        desk.survey.located = self.locates.largest
        self.activities.book("JNLC", opened, net=options.cash, silent=True)

    @property
    def approved_level(self) -> int:
        """The level of options that the broker allows, whatever the configurations do to it."""
        return self._options.options_level

    def submitted(self, reply: object, now: int) -> None:
        """A short sale of what is hard to borrow uses up its locate."""
        if not isinstance(reply, Order) or reply.position_intent != "sell_to_open" or not reply.symbol:
            return
        asset = self._desk.asset(reply.symbol)
        hard = asset is not None and asset.asset_class == AssetClass.US_EQUITY and asset.easy_to_borrow is False
        locate = self.locates.covers(reply.symbol, reply.qty or Decimal(0), now) if hard else None
        if locate is not None:
            self.locates.use(locate)

    def begin_day(self, on: date, now: int) -> list[TradeUpdate]:
        """What happened over night, and what the day brings before anybody trades."""
        self._note_changes(now, silent=True)
        self.options.begin_day(on, now)
        told = self.corporate.begin_day(on, self._desk, now)
        self._charge_interest(on, now)
        self._note_changes(now)
        return told

    def sell_out(self, on: date, now: int) -> None:
        """Options that cannot be paid for are sold on their last day."""
        for symbol in self.options.hopeless(on):
            self._desk.close(symbol, None, None, now)

    def end_day(self, on: date, now: int) -> None:
        """Fees, and the contracts that end."""
        self._note_changes(now, silent=True)
        self.charge_fees(now)
        before = len(self._ledger.changes)
        self.options.end_day(on, now)
        self._changes = before
        self._note_changes(now)

    def answer(self, command: AccountCommand, now: int) -> AccountReply | Refusal | None:
        """Does what a command wants."""
        match command:
            case Configure(change):
                return self._configure(configurations.changed(self.configurations, change))
            case CreateWatchlist(request):
                return self.watchlists.create(request, now)
            case RequestLocate(request, key):
                return self.locates.create(request, key, now)
            case Exercise(contract):
                return self.options.exercise(contract, now)
            case DoNotExercise(contract):
                return self.options.refrain(contract, now)
            case _:
                return self._watch(command, now)

    def history(self, ask: Ask, now: int) -> dict[str, object]:
        """GET /v2/account/portfolio/history."""
        return history(ask, self.curve, self._flows(), now, self._desk.standing().equity)

    def charge_fees(self, now: int) -> None:
        """Charges what the day has accrued, and books it: FEE for each kind, CFEE for each coin."""
        charged, coins = self._ledger.charge_fees(), self._ledger.charge_coins()
        if charged:
            self._log.append("fees", now, {name: Amount(fee) for name, fee in charged.items()})
        self._book_fees(charged, now)
        for each in coins:
            self._book_coin(each, now)

    def _charge_interest(self, on: date, now: int) -> None:
        """Debit * rate / 360 for each night since the last trading day; so for borrowing (facts.md 4, MARG)."""
        terms, nights = self._options.account, (on - sessions.previous_trading_day(on).date).days
        if terms.interest is not None and self._ledger.cash < 0:
            owed = (-self._ledger.cash * terms.interest / 360 * nights).quantize(CENT, ROUND_CEILING)
            self._ledger.pay(Cause.INTEREST, -owed)
            self.activities.book("INT", now, sub_type="MGN", net=-owed, description=f"Margin interest, {nights} days")
        if terms.borrow is not None:
            for symbol, held in sorted(self._ledger.holdings.items()):
                asset = self._desk.asset(symbol)
                if held.qty < 0 and asset is not None and asset.easy_to_borrow is False and asset.shortable:
                    worth = -held.value(self._desk.marks[symbol])
                    owed = (worth * terms.borrow / 360 * nights).quantize(CENT, ROUND_CEILING)
                    self._ledger.charge(Cause.BORROW, owed, symbol)
                    self.activities.book("FEE", now, symbol=symbol, net=-owed, description=f"Borrow fee, {symbol}")

    def _note_changes(self, now: int, *, silent: bool = False) -> None:
        """Logs what has changed the books besides trades and fees, which have lines of their own."""
        new, self._changes = self._ledger.changes[self._changes :], len(self._ledger.changes)
        for change in new if not silent else ():
            booked = {"symbol": change.symbol, "qty": Amount(change.qty), "cash": Amount(change.cash)}
            self._log.append("booked", now, {"cause": change.cause.value, **booked})

    def _configure(self, changed: object) -> AccountReply | Refusal:
        if isinstance(changed, Refusal):
            return changed
        if not isinstance(changed, type(self.configurations)):
            raise TypeError(changed)
        self.configurations = changed
        self._govern(configurations.governed(self._options, changed))
        return changed

    def _watch(self, command: AccountCommand, now: int) -> Watchlist | Refusal | None:
        match command:
            case UpdateWatchlist(name, request, by_name):
                return self._with(name, lambda known: self.watchlists.update(known, request, now), by_name=by_name)
            case AddToWatchlist(name, symbol, by_name):
                return self._with(name, lambda known: self.watchlists.add(known, symbol, now), by_name=by_name)
            case RemoveFromWatchlist(name, symbol):
                return self._with(name, lambda known: self.watchlists.remove(known, symbol, now), by_name=False)
            case DeleteWatchlist(name, by_name):
                return self._with(name, self.watchlists.delete, by_name=by_name)
        raise TypeError(command)

    def _with(
        self, name: str, deed: Callable[[Watchlist], Watchlist | Refusal | None], *, by_name: bool
    ) -> Watchlist | Refusal | None:
        known = self.watchlists.get(name, by_name=by_name)
        return not_found("watchlist not found") if known is None else deed(known)

    def _pay_locate(self, symbol: str, fee: Decimal, now: int) -> bool:
        if fee > self._desk.standing().non_marginable_buying_power:
            return False
        self._ledger.charge(Cause.BORROW, fee, symbol)
        self.activities.book("FEE", now, symbol=symbol, net=-fee, description=f"Locate fee, {symbol}")
        return True

    def _book_fees(self, charged: Mapping[str, Decimal], now: int) -> None:
        for name, fee in charged.items():
            word = _FEE_WORDS.get(name, name)
            text = f"{word} fee of {sessions.date_of(now)}"
            self.activities.book(
                "FEE", now, sub_type=word, net=-fee, description=text, details={"parent_id": self.activities.group()}
            )

    def _book_coin(self, charge: Charge, now: int) -> None:
        """In the words of the documentation's example (facts.md 5.7)."""
        alias = charge.symbol.replace("/", "")
        if charge.qty:
            text = "Coin Pair Transaction Fee (Non USD)"
            self.activities.book("CFEE", now, symbol=alias, qty=-charge.qty, price=charge.price, description=text)
        else:
            text = "Coin Pair Transaction Fee (USD)"
            self.activities.book("CFEE", now, symbol=alias, price=charge.price, net=-charge.cash, description=text)

    def _flows(self) -> list[Cashflow]:
        """What came and went without a trade of its own."""
        rows = ((each.ts, each.activity.activity_type, each.activity.net_amount) for each in self.activities.records)
        return [Cashflow(ts, kind, net) for ts, kind, net in rows if net]
