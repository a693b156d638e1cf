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
from puna.wire.account import Configurations, PortfolioHistory, Watchlist
from puna.wire.activities import Activity
from puna.wire.codec import decode, decoder, format_time, parse_time
from puna.wire.contracts import OptionContract, OptionContractsPage
from puna.wire.corporate import Announcement, CorporateActionsPage
from puna.wire.crypto import (
    CryptoBarsPage,
    CryptoLatestBars,
    CryptoLatestQuotes,
    CryptoLatestTrades,
    CryptoQuotesPage,
    CryptoSnapshots,
    CryptoTradesPage,
)
from puna.wire.frames import read_crypto, read_data, read_packed_crypto, read_packed_data, read_trading
from puna.wire.market import (
    AuctionsPage,
    BarsPage,
    LatestBars,
    LatestQuotes,
    LatestTrade,
    LatestTrades,
    QuotesPage,
    Snapshots,
    SymbolSnapshot,
    SymbolTradesPage,
    TradesPage,
)
from puna.wire.news import MostActives, Movers, NewsPage
from puna.wire.options import (
    OptionBarsPage,
    OptionLatestQuotes,
    OptionLatestTrades,
    OptionSnapshotsPage,
    OptionTradesPage,
)
from puna.wire.stream import BarMessage, CryptoMessage, DataMessage, UnknownMessage
from puna.wire.trading import Account, Asset, CalendarDay, CancelResult, Clock, CloseResult, Order, Position
from puna.wire.unknown import unknown_fields

RECORDED = Path(__file__).parents[3] / "shared" / "alpaca" / "recorded"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="../shared/alpaca/recorded is not beside this repository")


class MadeOver(msgspec.Struct):
    """A page as an SDK has made it over: the bars as messages of the stream."""

    bars: list[BarMessage]


def shape_of(kind: str, body: Any) -> Any:  # noqa: PLR0911 - a table of what stands in the files
    """What a body decodes as: its file's shape, or the one of the other call that its file has as well."""
    keys = set(body)
    match kind:
        case _ if kind.endswith("_bars_page") and isinstance(body["bars"], list):
            return MadeOver
        case "stock_latest_trade" | "crypto_latest" | "option_latest" if "T" in keys:
            return CryptoMessage if kind.startswith("crypto") else DataMessage
        case "crypto_latest":
            latest = {"trades": CryptoLatestTrades, "quotes": CryptoLatestQuotes, "bars": CryptoLatestBars}
            return latest[next(iter(keys & latest.keys()))]
        case "option_latest":
            return OptionLatestQuotes if "quotes" in keys else OptionLatestTrades
        case "option_contract":
            return OptionContractsPage if "option_contracts" in keys else OptionContract
        case "screener":
            return Movers if "gainers" in keys else MostActives
        case "stock_latest_trade" if "symbol" in keys:
            return LatestTrade
        case "stock_trades_page" if "symbol" in keys:
            return SymbolTradesPage
        case "stock_quotes_page" if not all(isinstance(each, list) for each in body["quotes"].values()):
            return LatestQuotes
        case "stock_snapshot":
            return SymbolSnapshot if "symbol" in keys else Snapshots
        case "order_bracket" | "order_mleg" if "status" not in keys:
            return Excerpt
    return KINDS[kind]


# Cut short in the issue that it comes from, before its status.
Excerpt = msgspec.defstruct(
    "Excerpt",
    [
        (field.name, field.type, "" if field.name in ("id", "status") else field.default)
        for field in msgspec.structs.fields(Order)
    ],
    kw_only=True,
)

