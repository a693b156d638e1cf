"""A process that has everything imported and forks one trading process for each life of a trial.

It is started fresh and has one thread and no event loop, so that a fork copies nothing that is in use. The parent's
side is `Zygote`; the other side is this file, run as a program.
"""

import gc
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

import msgspec
from trial import Ended, Life

__all__ = ["Zygote"]

PATIENCE_SECONDS = 20
UNFINISHED = 70


class Zygote:
    """The parent's side: `live` runs one process from its fork to its end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def live(self, life: Life) -> Ended:
        """Forks a trading process, and says how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(life) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Ended)

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main(orders: BinaryIO, answers: BinaryIO) -> None:
    """Forks as it is told, until nobody tells it any more."""
    from scripted import live  # noqa: PLC0415 - the parent's side does without the engine

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.collect()
    gc.freeze()
    for line in orders:
        life = msgspec.json.decode(line, type=Life)
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            _live(live, life)
        _, status = os.waitpid(child, 0)
        ended = Ended(
            os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
            time.perf_counter() - began,
        )
        answers.write(msgspec.json.encode(ended) + b"\n")
        answers.flush()


def _live(live: Callable[[Life], None], life: Life) -> NoReturn:
    """The forked process, from here to its end; nothing of the zygote runs on in it."""
    status = UNFINISHED
    try:
        log = os.open(f"{life.folder}/output-{life.number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (0, 1, 2):
            os.dup2(log, stream)
        signal.alarm(PATIENCE_SECONDS)
        live(life)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it must not run on as a second zygote
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.stdin.buffer, sys.stdout.buffer)
