"""`puna selfcheck`: a table and a JSON document of what every check said, and an exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from puna.cli import puna
from puna.core.risk import CHECKS


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("ALPACA_BASE_URL", "ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "bot.toml"
    path.write_text('[risk]\nallowed = ["MSFT"]\nmax_order = "10%"\nmax_spread_bp = 20\n')
    return path


def test_every_check_has_a_row_and_the_code_is_0(config: Path) -> None:
    """Without keys and network; the table names version, limits and file."""
    result = CliRunner().invoke(puna, ["selfcheck", "--config", str(config)], standalone_mode=False)
    assert result.return_value == 0, result.output
    for check in CHECKS:
        assert f"{check.code}  {check.name}" in result.stdout
    assert "bid and ask are far apart" in result.stdout
    assert "MSFT" in result.stdout
    assert f"of {config}: " in result.stdout
    assert "0 not as they must be" in result.stdout


def test_limits_under_which_nothing_passes_give_1(config: Path) -> None:
    """As JSON: the row says by which check, and the document what was tested, and when."""
    config.write_text("[risk]\nmax_order_qty = 0\n")
    result = CliRunner().invoke(puna, ["selfcheck", "--config", str(config), "--json"], standalone_mode=False)
    report = json.loads(result.stdout)
    assert (result.return_value, report["passed"]) == (1, False)
    bad = [row for row in report["rows"] if row["outcome"].isupper()]
    assert [(row["case"], row["by"]) for row in bad] == [("a sound order", "R105")]
    assert report["at"] > 1_700_000_000
    assert len(report["limits"]) == 12


def test_doctor_tells_who_may_loosen_the_limits(config: Path) -> None:
    """A configuration that anybody may write is a warning, and no failure."""
    for mode, told in ((0o600, False), (0o666, True)):
        config.chmod(mode)
        result = CliRunner().invoke(
            puna, ["doctor", "--offline", "--config", str(config), "--json"], standalone_mode=False
        )
        rows = {row["name"]: row["verdict"] for row in json.loads(result.stdout)["checks"]}
        assert (rows.get("limits") == "warn") is told
