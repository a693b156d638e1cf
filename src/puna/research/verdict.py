"""The report in words: what ran, on which data, what came of it, and why not to believe it too much.

Sentences are made from the numbers, so that a run without fills or without a day reads as well as a busy one.
"""

from decimal import Decimal
from typing import NamedTuple

from puna.core import sessions
from puna.engine.record import RunRecord
from puna.research import metrics
from puna.research.formats import count, day_of, dollars, listed, percent, signed, wall

__all__ = ["Doubt", "Mode", "doubts", "headline", "mode_of", "span", "verdict", "when"]

_FEW_TRADES = 30
_MOST = 0.8


class Mode(NamedTuple):
    """Where orders went: a word for the banner, and what it means."""

    word: str
    meaning: str
    data: str
    fills: str


class Doubt(NamedTuple):
    """A reason not to believe the result, and what is behind it."""

    short: str
    text: str


_MODES = {
    "sim": Mode(
        "SIM",
        "Simulated exchange: no account, no network, paper money.",
        "Open, high, low, close and volume of each day are real; the path between them is drawn from a seed.",
        "Orders were matched by Puna's own exchange against its own quotes.",
    ),
    "paper": Mode(
        "PAPER",
        "Alpaca's paper account: real prices, paper money.",
        "Prices are those that Alpaca sent.",
        "Fills were simulated by Alpaca's paper environment.",
    ),
    "live": Mode("LIVE", "A live account: real money.", "Prices are those that Alpaca sent.", "Fills are real."),
}


def mode_of(record: RunRecord) -> Mode:
    """What the run's mode means; an unknown one says so."""
    unknown = Mode(record.mode.upper() or "UNKNOWN", "", "Where prices came from is not known.", "")
    return _MODES.get(record.mode.lower(), unknown)


def headline(record: RunRecord) -> str:
    """The result in a line."""
    pnl = metrics.pnl_after_costs(record)
    word = "gained" if pnl > 0 else "lost" if pnl < 0 else "made nothing"
    amount = f" {dollars(abs(pnl))} USD" if pnl else ""
    part = metrics.return_after_costs(record)
    return f"{_who(record)[:1].upper()}{_who(record)[1:]} {word}{amount}" + (
        f", {percent(part)}" if pnl and part is not None else ""
    )


def when(record: RunRecord) -> str:
    """Which market day, and how long it took."""
    began, ended = span(record)
    day = day_of(began) if began else record.day
    hours = f", {wall(began, '%H:%M')} to {wall(ended, '%H:%M')} New York"
    took = f" \N{MIDDLE DOT} played in {record.elapsed_seconds:.1f} s" if record.elapsed_seconds else ""
    return f"{day}{hours if record.started_ts else ''}{took}"


def span(record: RunRecord) -> tuple[int, int]:
    """From when to when the market was open to the run: its lead before the first open does not count."""
    day = sessions.day(sessions.date_of(record.started_ts)) if record.started_ts else None
    return (record.started_ts, record.ended_ts) if day is None else (max(record.started_ts, day.open), record.ended_ts)


def verdict(record: RunRecord) -> str:
    """What was tested, on which data, with which fills, and what it came to."""
    mode = mode_of(record)
    data = mode.data if record.seed is None else mode.data.replace("a seed.", f"seed {record.seed}.")
    return " ".join(
        part for part in (_what(record), data, mode.fills, _result(record), _benchmark(record), _safety(record)) if part
    )


def doubts(record: RunRecord) -> list[Doubt]:
    """What to distrust, the weightiest first."""
    found = (
        _length(record),
        _fills(record),
        _few(record),
        _one_symbol(record),
        _still_open(record),
        _unfinished(record),
    )
    return [doubt for doubt in found if doubt is not None]


def _who(record: RunRecord) -> str:
    names = record.strategies
    return names[0] if len(names) == 1 else count(len(names), "strategy", "strategies")


