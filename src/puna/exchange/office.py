"""The back office: everything of an account that is no order: configurations, activities, watchlists, locates, history.

It answers the commands that concern them, and keeps what the days leave behind.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from puna.core import sessions
from puna.exchange import configurations
from puna.exchange.account_commands import (
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
from puna.exchange.activities import Activities
from puna.exchange.history import Ask, Cashflow, Curve, history
from puna.exchange.ledger import Cause, Charge, Ledger
from puna.exchange.locates import Locates
from puna.exchange.log import EventLog
from puna.exchange.refusals import Refusal, not_found, unprocessable
from puna.exchange.statements import Standing
from puna.exchange.terms import VenueOptions
from puna.exchange.watchlists import Watchlists
from puna.wire.account import Watchlist
from puna.wire.codec import Amount
from puna.wire.trading import Asset

__all__ = ["BackOffice"]

_FEE_WORDS = {"SEC": "REG"}
"""The ledger's names -> Alpaca's sub types of FEE, where they differ (SPEC-T, ActivitySubType)."""


class BackOffice:
    """The office of one account.

    Args:
        account_id: whose it is.
        opened: when the account was opened, ns.
        ledger: its books.
        options: the terms as they are without configurations.
        log: gets activities and fees.
        find: an asset by symbol or id.
        price: the last price of a symbol.
        standing: the account's values now.
        govern: is told the terms under changed configurations.
    """

    def __init__(
        self,
        *,
        account_id: str,
        opened: int,
        ledger: Ledger,
        options: VenueOptions,
        log: EventLog,
        find: Callable[[str], Asset | None],
        price: Callable[[str], Decimal | None],
        standing: Callable[[], Standing],
        govern: Callable[[VenueOptions], None],
    ) -> None:
        self.activities = Activities(account_id=account_id, log=log)
        self.configurations = configurations.first(options)
        self.watchlists = Watchlists(account_id, self.activities.group, find)
        self.locates = Locates(new_id=self.activities.group, find=find, price=price, pay=self._pay_locate)
        self.curve = Curve(opened, options.cash)
        self._ledger = ledger
        self._options = options
        self._log = log
        self._standing = standing
        self._govern = govern
        self.activities.book("JNLC", opened, net=options.cash, silent=True)

    def answer(self, command: AccountCommand, now: int) -> AccountReply | Refusal | None:
        """Does what a command wants."""
        match command:
            case Configure(change):
                return self._configure(configurations.changed(self.configurations, change))
            case CreateWatchlist(request):
                return self.watchlists.create(request, now)
            case RequestLocate(request, key):
                return self.locates.create(request, key, now)
            case Exercise(contract) | DoNotExercise(contract):
                return unprocessable(f"{contract[:40]} is no position in options")
            case _:
                return self._watch(command, now)

    def history(self, ask: Ask, now: int) -> dict[str, object]:
        """GET /v2/account/portfolio/history."""
        return history(ask, self.curve, self._flows(), now, self._standing().equity)

    def charge_fees(self, now: int) -> None:
        """Charges what the day has accrued, and books it: FEE for each kind, CFEE for each coin."""
        charged, coins = self._ledger.charge_fees(), self._ledger.charge_coins()
        if charged:
            self._log.append("fees", now, {name: Amount(fee) for name, fee in charged.items()})
        self._book_fees(charged, now)
        for each in coins:
            self._book_coin(each, now)

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
        if fee > self._standing().non_marginable_buying_power:
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
