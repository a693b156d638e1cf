"""The `puna` command from outside: help, lazy verbs, how errors leave, exit codes, JSON, quiet ends of pipes."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

import puna.errors
from puna.cli import VERBS, main
from puna.cli.codes import CODES
from puna.cli.explain import explain
from puna.config.fields import fields
from puna.config.model import Document
from puna.core.risk import CHECKS
from puna.errors import BrokerError, ConfigError, DeadlineError, LiveRefusedError, PunaError, RiskRefusedError
from puna.exchange.server import ExchangeConfig, ExchangeThread, Speed

SOURCE = Path(__file__).parents[2] / "src" / "puna"
CLEAN = {name: value for name, value in os.environ.items() if not re.match("ALPACA_|APCA_|PUNA_|STAGE$", name)}


def puna_command(*words: str, folder: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "puna", *words],
        cwd=folder,
        env=CLEAN | (environ or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """`puna --help` must be quick: no third-party package but click, none of our own beyond the command itself."""
    program = "import sys; sys.argv = ['puna', '--help']\nfrom puna.cli import main\ntry: main()\n"
    program += "except SystemExit: print(*sys.modules, file=sys.stderr)"
    made = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(made.stderr.split())
    heavy = {"aiohttp", "numpy", "rich", "msgspec", "asyncio", "sqlite3", "structlog", "prometheus_client"}
    assert not heavy & loaded
    assert {name for name in loaded if name.startswith("puna")} == {"puna", "puna.cli"}
    for verb in ("config", "doctor", "explain", "account"):
        assert re.search(rf"^  {verb}\s+\S", made.stdout, re.MULTILINE)


@pytest.mark.parametrize("verb", [verb for verb, (module, _) in VERBS.items() if find_spec(module)])
def test_a_verb_and_its_line_in_the_help_agree(verb: str) -> None:
    """The lines of the help stand apart from the verbs, so that listing them needs no import; they are the same."""
    module, line = VERBS[verb]
    command = getattr(import_module(module), verb)
    assert isinstance(command, click.Command)
    assert (command.help or "").split("\n")[0] == line


@pytest.mark.parametrize("verb", [verb for verb, (module, _) in VERBS.items() if find_spec(module)])
def test_every_verb_explains_itself_and_offers_json(verb: str) -> None:
    """`--help` works on each verb, and each verb, or each verb below it, has `--json`, unless it prints JSON anyway."""
    command = getattr(import_module(VERBS[verb][0]), verb)
    with click.Context(command, info_name=verb) as context:
        assert command.get_help(context)
    below = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    without = [each.name for each in below if not any("--json" in option.opts for option in each.params)]
    assert without in ([], ["schema"])


def test_a_verb_whose_module_is_not_there_does_not_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A leaner install has fewer verbs, not a broken help."""
    monkeypatch.setitem(VERBS, "fly", ("puna.cli.fly", "Not there."))
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "fly" not in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError("bot.toml:14:1  unknown key"), 3, "E007  bot.toml:14:1  unknown key"),
        (LiveRefusedError("Live trading is refused."), 8, "E020  Live"),
        (BrokerError("Not enough buying power.", status=403), 5, "E200  Not enough"),
        (RiskRefusedError("Position cap.", code="R104"), 6, "R104  Position cap."),
        (DeadlineError("No answer.", state="in doubt"), 7, "      in doubt"),
        (ExceptionGroup("several", [ValueError("x"), ConfigError("y")]), 1, "E007  y"),
        (ExceptionGroup("several", [ConfigError("y"), ValueError("x")]), 3, "E900  Puna failed: ValueError: x"),
        (FileNotFoundError(2, "No such file or directory", "x.db"), 1, "E901  The system refused x.db"),
        (KeyError("secret"), 1, "E900  Puna failed: KeyError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.UsageError("no such thing"), 2, "no such thing"),
    ],
)
def test_every_error_leaves_with_its_code_and_without_a_traceback(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What, why, state and remedy on stderr, nothing on stdout, the documented exit code."""
    assert _ended(["explain", "E007"], error, monkeypatch) == code
    out, err = capsys.readouterr()
    assert told in err
    assert out == ""
    assert "Traceback" not in err


def test_verbose_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """-v, before the verb or behind it."""
    for words in (["-v", "explain", "E007"], ["explain", "E007", "-v"]):
        assert _ended(words, ConfigError("boom"), monkeypatch) == 3
        assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_json_errors_are_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error is one JSON object on stderr, with everything a program needs to branch on."""
    error = PunaError("what", why="why", state="state", remedy="remedy", code="E400")
    assert _ended(["explain", "--json"], error, monkeypatch) == 1
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "code": "E400",
            "what": "what",
            "why": "why",
            "state": "state",
            "remedy": "remedy",
            "exit_code": 1,
        }
    }


