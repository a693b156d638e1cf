"""Limits looser than those of the run before: told on paper, confirmed by a second person on a live account."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from puna.cli import puna
from puna.cli.output import user_name
from puna.cli.run_live import confirmation
from puna.config import Config, Mode
from puna.config.model import AccountSection
from puna.core.risk import Narrow, RiskLimits
from puna.core.risk_change import change_of, limits_version
from puna.engine.entries import Note
from puna.engine.loosened import Confirmation
from puna.errors import ConfigError

OLD = RiskLimits(allowed=("AAPL",), max_order_value=Decimal(1000), groups={"g": ("A", "B")})
LOOSE = msgspec.structs.replace(OLD, max_order_value=Decimal(2000), max_open_orders=10, allowed=("AAPL", "MSFT"))
TIGHT = msgspec.structs.replace(OLD, max_order_value=Decimal(500), max_repeats=3)


async def once(lab: Any, limits: RiskLimits, confirmed: Confirmation | None = None, **terms: Any) -> Any:
    """A minute of trading on the journal; the trader."""
    said: list[str] = []
    trader = lab.exchange().trader(lab.scripted(), minutes=2, journal=lab.journal, limits=limits, **terms)
    trader.gateway.confirmed = confirmed or Confirmation()
    trader.say = lambda _, text: said.append(text)
    await trader.run()
    return [text for text in said if "limits" in text]


def noted(lab: Any) -> list[str]:
    return [entry.text for _, entry in lab.entries() if isinstance(entry, Note) and entry.code == "E530"]


async def test_paper_is_told_what_is_looser_and_from_what_to_what(lab: Any) -> None:
    """Only what is looser; it is in the journal, once for each time; tighter limits apply without a word."""
    assert await once(lab, OLD, mode="paper") == []
    assert await once(lab, TIGHT, mode="paper") == []
    assert noted(lab) == []
    (text,) = await once(lab, LOOSE, mode="paper")
    assert "allowed [AAPL] -> [AAPL, MSFT]" in text
    assert "max_order_value 500 -> 2000" in text
    assert "max_repeats 3 -> no limit" in text
    assert "max_open_orders" not in text
    assert text.endswith("confirmed by nobody")
    assert await once(lab, LOOSE, mode="paper") == []
    assert noted(lab) == [text]


async def test_live_does_not_start_on_looser_limits_until_their_version_is_confirmed(lab: Any) -> None:
    """Nothing is written by the refusals, so a second try is refused too; the word for other limits does not count."""
    await once(lab, OLD, mode="live")
    before = len(lab.entries())
    for word in (None, Confirmation(limits_version(OLD), "ann"), Confirmation(limits_version(LOOSE), "")):
        with pytest.raises(ConfigError, match="looser") as refused:
            await once(lab, LOOSE, word, mode="live")
        assert (refused.value.code, refused.value.exit_code) == ("E530", 3)
        assert "max_order_value 1000 -> 2000" in refused.value.why
        assert limits_version(LOOSE) in refused.value.remedy
    assert len(lab.entries()) == before
    await once(lab, LOOSE, Confirmation(limits_version(LOOSE), "ann"), mode="live")
    assert noted(lab)[0].endswith(f"limits {limits_version(LOOSE)}, confirmed by ann")


def test_whoever_starts_a_live_run_is_not_the_second_person() -> None:
    """Of paper a name is a name."""
    version, live = limits_version(LOOSE), Config(account=AccountSection(mode=Mode.LIVE))
    with pytest.raises(ConfigError, match="second person"):
        confirmation(live, version, user_name().upper())
    assert confirmation(live, version, "somebody else").by == "somebody else"
    assert confirmation(Config(), version, user_name()).by == user_name()


@pytest.mark.parametrize("words", [["--confirm-limits", "abc"], ["--by", "ann"]])
def test_a_version_and_a_name_go_together(words: list[str]) -> None:
    """A usage error."""
    result = CliRunner().invoke(puna, ["run", "bot.toml", *words])
    assert (result.exit_code, "go together" in result.stderr) == (2, True)


def test_groups_and_narrower_limits_have_a_direction_too() -> None:
    """More of them is tighter, less of them looser, and both are told in words."""
    more = msgspec.structs.replace(OLD, groups={"g": ("A", "B", "C"), "h": ("D",)})
    assert change_of(OLD, more).tighter == ("groups",)
    assert change_of(more, OLD).loosened() == ["groups [g: A B C, h: D] -> [g: A B]"]
    rows = (Narrow(strategy="s", max_order_value=Decimal(5)), Narrow(symbol="AAPL", allow_short=False))
    narrow = msgspec.structs.replace(OLD, narrow=rows)
    assert change_of(OLD, narrow).tighter == ("narrow",)
    assert change_of(narrow, msgspec.structs.replace(OLD, narrow=rows[:1])).loosened() == [
        "narrow [strategy=s max_order_value=5, symbol=AAPL allow_short=False] -> [strategy=s max_order_value=5]"
    ]
