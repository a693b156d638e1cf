"""One copy of large arrays for all processes of a machine: written once, mapped by each of them, read by the page.

A thing is pickled with its arrays beside it (pickle protocol 5, out of band); whoever opens the file gets the thing
with read-only arrays that lie in the file. Nothing is copied, and what one process has read the others have in memory.
"""

import mmap
import pickle
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["mapped", "share"]

_LENGTH = struct.Struct("<Q")
_PAGE = 64  # bytes; arrays begin at a multiple of it


def share(thing: object, path: Path) -> None:
    """Writes a thing with all that it holds.

    Raises:
        OSError: it cannot be written.
        Exception: whatever pickling it raises.
    """
    buffers: list[pickle.PickleBuffer] = []
    body = BytesIO()
    _Pickler(body, protocol=5, buffer_callback=buffers.append).dump(thing)
    views = [each.raw() for each in buffers]
    head = pickle.dumps((body.getvalue(), [each.nbytes for each in views]))
    with path.open("wb") as file:
        file.write(_LENGTH.pack(len(head)))
        file.write(head)
        for each in views:
            file.write(b"\0" * (-file.tell() % _PAGE))
            file.write(each)


def mapped(path: Path) -> Any:
    """The thing that was written; its arrays cannot be changed.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    at = _LENGTH.size
    (length,) = _LENGTH.unpack(whole[:at])
    body, sizes = pickle.loads(whole[at : at + length])  # noqa: S301 - written by our own parent
    at += length
    buffers = []
    for size in sizes:
        at += -at % _PAGE
        buffers.append(whole[at : at + size])
        at += size
    return pickle.loads(body, buffers=buffers)  # noqa: S301


class _Pickler(pickle.Pickler):
    """Puts every array beside the pickle, also one whose numbers do not lie side by side."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is np.ndarray and not thing.flags.c_contiguous:
            return np.ascontiguousarray(thing).__reduce_ex__(5)
        return NotImplemented
