"""Locates: finding shares to borrow for a short sale. Each call answers a value to be sent.

Source: SPEC-T, fact sheet 5.2. A locate costs its fee whether or not it is used.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import Lane, Page, Paged, Request, query_string, reading, segment, tokens
from puna.wire.codec import decoder, encode
from puna.wire.locates import Locate, LocateQuotes, LocateRequest, LocatesPage

__all__ = ["create_locate", "get_locate", "get_locate_quotes", "get_locates"]

_locate = reading(decoder(Locate))
_page = reading(decoder(LocatesPage))
_quotes = reading(decoder(LocateQuotes))

LOCATES_LIMIT = 10_000  # the most that one page may hold [SPEC-T]


@operation("GET /v1/locates", "listLocates")
def get_locates(
    *,
    status: Literal["active", "expired", "rejected"] | None = None,
    symbol: str | None = None,
    start: date | None = None,
    end: date | None = None,
    limit: int = LOCATES_LIMIT,
) -> Paged[Locate]:
    """Locates, to the last page; by trading day, `start` inclusive, `end` exclusive."""
    return tokens(
        "/v1/locates",
        _rows,
        api="trading",
        lane=Lane.READ,
        status=status,
        symbol=symbol,
        start=start,
        end=end,
        limit=limit,
    )


@operation("GET /v1/locates/quotes", "listLocateQuotes")
def get_locate_quotes(symbols: Iterable[str]) -> Request[LocateQuotes]:
    """What shares could be borrowed, and for how much; at most 100 symbols."""
    return Request("GET", f"/v1/locates/quotes{query_string(symbols=symbols)}", _quotes, repeatable=True)


@operation("GET /v1/locates/{locate_id}", "getLocate")
def get_locate(locate_id: str) -> Request[Locate]:
    """One locate."""
    return Request("GET", f"/v1/locates/{segment(locate_id)}", _locate, repeatable=True)


@operation("POST /v1/locates", "createLocates")
def create_locate(locate: LocateRequest, *, idempotency_key: str | None = None) -> Request[Locate]:
    """Asks for shares to borrow. With a key (a UUID) the request may be repeated; without one it is sent once."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Request(
        "POST",
        "/v1/locates",
        _locate,
        body=encode(locate),
        repeatable=idempotency_key is not None,
        lane=Lane.ORDER,
        headers=headers,
    )


def _rows(body: bytes) -> Page[Locate]:
    page = _page(body)
    return Page(page.locates or [], page.next_page_token or None)
