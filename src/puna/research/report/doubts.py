"""What to distrust in a run, the weightiest first: each doubt a function that finds it or finds nothing."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from puna.core.types import ZERO
from puna.research.report.formats import count, listed, percent, price, reason, share, signed, wall
from puna.research.report.study import Study
from puna.research.statistics import metrics

__all__ = ["Doubt", "doubts"]

_FEW_TRADES = 30
_MOST = 0.8
_FEW_DAYS = 5
_SURE = 0.95
_INVENTED = "invented"  # in the source of bars that ship with Puna and were cut into minutes
_FEW_REFUSED, _MANY_REFUSED = 10, 0.1
_DAY = 86_400e9
_FOR_EVER = 100.0


class Doubt(NamedTuple):
    """A reason not to believe the result, and what is behind it."""

    short: str
    text: str


def doubts(study: Study) -> list[Doubt]:
    """What to distrust, the weightiest first."""
    return [doubt for find in _ALL if (doubt := find(study)) is not None]


def _books(study: Study) -> Doubt | None:
    books = study.record.books
    if books is None or books.equal:
        return None
    return Doubt(
        "The books differ.", "What we think we hold is not what the broker says; no figure here can be relied on."
    )


def _failed_checks(study: Study) -> Doubt | None:
    failed = [check for check in study.record.checks if not check.passed]
    if not failed:
        return None
    told = " ".join(check.text for check in failed if check.text)
    return Doubt(f"Failed: {listed([check.name for check in failed])}.", told or "The result cannot be traded.")


def _stopped(study: Study) -> Doubt | None:
    """A strategy failed: from then on there was none."""
    failed = [note for note in study.record.notes if note.code == "E910"]
    if not failed:
        return None
    return Doubt(
        "A strategy failed and was stopped.", f"From {wall(failed[0].ts, '%-d %b %Y %H:%M')} on: {failed[0].text}."
    )


def _splits(study: Study) -> Doubt | None:
    if not study.jumps:
        return None
    first = study.jumps[0]
    more = f" So do {len(study.jumps) - 1:,} other jumps." if len(study.jumps) > 1 else ""
    return Doubt(
        f"{first.symbol} jumps like an unadjusted split.",
        f"From {price(first.before)} to {price(first.after)} by {wall(first.ts, '%-d %b %Y')}, as in a split of "
        f"{first.split}; the run knows of none. If it was one, that gain or loss never was.{more}",
    )


def _holes(study: Study) -> Doubt | None:
    if not study.gaps:
        return None
    worst = max(study.gaps, key=lambda gap: gap.end - gap.start)
    days = sum(gap.days for gap in study.gaps)
    lost = f"; {count(days, 'trading day')} in all" if days > worst.days else ""
    what = f"{count(worst.days, 'trading day')}" if worst.days else f"{(worst.end - worst.start) / 3600e9:.1f} hours"
    symbols = sorted({gap.symbol for gap in study.gaps})
    named = listed(symbols) if len(symbols) <= 3 else f"{len(symbols):,} symbols"
    return Doubt(
        f"Prices of {named} are missing.",
        f"The longest hole is {what} of {worst.symbol}, after {wall(worst.start, '%-d %b %Y %H:%M')}{lost}. "
        f"Nothing could be decided or filled in it. `puna data gaps` says why.",
    )


def _length(study: Study) -> Doubt | None:
    record = study.record
    days = (record.ended_ts - record.started_ts) / _DAY
    if days > 40:
        return None
    length = "One day" if days <= 1 else f"{days:.0f} days"
    return Doubt(
        f"{length}.", "That shows that the system works; it says nothing about whether the strategies earn money."
    )


def _luck(study: Study) -> Doubt | None:
    """The Sharpe ratio's interval reaches zero."""
    sharpe = study.metric("sharpe_ratio")
    if sharpe.interval is None or sharpe.value is None or sharpe.value <= 0 or sharpe.interval.low > 0:
        return None
    needed = study.metric("days_to_be_sure").value
    more = ""
    if isinstance(needed, float) and needed > len(study.track.days):
        years = needed / study.track.year
        told = f"{years:,.1f} years" if years < _FOR_EVER else f"more than {_FOR_EVER:,.0f} years"
        more = f" It would take {told} of such days to be sure that it is not."
    return Doubt(
        "It may be luck.", f"Resampled days lose in {share(1 - sharpe.interval.above_zero)} of the draws.{more}"
    )


def _trials(study: Study) -> Doubt | None:
    """The best of many is better than it will be."""
    record = study.record
    if record.trials <= 1:
        return None
    left = study.metric("deflated_sharpe_ratio").value
    if left is not None and left >= _SURE:
        return None
    told = "not known" if left is None else share(float(left))
    return Doubt(
        f"Chosen from {record.trials:,} trials.",
        f"The probability that it has skill, the luck of the choice taken off, is {told} (deflated Sharpe ratio).",
    )


def _unchecked(study: Study) -> Doubt | None:
    if study.record.mode != "backtest" or any(check.name == "look-ahead" for check in study.record.checks):
        return None
    return Doubt("Look-ahead was not checked.", "`puna check` tells whether a decision used what was not known yet.")


