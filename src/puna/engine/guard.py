"""Protections at work: looks at equity and at how trades end, keeps the tally, and sets locks, durably.

What counts and what a lock means stands in `core.protections`. A lock that was set stays, also after a restart, until
its time is over or a person resumes; the equity coming back does not lift it.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any

from puna.core import protections
from puna.core.portfolio import equity
from puna.core.risk import Lock, Tally, narrowed
from puna.core.types import ZERO, OrderIntent, Side, exact
from puna.engine.attribution import EXTERNAL
from puna.engine.cover import Cover
from puna.engine.entries import Locked, Tallied
from puna.engine.flows import Flows
from puna.errors import DataError

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Guard"]

NANOS = 1_000_000_000
PEAK_STEP = Decimal("0.001")
"""A peak that is higher by less than this part is not written down for its own sake."""
BARS = 30
DAYS = 20
MINUTES_A_YEAR = 252 * 390


class Guard:
    """The protections of one gateway.

    Args:
        gateway: whose books and limits they are about.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._tally: Tally | None = None
        self._new: dict[tuple[str, str], Lock] = {}
        self._counted = 0
        self._flows = Flows(gateway.blotter)
        self._cover = Cover(gateway.blotter)
        self._told: set[tuple[str, str]] = set()

    @property
    def tally(self) -> Tally | None:
        """As of the last look, or of the last process."""
        return self._tally or self._gateway.blotter.tally

    def locks(self) -> tuple[Lock, ...]:
        """Those that have not ended."""
        known = {**self._gateway.blotter.locks, **self._new}
        if not known:
            return ()
        now = self._gateway.clock.now()
        return tuple(each for each in known.values() if not each.until or each.until > now)

    def lifted(self) -> None:
        """A person has resumed: what was set by this process is forgotten, with the streaks that led to it."""
        self._new.clear()
        tally = self.tally
        if tally is not None and tally.losses:
            self._keep(protections.forgiven(tally))

    def look(self) -> None:
        """Looks at everything that may set off a lock; at nothing while no protection is configured."""
        gateway = self._gateway
        if not protections.armed(gateway.limits):
            return
        now, worth = gateway.clock.now(), self._equity()
        if worth is not None:
            self._keep(protections.looked(self.tally, worth, now))
        self._count()
        limits = gateway.limits
        self._set(protections.standing(self.tally, worth, limits, now))
        self._set(protections.streaks(self.tally, limits, now))
        if (limits.max_refusals, limits.max_slippage_bp, limits.max_orders_per_fill) != (None, None, None):
            flows = self._flows.now(now, limits.refusal_window_seconds)
            self._set(protections.flow_locks(flows, limits, now))
        if limits.max_unprotected_seconds is not None:
            self._look_for_stops(limits.max_unprotected_seconds, now)

    def _look_for_stops(self, most: float, now: int) -> None:
        """Tells once of each position that has been without a stop for too long, until it has one again."""
        late = {(name, symbol) for name, symbol, seconds in self._cover.look(now) if seconds > most}
        for name, symbol in sorted(late - self._told):
            text = f"{symbol} of {name} has had no protective stop for more than {most:g} s: {name} opens nothing"
            self._gateway.note("R129", text)
        self._told = late

    def adv(self, symbol: str) -> Decimal | None:
        """Average daily volume of the last days, where daily bars were fetched."""
        bars = self._gateway.market.bars(symbol, "1Day")[-DAYS:]
        return exact(sum(bar.volume for bar in bars) / len(bars)) if bars else None

    def volatility(self, symbol: str) -> float | None:
        """Of the last one-minute bars, a year; None when there are too few."""
        bars = self._gateway.market.bars(symbol, "1Min")[-BARS:]
        if len(bars) < BARS:
            return None
        moves = [later.close / earlier.close - 1.0 for earlier, later in pairwise(bars)]
        return sqrt(sum(move * move for move in moves) / len(moves) * MINUTES_A_YEAR)

    def asked_for(self, intent: OrderIntent, now: int) -> dict[str, Any]:
        """What a view holds only where a limit needs it; marks of all that is held."""
        gateway = self._gateway
        limits, found = narrowed(gateway.limits, intent), dict[str, Any]()
        found["marks"] = dict(gateway.market.marks(gateway.blotter.portfolio.positions))
        if limits.max_adv_percent is not None:
            found["adv"] = self.adv(intent.symbol)
        if limits.max_volatility_percent is not None:
            found["volatility"] = self.volatility(intent.symbol)
        if limits.max_repeats is not None:
            found["sent"] = gateway.recent.repeated(intent, now, gateway.limits)
        if limits.max_unprotected_seconds is not None:
            found["unprotected"] = self._cover.seconds(intent.strategy, now)
        if intent.side is Side.SELL and not limits.allow_short and not intent.legs:
            found["sellable"] = self._sellable(intent)
        if limits.budget(intent.strategy) is not None:
            sleeves = gateway.blotter.sleeves.items()
            found["sleeve"] = {symbol: qty for (name, symbol), qty in sleeves if name == intent.strategy and qty}
            held = {**gateway.blotter.portfolio.positions, **found["sleeve"]}
            found["marks"] = dict(gateway.market.marks(held))
        return found

    def _sellable(self, intent: OrderIntent) -> Decimal | None:
        """What a strategy holds itself, or what of the account's no other one does; None where there is no other."""
        blotter = self._gateway.blotter
        if blotter.flows.keys() <= {intent.strategy, EXTERNAL}:
            return None
        held = {name: qty for (name, symbol), qty in blotter.sleeves.items() if symbol == intent.symbol and qty > 0}
        own = held.pop(intent.strategy, ZERO)
        held.pop(EXTERNAL, None)
        return max(own, blotter.portfolio.qty(intent.symbol) - sum(held.values(), ZERO)) if held else None

    def _equity(self) -> Decimal | None:
        portfolio = self._gateway.blotter.portfolio
        try:
            return equity(portfolio, self._gateway.market.marks(portfolio.positions))
        except DataError:
            return None

    def _count(self) -> None:
        """Trades that ended since the last look. An order of which a part closed something is one trade."""
        booked, tally = self._gateway.blotter.booked, self.tally
        fresh, self._counted = booked[self._counted :], len(booked)
        results: dict[tuple[str, str], Decimal] = {}
        for each in fresh:
            key = (each.fill.strategy, each.fill.client_order_id)
            results[key] = results.get(key, ZERO) + each.realised
        if tally is None:
            return
        for (strategy, _), profit in results.items():
            tally = protections.traded(tally, strategy, profit)
        self._keep(tally)

    def begin(self) -> None:
        """What was booked before is counted in the tally that the journal brought."""
        self._counted = len(self._gateway.blotter.booked)

    def _keep(self, tally: Tally) -> None:
        """Takes a tally over, and writes it down where it would be missed."""
        before, self._tally = self.tally, tally
        if before is None or _differs(before, tally) or tally.peak > self._written_peak() * (1 + PEAK_STEP):
            self._gateway.note_down(Tallied(ts=self._gateway.clock.now(), tally=tally))

    def _written_peak(self) -> Decimal:
        written = self._gateway.blotter.tally
        return written.peak if written else ZERO

    def _set(self, locks: Iterable[Lock]) -> None:
        """Sets those that do not hold already."""
        held = {(each.scope, each.cause) for each in self.locks()}
        for lock in locks:
            if (lock.scope, lock.cause) not in held:
                self._new[lock.scope, lock.cause] = lock
                self._gateway.note_down(Locked(ts=self._gateway.clock.now(), lock=lock))
                self._gateway.note("R121", f"{lock.scope or 'account'} locked by {lock.cause}: {lock.reason}")


def _differs(before: Tally, after: Tally) -> bool:
    return (before.day, before.week, before.losses) != (after.day, after.week, after.losses)
