"""A call is a value: what to send, how to read the answer, whether it may be repeated, and how urgent it is.

`AsyncAlpaca` and `Alpaca` (puna.alpaca.http) are two drivers of the same values. A `Paged` call is read through a
`Paging`, which refuses to take a part for the whole: a page that repeats, or never ends, is an error.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from puna.alpaca.drift import DRIFT
from puna.errors import ProtocolError
from puna.wire.codec import decode, format_time

__all__ = [
    "Api",
    "Ask",
    "Composite",
    "Lane",
    "Moment",
    "Page",
    "Paged",
    "Paging",
    "Parameter",
    "Request",
    "Steps",
    "by_symbol",
    "data_request",
    "mapped",
    "moment",
    "nothing",
    "query_string",
    "reading",
    "segment",
    "tokens",
]

T = TypeVar("T")
Api = Literal["trading", "data"]
Parameter: TypeAlias = str | bool | float | Decimal | date | Iterable[str] | None
Moment: TypeAlias = int | date | datetime
"""Nanoseconds since the epoch, a day, or an aware datetime."""

PAGE_CAP = 10_000


class Lane(IntEnum):
    """Who goes first when the rate budget is short: the smaller, the sooner."""

    CANCEL = 0
    ORDER = 1
    READ = 2
    BACKFILL = 3


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One HTTP request, ready to be sent, and the reader of its answer.

    Args:
        method: GET, POST, PATCH or DELETE.
        target: path and query, percent-encoded.
        read: makes a T of the body of a 2xx answer; raises ProtocolError.
        api: which host it goes to.
        body: JSON bytes.
        repeatable: sending it twice has the effect of sending it once.
        lane: its place in the rate budget.
        headers: what goes along besides what every request has.
    """

    method: str
    target: str
    read: Callable[[bytes], T]
    api: Api = "trading"
    body: bytes | None = None
    repeatable: bool = False
    lane: Lane = Lane.READ
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def mutating(self) -> bool:
        """It may change something at the broker, so no answer means doubt."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: its items, and the token of the next page, or None when this is the last.

    `key` names an item where pages overlap: the second of two items with one key is dropped.
    """

    items: Sequence[T]
    token: str | None
    key: Callable[[T], Hashable] | None = None


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """A list that comes in pages: `page(None)` asks for the first one."""

    page: Callable[[str | None], Request[Page[T]]]
    cap: int = PAGE_CAP


Ask: TypeAlias = Request[Any] | Paged[Any]
Steps: TypeAlias = Generator[Ask, Any, T]


@dataclass(frozen=True, slots=True)
class Composite(Generic[T]):
    """A question that takes several calls.

    `steps()` yields each, is sent its answer (a list for a paged one), and returns the answer to the question. Errors
    are thrown into it, where it may take them for an answer.
    """

    steps: Callable[[], Steps[T]]


class Paging(Generic[T]):
    """Reads a `Paged` without a socket: send `request`, hand what it answers to `take`, until `request` is None."""

    def __init__(self, paged: Paged[T]) -> None:
        self.request: Request[Page[T]] | None = paged.page(None)
        self._paged = paged
        self._tokens: set[str] = set()
        self._keys: set[Hashable] = set()

    def take(self, page: Page[T]) -> Sequence[T]:
        """The items of this page that were not on an earlier one.

        Raises:
            ProtocolError: the pages go round in a circle, or never end.
        """
        self.request = None if page.token is None else self._next(page.token)
        return page.items if page.key is None else list(self._fresh(page.items, page.key))

    def _next(self, token: str) -> Request[Page[T]]:
        if token in self._tokens or len(self._tokens) + 1 >= self._paged.cap:
            raise ProtocolError(
                "The broker's pages do not come to an end.",
                why=f"the token of page {len(self._tokens) + 2} came before, or there are {self._paged.cap} pages",
                state="The list is incomplete and must not be taken for whole.",
                remedy="Ask for a shorter span; if it happens again, report it.",
            )
        self._tokens.add(token)
        return self._paged.page(token)

    def _fresh(self, items: Iterable[T], key: Callable[[T], Hashable]) -> Iterable[T]:
        for item in items:
            if (name := key(item)) not in self._keys:
                self._keys.add(name)
                yield item


def tokens(
    path: str,
    read: Callable[[bytes], Page[T]],
    *shared: Mapping[str, Parameter],
    api: Api = "data",
    lane: Lane = Lane.BACKFILL,
    **parameters: Parameter,
) -> Paged[T]:
    """A list whose next page is asked for with `page_token`; the parameters come as mappings, by name, or both."""
    for each in shared:
        parameters |= each

    def page(token: str | None) -> Request[Page[T]]:
        query = query_string(**parameters, page_token=token)
        return Request("GET", f"{path}{query}", read, api=api, repeatable=True, lane=lane)

    return Paged(page)


def data_request(path: str, read: Callable[[bytes], T], lane: Lane = Lane.READ, **parameters: Parameter) -> Request[T]:
    """A GET to the data API."""
    return Request("GET", f"{path}{query_string(**parameters)}", read, api="data", repeatable=True, lane=lane)


class _SymbolPage(Protocol):
    """A page of the data API: its rows stand by symbol in a field of their own."""

    next_page_token: str | None


P = TypeVar("P", bound=_SymbolPage)


def by_symbol(
    read: Callable[[bytes], P], rows: Callable[[P], Mapping[str, Sequence[T]] | None]
) -> Callable[[bytes], Page[tuple[str, T]]]:
    """A reader of pages whose rows stand by symbol: each row with its symbol, in the page's order."""

    def read_rows(body: bytes) -> Page[tuple[str, T]]:
        page = read(body)
        found = [(symbol, row) for symbol, each in (rows(page) or {}).items() for row in each]
        return Page(found, page.next_page_token or None)

    return read_rows


def segment(name: str) -> str:
    """A symbol or id as one path segment: `BTC/USD` becomes `BTC%2FUSD`, and nothing can leave its place.

    Raises:
        ValueError: an empty or dotted name, which would address another resource (all orders instead of one).
    """
    if not name or not name.strip("."):
        raise ValueError(f"not a symbol or an id: {name!r}")
    return quote(name, safe="")


def query_string(**parameters: Parameter) -> str:
    """`?a=1&b=x` of what is not None: booleans as `true`, several texts joined by commas, days as `YYYY-MM-DD`."""
    given = {name: _text(value) for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given, quote_via=quote, safe=',')}" if given else ""


def _text(value: Parameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return moment(value) or ""
    return ",".join(value) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def moment(value: Moment | None) -> str | None:
    """A day as `YYYY-MM-DD`, an instant as RFC 3339; None stays None.

    Raises:
        ValueError: a datetime without an offset.
    """
    if value is None:
        return None
    if isinstance(value, int):
        return format_time(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"a time without an offset: {value}")
    return value.isoformat()


def reading(decoder: "msgspec.json.Decoder[T]") -> Callable[[bytes], T]:
    """A reader that decodes JSON strictly, and has an eye on what is new in it (`puna.alpaca.drift`)."""

    def read(body: bytes) -> T:
        value = decode(decoder, body)
        DRIFT.look(body, decoder.type)
        return value

    return read


def nothing(body: bytes) -> None:
    """The reader of a 204: whatever the body holds means nothing."""


def mapped(read: Callable[[bytes], Any], change: Callable[[Any], T]) -> Callable[[bytes], T]:
    """A reader that changes what another one read."""

    def read_and_change(body: bytes) -> T:
        return change(read(body))

    return read_and_change
