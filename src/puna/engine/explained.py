"""A halt for differing books whose reason is gone: later evidence has explained the difference.

The halt stays, since a halt is for a person to end (I28); what a person needs to know for that is here.
"""

from puna.core.portfolio import Booking
from puna.core.risk import TradingState
from puna.engine.blotter import Blotter

__all__ = ["BOOKS", "explanation", "movement"]

BOOKS = "reconcile"
"""Who halts when the books differ."""


def explanation(blotter: Blotter) -> str:
    """What has explained the difference that trading is halted for; empty when it is not, or still differs."""
    halt, last = blotter.states.get(""), blotter.compared
    if halt is None or halt.state is not TradingState.HALTED or halt.by != BOOKS:
        return ""
    if last is None or not last.equal or last.ts < halt.ts:
        return ""
    moved = [movement(each) for each in blotter.moved.values() if each.ts >= halt.ts]
    fills = [
        f"{each.fill.client_order_id}: {each.fill.side} {each.fill.qty:f} at {each.fill.price:f}"
        for each in blotter.booked
        if each.ts >= halt.ts
    ]
    return "the books agree again: " + ("; ".join((*moved, *fills)) or "the broker's figures came back to ours")


def movement(booking: Booking) -> str:
    """For people, with the broker's reference."""
    qty = f" {booking.qty:+f}" if booking.qty else ""
    cash = f" {booking.cash:+f} USD" if booking.cash else ""
    return f"{booking.reason} {booking.symbol}{qty}{cash} ({booking.reference})"
