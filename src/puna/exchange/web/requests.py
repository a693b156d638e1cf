"""Reading requests: bodies, words, dates, amounts; and refusing them in Alpaca's shape."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

import msgspec
from aiohttp import web
from multidict import MultiMapping

from puna.errors import ProtocolError
from puna.exchange.refusals import Refusal
from puna.exchange.web.answers import RefusedRequest, error
from puna.wire.codec import amount, decode

__all__ = ["amount_of", "body_of", "choice", "date_of", "invalid", "refused"]

T = TypeVar("T")


async def body_of(request: web.Request, reader: msgspec.json.Decoder[T]) -> T:
    """The body of a request; 400 where it is none (facts.md 3)."""
    try:
        return decode(reader, await request.read())
    except ProtocolError as refusal:
        raise RefusedRequest(error(400, 40010000, "failed to decode request body")) from refusal


def refused(refusal: Refusal) -> web.Response:
    """The venue's refusal as an answer."""
    return error(refusal.status, refusal.code, refusal.message, refusal.details)


def invalid(message: str) -> web.Response:
    """422 with 42210001: a parameter of the query makes no sense."""
    return error(422, 42210001, message)


def choice(query: MultiMapping[str], name: str, words: Sequence[str]) -> str:
    """One of these words; the first when nothing is said."""
    if (value := query.get(name, words[0]).lower()) not in words:
        raise RefusedRequest(invalid(f"invalid {name}: {value[:40]}"))
    return value


def amount_of(query: MultiMapping[str], name: str) -> Decimal | None:
    """A decimal number, or None where nothing is said."""
    if not (text := query.get(name, "")):
        return None
    try:
        return amount(text)
    except ValueError:
        raise RefusedRequest(invalid(f"invalid {name}: {text[:40]}")) from None


def date_of(query: MultiMapping[str], name: str) -> date | None:
    """A date, or the date of an instant; None where nothing is said."""
    if not (text := query.get(name, "")):
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise RefusedRequest(invalid(f"failed to parse {name}")) from None
