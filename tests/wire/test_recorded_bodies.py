"""Every recorded answer that belongs to what the client speaks decodes, and gives back what stood in it.

The bodies belong to their sources and are not part of this repository: the tests read them from `../shared` beside it,
and are skipped where that is absent.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from puna.alpaca.refusals import cancel_refusal, close_outcome, error_of
from puna.errors import BrokerError, PunaError
from puna.wire.codec import decode, decoder, format_time
from puna.wire.frames import read_data, read_packed_data, read_trading
from puna.wire.market import BarsPage, LatestBars, LatestQuotes, LatestTrades
from puna.wire.stream import DataMessage, UnknownMessage
from puna.wire.trading import Account, Asset, CalendarDay, CancelResult, Clock, CloseResult, Order, Position
from puna.wire.unknown import unknown_fields

RECORDED = Path(__file__).parents[3] / "shared" / "alpaca" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/alpaca/recorded is not beside this repository")

KINDS: dict[str, Any] = {
    "account": Account,
    "asset": Asset,
    "calendar": CalendarDay,
    "clock": Clock,
    "order": Order,
    "order_bracket": Order,
    "order_from_close_position": Order,
    "order_mleg": Order,
    "orders_cancel_all_207": CancelResult,
    "position": Position,
    "positions_close_all_207": CloseResult,
    "stock_bars_page": BarsPage,
    "stock_latest_bar": LatestBars,
    "stock_latest_quote": LatestQuotes,
    "stock_latest_trade": LatestTrades,
}

# Placeholders of a generated documentation example, not values that the broker ever sends.
PLACEHOLDERS = {"hwm": "string"}


def bodies(kind: str) -> Iterator[Any]:
    """Every body of a file, lists taken apart."""
    path = RECORDED / f"{kind}.json"
    for each in json.loads(path.read_text())["bodies"] if path.is_file() else ():
        body = each["body"]
        yield from body if isinstance(body, list) else [body]


CASES = [pytest.param(kind, body, id=f"{kind}-{n}") for kind in KINDS for n, body in enumerate(bodies(kind))]


def cleaned(body: Any) -> Any:
    """The body without placeholders."""
    if isinstance(body, dict):
        return {name: cleaned(item) for name, item in body.items() if (name, item) not in PLACEHOLDERS.items()}
    return [cleaned(item) for item in body] if isinstance(body, list) else body


def shape_of(kind: str, body: Any) -> Any:
    """What the body decodes as; None for those that are no answer to a call of this client."""
    other_call = kind in ("stock_bars_page", "stock_latest_trade") and ("symbol" in body or "S" in body)
    made_over = kind == "stock_bars_page" and isinstance(body["bars"], list)  # what an SDK made of it, not the wire
    excerpt = kind.startswith("order") and "id" in body and "status" not in body  # cut short in the issue it comes from
    return None if other_call or made_over or excerpt else KINDS[kind]


@pytest.mark.parametrize(("kind", "body"), CASES)
def test_every_recorded_body_decodes_without_loss(kind: str, body: Any) -> None:
    """Each known field holds what stood in the body: amounts to the last digit, times to the nanosecond."""
    shape = shape_of(kind, body)
    if shape is None:
        pytest.skip("no answer to a call of this client")
    text = json.dumps(cleaned(body)).encode()
    assert_holds(decode(decoder(shape), text), cleaned(body))


def assert_holds(decoded: Any, body: Any) -> None:
    """The decoded value says what the body says, wherever it has a field for it."""
    if isinstance(decoded, msgspec.Struct):
        names = {field.encode_name: field.name for field in msgspec.structs.fields(decoded)}
        for name in names.keys() & body.keys():
            assert_holds(getattr(decoded, names[name]), body[name])
    elif isinstance(decoded, list):
        assert len(decoded) == len(body)
        for one, other in zip(decoded, body, strict=True):
            assert_holds(one, other)
    elif isinstance(decoded, dict):
        assert decoded.keys() == body.keys()
        for name, one in decoded.items():
            assert_holds(one, body[name])
    elif isinstance(decoded, msgspec.Raw):
        assert json.loads(bytes(decoded)) == body
    else:
        assert_same(decoded, body)


def assert_same(decoded: Any, body: Any) -> None:
    """One value: equal as numbers, as instants or as they are."""
    if isinstance(body, str) and not isinstance(decoded, str):
        as_time = format_time(int(decoded)) if isinstance(decoded, int) else ""
        same = as_time[:19] == body[:19] if as_time else str(decoded) == body
        assert same, (decoded, body)
    else:
        assert decoded == body or float(decoded) == float(body)


def test_the_fields_that_are_skipped_are_known() -> None:
    """Whoever adds a recorded body with a new field learns of it here."""
    skipped = {
        f"{kind}: {field}"
        for kind in KINDS
        for body in bodies(kind)
        if (shape := shape_of(kind, body))
        for field in unknown_fields(json.dumps(body).encode(), shape)
    }
    assert skipped <= SKIPPED, sorted(skipped - SKIPPED)


ORDER_EXTRAS = {f"{path}{name}" for path in ("", "legs[].") for name in ("source", "subtag", "commission")}
SKIPPED = {
    *(f"account: {name}" for name in ("pending_transfer_in", "pending_transfer_out")),
    # The pattern-day-trader rule is gone since June 2026, and so are its fields.
    *(f"account: {name}" for name in ("daytrade_count", "daytrading_buying_power", "pattern_day_trader")),
    *(f"asset: {name}" for name in ("last_close_pct_change", "last_price")),
    *(f"{kind}: {name}" for kind in KINDS if kind.startswith("order") for name in ORDER_EXTRAS),
    *(f"position: {name}" for name in ("avg_entry_swap_rate", "swap_rate", "usd")),
}


@pytest.mark.parametrize("body", list(bodies("data_stream_messages_stock")), ids=str)
def test_every_stock_stream_message_is_known(body: dict[str, Any]) -> None:
    """Control and data messages decode; what a client says is no message of the server."""
    [message] = read_data(json.dumps([body]))
    assert isinstance(message, UnknownMessage) == ("action" in body)
    if "action" not in body:
        assert_holds(message, body)
        assert unknown_fields(json.dumps(body).encode(), DataMessage) in ([], ["s"])


@pytest.mark.parametrize("kind", ["trading_stream_messages", "trade_updates_events"])
def test_every_trading_stream_message_is_known(kind: str) -> None:
    """Authorization, listening, errors and updates decode, from text and from binary frames."""
    for body in bodies(kind):
        if "stream" not in body and body["action"] != "error":
            continue
        text = json.dumps(body)
        assert read_trading(text) == read_trading(text.encode())
        message = read_trading(text)
        assert not isinstance(message, UnknownMessage), body
        assert_holds(message, body)


def test_both_encodings_give_the_same_messages() -> None:
    """A frame in msgpack, its times as timestamp extensions, reads as the same frame in JSON."""
    sent = [body for body in bodies("data_stream_messages_stock") if "T" in body]
    packed = msgspec.msgpack.encode([packed_body(body) for body in sent])
    assert read_packed_data(packed) == read_data(json.dumps(sent))


def packed_body(body: dict[str, Any]) -> dict[str, Any]:
    """The body with `t` as the 64-bit timestamp extension."""
    if "t" not in body:
        return body
    [message] = read_data(json.dumps([body]))
    seconds, nanos = divmod(int(message.t), 10**9)  # type: ignore[union-attr]
    return body | {"t": msgspec.msgpack.Ext(-1, (nanos << 34 | seconds).to_bytes(8))}


def test_every_error_body_is_classified() -> None:
    """Each becomes a broker error that keeps status, code, message and further keys."""
    recorded = json.loads((RECORDED / "error_bodies.json").read_text())["bodies"]
    for each in recorded:
        body, status = each["body"], each["http_status"]
        error = error_of(status, json.dumps(body).encode(), "POST /v2/orders")
        assert isinstance(error, BrokerError)
        assert (error.status, error.broker_code, error.message) == (status, body.get("code"), body["message"])
        assert error.details == {name: value for name, value in body.items() if name not in ("code", "message")}


def test_rows_of_207_answers_are_orders_or_errors() -> None:
    """Closing and cancelling everything tells of each row what became of it."""
    for body in bodies("positions_close_all_207"):
        row = decode(decoder(CloseResult), json.dumps(body).encode())
        assert isinstance(close_outcome(row), Order if row.status == 200 else PunaError)
    for body in bodies("orders_cancel_all_207"):
        cancel = decode(decoder(CancelResult), json.dumps(body).encode())
        assert (cancel_refusal(cancel) is None) == (cancel.status == 200)
