"""`puna margin`: the numbers of the library, the picture, the refusal and its exit code."""

import json

import pytest
from click.testing import CliRunner

from puna.cli import puna

CONDOR = "SPY 2026-03-20 480P -1, 470P +1, 520C -1, 530C +1"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(puna, ["margin", *words], standalone_mode=False)
    if result.exception:
        return getattr(result.exception, "exit_code", 1), str(result.exception)
    return result.return_value, result.stdout


def test_a_condor_is_shown_with_its_numbers_and_its_payoff() -> None:
    """Margin of the wider wing, cost less the credit, both break-evens, both pairs, and a line that has a top."""
    code, text = run(CONDOR, "--price", "-1.60", "--qty", "4")
    assert code == 0
    for part in ("4,000.00", "3,360.00", "478.40, 521.60", "520C against 20 Mar 530C", "640.00", "●●●●"):
        assert part in text


def test_json_holds_the_same_numbers() -> None:
    """Amounts are strings, and the reasons are empty when the order is allowed."""
    code, text = run(CONDOR, "--price", "-1.60", "--json")
    document = json.loads(text)
    assert code == 0
    assert (document["cost_basis"], document["reasons"], document["largest_quantity"]) == ("840.00", [], 119)


def test_unlimited_risk_is_refused_with_its_own_exit_code() -> None:
    """A naked call is drawn, named, and ends with the code of a risk refusal; shares cover it."""
    code, text = run("SPY 2026-03-20 480C -1", "--price", "-1")
    assert code == 6
    assert "unlimited risk" in text
    assert run("SPY 2026-03-20 480C -1", "--price", "-1", "--shares", "100")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["spy 2026-03-20 480P -1", "--price", "1"], "underlying"),
        (["SPY 2026-13-20 480P -1", "--price", "1"], "expiration"),
        (["SPY 2026-03-20 480Q -1", "--price", "1"], "480Q -1"),
        (["SPY 2026-03-20 480P -1", "--price", "NaN"], "--price"),
    ],
)
def test_what_cannot_be_read_is_named(words: list[str], says: str) -> None:
    """One typed error, exit code 3, naming the part."""
    code, text = run(*words)
    assert code == 3
    assert says in text
