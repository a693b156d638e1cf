"""Corporate actions: splits, cash dividends, renames; announced, and applied to what is held.

Splits come from the market's data; dividends, renames and further splits are written in the account's terms. All take
effect before their day begins to trade. Who holds at the beginning of the ex-date is entitled to the dividend, a short
owes it; it is paid at the beginning of the payable date (facts.md 5.7).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from puna.exchange.account.actions import CorporateEvent, cusip
from puna.exchange.account.activities import Activities
from puna.exchange.ledger import CENT, Cause, Ledger
from puna.exchange.orders.adjusted import Adjusted
from puna.exchange.orders.desk import Desk
from puna.exchange.orders.live import amount
from puna.exchange.prices.market import Market
from puna.wire.codec import Ratio
from puna.wire.corporate import Announcement
from puna.wire.trading import TradeUpdate

__all__ = ["CorporateActions", "CorporateEvent", "Sought", "announced", "of_market"]

ZERO = Decimal(0)


class Sought(NamedTuple):
    """What GET /v2/corporate_actions/announcements asks for; both dates are included."""

    types: frozenset[str]
    since: date
    until: date
    date_type: str = "declaration_date"
    symbol: str | None = None
    cusip: str | None = None


class _Due(NamedTuple):
    """A dividend that is owed: to (or by) the account, for so many shares."""

    event: CorporateEvent
    qty: Decimal


@dataclass(kw_only=True)
class CorporateActions:
    """The actions of one market, as one account lives through them.

    Args:
        events: all of them.
        ledger: what is held.
        activities: what happened.
        pays: whether dividends are paid at all; paper does not.
        adjusted: the option contracts that this day's splits have changed.
    """

    events: Sequence[CorporateEvent]
    ledger: Ledger
    activities: Activities
    pays: bool
    adjusted: list[Adjusted] = field(default_factory=list)
    _owed: list[_Due] = field(default_factory=list)

    def begin_day(self, on: date, desk: Desk, now: int) -> list[TradeUpdate]:
        """Does what the day brings, before anybody trades."""
        told: list[TradeUpdate] = []
        self.adjusted = []
        for event in sorted(self.on(on), key=lambda each: (each.kind, each.symbol)):
            told += self._apply(event, desk, now)
        due = [each for each in self._owed if each.event.payable <= on]
        self._owed = [each for each in self._owed if each.event.payable > on]
        for each in due:
            self._pay(each, now)
        return told

    @property
    def owes(self) -> bool:
        """Whether a dividend is to be paid yet."""
        return bool(self._owed)

    def on(self, day: date) -> list[CorporateEvent]:
        """Those whose ex-date it is."""
        return [each for each in self.events if each.ex_date == day]

    def announcements(self, sought: Sought) -> list[Announcement]:
        """Those that fit, oldest first."""
        fitting = [each for each in self.events if _fits(each, sought)]
        return [announced(each) for each in sorted(fitting, key=lambda each: (each.ex_date, each.id))]

    def announcement(self, name: str) -> Announcement | None:
        """By id."""
        return next((announced(each) for each in self.events if each.id == name), None)

    def _apply(self, event: CorporateEvent, desk: Desk, now: int) -> list[TradeUpdate]:
        held, cash = self.ledger.quantity(event.symbol), self.ledger.cash
        told: list[TradeUpdate] = []
        match event.kind:
            case "dividend":
                if held and self.pays:
                    self._owed.append(_Due(event, held))
            case "split":
                told += desk.split(event.symbol, event.old_rate, event.new_rate, now)
                if held:
                    self._book_split(event, held, self.ledger.cash - cash, now)
                self._adjust(event, desk, now)
            case "rename":
                told += desk.rename(event.symbol, event.new_symbol, now)
                if held:
                    self._book_rename(event, held, now)
        return told

    def _pay(self, due: _Due, now: int) -> None:
        event = due.event
        net = (due.qty * event.cash).quantize(CENT, ROUND_HALF_UP)
        self.ledger.pay(Cause.DIVIDEND, net, event.symbol)
        self.activities.book(
            "DIV",
            now,
            on=event.payable,
            sub_type="CDIV",
            symbol=event.symbol,
            qty=due.qty,
            net=net,
            per_share=event.cash,
            description=f"Cash DIV @ {event.cash:f}, Pos QTY: {due.qty:f}, Rec Date: {event.record_date}",
            details={
                **_days(event),
                "cusip": cusip(event.symbol),
                "rate": Ratio(event.cash),
                "entitled_qty": amount(due.qty),
                "cash_payout": amount(net),
                "foreign": "false",
                "special": "false",
            },
        )

    def _book_split(self, event: CorporateEvent, held: Decimal, paid: Decimal, now: int) -> None:
        forward = event.new_rate > event.old_rate
        known = cusip(event.symbol)
        self.activities.book(
            "SPLIT",
            now,
            on=event.ex_date,
            sub_type=_split_kind(event),
            symbol=event.symbol,
            qty=self.ledger.quantity(event.symbol) - held,
            net=paid,
            description=f"Split {event.old_rate} for {event.new_rate}" + (", cash in lieu" if paid else ""),
            details={
                **_days(event),
                "old_qty": amount(held),
                "new_qty": amount(self.ledger.quantity(event.symbol)),
                "old_rate": Ratio(event.old_rate),
                "new_rate": Ratio(event.new_rate),
                "old_cusip": known,
                "new_cusip": known if forward else cusip(f"{event.symbol} {event.ex_date}"),
            },
        )

    def _adjust(self, event: CorporateEvent, desk: Desk, now: int) -> None:
        """The option contracts on it, the lowest strikes first, so that no name is taken before it is free."""
        found = desk.adjust_contracts(event.symbol, event.old_rate, event.new_rate, now)
        self.adjusted += found
        for each in found:
            self._book_contract(event, each, now)

    def _book_contract(self, event: CorporateEvent, each: Adjusted, now: int) -> None:
        """OPCA (SPEC-T): one activity with both contracts; the list's row names the new one (facts.md is silent)."""
        kind, qty = _split_kind(event), self.ledger.quantity(each.new)
        self.activities.book(
            "OPCA",
            now,
            on=event.ex_date,
            sub_type=f"SPLIT.{kind}",
            symbol=each.new,
            qty=qty,
            description=f"Split {event.old_rate} for {event.new_rate} of {event.symbol}: {each.old} is {each.new}",
            details={
                **_days(event),
                "old_contract_symbol": each.old,
                "new_contract_symbol": each.new,
                **(
                    {"old_qty": amount(qty / each.ratio), "new_qty": amount(qty)}
                    if each.ratio != 1
                    else {"qty": amount(qty)}
                ),
                "old_rate": Ratio(event.old_rate),
                "new_rate": Ratio(event.new_rate),
            },
        )

    def _book_rename(self, event: CorporateEvent, held: Decimal, now: int) -> None:
        self.activities.book(
            "NC",
            now,
            on=event.ex_date,
            sub_type="SCNC",
            symbol=event.new_symbol,
            qty=held,
            description=f"Name change, {event.symbol} to {event.new_symbol}",
            details={
                "position_date": event.ex_date.isoformat(),
                "position_qty": amount(held),
                "old_symbol": event.symbol,
                "new_symbol": event.new_symbol,
                "old_cusip": cusip(event.symbol),
                "new_cusip": cusip(event.new_symbol),
            },
        )