def _hangs_on_fills(study: Study) -> Doubt | None:
    """One fill model gains, another loses."""
    made = {each.name: next(m.value for m in each.metrics if m.name == "pnl_after_costs") for each in study.variants}
    gained = [name for name, value in made.items() if value is not None and value > 0]
    lost = [name for name, value in made.items() if value is not None and value <= 0]
    if not gained or not lost:
        return None
    return Doubt(
        "It hangs on the fills.", f"With {listed(gained)} fills it gains, with {listed(lost)} fills it does not."
    )


def _fills(study: Study) -> Doubt | None:
    record = study.record
    if record.mode.lower() == "sim":
        return Doubt(
            "Simulated fills on a simulated path.",
            "Only the daily bars happened. Our orders moved no price, and nobody stood in the queue before them.",
        )
    if record.mode.lower() == "paper":
        return Doubt("Paper fills.", "Alpaca's paper environment knows no queue and no impact; real fills are worse.")
    if record.mode.lower() == "backtest" and record.fills:
        return Doubt("Fills are guessed from bars.", "Nobody traded against us, and nobody reacted to our orders.")
    return None


def _feed(study: Study) -> Doubt | None:
    """IEX sees a few hundredths of the market's volume."""
    thin = sorted({row.symbol for row in study.record.data if row.feed == "iex"})
    if not thin:
        return None
    named = listed(thin) if len(thin) <= 3 else f"{len(thin):,} symbols"
    return Doubt(
        f"IEX volume for {named}.",
        "One exchange sees a few percent of all trades: volumes are far too small, highs and lows too near.",
    )


def _invented(study: Study) -> Doubt | None:
    """Minutes between the bundled days are drawn."""
    if not any(_INVENTED in row.source for row in study.record.data):
        return None
    return Doubt(
        "The path within each day is invented.",
        "Only the open, high, low and close of a day happened: what trades within a day is tested against chance.",
    )


def _raw(study: Study) -> Doubt | None:
    """Raw prices over a long time, and no action was carried out."""
    raw = sorted(
        {row.symbol for row in study.record.data if row.adjustment == "raw" and row.last - row.first > 90 * _DAY}
    )
    if not raw or study.record.actions:
        return None
    named = listed(raw) if len(raw) <= 3 else f"{len(raw):,} symbols"
    return Doubt(
        f"Raw prices of {named}.", "Splits and dividends, if there were any, stand in the prices as gains and losses."
    )


def _few(study: Study) -> Doubt | None:
    number = metrics.trades(study.record)
    if number >= _FEW_TRADES:
        return None
    return Doubt(f"{count(number, 'trade')}.".capitalize(), "Too few to tell skill from luck.")


def _one_symbol(study: Study) -> Doubt | None:
    parts = {result.name: abs(result.pnl) for result in study.symbols}
    whole = sum(parts.values(), Decimal(0))
    name = max(parts, key=lambda each: parts[each], default="")
    if len(parts) < 2 or not whole or float(parts[name] / whole) < _MOST:
        return None
    return Doubt(
        f"{name} made most of it.", f"{share(float(parts[name] / whole))} of all gains and losses are its own."
    )


def _few_days(study: Study) -> Doubt | None:
    """A handful of days made the gain."""
    gains = sorted(study.track.returns.tolist(), reverse=True)
    total = float(study.track.equity[-1]) / study.track.start - 1 if gains and study.track.start > 0 else 0.0
    if len(gains) < 4 * _FEW_DAYS or total <= 0:
        return None
    without = 1.0 + total
    for gain in gains[:_FEW_DAYS]:
        without /= 1 + gain
    if without > 1:
        return None
    return Doubt(
        "A handful of days made it.",
        f"Without its five best days of {len(gains):,} it would have returned {percent(without - 1)}.",
    )


def _still_open(study: Study) -> Doubt | None:
    held = [row for row in study.record.positions if row.qty]
    if not held:
        return None
    profit = sum(
        (row.qty * row.mark * metrics.times(row.symbol) - row.cost for row in held if row.mark is not None), ZERO
    )
    return Doubt(
        f"{count(len(held), 'position')} still open.".capitalize(),
        f"{signed(profit)} USD of the result is not realised; it stands at the last price.",
    )


def _refused(study: Study) -> Doubt | None:
    """What was wanted and not done is a part of the strategy that was not tested."""
    orders = [order for order in study.record.orders if order.leg_of is None]
    refused = [order for order in orders if metrics.is_refused(order)]
    if len(refused) < _FEW_REFUSED or len(refused) < _MANY_REFUSED * len(orders):
        return None
    code, number = Counter(order.refusal_code or "no code" for order in refused).most_common(1)[0]
    first = next(order for order in refused if (order.refusal_code or "no code") == code)
    return Doubt(
        f"{len(refused):,} of {len(orders):,} orders were refused.",
        f"{number:,} of them by {code} ({reason(first.refusal_text or '')}). What was tested is not what was meant.",
    )


def _unfinished(study: Study) -> Doubt | None:
    outcome = study.record.outcome
    return None if outcome == "completed" else Doubt(f"The run was {outcome}.", "It did not come to its end.")


_ALL: tuple[Callable[[Study], Doubt | None], ...] = (
    _books,
    _failed_checks,
    _stopped,
    _splits,
    _holes,
    _length,
    _luck,
    _trials,
    _unchecked,
    _hangs_on_fills,
    _refused,
    _fills,
    _feed,
    _invented,
    _raw,
    _few,
    _one_symbol,
    _few_days,
    _still_open,
    _unfinished,
)
