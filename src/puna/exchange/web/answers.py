"""What every route shares: reading a query as Alpaca's clients write it, and answering in Alpaca's shapes."""

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import TypeVar

from aiohttp import web
from multidict import MultiMapping

from puna.core import sessions
from puna.wire.codec import encode, parse_time

__all__ = ["RefusedRequest", "answer", "boolean", "error", "moment", "number", "words"]

T = TypeVar("T")

Query = MultiMapping[str]


class RefusedRequest(Exception):  # noqa: N818 - it is an answer, not a failure
    """Ends the handling of a request with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def answer(body: object, status: int = 200) -> web.Response:
    """JSON, amounts as strings, times as RFC 3339."""
    return web.Response(status=status, body=encode(body), content_type="application/json")


def error(
    status: int, code: int | str | None, message: str, details: Mapping[str, object] | None = None
) -> web.Response:
    """Alpaca's error body; the data API's has no code."""
    head: dict[str, object] = {"message": message} if code is None else {"code": code, "message": message}
    return answer({**head, **(details or {})}, status)


def words(query: Query, name: str) -> tuple[str, ...]:
    """A comma list, in capitals; repeated parameters add up."""
    parts = (part.strip().upper() for value in query.getall(name, ()) for part in value.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def boolean(query: Query, name: str) -> bool:
    """True for "true", in any capitals: alpaca-py sends "True"."""
    return query.get(name, "").lower() in ("true", "1")


def number(query: Query, name: str, default: int, most: int, refuse: Callable[[str], web.Response]) -> int:
    """A whole number between 1 and `most`."""
    return _read(query, name, refuse, lambda text: _bounded(int(text), most)) or default


def moment(query: Query, name: str, refuse: Callable[[str], web.Response]) -> int | None:
    """An instant: RFC 3339, or a date, which means its midnight in New York."""
    return _read(query, name, refuse, _instant)


def _read(query: Query, name: str, refuse: Callable[[str], web.Response], read: Callable[[str], T]) -> T | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        return read(text)
    except (ValueError, OverflowError):
        raise RefusedRequest(refuse(f"invalid {name}: {text[:40]}")) from None


def _bounded(value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise ValueError(value)
    return value


def _instant(text: str) -> int:
    if len(text) == len("2012-09-19"):
        return sessions.at(date.fromisoformat(text), time())
    return parse_time(text.replace(" ", "+") if "T" in text else text)
