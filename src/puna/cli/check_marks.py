"""What `puna check` found of a strategy's code, kept in runs/checks under the code's hash for reports."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

import puna
from puna.cli.run_folder import put
from puna.engine.record import CheckRow
from puna.research.checks.case import CHECKS, Verdict

__all__ = ["MARKS", "keep_marks", "marks_of"]

MARKS = Path("runs") / "checks"


class _Marks(msgspec.Struct, frozen=True):
    """A file of marks: whose code, by which Puna, on which bars, and the answers."""

    code: str
    puna: str
    bars: str
    checks: list[CheckRow]


def keep_marks(code: str, verdicts: Sequence[Verdict], bars: str) -> Path:
    """Writes what was found; a question that was not answered this time keeps its last answer."""
    found = {row.name: row for row in marks_of(code)}
    found |= {
        each.name: CheckRow(name=each.name, passed=each.outcome == "passed", text=f"{each.text} Checked on {bars}.")
        for each in verdicts
        if each.outcome != "not checked"
    }
    MARKS.mkdir(parents=True, exist_ok=True)
    marks = _Marks(code, puna.__version__, bars, [found[name] for name in CHECKS if name in found])
    put(MARKS / f"{code}.json", msgspec.json.format(msgspec.json.encode(marks)))
    return MARKS / f"{code}.json"


def marks_of(code: str) -> list[CheckRow]:
    """What is known of that code; nothing when nobody checked it, or another version of Puna did."""
    try:
        marks = msgspec.json.decode((MARKS / f"{code}.json").read_bytes(), type=_Marks)
    except (OSError, msgspec.DecodeError):
        return []
    return marks.checks if marks.code == code and marks.puna == puna.__version__ else []