def of_market(market: Market) -> Iterator[CorporateEvent]:
    """What the market's own data knows: splits."""
    for symbol in market.symbols:
        for each in market.splits(symbol):
            yield CorporateEvent(
                kind="split", symbol=symbol, ex_date=each.ex_date, old_rate=each.old_rate, new_rate=each.new_rate
            )


def _fits(event: CorporateEvent, sought: Sought) -> bool:
    return (
        _type(event) in sought.types
        and sought.since <= event.dates()[sought.date_type] <= sought.until
        and sought.symbol in (None, event.symbol)
        and sought.cusip in (None, cusip(event.symbol))
    )


def _split_kind(event: CorporateEvent) -> str:
    return "FSPLIT" if event.new_rate > event.old_rate else "RSPLIT"


def _type(event: CorporateEvent) -> str:
    return {"split": "split", "dividend": "dividend", "rename": "reorg"}[event.kind]


def _sub_type(event: CorporateEvent) -> str:
    if event.kind == "split":
        return "stock_split" if event.new_rate > event.old_rate else "reverse_split"
    return {"dividend": "cash", "rename": "name_change"}[event.kind]


def announced(event: CorporateEvent) -> Announcement:
    """As GET /v2/corporate_actions/announcements tells it."""
    target = event.new_symbol or event.symbol
    return Announcement(
        id=event.id,
        corporate_action_id=f"{cusip(event.symbol)}_{event.ex_date:%y%m%d}",
        ca_type=_type(event),
        ca_sub_type=_sub_type(event),
        initiating_symbol=event.symbol,
        initiating_original_cusip=cusip(event.symbol),
        target_symbol=target,
        target_original_cusip=cusip(target),
        cash=amount(event.cash),
        old_rate=Ratio(event.old_rate),
        new_rate=Ratio(event.new_rate),
        **{name: day.isoformat() for name, day in event.dates().items()},
    )


def _days(event: CorporateEvent) -> dict[str, str]:
    days = {name: day.isoformat() for name, day in event.dates().items() if name != "declaration_date"}
    return {**days, "position_date": event.ex_date.isoformat()}
