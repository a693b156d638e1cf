"""The seam lint: clocks, chance, ids, the network and the disk are touched in `seams.py` and the rims listed here only.

Ruff's banned-api refuses the imports and calls that it can see; this finds what it cannot (`loop.time`, `call_later`,
`Path.write_text`, opening for writing, a name behind an alias), and holds the one list of rims.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import pytest

Kind = Literal["clock", "chance", "network", "disk"]

SOURCE = Path(__file__).parents[1] / "src" / "puna"

RIMS: dict[str, set[Kind]] = {
    "seams.py": {"clock", "chance"},
    "bus/boxes.py": {"disk"},  # outbox and inbox
    "bus/control.py": {"network"},
    "bus/keys.py": {"network", "disk"},  # key files, and the socket of the authenticator
    "bus/publisher.py": {"network"},
    "bus/recording.py": {"disk"},
    "bus/sockets.py": {"network", "disk"},  # disk: the folder of an ipc socket
    "bus/subscriber.py": {"network"},
    "cli/*.py": {"clock", "network", "disk"},  # the process's own edge
    "alpaca/connection.py": {"network"},  # the connections that http.py sends on
    "alpaca/endings.py": {"network"},  # why a connection ended
    "alpaca/feed.py": {"network"},
    "alpaca/hosts.py": {"network"},  # the resolver: who may be dialled at all
    "alpaca/http.py": {"network"},
    "alpaca/reception.py": {"network"},
    "alpaca/stream.py": {"network"},
    "alpaca/tls.py": {"network"},  # whom TLS trusts, and why a handshake failed
    "alpaca/tunnel.py": {"network"},  # the way through a proxy
    "alpaca/transport.py": {"network"},  # the session that stream.py dials with
    "engine/delivery.py": {"network"},  # posts alerts to a webhook
    "engine/latch.py": {"disk"},  # files beside the journal that halt trading
    "engine/models/saved.py": {"disk"},  # a model's folder
    "engine/storage.py": {"disk"},  # the journal's file and its lock
    "exchange/web/account.py": {"network"},
    "exchange/web/answers.py": {"network"},  # HTTP answers of the exchange
    "exchange/web/api.py": {"network"},
    "exchange/web/breakage.py": {"network"},  # connections that break on purpose
    "exchange/web/catalog.py": {"network"},
    "exchange/streams/connections.py": {"network"},
    "exchange/web/contracts.py": {"network"},
    "exchange/web/data_actions.py": {"network"},
    "exchange/web/data.py": {"network"},
    "exchange/web/data_crypto.py": {"network"},
    "exchange/web/data_news.py": {"network"},
    "exchange/web/data_options.py": {"network"},
    "exchange/web/data_reference.py": {"network"},
    "exchange/web/data_stocks.py": {"network"},
    "exchange/web/pages.py": {"network"},
    "exchange/web/paths.py": {"network"},
    "exchange/web/events.py": {"network"},
    "exchange/streams/sockets.py": {"network"},
    "exchange/web/requests.py": {"network"},
    "exchange/server.py": {"network", "disk"},  # disk: the event log
    "research/backtest/broker.py": {"network"},  # the exchange's routes, without a socket
    "research/sweep/ray_cluster.py": {"network"},  # whether a cluster answers
    "research/sweep/shared.py": {"disk"},  # one history for all processes of a sweep
    "research/history/store.py": {"disk"},  # the Parquet files of history
    "services/doors.py": {"network"},  # health and metrics over HTTP
    "services/execution.py": {"disk"},  # the record of a session
    "services/market_data.py": {"network"},  # a door of its own
    "services/notify.py": {"network"},  # systemd
    "services/place.py": {"network", "disk"},  # ZeroMQ's context; the folder of the services and its token
    "services/risk.py": {"network", "disk"},  # a door; limits, halt and peak outlive the process
    "services/signals.py": {"network"},  # asks market-data for the past
    "services/supervisor.py": {"network", "disk"},  # asks the doors; the folder of the logs
}

NAMES: dict[str, Kind] = {
    **dict.fromkeys(
        [
            f"time.{name}{unit}"
            for name in ("time", "monotonic", "perf_counter", "process_time")
            for unit in ("", "_ns")
        ],
        "clock",
    ),
    "time.sleep": "clock",
    "time.localtime": "clock",
    "time.gmtime": "clock",
    "datetime.datetime.now": "clock",
    "datetime.datetime.utcnow": "clock",
    "datetime.datetime.today": "clock",
    "datetime.date.today": "clock",
    "asyncio.sleep": "clock",
    "asyncio.timeout": "clock",
    "asyncio.timeout_at": "clock",
    "asyncio.wait_for": "clock",
    "threading.Timer": "clock",
    "random": "chance",
    "secrets": "chance",
    "numpy.random": "chance",
    "os.urandom": "chance",
    "os.getrandom": "chance",
    "uuid.uuid1": "chance",
    "uuid.uuid4": "chance",
    "socket": "network",
    "ssl": "network",
    "http.client": "network",
    "urllib.request": "network",
    "aiohttp": "network",
    "zmq": "network",
    "asyncio.open_connection": "network",
    "asyncio.start_server": "network",
    "sqlite3.connect": "disk",
    "tempfile": "disk",
    "shutil": "disk",
    **dict.fromkeys(
        [
            f"os.{name}"
            for name in ("open", "remove", "unlink", "rename", "replace", "mkdir", "makedirs", "rmdir", "dup2")
        ],
        "disk",
    ),
}
METHODS: dict[str, Kind] = {
    "call_later": "clock",
    "call_at": "clock",
    "create_connection": "network",
    "create_server": "network",
    **dict.fromkeys(
        ["write_text", "write_bytes", "mkdir", "rmdir", "unlink", "touch", "symlink_to", "hardlink_to"], "disk"
    ),
}
LOOPS = {"get_running_loop", "get_event_loop", "new_event_loop"}


def uses(tree: ast.AST) -> Iterator[tuple[int, Kind, str]]:
    """Every line that touches the world, what it touches, and by which name."""
    names = dict(_imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for dotted in {dotted for _, dotted in _imports(node)}:
                yield from _known(node.lineno, dotted)
        elif isinstance(node, ast.Attribute):
            yield from _known(node.lineno, _dotted(node, names))
            if node.attr in METHODS:
                yield node.lineno, METHODS[node.attr], f".{node.attr}"
            if node.attr == "time" and _is_loop(node.value):
                yield node.lineno, "clock", "loop.time"
        elif isinstance(node, ast.Call) and (mode := _mode(node)) and set(mode) & set("wax+"):
            yield node.lineno, "disk", f"open({mode!r})"


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Local name -> what it stands for, imports inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.name, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _known(line: int, dotted: str) -> Iterator[tuple[int, Kind, str]]:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:length])) in NAMES:
            yield line, NAMES[prefix], dotted
            return


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value, names)
        return f"{head}.{node.attr}" if head else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


def _is_loop(node: ast.expr) -> bool:
    """`loop`, `self._loop`, or a call that gives the loop."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).split(".")[-1] in LOOPS
    return ast.unparse(node).split(".")[-1].strip("_") in ("loop", "event_loop")


