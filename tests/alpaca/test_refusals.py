"""Errors by status, code and whole message: words inside a message prove nothing."""

from typing import Any

import pytest

from puna.alpaca.refusals import Reason, cancel_refusal, close_outcome, error_of, reason_of
from puna.errors import (
    AuthError,
    BrokerError,
    NotFoundError,
    OutageError,
    ProtocolError,
    PunaError,
    RateLimitError,
    RefusedError,
)
from puna.wire.codec import decode, decoder, encode
from puna.wire.trading import CancelResult, CloseResult, Order


@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        (422, 40010001, "client_order_id must be unique", Reason.DUPLICATE_ID),
        (422, 40010001, "the client_order_id must be unique, said the qty", Reason.BAD_PARAMETER),
        (403, 40010001, "client_order_id must be unique", Reason.UNKNOWN),
        (422, None, "client_order_id must be unique", Reason.UNKNOWN),
        (403, 40310000, "insufficient buying power", Reason.BUYING_POWER),
        (403, 40310000, "insufficient qty available for order (requested: 459, available: 0)", Reason.QUANTITY),
        (403, 40310000, "potential wash trade detected. use complex orders", Reason.WASH_TRADE),
        (422, 42210000, "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
         Reason.SUB_PENNY),
        (422, 42210000, 'order is already in "filled" state', Reason.NOT_OPEN),
        (422, 42210000, 'asset "NOSUCH" not found', Reason.UNKNOWN_ASSET),
        (422, 42210000, "something that was never heard before", Reason.UNKNOWN),
    ],
)  # fmt: skip
def test_reasons_are_recognised_as_a_whole(status: int, code: int | None, message: str, reason: Reason) -> None:
    """The same words with another status or code mean something else."""
    assert reason_of(status, code, message) is reason


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"", RefusedError),
        (401, b"", AuthError),
        (403, b"", AuthError),
        (403, b'{"code":40310000,"message":"account is not allowed to short"}', RefusedError),
        (404, b'{"message":"order not found for 1"}', NotFoundError),
        (404, b"<html>", ProtocolError),
        (408, b"", OutageError),
        (409, b"", RefusedError),
        (422, b"", RefusedError),
        (425, b"", OutageError),
        (429, b"", RateLimitError),
        (500, b'{"code":50010000,"message":"internal server error"}', OutageError),
        (504, b"<html>", OutageError),
        (301, b"", ProtocolError),
        (100, b"", ProtocolError),
        (600, b"", ProtocolError),
    ],
)
def test_the_kind_of_an_answer(status: int, body: bytes, kind: type[PunaError]) -> None:
    """A 404 that is not the broker's own is no evidence that there is nothing."""
    assert type(error_of(status, body, "GET /v2/orders/1")) is kind


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"40310000","message":17}',
        b'{"code":true,"message":null}',
        b'{"code":-1}',
        b"[1]",
        b"17",
        b'{"code":1e99}',
    ],
)
def test_odd_bodies_of_errors_are_still_errors(body: bytes) -> None:
    """What cannot be read is left out, not guessed."""
    error = error_of(422, body, "POST /v2/orders")
    assert isinstance(error, BrokerError)
    assert (error.broker_code, error.message) == (None, "")


def test_the_brokers_words_cannot_play_with_the_terminal() -> None:
    """Control characters go, and a long speech is cut."""
    error = error_of(422, encode({"code": 42210000, "message": "\x1b[2J" + "x" * 1000}), "POST /v2/orders")
    assert "\x1b" not in str(error)
    assert len(str(error)) < 1000


def row(kind: Any, **fields: Any) -> Any:
    """A row of a 207 answer."""
    return decode(decoder(kind), encode(fields))


def test_rows_of_a_207() -> None:
    """Each row is an order, or its own error."""
    order = {"id": "1", "status": "pending_new"}
    assert isinstance(close_outcome(row(CloseResult, symbol="A", status=200, body=order)), Order)
    refusal = {"code": 40310000, "message": "account is not allowed to short"}
    assert isinstance(close_outcome(row(CloseResult, symbol="A", status=403, body=refusal)), RefusedError)
    assert cancel_refusal(row(CancelResult, id="1", status=200)) is None
    assert isinstance(cancel_refusal(row(CancelResult, id="1", status=500)), OutageError)
    with pytest.raises(ProtocolError):
        close_outcome(row(CloseResult, symbol="A", status=200, body={"nothing": 1}))


def test_the_brokers_words_stand_once() -> None:
    """In the first line; the second has the numbers, and a word of the broker's that ends a sentence ends it once."""
    body = b'{"code":42210000,"message":"nothing like that."}'
    refused = str(error_of(422, body, "POST /v2/orders"))
    assert refused.count("nothing like that") == 1
    assert "HTTP 422, code 42210000.\n" in refused
    assert ".." not in str(error_of(429, b'{"message":"too many requests."}', "GET /v2/orders"))
