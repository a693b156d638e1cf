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
        (["SPY 2026-03-20 480P -1", "--price", "-1", "--spot", "-5"], "--spot"),
        (["SPY 2026-03-20 480P -1", "--price", "-1", "--spot", "500", "--iv", "0.2"], "--iv"),
        (["SPY 2026-03-20 480P -1", "--price", "-1", "--spot", "500", "--dividend", "tomorrow=1"], "--dividend"),
    ],
)
def test_what_cannot_be_read_is_named(words: list[str], says: str) -> None:
    """One typed error, exit code 3, naming the part."""
    code, text = run(*words)
    assert code == (2 if words[-1] == "-5" else 3)
    assert says in text


MARCH = ("--spot", "523", "--iv", "20%", "--on", "2026-03-18", "--dividend", "2026-03-20=1.75")


def test_a_spot_price_adds_greeks_scenarios_and_the_calendar() -> None:
    """The total of the Greeks, profit nowhere moved is none, and the short call in the money is assigned."""
    code, text = run(CONDOR, "--price", "-1.60", *MARCH)
    assert code == 0
    for part in ("all ", "profit against now, after 2 days", "assigned", "52,000.00", "2026-03-20 16:00 New York"):
        assert part in text


def test_a_dividend_above_the_time_value_warns_of_early_assignment() -> None:
    """A call 43 dollars in the money with two days left has no time value; the dividend of 1.75 is taken before it."""
    legs = ("SPY 2026-03-20 480C -1", "--price", "-43", "--shares", "100")
    code, text = run(*legs, *MARCH)
    assert code == 0
    assert "early assignment of 20 Mar 480C by 2026-03-19" in text
    document = json.loads(run(*legs, *MARCH, "--json")[1])
    assert document["early_assignment"][0]["gain"] == "1.75"
    assert (document["expiries"][0]["shares"], document["expiries"][0]["cash"]) == (-100, "48000")
    assert document["scenarios"]["profit"][0][1][3] == 0.0


def test_a_volatility_without_a_price_is_a_mistake_of_use() -> None:
    """Without --spot nothing can be valued: exit code 2."""
    code, text = run(CONDOR, "--price", "-1.60", "--iv", "20%")
    assert (code, "--spot" in text) == (2, True)