def _ended(words: list[str], error: BaseException, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of the command line when its verb raises `error`."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(explain, "callback", fail)
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """`puna explain | head -1` ends quietly."""
    made = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m puna explain | head -n 1"],
        cwd=tmp_path,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.startswith("code")
    assert "Traceback" not in made.stderr
    assert "Exception ignored" not in made.stderr


def test_a_reader_that_leaves_a_stream_is_no_error(tmp_path: Path) -> None:
    """`puna watch AAPL | head -1` ends quietly, too: there the pipe breaks in one of several tasks."""
    config = ExchangeConfig(symbols=("AAPL",), pacing=Speed(60.0), step_seconds=3, wait_for=())
    with ExchangeThread(config) as exchange:
        made = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m puna watch AAPL --for 60 | head -n 1"],
            cwd=tmp_path,
            env=CLEAN | {"ALPACA_BASE_URL": exchange.url, "ALPACA_API_KEY": "K", "ALPACA_SECRET_KEY": "S"},
            capture_output=True,
            text=True,
            check=True,
        )
    assert "AAPL" in made.stdout
    assert made.stderr == ""


def test_usage_errors(tmp_path: Path) -> None:
    """An unknown verb, option or code: exit 2, and nothing that looks like a crash."""
    for words in (["nope"], ["explain", "--nope"], ["explain", "E999"], ["orders", "--status", "lost"]):
        made = puna_command(*words, folder=tmp_path)
        assert made.returncode == 2
        assert "Traceback" not in made.stderr


def test_version(tmp_path: Path) -> None:
    """`puna --version` names the package's version."""
    made = puna_command("--version", folder=tmp_path)
    assert made.stdout == f"puna {puna.__version__}\n"


def _codes_in_source() -> set[str]:
    """Every string in the package that is a code, but for those of the table itself."""
    paths = (path for path in SOURCE.rglob("*.py") if path.name != "codes.py")
    return {code for path in paths for code in re.findall(r'"([ER][0-9]{3})"', path.read_text())}


def test_every_code_is_explained() -> None:
    """Every code in errors.py, risk.py and anywhere else has its long text, and no text is without its code."""
    classes = [value for value in vars(puna.errors).values() if isinstance(value, type)]
    raised = {each.code for each in classes if issubclass(each, PunaError)} | {check.code for check in CHECKS}
    assert raised <= set(CODES)
    assert _codes_in_source() == set(CODES)
    texts = re.findall(
        r'^    "([ER]\d{3})": Text',
        "".join(each.read_text() for each in (SOURCE / "cli").glob("codes*.py")),
        re.MULTILINE,
    )
    assert len(texts) == len(set(texts)), "one code has two texts"


def test_explanations_are_whole() -> None:
    """Title, meaning and remedy, each a sentence with its end; risk keys that they name exist."""
    keys = {field.key for field in fields(Document)}
    for code, text in CODES.items():
        assert text.title[0].isupper(), code
        assert not text.title.endswith("."), code
        assert text.meaning.endswith("."), code
        assert text.remedy.endswith("."), code
        for key in re.findall(r"\brisk\.[a-z_]+", text.meaning + text.remedy):
            assert key in keys or f"{key}_value" in keys, (code, key)


def test_explain_prints_the_long_text(tmp_path: Path) -> None:
    """One code in full, all of them as a list, either as JSON; small letters are fine."""
    one = puna_command("explain", "r104", folder=tmp_path)
    assert one.stdout.startswith("R104  Position cap\n\n  If every open order")
    rows = json.loads(puna_command("explain", "--json", folder=tmp_path).stdout)
    assert {row["code"] for row in rows} == set(CODES)


def test_a_verb_that_is_nearly_right_is_named(tmp_path: Path) -> None:
    """A typo is told what it may have been; a word like no verb is only refused."""
    near, far = puna_command("acount", folder=tmp_path), puna_command("xyzzy", folder=tmp_path)
    assert (near.returncode, far.returncode) == (2, 2)
    assert "Did you mean 'account'?" in near.stderr
    assert "Did you mean" not in far.stderr


def test_the_help_tells_where_the_verbs_go(tmp_path: Path) -> None:
    """The environment that names keys and an exchange, and every exit code, stand below the verbs."""
    told = puna_command("--help", folder=tmp_path).stdout
    assert all(word in told for word in ("ALPACA_API_KEY", "ALPACA_BASE_URL", "puna exchange", "130"))


def test_the_codes_stand_in_order(tmp_path: Path) -> None:
    """`puna explain` lists every code, sorted."""
    lines = puna_command("explain", folder=tmp_path).stdout.splitlines()
    listed = [line.split()[0] for line in lines if re.match(r"[ER]\d{3} ", line)]
    assert listed == sorted(CODES)


def test_no_color_is_heeded_on_a_terminal(tmp_path: Path) -> None:
    """With NO_COLOR a terminal gets no escape of colour; without it, it does."""
    (tmp_path / "bot.py").write_text(
        "from puna import Strategy\nclass Bot(Strategy):\n    symbols = ['AAPL']\n    def on_bar(self, bar): pass\n"
    )
    words = ["backtest", "bot.py", "--from", "2012-07-25", "--to", "2012-07-25", "--fills", "realistic"]
    for no_color, painted in (("1", False), ("", True)):
        mine, theirs = pty.openpty()
        environ = CLEAN | {"NO_COLOR": no_color, "TERM": "xterm"}
        with subprocess.Popen(
            [sys.executable, "-m", "puna", *words], cwd=tmp_path, env=environ, stdout=theirs, stderr=subprocess.DEVNULL
        ):
            os.close(theirs)
            told = b""
            with suppress(OSError):  # EIO: the other side has gone
                while piece := os.read(mine, 65_536):
                    told += piece
        os.close(mine)
        assert b"BACKTEST" in told
        assert (b"\x1b[" in told) is painted
