"""One copy of large arrays for all processes of a machine: written once, mapped by each of them, read by the page.

A thing goes to a process of our own through its pipe, its arrays lie beside it in a file (pickle protocol 5, out of
band): the file holds numbers only, and reading it runs nothing. Whoever opens the thing gets it with read-only arrays
that lie in the file. Nothing is copied, and what one process has read the others have in memory.
"""

import mmap
import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Shared", "mapped", "share"]

_PAGE = 64  # bytes; arrays begin at a multiple of it


@dataclass(frozen=True)
class Shared:
    """A thing without its arrays, to be sent to processes of our own, and the file in which those lie.

    Args:
        file: the arrays' numbers.
        body: the thing.
        sizes: bytes of each array.
    """

    file: Path
    body: bytes
    sizes: tuple[int, ...]


def share(thing: object, file: Path) -> Shared:
    """Writes the arrays of a thing.

    Raises:
        OSError: they cannot be written.
        TypeError: the thing cannot be sent to another process.
    """
    buffers: list[pickle.PickleBuffer] = []
    body = BytesIO()
    try:
        _Pickler(body, protocol=5, buffer_callback=buffers.append).dump(thing)
    except pickle.PicklingError as error:
        raise TypeError(str(error)) from error
    views = [each.raw() for each in buffers]
    with file.open("wb") as out:
        for each in views:
            out.write(b"\0" * (-out.tell() % _PAGE))
            out.write(each)
    return Shared(file, body.getvalue(), tuple(each.nbytes for each in views))


def mapped(shared: Shared) -> Any:
    """The thing; its arrays cannot be changed.

    Raises:
        OSError: the file cannot be read.
    """
    whole, at, buffers = _mapped(shared.file), 0, []
    for size in shared.sizes:
        at += -at % _PAGE
        buffers.append(whole[at : at + size])
        at += size
    return pickle.loads(shared.body, buffers=buffers)  # noqa: S301 - from our own parent, through its pipe


def _mapped(file: Path) -> memoryview:
    """A file's bytes; nothing can be mapped of one without any."""
    with file.open("rb") as source:
        if not file.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))


class _Pickler(pickle.Pickler):
    """Puts every array beside the pickle, also one whose numbers do not lie side by side."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is np.ndarray and not thing.flags.c_contiguous:
            return np.ascontiguousarray(thing).__reduce_ex__(5)
        return NotImplemented
