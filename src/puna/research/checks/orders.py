"""The check of orders: which the broker, or the rules that it is known by, refuse; and where a strategy fails."""

import re
from dataclasses import replace

from puna.engine.record import OrderRow
from puna.research.checks.case import Case, Finding, Verdict, when

__all__ = ["BROKEN", "order_validity"]

BROKEN = frozenset({"R102", "R103", "R113", "R114", "R116", "R117", "R127"})
"""Risk checks that say what the broker would say; the others are limits of one's own."""
_LATE = "later session"
_NUMBER = re.compile(r"[0-9.,]+")


def order_validity(case: Case) -> Verdict:
    """Orders of the whole run that were refused, each kind once, the first with its place."""
    found: dict[str, Finding] = {}
    own: dict[str, list[OrderRow]] = {}
    rows = case.whole.record.orders
    for row in rows:
        if row.status not in ("refused", "rejected"):
            continue
        code = row.refusal_code or row.status
        if _at_fault(row):
            kind = f"{code} {_NUMBER.sub('', row.refusal_text or '')}"
            known = found.get(kind)
            found[kind] = _finding(case, row, code) if known is None else replace(known, count=known.count + 1)
        else:
            own.setdefault(code, []).append(row)
    findings = (*_failures(case), *found.values())
    notes = tuple(_note(case, code, refused) for code, refused in own.items())
    if findings:
        return Verdict("order validity", "found", findings[0].what, findings, notes)
    if not rows:
        return Verdict("order validity", "not checked", "It sent no order on these days.")
    count = len(rows) - sum(map(len, own.values()))
    return Verdict("order validity", "passed", f"All {count:,} orders were acceptable.", (), notes)


def _at_fault(row: OrderRow) -> bool:
    """Whether the order itself is wrong; what comes after the close, or breaks a limit of one's own, is not."""
    code = row.refusal_code or ""
    if not code.startswith("R"):
        return True
    return code in BROKEN and not (code == "R103" and _LATE in (row.refusal_text or ""))


def _finding(case: Case, row: OrderRow, code: str) -> Finding:
    ours = code.startswith("R")
    who = "Puna's risk checks, which know the broker's rules, refuse it" if ours else "the broker refuses it"
    return Finding(
        code="E693",
        what=f"An order cannot be placed: {row.refusal_text or 'it was refused'} ({code}).",
        why=f"First on {when(row.ts_decision, case.history)}; {who}.",
        remedy=f"puna explain {code} says what the rule is." if ours else "Correct the order by what the broker says.",
        ts=row.ts_decision,
        strategy=row.strategy,
        symbol=row.symbol,
        before=_said(row),
        after=f"{row.status}: {code} {row.refusal_text or ''}".strip(),
    )


def _failures(case: Case) -> list[Finding]:
    """Errors that the strategies raised; each ends its strategy."""
    return [
        Finding(
            code="E910",
            what=note.text,
            why="Its own code raised it, so it decided nothing more, and the other checks saw no further than that.",
            remedy="Correct it; the message names the line.",
            ts=note.ts,
            after=note.text,
        )
        for note in case.whole.record.notes
        if note.code == "E910"
    ]


def _note(case: Case, code: str, refused: list[OrderRow]) -> str:
    first = refused[0]
    times = "one order was" if len(refused) == 1 else f"{len(refused):,} orders were"
    return (
        f"{code}: {times} refused by limits or hours, no fault of the order; first {_said(first)} on "
        f"{when(first.ts_decision, case.history)}: {first.refusal_text}"
    )


def _said(row: OrderRow) -> str:
    limit = "" if row.limit is None else f", limit {row.limit:f}"
    stop = "" if row.stop is None else f", stop {row.stop:f}"
    return f"{row.side} {row.qty:f} {row.symbol}{limit}{stop}"