def _what(record: RunRecord) -> str:
    names = f" ({listed(record.strategies)})" if len(record.strategies) > 1 else ""
    sent = metrics.orders_sent(record)
    return (
        f"{_who(record)[:1].upper()}{_who(record)[1:]}{names} traded {listed(record.symbols) or 'nothing'} "
        f"with {dollars(record.start_equity)} USD: {count(sent, 'order')}, "
        f"{count(metrics.trades(record), 'of them filled', 'of them filled')} in {count(len(record.fills), 'step')}."
    )


def _result(record: RunRecord) -> str:
    ended = f"The account ended at {dollars(record.equity_end)} USD, after all costs."
    if not record.fills:
        return ended
    cost = metrics.cost_against_mid(record)
    spread = f"{'cost' if cost >= 0 else 'earned'} {dollars(abs(cost))} USD against the middle of the quote"
    fees = f", and fees {dollars(record.fees)} USD" if record.fees else ""
    return f"{ended} The fills {spread}{fees}."


def _benchmark(record: RunRecord) -> str:
    held = metrics.hold_return(record)
    return "" if held is None else f"Holding every symbol in equal parts would have returned {percent(held)}."


def _safety(record: RunRecord) -> str:
    """What went wrong on the way, and whether the books still agree."""
    refused = sum(metrics.is_refused(order) for order in record.orders)
    lost = sum(drop.fills_lost for drop in record.drops)
    words = [
        f"{count(refused, 'order')} {'was' if refused == 1 else 'were'} refused" if refused else "",
        f"{count(len(record.drops), 'stream drop')} cost {count(lost, 'fill')}" if record.drops else "",
    ]
    said = listed([word for word in words if word])
    equal = "" if record.books is None else _BOOKS[record.books.equal]
    return " ".join(part for part in (f"{said[:1].upper()}{said[1:]}." if said else "", equal) if part)


_BOOKS = {
    True: "Our books and the broker's are equal to the cent.",
    False: "Our books and the broker's differ: do not trust this run.",
}


def _length(record: RunRecord) -> Doubt | None:
    days = (record.ended_ts - record.started_ts) / 86_400e9
    if days > 40:
        return None
    length = "One day" if days <= 1 else f"{days:.0f} days"
    return Doubt(
        f"{length}.", "That shows that the system works; it says nothing about whether the strategies earn money."
    )


def _fills(record: RunRecord) -> Doubt | None:
    if record.mode.lower() == "sim":
        return Doubt(
            "Simulated fills on a simulated path.",
            "Only the daily bars happened. Our orders moved no price, and nobody stood in the queue before them.",
        )
    if record.mode.lower() == "paper":
        return Doubt("Paper fills.", "Alpaca's paper environment knows no queue and no impact; real fills are worse.")
    return None


def _few(record: RunRecord) -> Doubt | None:
    number = metrics.trades(record)
    if number >= _FEW_TRADES:
        return None
    return Doubt(f"{count(number, 'trade')}.".capitalize(), "Too few to tell skill from luck.")


def _one_symbol(record: RunRecord) -> Doubt | None:
    parts = {result.name: abs(result.pnl) for result in metrics.by_symbol(record)}
    whole = sum(parts.values(), Decimal(0))
    name = max(parts, key=lambda each: parts[each], default="")
    if len(parts) < 2 or not whole or float(parts[name] / whole) < _MOST:
        return None
    return Doubt(f"{name} made most of it.", f"{float(parts[name] / whole):.0%} of all gains and losses are its own.")


def _still_open(record: RunRecord) -> Doubt | None:
    held = [row for row in record.positions if row.qty]
    if not held:
        return None
    profit = sum((row.qty * row.mark - row.cost for row in held if row.mark is not None), Decimal(0))
    return Doubt(
        f"{count(len(held), 'position')} still open.".capitalize(),
        f"{signed(profit)} USD of the result is not realised; it stands at the last price.",
    )


def _unfinished(record: RunRecord) -> Doubt | None:
    return None if record.outcome == "completed" else Doubt(f"The run was {record.outcome}.", "It is not a whole day.")