KINDS: dict[str, Any] = {
    "account": Account,
    "account_activity": Activity,
    "account_activity_options_nta": Activity,
    "account_configurations": Configurations,
    "asset": Asset,
    "calendar": CalendarDay,
    "clock": Clock,
    "corporate_action_announcement": Announcement,
    "corporate_actions_data": CorporateActionsPage,
    "crypto_bars_page": CryptoBarsPage,
    "crypto_latest": CryptoLatestTrades,
    "crypto_quotes_page": CryptoQuotesPage,
    "crypto_snapshot": CryptoSnapshots,
    "crypto_trades_page": CryptoTradesPage,
    "news": NewsPage,
    "option_bars_page": OptionBarsPage,
    "option_contract": OptionContractsPage,
    "option_latest": OptionLatestQuotes,
    "option_snapshot_chain": OptionSnapshotsPage,
    "option_trades_page": OptionTradesPage,
    "order": Order,
    "order_bracket": Order,
    "order_from_close_position": Order,
    "order_mleg": Order,
    "orders_cancel_all_207": CancelResult,
    "portfolio_history": PortfolioHistory,
    "position": Position,
    "positions_close_all_207": CloseResult,
    "screener": Movers,
    "stock_auctions_page": AuctionsPage,
    "stock_bars_page": BarsPage,
    "stock_latest_bar": LatestBars,
    "stock_latest_quote": LatestQuotes,
    "stock_latest_trade": LatestTrades,
    "stock_quotes_page": QuotesPage,
    "stock_snapshot": Snapshots,
    "stock_trades_page": TradesPage,
    "watchlist": Watchlist,
}
STREAMS = {
    "data_stream_messages_crypto": (CryptoMessage, read_crypto),
    "data_stream_messages_news": (DataMessage, read_data),
    "data_stream_messages_option": (DataMessage, read_data),
    "data_stream_messages_stock": (DataMessage, read_data),
}
UPDATES = ("trading_stream_messages", "trade_updates_events")

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


def test_every_recorded_file_is_read_here() -> None:
    """Whoever adds a file learns of it: none is left out."""
    files = {path.stem for path in RECORDED.glob("*.json")}
    assert files == {*KINDS, *STREAMS, *UPDATES, "error_bodies"}


@pytest.mark.parametrize(("kind", "body"), CASES)
def test_every_recorded_body_decodes_without_loss(kind: str, body: Any) -> None:
    """Each known field holds what stood in the body: amounts to the last digit, times to the nanosecond."""
    text = json.dumps(cleaned(body)).encode()
    assert_holds(decode(decoder(shape_of(kind, body)), text), cleaned(body))


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
        for field in unknown_fields(json.dumps(body).encode(), shape_of(kind, body))
    }
    assert skipped <= SKIPPED, sorted(skipped - SKIPPED)


SKIPPED = {
    # The pattern-day-trader rule is gone since June 2026, and so are its switches.
    *(f"account_configurations: {name}" for name in ("dtbp_check", "pdt_check")),
    # An SDK's fixture has a trade's fields in a quote.
    "crypto_latest: p",
    "crypto_latest: s",
}


@pytest.mark.parametrize(
    ("kind", "body"),
    [pytest.param(kind, body, id=f"{kind}-{n}") for kind in STREAMS for n, body in enumerate(bodies(kind))],
)
def test_every_data_stream_message_is_known(kind: str, body: dict[str, Any]) -> None:
    """Control and data messages decode; what a client says is no message of the server."""
    union, read = STREAMS[kind]
    [message] = read(json.dumps([body]))
    assert isinstance(message, UnknownMessage) == ("action" in body)
    if "action" not in body:
        assert_holds(message, body)
        assert unknown_fields(json.dumps(body).encode(), union) in ([], ["s"], ["x"])  # odd keys of two fixtures


@pytest.mark.parametrize("kind", UPDATES)
def test_every_trading_stream_message_is_known(kind: str) -> None:
    """Authorization, listening, errors and updates decode, from text and from binary frames."""
    for body in bodies(kind):
        if "stream" not in body and body["action"] != "error":
            assert isinstance(read_trading(json.dumps(body)), UnknownMessage)  # what a client says
            continue
        text = json.dumps(body)
        assert read_trading(text) == read_trading(text.encode())
        message = read_trading(text)
        assert not isinstance(message, UnknownMessage), body
        assert_holds(message, body)


def test_both_encodings_give_the_same_messages() -> None:
    """A frame in msgpack, its times as timestamp extensions, reads as the same frame in JSON."""
    for kind in ("stock", "option", "news"):
        sent = [body for body in bodies(f"data_stream_messages_{kind}") if "T" in body]
        packed = msgspec.msgpack.encode([packed_body(body) for body in sent])
        assert read_packed_data(packed) == read_data(json.dumps(sent))
    sent = list(bodies("data_stream_messages_crypto"))
    packed = msgspec.msgpack.encode([packed_body(body) for body in sent])
    assert read_packed_crypto(packed) == read_crypto(json.dumps(sent))


def packed_body(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its times as 64-bit timestamp extensions."""
    times = {name: parse_time(body[name]) for name in ("t", "created_at", "updated_at") if name in body}
    stamps = {name: divmod(ts, 10**9) for name, ts in times.items()}
    return body | {
        name: msgspec.msgpack.Ext(-1, (nanos << 34 | seconds).to_bytes(8)) for name, (seconds, nanos) in stamps.items()
    }


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
