"""The documentation runs: console, Python and TOML blocks of README and docs do what they show.

    ```console    lines that begin with `$ ` are commands (`> ` goes on); the others must come out in this order,
                  `...` alone stands for any lines, `…` inside a line for any text. `# exit N` behind a command
                  names its exit code. All commands of a block run in one shell, in a folder of their own.
    ```python     all Python blocks of a file are one program
    ```toml       a configuration, or a fault script

A block that is only shown has the line `<!-- shown only: REASON -->` above it. A page that begins with
`<!-- one shell -->` is a walk: its console blocks run one after the other in one shell and one folder.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest

from puna.config import load
from puna.exchange.faults import read_faults

ROOT = Path(__file__).parents[1]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()]
SHARED = ("README.md", "docs", "examples")
SECONDS = 60
WALK_SECONDS = 300  # a whole page
ONE_SHELL = "<!-- one shell -->"

_FENCE = re.compile(
    r"(?P<shown><!-- shown only: \S.*? -->\n+)?^```(?P<kind>console|python|toml)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what kind, its text."""

    page: str
    line: int
    kind: str
    text: str
    seconds: int = SECONDS

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of a page that must work."""
    found = [
        Block(page, text.count("\n", 0, match.start("kind")) + 1, match["kind"], match["text"])
        for match in _FENCE.finditer(text)
        if not match["shown"]
    ]
    return _walk(found) if text.startswith(ONE_SHELL) else found


def _walk(found: list[Block]) -> list[Block]:
    """The console blocks as one, at the place of the first; what one prints last need not be followed by the next."""
    shell = [block for block in found if block.kind == "console"]
    joined = replace(shell[0], text="...\n".join(block.text for block in shell), seconds=WALK_SECONDS)
    return [joined, *(block for block in found if block.kind != "console")]


BLOCKS = [block for page in PAGES for block in blocks(page.relative_to(ROOT).as_posix(), page.read_text())]


def of(kind: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind == kind]


def script(text: str) -> tuple[str, list[str]]:
    """The shell script of a console block, and the lines that it must print."""
    commands: list[str] = []
    expected: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif (line.startswith("> ") or line == ">") and commands:
            commands[-1] += f"\n{line[2:]}"
        else:
            expected.append(line.rstrip())
    return "set -e\n" + "\n".join(map(_with_exit_code, commands)) + "\n", expected


def _with_exit_code(command: str) -> str:
    match = re.search(r"\s+# exit (\d+)$", command)
    return f"{command[: match.start()]} && exit 99 || test $? -eq {match[1]}" if match else command


def unmatched(expected: list[str], printed: str) -> str | None:
    """The first expected line that does not come out in its turn, or None."""
    lines = [line.rstrip() for line in printed.splitlines()]
    here, anywhere = 0, True  # what comes before the first line shown does not matter
    for want in expected:
        if want.strip() == "...":
            anywhere = True
            continue
        pattern = re.compile(".*".join(map(re.escape, want.split("…"))))
        reach = lines[here:] if anywhere else lines[here : here + 1]
        found = next((n for n, line in enumerate(reach) if pattern.fullmatch(line)), None)
        if found is None:
            return want
        here, anywhere = here + found + 1, False
    return None


def run(command: list[str], folder: Path, seconds: int = SECONDS) -> tuple[int, str]:
    """Runs it in `folder` with what it left behind ended, and gives exit code and everything printed."""
    kept = {name: value for name, value in os.environ.items() if not re.match("ALPACA_|APCA_|PUNA_|STAGE$", name)}
    environ = kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    # A file, not a pipe: nobody reads while it runs, and a full pipe would stop it.
    with (
        tempfile.TemporaryFile("w+") as printed,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        printed.seek(0)
        return code, printed.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the examples in reach, in which a block may leave its traces."""
    for name in SHARED:
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, id=str(block), marks=pytest.mark.timeout(block.seconds + 30)) for block in of("console")],
)
def test_console_blocks_print_what_they_show(block: Block, folder: Path) -> None:
    """The commands succeed (or fail as they say), and what is shown comes out in its order."""
    text, expected = script(block.text)
    code, printed = run(["bash", "-c", text], folder, block.seconds)
    assert code == 0, printed
    missing = unmatched(expected, printed)
    assert missing is None, f"{block} shows\n  {missing}\nbut it prints\n{printed}"


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize(
    "program",
    [list(group) for _, group in groupby(of("python"), lambda block: block.page)],
    ids=lambda group: group[0].page,
)
def test_python_blocks_run(program: list[Block], folder: Path) -> None:
    """All Python blocks of a page, one after the other, are a program that ends well."""
    code, printed = run([sys.executable, "-W", "error", "-c", "\n".join(block.text for block in program)], folder)
    assert code == 0, printed


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_blocks_are_accepted(block: Block, folder: Path) -> None:
    """A configuration loads; a fault script reads."""
    if "[[fault]]" in block.text:
        assert read_faults(block.text, day=date(2012, 9, 19), name=str(block))
    else:
        (folder / "bot.toml").write_text(block.text)
        assert load(folder / "bot.toml").path


def test_blocks_are_found_and_shown_ones_are_not() -> None:
    """The three kinds are found with their lines; marked and foreign ones are left alone."""
    page = "# x\n\n```console\n$ true\n```\n\n```text\nno\n```\n"
    page += "<!-- shown only: needs keys -->\n```console\n$ false\n```\n"
    assert blocks("x.md", page) == [Block("x.md", 3, "console", "$ true\n")]


def test_a_console_block_fails_when_it_should(tmp_path: Path) -> None:
    """A wrong line, a wrong order, a failing command and a wrong exit code are all noticed."""

    def verdict(text: str) -> tuple[int, str | None]:
        body, expected = script(text)
        code, printed = run(["bash", "-c", body], tmp_path)
        return code, unmatched(expected, printed)

    assert verdict("$ echo a; echo b\na\nb\n") == (0, None)
    assert verdict("$ echo a; echo b; echo c\na\n...\nc\n") == (0, None)
    assert verdict("$ echo took 12 ms\ntook … ms\n") == (0, None)
    assert verdict("$ false # exit 1\n$ (exit 3) # exit 3\n") == (0, None)
    assert verdict("$ cat <<X\n> one\n> X\none\n") == (0, None)
    assert verdict("$ echo a; echo b\nb\na\n") == (0, "a")
    assert verdict("$ echo a; echo x; echo b\na\nb\n") == (0, "b")
    assert verdict("$ false\n$ true\n")[0] == 1
    assert verdict("$ true # exit 1\n")[0] == 99
    assert verdict("$ sleep 60 &\n$ echo on\non\n") == (0, None)
