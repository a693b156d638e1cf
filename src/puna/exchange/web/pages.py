"""Pages of the data API: what a query asks for, and as much of it as fits on a page.

The limit counts items over all symbols; items come symbol by symbol, and by time inside a symbol (facts.md 6). A token
names the last item of its page.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from typing import NamedTuple, NoReturn, Protocol, TypeVar

from aiohttp import web

from puna.core import sessions
from puna.exchange.web.answers import RefusedRequest, error, moment, number

__all__ = ["Place", "Window", "between", "choice", "no", "page", "place_of", "required", "several", "token", "window"]


class Timed(Protocol):
    """Something with a time."""

    @property
    def t(self) -> int: ...


Item = TypeVar("Item", bound=Timed)


class Place(NamedTuple):
    """The last item of a page."""

    symbol: str
    ts: int


@dataclass(frozen=True)
class Window:
    """What is asked for: times, both included, how much of it, in which order, from where on."""

    start: int
    end: int | None
    limit: int
    descending: bool
    place: Place | None

    def bounds(self, symbol: str) -> tuple[int, int | None]:
        """What is left of the window for this symbol."""
        if self.place is None or symbol != self.place.symbol:
            return self.start, self.end
        if self.descending:
            return self.start, self.place.ts - 1
        return max(self.start, self.place.ts + 1), self.end


def window(request: web.Request, now: int, *, limit: int = 1_000, most: int = 10_000) -> Window:
    """The window of a query; it begins with the current day where nothing is said."""
    query, (start, end) = request.query, between(request)
    return Window(
        sessions.at(sessions.date_of(now), time()) if start is None else start,
        end,
        number(query, "limit", limit, most, refusal),
        choice(request, "sort", ("asc", "desc")) == "desc",
        place_of(query.get("page_token", "")),
    )


def between(request: web.Request) -> tuple[int | None, int | None]:
    """The times of a query, in order."""
    start, end = moment(request.query, "start", refusal), moment(request.query, "end", refusal)
    if start is not None and end is not None and end < start:
        no("end should not be before start")
    return start, end


def page(
    wanted: Window, symbols: Iterable[str], find: Callable[[str, int, int | None], Iterable[Item]], unit: str = ""
) -> tuple[dict[str, list[Item]], str | None]:
    """The items of one page by symbol, and the token of the next page; `find` gives a symbol's items, oldest first."""
    found: dict[str, list[Item]] = {}
    last, left = None, wanted.limit
    for symbol in sorted(set(symbols)):
        if wanted.place is not None and symbol < wanted.place.symbol:
            continue
        start, end = wanted.bounds(symbol)
        items = find(symbol, start, end)
        for item in reversed(list(items)) if wanted.descending else items:
            if not left:
                return found, last and token(last, unit)
            found.setdefault(symbol, []).append(item)
            last, left = Place(symbol, item.t), left - 1
    return found, None


def token(last: Place, unit: str) -> str:
    """As Alpaca's tokens look inside: symbol, unit, and time of the last item of the page."""
    return base64.b64encode(f"{last.symbol}|{unit}|{last.ts:d}".encode()).decode()


def place_of(text: str) -> Place | None:
    """The place that a token names; None where there is no token."""
    if not text:
        return None
    try:
        symbol, _, ts = base64.b64decode(text, validate=True).decode().split("|")
        return Place(symbol, int(ts))
    except ValueError:
        no("invalid page_token")


def several(
    request: web.Request, check: Callable[[str], bool], most: int | None = None, *, upper: bool = False
) -> tuple[str, ...]:
    """The symbols of a query, in capitals where the case does not matter."""
    parts = (part.strip() for value in request.query.getall("symbols", ()) for part in value.split(","))
    found = tuple(dict.fromkeys(part.upper() if upper else part for part in parts if part))
    if not found:
        no("symbols is required")
    if bad := next((each for each in found if not check(each)), None):
        no(f"invalid symbol: {bad[:40]}")
    if most is not None and len(found) > most:
        no(f"too many symbols: at most {most} are allowed")
    return found


def required(request: web.Request, name: str) -> str:
    """A parameter that must be there."""
    if not (value := request.query.get(name, "")):
        no(f"{name} is required")
    return value


def choice(request: web.Request, name: str, words: Sequence[str]) -> str:
    """One of these words; the first when nothing is said."""
    if (value := request.query.get(name, "") or words[0]) not in words:
        no(f"invalid {name}: {value[:40]}")
    return value


def no(message: str) -> NoReturn:
    """Refuses the request: a parameter makes no sense."""
    raise RefusedRequest(refusal(message))


def refusal(message: str) -> web.Response:
    """The data API's errors of parameters carry no code (facts.md 3)."""
    return error(400, None, message)
