"""The venue of a backtest: nobody reads its log or its history of equity, and days without a trace go by at once."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import Any

from puna.core import sessions
from puna.exchange.commands import Event
from puna.exchange.log import EventLog
from puna.exchange.prices.market import Market
from puna.exchange.venue import Venue
from puna.wire.trading import TradeUpdate

__all__ = ["Quiet", "QuietVenue"]


class Quiet(EventLog):
    """An event log that nobody reads, and so nobody writes."""

    def append(self, kind: str, ts: int, body: object) -> None:
        """Nothing."""


class QuietVenue(Venue):
    """A venue of whom nobody asks for a history of the account: no curve of equity, no activities of fills.

    While the account is idle, the boundaries of a day (its beginning, open, close, the closing of the books) change
    nothing but what the account was worth yesterday. So whoever drives need not stop at them, and when there is
    something to do again all of these days but the last are left out.
    """

    def __init__(self, market: Market, **terms: Any) -> None:
        days = [day for each in market.sessions if (day := sessions.day(each.date))]
        self._begins = [day.pre_open for day in days]
        self._begun = -1
        super().__init__(market, **terms)
        changes = {each.ex_date for each in self.office.corporate.events}
        self._eventful = [at for at, day in enumerate(days) if day.date in changes]

    @property
    def is_idle(self) -> bool:
        """Whether the account is cash and nothing else: no position, order or debt, nothing to be paid or told."""
        ledger, office = self.ledger, self.office
        return not (
            ledger.holdings
            or self.open_orders()
            or ledger.cash < 0
            or ledger.owes_fees
            or office.corporate.owes
            or office.options.has_untold
        )

    def next_trace(self) -> int | None:
        """When something is due that leaves a trace."""
        return self._market.next_due() if self.is_idle else self.next_due()

    def advance(self, now: int) -> list[Event]:
        """Does everything that is due up to `now`; of days without a trace only the last."""
        if self._begun + 2 < len(self._begins) and self._begins[self._begun + 2] <= now and self.is_idle:
            self._leave_out(bisect_right(self._begins, now) - 1)
        return super().advance(now)

    def _leave_out(self, day: int) -> None:
        """The rest of the day that has begun, and those up to before `day`.

        Not where shares or names change on one of them, or the market has something to tell.
        """
        due = self._market.next_due()
        if any(self._begun < each < day for each in self._eventful) or (due or self._begins[day]) < self._begins[day]:
            return
        self._desk.drop(self._begins[day])
        for _ in range(self._begun + 1, day):
            self.ledger.begin_day({})  # the window of the last days' volumes moves on
        self._close_day(self._begins[day])

    def _begin_day(self, on: date, now: int) -> list[TradeUpdate]:
        self._begun = bisect_right(self._begins, now) - 1
        return super()._begin_day(on, now)

    def _note(self, now: int) -> None:
        pass

    def _hear_fills(self, events: Sequence[Event]) -> None:
        pass
