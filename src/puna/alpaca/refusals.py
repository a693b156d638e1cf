"""What the broker's errors mean: classified by status, code and parsed reason, never by searching for words.

Alpaca's bodies are `{"code": <8 digits>, "message": "...", ...}`; one code has many messages, and 403 with 40310000
is a refusal of the order and not of the keys (facts.md 3). A message is recognised only as a whole.
"""

import re
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from puna.errors import (
    AuthError,
    BrokerError,
    NotFoundError,
    OutageError,
    ProtocolError,
    RateLimitError,
    RefusedError,
)
from puna.wire.codec import UNREADABLE, decode, decoder
from puna.wire.trading import CancelResult, CloseResult, Order

__all__ = ["Reason", "cancel_refusal", "close_outcome", "error_of", "reason_of"]


class Reason(StrEnum):
    """Why the broker said no, as far as its words are known."""

    DUPLICATE_ID = "duplicate client_order_id"
    BUYING_POWER = "insufficient buying power"
    QUANTITY = "insufficient quantity"
    WASH_TRADE = "wash trade"
    SHORT = "shorting not allowed"
    SUB_PENNY = "sub-penny price"
    UNKNOWN_ASSET = "unknown asset"
    NOT_OPEN = "the order is not open"
    UNCHANGED = "nothing to change"
    CUT_OFF = "outside the auction's hours"
    BAD_PARAMETER = "invalid parameter"
    SUSPENDED = "trading suspended"
    BLOCKED = "account blocked"
    CLOSING_ONLY = "closing orders only"
    SUBSCRIPTION = "not in the data plan"
    UNKNOWN = "unknown"


class _Row(NamedTuple):
    status: int
    code: int
    message: re.Pattern[str]
    reason: Reason


def _row(status: int, code: int, message: str, reason: Reason) -> _Row:
    return _Row(status, code, re.compile(message, re.IGNORECASE), reason)


# First match counts. Source: facts.md 3, and the recorded error bodies.
_TABLE = (
    _row(422, 40010001, r"client_order_id must be unique", Reason.DUPLICATE_ID),
    _row(403, 40310000, r"insufficient buying power", Reason.BUYING_POWER),
    _row(403, 40310000, r"insufficient (qty|balance|underlying qty) .*", Reason.QUANTITY),
    _row(403, 40310000, r"potential wash trade detected\..*", Reason.WASH_TRADE),
    _row(403, 40310000, r"account is not allowed to short", Reason.SHORT),
    _row(403, 40310000, r"new orders are rejected by user request", Reason.SUSPENDED),
    _row(403, 40310000, r"account is not allowed to trade", Reason.BLOCKED),
    _row(403, 40310000, r"account is restricted to (closing|liquidation).*", Reason.CLOSING_ONLY),
    _row(403, 40310000, r"(opg|cls) orders must be submitted after .*", Reason.CUT_OFF),
    _row(403, 40310000, r"order parameters are not changed", Reason.UNCHANGED),
    _row(403, 42210000, r"subscription does not permit .*", Reason.SUBSCRIPTION),
    _row(422, 42210000, r".* sub-penny increment does not fulfill minimum pricing criteria", Reason.SUB_PENNY),
    _row(422, 42210000, r"asset \".*\" not found", Reason.UNKNOWN_ASSET),
    _row(422, 42210000, r"order is already in \".*\" state", Reason.NOT_OPEN),
    _row(422, 42210000, r"unable to replace order, order is not open", Reason.NOT_OPEN),
    _row(422, 42210000, r"order parameters are not changed", Reason.UNCHANGED),
    _row(422, 40010001, r".*", Reason.BAD_PARAMETER),
)

_REMEDIES = {
    Reason.DUPLICATE_ID: "An order with this id exists: look it up by client_order_id; do not send it under another.",
    Reason.BUYING_POWER: "Ask for less, or close or cancel something first.",
    Reason.QUANTITY: "Part of the position is held by open orders: cancel them, wait for the cancel, then send again.",
    Reason.WASH_TRADE: "An order of the other side rests in the same symbol: cancel it first.",
    Reason.SHORT: "Sell no more than is held.",
    Reason.SUB_PENNY: "Round the price: to the cent from 1.00 on, to four decimals below.",
    Reason.UNKNOWN_ASSET: "Check the symbol.",
    Reason.NOT_OPEN: "Read the order again: it has come to its end.",
    Reason.UNCHANGED: "Nothing needs to be done.",
    Reason.CUT_OFF: "Send it within the auction's hours.",
    Reason.SUSPENDED: "Trading is suspended in the account's own settings (suspend_trade); only its owner lifts that.",
    Reason.CLOSING_ONLY: "Only orders that close are taken: bring the account back within the broker's rules first.",
    Reason.BLOCKED: "The broker has blocked trading on this account: ask the broker.",
    Reason.SUBSCRIPTION: "Ask for the feed of your plan (feed=iex), or for data older than 15 minutes.",
}