def _mode(call: ast.Call) -> str:
    """The mode of `open(path, mode)` or `path.open(mode)`."""
    named = [word.value for word in call.keywords if word.arg == "mode"]
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        named += call.args[1:2]
    elif isinstance(call.func, ast.Attribute) and call.func.attr == "open":
        named += call.args[:1]
    return next((str(each.value) for each in named if isinstance(each, ast.Constant)), "")


def granted(path: str) -> set[Kind]:
    return set().union(*(kinds for pattern, kinds in RIMS.items() if fnmatch(path, pattern)))


def test_the_world_is_touched_at_the_rims_only() -> None:
    """No file outside the list reads a clock, draws chance, dials, listens or writes."""
    found = [
        f"{path.relative_to(SOURCE)}:{line}  {kind}: {name}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line, kind, name in uses(ast.parse(path.read_text()))
        if kind not in granted(path.relative_to(SOURCE).as_posix())
    ]
    assert not found, "pass the seam in (puna.seams), or name the rim in tests/test_seams_lint.py:\n" + "\n".join(found)


def test_no_rim_is_wider_than_it_has_to_be() -> None:
    """Every grant is used by some file that it covers."""
    used = {
        (path.relative_to(SOURCE).as_posix(), kind)
        for path in SOURCE.rglob("*.py")
        for _, kind, _ in uses(ast.parse(path.read_text()))
    }
    idle = [
        f"{pattern}: {kind}"
        for pattern, kinds in RIMS.items()
        for kind in sorted(kinds)
        if not any(fnmatch(path, pattern) and kind == its for path, its in used)
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import time\ntime.time()", "clock"),
        ("from time import monotonic_ns as m\nm()", "clock"),
        ("import time as clock\nclock.perf_counter()", "clock"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("import datetime as dt\ndt.date.today()", "clock"),
        ("import asyncio\nasyncio.get_running_loop().time()", "clock"),
        ("self._loop.time()", "clock"),
        ("loop.call_later(1, f)", "clock"),
        ("async def f():\n    from asyncio import sleep\n    await sleep(1)", "clock"),
        ("import random", "chance"),
        ("from random import Random", "chance"),
        ("import numpy as np\nnp.random.default_rng(1)", "chance"),
        ("import os\nos.urandom(8)", "chance"),
        ("from uuid import uuid4", "chance"),
        ("import socket", "network"),
        ("from aiohttp import web", "network"),
        ("import asyncio\nasyncio.open_connection('h', 1)", "network"),
        ("Path('x').write_text('y')", "disk"),
        ("open('x', 'w')", "disk"),
        ("open('x', mode='ab')", "disk"),
        ("path.open('r+b')", "disk"),
        ("import sqlite3\nsqlite3.connect('x')", "disk"),
        ("import os\nos.replace('a', 'b')", "disk"),
    ],
)
def test_the_lint_sees_it(code: str, kind: Kind) -> None:
    """Each way around the seams that the lint must notice."""
    assert kind in {its for _, its, _ in uses(ast.parse(code))}


@pytest.mark.parametrize(
    "code",
    [
        "clock.now()\nawait clock.sleep(1)",
        "from datetime import datetime\ndatetime.fromtimestamp(1)",
        "import time",
        "from datetime import time\ntime(9, 30)",
        "from uuid import uuid5",
        "open('x')\npath.open('rb')\npath.read_text()",
        "text.replace('a', 'b')",
        "bar.open",
        "rng.random()",
        "import os\nos.environ",
        "update.time",
    ],
)
def test_the_lint_leaves_it_alone(code: str) -> None:
    """Reading files, pure functions and the seams themselves are no offence."""
    assert list(uses(ast.parse(code.replace("await ", "")))) == []
