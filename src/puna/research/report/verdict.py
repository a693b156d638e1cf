"""The report in words: what ran, on which data, what came of it, and why not to believe it too much.

Sentences are made from the numbers, so that a run without fills or without a day reads as well as a busy one.
"""

from typing import NamedTuple

from puna.core import sessions
from puna.engine.record import DataRow, RunRecord
from puna.research.report.formats import MINUS, count, day_of, dollars, independent, listed, percent, share, wall
from puna.research.report.study import Study
from puna.research.statistics import metrics

__all__ = ["Mode", "headline", "mode_of", "span", "verdict", "when"]


class Mode(NamedTuple):
    """Where orders went: a word for the banner, and what it means."""

    word: str
    meaning: str
    data: str
    fills: str


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
    "backtest": Mode(
        "BACKTEST",
        "The past, played again: no account, no orders, no money.",
        "Where the prices come from was not recorded.",
        "Which rules filled the orders was not recorded.",
    ),
}
_BARS = {"1Min": "minute bars", "1Hour": "hourly bars", "1Day": "daily bars", "1Week": "weekly bars"}
_MOST_NAMES = 8
_SMALL = 0.00005  # what two decimals of a percent would tell as nothing
_DATE = "%-d %B %Y"


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
        f", {percent(part, 2 if abs(part) >= _SMALL else 4)}" if pnl and part is not None else ""
    )


def when(record: RunRecord) -> str:
    """Which market day, and how long it took."""
    began, ended = span(record)
    if began and sessions.date_of(began) != sessions.date_of(ended):
        took = f" \N{MIDDLE DOT} played in {record.elapsed_seconds:.1f} s" if record.elapsed_seconds else ""
        return f"{wall(began, _DATE)} to {wall(ended, _DATE)}{took}"
    day = day_of(began) if began else record.day
    hours = f", {wall(began, '%H:%M')} to {wall(ended, '%H:%M')} New York"
    took = f" \N{MIDDLE DOT} played in {record.elapsed_seconds:.1f} s" if record.elapsed_seconds else ""
    return f"{day}{hours if record.started_ts else ''}{took}"


def span(record: RunRecord) -> tuple[int, int]:
    """From when to when the market was open to the run: its lead before the first open does not count."""
    day = sessions.day(sessions.date_of(record.started_ts)) if record.started_ts else None
    return (record.started_ts, record.ended_ts) if day is None else (max(record.started_ts, day.open), record.ended_ts)


def verdict(study: Study) -> str:
    """What was tested, on which data, with which fills, what it cost and came to, and how sure that is."""
    record = study.record
    parts = (
        _what(record),
        _data(record),
        _filled(record),
        _result(record),
        _benchmark(record),
        _sure(study),
        _safety(record),
    )
    return " ".join(part for part in parts if part)


def _data(record: RunRecord) -> str:
    """Which prices: as recorded, or what the mode says of them."""
    if record.data:
        return _told(record.data)
    text = mode_of(record).data
    return text if record.seed is None else text.replace("a seed.", f"seed {record.seed}.")


def _told(rows: list[DataRow]) -> str:
    def each(name: str) -> str:
        return listed(sorted({word for row in rows if (word := getattr(row, name))}))

    frames = listed(
        [_BARS.get(word, f"{word} bars") for word in sorted({row.timeframe for row in rows if row.timeframe})]
    )
    first, last = min(row.first for row in rows), max(row.last for row in rows)
    begin, end = wall(first, _DATE), wall(last, _DATE)
    span = (f" of {begin}" if begin == end else f" from {begin} to {end}") if first and last else ""
    adjusted = _ADJUSTED.get(each("adjustment"), each("adjustment"))
    words = [
        f"{frames or 'prices'} of {_names([row.symbol for row in rows])}{span}",
        f"{sum(row.bars for row in rows):,} in all",
        adjusted,
        f"feed {each('feed')}" if each("feed") else "feed not known",
        listed(_sources(rows)),
    ]
    text = ", ".join(word for word in words if word)
    return f"{text[:1].upper()}{text[1:]}."


def _sources(rows: list[DataRow]) -> list[str]:
    """Where they come from; feed and adjustment are told already."""
    known = {word for row in rows for word in (row.feed, row.adjustment)}
    told = {", ".join(word for word in row.source.split(", ") if word not in known) for row in rows}
    return sorted(told - {""})


_ADJUSTED = {
    "": "adjustment not known",
    "raw": "raw prices",
    "split": "adjusted for splits",
    "dividend": "adjusted for dividends",
    "all": "adjusted for splits and dividends",
}


def _filled(record: RunRecord) -> str:
    """Which rules filled the orders."""
    if not record.fill_model:
        return mode_of(record).fills
    text = record.assumptions.get("fills", "")
    return f"Fills are {record.fill_model}{f': {text}' if text else ''}".rstrip(".") + "."


def _names(symbols: list[str]) -> str:
    return listed(symbols) if len(symbols) <= _MOST_NAMES else f"{len(symbols):,} symbols"


def _sure(study: Study) -> str:
    """The Sharpe ratio with its interval; of a few days nothing can be said."""
    sharpe, skill = study.metric("sharpe_ratio"), study.metric("probability_of_skill").value
    if not study.many_days or not study.record.fills:
        return ""
    if sharpe.value is None or sharpe.interval is None or skill is None:
        return "How sure that is cannot be said from so few days."
    low, high = (f"{each:.2f}".replace("-", MINUS) for each in (sharpe.interval.low, sharpe.interval.high))
    ratio, level = f"{float(sharpe.value):.2f}".replace("-", MINUS), share(sharpe.interval.level)
    return (
        f"Its Sharpe ratio is {ratio} a year, and between {low} and {high} with {level} when its days are resampled "
        f"in blocks; that it is above zero at all has a probability of {share(float(skill))}.{_chosen(study)}"
    )


def _chosen(study: Study) -> str:
    """From how many trials, and what is left of the Sharpe ratio then."""
    record = study.record
    if record.trials <= 1:
        return ""
    worth = f", worth {independent(record.trials_effective)} independent ones" if record.trials_effective else ""
    place = f" ({listed(record.trials_from)})" if record.trials_from else ""
    left = study.metric("deflated_sharpe_ratio").value
    told = "cannot be said" if left is None else f"has a probability of {share(float(left))}"
    return (
        f" It was chosen from {record.trials:,} trials{worth}{place}: that there is skill, the luck of that choice "
        f"taken off, {told}."
    )


def _who(record: RunRecord) -> str:
    names = record.strategies
    return names[0] if len(names) == 1 else count(len(names), "strategy", "strategies")


def _what(record: RunRecord) -> str:
    names = f" ({listed(record.strategies)})" if len(record.strategies) > 1 else ""
    sent = metrics.orders_sent(record)
    filled = count(metrics.trades(record), "of them filled", "of them filled")
    outcome = f", {filled} in {count(len(record.fills), 'step')}" if sent else ""
    return (
        f"{_who(record)[:1].upper()}{_who(record)[1:]}{names} traded {_names(record.symbols) or 'nothing'} "
        f"with {dollars(record.start_equity)} USD: {count(sent, 'order')}{outcome}."
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
