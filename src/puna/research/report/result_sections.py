"""Where the result comes from: from signal to profit, by strategy, symbol, reason and kind of option trade."""

from collections.abc import Sequence
from decimal import Decimal

from puna.core.types import ZERO
from puna.engine.record import RunRecord
from puna.research.report.formats import bp, count, percent, share, signed
from puna.research.report.markup import Html, join, tag
from puna.research.report.sections import table
from puna.research.report.study import Study
from puna.research.statistics import metrics
from puna.research.statistics.metrics import Result
from puna.research.statistics.round_trips import Group, bridge, group_by

__all__ = ["origins", "packages", "reasons"]

_CENT = Decimal("0.01")
_MOST = 25  # rows of a table by symbol or reason
_STEPS = (
    ("signal", "Signal", "what the decisions were worth with the same money in each, at the middle of the quote"),
    ("sizing", "Sizing", "having more money in some than in others"),
    ("slippage", "Slippage", "what the market moved between decision and fill"),
    ("spread", "Spread", "how far from the middle of the quote the fills were"),
    ("fees", "Fees", "what the broker charged"),
    ("other", "Other", "dividends, interest, borrowing, and what was held before"),
)


def origins(study: Study) -> Html:
    """The bridge, then each strategy's and each symbol's part."""
    record = study.record
    return join(
        (
            _bridge(study),
            tag("h3", "By strategy"),
            _results("Strategy", metrics.by_strategy(record), record),
            tag("h3", "By symbol"),
            _results("Symbol", study.symbols, record),
        )
    )


def _bridge(study: Study) -> Html:
    """From the signal to what was left; the steps add up to the cent."""
    record, net = study.record, metrics.pnl_after_costs(study.record)
    steps = bridge(study.trips) | {"fees": -record.fees}
    steps["other"] = net - sum(steps.values(), ZERO)
    rounded = {name: value.quantize(_CENT) for name, value in steps.items()}
    rounded["signal"] += net.quantize(_CENT) - sum(rounded.values(), ZERO)
    rows = [
        (tag("span", title), signed(rounded[name]), text)
        for name, title, text in _STEPS
        if rounded[name] or name != "other"
    ]
    foot = ("After costs", signed(net), "")
    return table(("", "USD", ""), rows, numbers=(1,), foot=foot)


def _results(kind: str, results: Sequence[Result], record: RunRecord) -> Html:
    head = (kind, "P&L USD", "Drawdown", "Worst fill", "Orders", "Filled", "Fills", "Turnover")
    shown = sorted(results, key=lambda each: -abs(each.pnl))[:_MOST] if len(results) > _MOST else list(results)
    rows = [
        (
            result.name,
            signed(result.pnl),
            percent(result.max_drawdown),
            bp(result.worst_fill_bp),
            f"{result.orders:,}",
            f"{result.trades:,}",
            f"{result.fills:,}",
            f"{result.turnover:.2f}\N{MULTIPLICATION SIGN}",
        )
        for result in shown
    ]
    if len(shown) < len(results):
        rows.append((f"{len(results) - len(shown):,} more", signed(_rest(results, shown)), "", "", "", "", "", ""))
    rest = metrics.pnl_after_costs(record) - sum((result.pnl for result in results), ZERO)
    if rest := rest.quantize(_CENT):
        rows.append(("fees, and held before", signed(rest), "", "", "", "", "", ""))
    return table(head, rows, numbers=range(1, 8))


def _rest(results: Sequence[Result], shown: Sequence[Result]) -> Decimal:
    return sum((each.pnl for each in results), ZERO) - sum((each.pnl for each in shown), ZERO)


def reasons(study: Study) -> Html:
    """Round trips by why they were begun, and by why they were ended."""
    if not study.trips:
        return tag("p", "No position was opened.", class_="note")
    note = "Round trips from flat to flat, before fees; numbers in reasons are left out, so that like comes to like."
    return join(
        (
            tag("p", note, class_="note"),
            tag("h3", "In"),
            _groups("Reason", group_by(study.trips, "why_in")),
            tag("h3", "Out"),
            _groups("Reason", group_by(study.trips, "why_out")),
        )
    )


def packages(study: Study) -> Html | None:
    """Options by the kind of trade; None without options."""
    trips = [trip for trip in study.trips if trip.kind not in {"shares", "coins"}]
    if not trips:
        return None
    rows = [
        (
            group.name,
            f"{group.trips:,}",
            f"{group.won:,}",
            signed(group.pnl),
            signed(group.credit) if group.credit else "",
            percent(group.pnl / group.credit) if group.credit > 0 else "",
            f"{group.held:,}" if group.held else "",
        )
        for group in group_by(trips, "kind")
    ]
    given = [action for action in study.record.actions if action.kind in {"assignment", "exercise", "expiry"}]
    note = "Packages by the name of their shape; credit is what was taken in at the opening, kept is profit over it."
    told = f" Of all options, {count(len(given), 'was', 'were')} assigned, exercised or expired." if given else ""
    head = ("Trade", "Trips", "Won", "P&L USD", "Credit USD", "Kept", "Held")
    return join((tag("p", note, told, class_="note"), table(head, rows, numbers=range(1, 7))))


def _groups(kind: str, groups: Sequence[Group]) -> Html:
    rows = [
        (
            group.name or ("still held" if group.held else "no reason given"),
            f"{group.trips:,}",
            share(group.won / group.trips),
            signed(group.pnl),
            signed(group.pnl / group.trips),
        )
        for group in groups[:_MOST]
    ]
    if len(groups) > _MOST:
        rest = groups[_MOST:]
        trips, pnl = sum(group.trips for group in rest), sum((group.pnl for group in rest), ZERO)
        rows.append((f"{len(rest):,} more", f"{trips:,}", "", signed(pnl), signed(pnl / trips)))
    return table((kind, "Trips", "Won", "P&L USD", "Each USD"), rows, numbers=range(1, 5))
