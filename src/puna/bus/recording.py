"""Frames in a file, as they came: for later replay, for tests of models, for questions.

A recording is a line of JSON that says what it is, then for each frame its time of arrival (u64, ns), its length (u32)
and its bytes, all big-endian. A file that ends in the middle of a frame is read up to there.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from puna.bus.messages import SCHEMA, BusError

__all__ = ["Recorded", "Recording", "frames_of"]

LARGEST = 1 << 20
_HEAD = Struct(">QI")


class _About(msgspec.Struct, frozen=True):
    """The first line."""

    puna: str
    schema: int


class Recorded(NamedTuple):
    """A frame and when it came, wall time, ns."""

    ts: int
    frame: bytes


class Recording:
    """A file that frames are appended to.

    Args:
        path: made anew; one that exists is never overwritten.

    Raises:
        BusError: E708, it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.frames = 0
        try:
            self._file = path.open("xb")
            self._file.write(msgspec.json.encode(_About("bus recording", SCHEMA)) + b"\n")
        except OSError as error:
            raise _unusable(path, error.strerror or str(error)) from error

    def put(self, ts: int, frame: bytes) -> None:
        """One frame more."""
        self._file.write(_HEAD.pack(ts, len(frame)) + frame)
        self.frames += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def frames_of(path: Path) -> Iterator[Recorded]:
    """Every whole frame of a recording.

    Raises:
        BusError: E708, it is no recording, or one of another schema.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    with file:
        try:
            about = msgspec.json.decode(file.readline(200), type=_About)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _unusable(path, "it is no recording of the bus") from error
        if about.schema != SCHEMA:
            raise _unusable(path, f"it is of schema {about.schema}; this program speaks {SCHEMA}")
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            ts, length = _HEAD.unpack(head)
            if length > LARGEST:
                raise _unusable(path, f"a frame of {length} bytes cannot be")
            if len(frame := file.read(length)) < length:
                return
            yield Recorded(ts, frame)


def _unusable(path: Path, why: str) -> BusError:
    return BusError(f"The recording {path} cannot be used.", why=why, state="Nothing was sent.", code="E708")
