"""Locates: shares found to be borrowed for a short sale of a hard-to-borrow stock. Source: SPEC-T, fact sheet 5.2."""

import msgspec

from puna.wire.codec import Amount, Nanos

__all__ = ["Locate", "LocateQuote", "LocateQuoteFailure", "LocateQuotes", "LocateRequest", "LocatesPage"]


class LocateRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of POST /v1/locates; `limit_price` is the most that one share may cost to borrow."""

    symbol: str | None = None
    qty: int | None = None
    all_or_none: bool | None = None
    limit_price: Amount | None = None


class Locate(msgspec.Struct, kw_only=True):
    """A locate: `active`, `expired` or `rejected`; `total_fee` is due whether it is used or not."""

    id: str
    symbol: str
    status: str
    requested_qty: int
    all_or_none: bool
    created_at: Nanos
    limit_price: Amount | None = None
    located_qty: int | None = None
    located_price: Amount | None = None
    total_fee: Amount | None = None
    expires_at: Nanos | None = None
    rejection_reason: str | None = None


class LocatesPage(msgspec.Struct, kw_only=True):
    """GET /v1/locates."""

    locates: list[Locate] | None = None
    next_page_token: str | None = None


class LocateQuote(msgspec.Struct, kw_only=True):
    """How many shares could be borrowed, and what one would cost."""

    symbol: str
    available_qty: int
    quoted_at: Nanos
    price: Amount | None = None


class LocateQuoteFailure(msgspec.Struct, kw_only=True):
    """Why there is no quote for a symbol."""

    symbol: str
    code: str
    message: str


class LocateQuotes(msgspec.Struct, kw_only=True):
    """GET /v1/locates/quotes."""

    quotes: list[LocateQuote]
    errors: list[LocateQuoteFailure] | None = None
