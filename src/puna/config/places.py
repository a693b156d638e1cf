"""Where each key of a TOML text stands, as line and column: tomllib keeps no places, and an error message needs one.

The text has been accepted by tomllib before, so this only has to step over values, not to judge them.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["Path", "Place", "places"]

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t\r\f]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<string>\"{3}(?:[^"\\]|\\.|\"(?!\"\"))*\"{3,5} | '{3}(?:[^']|'(?!''))*'{3,5}
        | "(?:[^"\\\n]|\\.)*" | '[^'\n]*')
    | (?P<mark>[\[\]{},=])
    | (?P<bare>[^\s\#"'\[\]{},=]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_BARE_OR_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^.\s"\']+)')


def places(text: str) -> dict[Path, Place]:
    """The place of every key; an array's elements are numbered, `("strategy", 0, "name")`."""
    return _Reader(text).read()


class _Reader:
    """One pass over the tokens, knowing which table it is in."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup != "skip"]
        self._next = 0
        self._found: dict[Path, Place] = {}
        self._arrays: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def read(self) -> dict[Path, Place]:
        table: Path = ()
        while self._next < len(self._tokens):
            if self._peek() == "\n":
                self._next += 1
            elif self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`; a name that is an array of tables means its last table."""
        self._next += 1
        array = self._peek() == "["
        self._next += array
        at, names = self._key()
        self._next += 1 + array
        path: Path = ()
        for name in names[:-1]:
            path = self._inside((*path, name))
        path = (*path, names[-1])
        if array:
            self._arrays[path] = self._arrays.get(path, -1) + 1
            self._found.setdefault(path, at)
        path = self._inside(path)
        self._found.setdefault(path, at)
        return path

    def _inside(self, path: Path) -> Path:
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: Path) -> None:
        at, names = self._key()
        path = (*table, *names)
        for length in range(len(table) + 1, len(path) + 1):
            self._found.setdefault(path[:length], at)
        self._next += 1  # =
        self._value(path)

    def _key(self) -> tuple[Place, list[str]]:
        """A dotted key: where it begins, and its parts."""
        start = self._tokens[self._next].start()
        while self._peek() not in ("=", "]"):
            self._next += 1
        end = self._tokens[self._next].start()
        return self._place(start), list(_parts(self._text[start:end]))

    def _value(self, path: Path) -> None:
        opening = self._peek()
        self._next += 1
        if opening == "{":
            self._inline_table(path)
        elif opening == "[":
            self._array(path)
        else:  # a date and a time may stand apart
            while self._peek() not in ("\n", ",", "]", "}", ""):
                self._next += 1

    def _inline_table(self, path: Path) -> None:
        while self._peek() != "}":
            if self._peek() in (",", "\n"):
                self._next += 1
            else:
                self._pair(path)
        self._next += 1

    def _array(self, path: Path) -> None:
        count = 0
        while self._peek() != "]":
            if self._peek() in (",", "\n"):
                self._next += 1
            else:
                self._found[(*path, count)] = self._place(self._tokens[self._next].start())
                self._value((*path, count))
                count += 1
        self._next += 1

    def _place(self, offset: int) -> Place:
        line = self._text.count("\n", 0, offset)
        return line + 1, offset - self._starts[line] + 1


def _parts(key: str) -> Iterator[str]:
    for match in _BARE_OR_QUOTED.finditer(key):
        basic, literal, bare = match.groups()
        if basic is not None:
            yield _unescaped(basic)
        else:
            yield literal if literal is not None else bare


def _unescaped(text: str) -> str:
    return str(tomllib.loads(f'key = "{text}"')["key"]) if "\\" in text else text