# A 403 that is about the keys and not about the order: no code, or one of these messages as a whole.
_KEYS_MESSAGES = frozenset(
    {"forbidden", "forbidden.", "unauthorized", "unauthorized.", "access key verification failed"}
)

_object = msgspec.json.Decoder(dict[str, Any])
_order = decoder(Order)


def error_of(status: int, body: bytes, what: str, *, reset: int | None = None) -> BrokerError | ProtocolError:
    """The error that an answer outside 2xx is.

    Args:
        status: the HTTP status.
        body: as it came; often JSON, sometimes a gateway's HTML.
        what: the request in words, for the text: "POST /v2/orders".
        reset: X-RateLimit-Reset.
    """
    fields = _fields(body)
    message, code = _message(fields), _code(fields)
    if not 400 <= status <= 599 or (status == 404 and not fields):
        return _undocumented(status, what)
    kind = _kind(status, code, message)
    reason = reason_of(status, code, message)
    title = _TITLES[kind]
    told = "{message}" in title  # the broker's words stand once
    said = f"HTTP {status}" + (f", code {code}" if code else "") + (f": {message}" if message and not told else "")
    error = kind(
        title.format(what=what, message=message or f"HTTP {status}"),
        status=status,
        broker_code=code,
        message=message,
        details={name: value for name, value in fields.items() if name not in ("code", "message")},
        why=f"The broker answered {said.removesuffix('.')}.",
        state=_STATES[kind],
        remedy=_REMEDIES.get(reason, "") or _ADVICE[kind],
    )
    if isinstance(error, RateLimitError):
        error.reset = reset
    return error


def reason_of(status: int, code: int | None, message: str) -> Reason:
    """The reason, if these words are known as a whole."""
    rows = (row for row in _TABLE if (row.status, row.code) == (status, code) and row.message.fullmatch(message))
    return next((row.reason for row in rows), Reason.UNKNOWN)


def close_outcome(row: CloseResult) -> Order | BrokerError | ProtocolError:
    """What became of one position in the answer to close_positions: its order, or why there is none."""
    body = bytes(row.body)
    if 200 <= row.status <= 299:
        return decode(_order, body)
    return error_of(row.status, body, f"closing {row.symbol}")


def cancel_refusal(row: CancelResult) -> BrokerError | ProtocolError | None:
    """Why one order of the answer to cancel_orders was not taken for cancelling; None when it was."""
    if 200 <= row.status <= 299:
        return None
    return error_of(row.status, bytes(row.body), f"cancelling {row.id}")


_TITLES: dict[type[BrokerError], str] = {
    AuthError: "The broker does not accept these keys ({what}).",
    RefusedError: "The broker refused {what}: {message}",
    NotFoundError: "The broker has no such thing ({what}): {message}",
    RateLimitError: "The broker says that requests come too fast ({what}).",
    OutageError: "The broker is not well ({what}: {message}).",
}
_STATES: dict[type[BrokerError], str] = {
    AuthError: "Nothing was accepted.",
    RefusedError: "Nothing was accepted.",
    NotFoundError: "Nothing was changed.",
    RateLimitError: "Nothing was accepted.",
    OutageError: "Nothing is known beyond that.",
}
_ADVICE: dict[type[BrokerError], str] = {
    AuthError: "Check that key and secret belong together and to this environment: paper and live keys differ.",
    RefusedError: "",
    NotFoundError: "",
    RateLimitError: "Wait for the quota to come back; share one client among all users of the key.",
    OutageError: "Try again later; see https://status.alpaca.markets for the broker's own word.",
}


def _kind(status: int, code: int | None, message: str) -> type[BrokerError]:
    if status in (408, 425) or status >= 500:
        return OutageError
    if status == 401 or (status == 403 and (code is None or message.lower() in _KEYS_MESSAGES)):
        return AuthError
    return {404: NotFoundError, 429: RateLimitError}.get(status, RefusedError)


def _undocumented(status: int, what: str) -> ProtocolError:
    redirect = 300 <= status <= 399
    return ProtocolError(
        f"The answer to {what} is none that the broker documents.",
        why=f"HTTP {status}" + (": a redirect, which is never followed with credentials" if redirect else ""),
        state="Nothing in it was used.",
        remedy="Check what stands between here and the broker: a proxy, a captive portal, a wrong address.",
    )


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return _object.decode(body)
    except UNREADABLE:
        return {}


def _message(fields: dict[str, Any]) -> str:
    text = fields.get("message")
    return "".join(each for each in text if each.isprintable())[:300] if isinstance(text, str) else ""


def _code(fields: dict[str, Any]) -> int | None:
    code = fields.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10**9 else None
