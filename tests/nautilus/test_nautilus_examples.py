"""The examples, run as they stand against the embedded exchange; the table of upstream's cases, held to its list."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nautilus_trader", reason="the adapter's tests need Python 3.12 and puna[nautilus]")

from nautilus_node import exchange_at

ROOT = Path(__file__).parents[2]
DATA = "D01 D02 D03 D10 D11 D12 D13 D14 D15 D20 D21 D30 D31 D40 D41 D50 D51 D52 D53 D60 D61 D62 D63 D70 D71 D72"
EXECUTION = (
    "E01 E02 E03 E04 E05 E06 E10 E11 E12 E13 E14 E15 E16 E17 E18 E19 E20 E21 E22 E23 E24 E25 E26 E27 E30 E31 E32 E33 "
    "E34 E35 E36 E40 E41 E42 E43 E44 E50 E51 E52 E53 E60 E61 E62 E63 E70 E71 E72 E73 E74 E75 E76 E77 E78 E80 E81 E82 "
    "E83 E84 E85 E86 E87 E90 E91 E92 E94 E96 E99 E100 E101"
)
TABLE = re.compile(r"^\| ([DE]\d+) \| [^|]+ \| (passed|not applicable) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(\w+)::(\w+)`")


def run(name: str, url: str, *words: str) -> str:
    """What an example prints."""
    command = [sys.executable, str(ROOT / "examples" / "nautilus" / f"{name}.py"), "--url", url, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def traded(name: str, url: str, *patterns: str, seconds: int) -> str:
    """What an example prints that runs for so long; once more for longer where the machine was too busy for it."""
    for longer in (1, 4):
        printed = run(name, url, "--seconds", str(seconds * longer))
        if all(re.search(pattern, printed, re.MULTILINE) for pattern in patterns):
            return printed
    pytest.fail(printed)


def test_equity_ema_cross() -> None:
    """It trades, and ends flat."""
    with exchange_at(speed=300) as exchange:
        traded("equity_ema_cross", exchange.url, "FILLED", seconds=8)
        assert exchange.books().positions == {}


def test_crypto_scalper() -> None:
    """It really trades: coins are bought and sold again."""
    with exchange_at() as exchange:
        traded("crypto_scalper", exchange.url, r"BUY \S+ FILLED", r"SELL \S+ FILLED", seconds=8)


def test_options_spread_trader() -> None:
    """The condor is one order, and four positions."""
    with exchange_at() as exchange:
        printed = traded("options_spread_trader", exchange.url, r"^Position\(", seconds=15)
        assert len(exchange.books().positions) == 4
        assert len(re.findall(r"^Position\(", printed, re.MULTILINE)) == 4


def test_testers() -> None:
    """Both of the framework's testers, as programs."""
    with exchange_at() as exchange:
        traded("data_tester", exchange.url, r"[1-9]\d* quotes, [1-9]\d* trades", seconds=6)
        traded("exec_tester", exchange.url, "MARKET BUY 10 FILLED", seconds=6)
        assert exchange.books().positions == {}


def test_backtest() -> None:
    """Bars go through the adapter into the catalog, and the live strategy trades on them."""
    with exchange_at() as exchange:
        printed = run("backtest_ema_cross", exchange.url, "--start", "2012-09-17", "--end", "2012-09-18")
    assert re.search(r"[1-9]\d+ bars of AAPL", printed)
    assert "FLAT" in printed


def test_the_table_names_every_case() -> None:
    """Each of upstream's cases is passed, by a test that exists, or does not apply, for a reason."""
    found = {
        case: (result, where) for case, result, where in TABLE.findall((ROOT / "docs" / "nautilus.md").read_text())
    }
    assert list(found) == [*DATA.split(), *EXECUTION.split()]
    for case, (result, where) in found.items():
        tests = NAMED.findall(where)
        assert result == "not applicable" or tests, case
        for file, name in tests:
            text = Path(__file__).with_name(f"test_nautilus_{file}.py").read_text()
            assert re.search(rf"^(async )?def test_{name}", text, re.MULTILINE), (case, name)
