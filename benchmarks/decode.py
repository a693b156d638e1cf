"""Frames of market data to typed messages, and a page of history to columns: Puna against msgspec and alpaca-py."""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import numpy as np

from benchmarks.table import Goal, Row, interleaved
from puna.wire import frames
from puna.wire.columns import read_bars
from puna.wire.frames import read_data, read_packed_data

warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets")

from alpaca.data.live import StockDataStream  # noqa: E402 - after the filter for its websockets.legacy import

__all__ = ["rows"]

ROUNDS = 15

QUOTE = {"S": "AAPL", "bx": "Q", "bp": 187.21, "bs": 300, "ax": "P", "ap": 187.24, "as": 200, "c": ["R"], "z": "C"}
TRADE = {"S": "MSFT", "i": 52983525029461, "x": "V", "p": 412.065, "s": 100, "c": ["@", "I"], "z": "C"}
BAR = {"S": "IBM", "o": 185.1, "h": 185.25, "l": 185.0, "c": 185.2, "v": 10234, "n": 215, "vw": 185.1234}


class Quote(msgspec.Struct, tag_field="T", tag="q"):
    """What a careful user of msgspec would write; a datetime holds microseconds only."""

    S: str
    t: datetime
    bp: float
    bs: float
    ap: float
    as_: float = msgspec.field(name="as")
    bx: str = ""
    ax: str = ""
    c: list[str] | None = None
    z: str = ""


class Trade(msgspec.Struct, tag_field="T", tag="t"):
    """The same for a trade."""

    S: str
    t: datetime
    p: float
    s: float
    i: int | str = 0
    x: str = ""
    c: list[str] | None = None
    z: str = ""


class Bar(msgspec.Struct, tag_field="T", tag="b"):
    """The same for a bar."""

    S: str
    t: datetime
    o: float
    h: float
    l: float  # noqa: E741 - Alpaca's key
    c: float
    v: float
    n: int = 0
    vw: float = 0.0


TYPED_JSON = msgspec.json.Decoder(list[Quote | Trade | Bar])
TYPED_MSGPACK = msgspec.msgpack.Decoder(list[Quote | Trade | Bar])


def messages(count: int, kinds: str = "qqqqqqtttb") -> list[dict[str, Any]]:
    bodies = {"q": QUOTE, "t": TRADE, "b": BAR}
    tags = [kinds[n % len(kinds)] for n in range(count)]
    return [{"T": tag, **bodies[tag], "t": 1_709_218_800_000_000_000 + n * 104_729} for n, tag in enumerate(tags)]


def json_frame(found: list[dict[str, Any]]) -> bytes:
    timed = [{**m, "t": f"2024-02-29T15:00:00.{m['t'] % 10**9:09d}Z"} for m in found]
    return json.dumps(timed, separators=(",", ":")).encode()


def packed_frame(found: list[dict[str, Any]]) -> bytes:
    timed = [{**m, "t": msgpack.Timestamp.from_unix_nano(m["t"])} for m in found]
    return bytes(msgpack.packb(timed))


def _timed(repeat: int, task: Callable[[], object]) -> Callable[[], list[int]]:
    def run() -> list[int]:
        start = time.perf_counter_ns()
        for _ in range(repeat):
            task()
        return [(time.perf_counter_ns() - start) // repeat]

    return run


def _thousand(task: Callable[[], object]) -> Callable[[], list[int]]:
    """A thousand frames as one sample: one alone is too short for the clock."""

    def run() -> list[int]:
        start = time.perf_counter_ns()
        for _ in range(1000):
            task()
        return [time.perf_counter_ns() - start]

    return run


def _official(frame: bytes) -> Callable[[], object]:
    """alpaca-py's way from bytes to models, without its queue and its handler."""
    stream = StockDataStream("bench", "bench")
    return lambda: [stream._cast(message) for message in msgpack.unpackb(frame, timestamp=0)]  # noqa: SLF001


def _read_four(read: Callable[[bytes], Sequence[Any]], frame: bytes) -> Callable[[], None]:
    def task() -> None:
        for message in read(frame):
            message.S, message.t, message.bp, message.ap  # noqa: B018 - reading is the point

    return task


def rows() -> list[Row]:
    """JSON and msgpack, a hundred messages and one, objects alone and with fields read; a page of bars."""
    many, one = messages(100), messages(1)
    quotes = json_frame(messages(100, "q"))
    text, packed, single = json_frame(many), packed_frame(many), json_frame(one)
    return [
        _row(
            "JSON frame, 100 messages",
            lambda run: _timed(20, run),
            {
                "puna": lambda: read_data(text),
                "msgspec": lambda: TYPED_JSON.decode(text),
                "puna in Python": lambda: frames.REFERENCE[0](text),
            },
            Goal("msgspec", 1 / 4),
        ),
        _row(
            "JSON frame, 100 quotes, four fields read",
            lambda run: _timed(20, run),
            {
                "puna": _read_four(read_data, quotes),
                "msgspec": _read_four(TYPED_JSON.decode, quotes),
            },
            Goal("msgspec", 1 / 2.5),
        ),
        _row(
            "JSON frames of 1 message, a thousand",
            _thousand,
            {
                "puna": lambda: read_data(single),
                "msgspec": lambda: TYPED_JSON.decode(single),
            },
            Goal("msgspec", 1 / 3),
        ),
        _row(
            "msgpack frame, 100 messages",
            lambda run: _timed(20, run),
            {
                "puna": lambda: read_packed_data(packed),
                "msgspec": lambda: TYPED_MSGPACK.decode(packed),
                "alpaca-py": _official(packed),
            },
            Goal("msgspec", 1 / 3.5),
            Goal("alpaca-py", 1 / 60),
        ),
        _page(),
    ]


def _row(path: str, clock: Any, tasks: dict[str, Callable[[], object]], *goals: Goal) -> Row:
    return Row(path, interleaved(ROUNDS, {name: clock(task) for name, task in tasks.items()}), goals)


class HistoryBar(msgspec.Struct):
    """A bar of a page, as a user of msgspec would write it."""

    t: datetime
    o: float
    h: float
    l: float  # noqa: E741 - Alpaca's key
    c: float
    v: float
    n: int
    vw: float


class HistoryPage(msgspec.Struct):
    """A page."""

    bars: dict[str, list[HistoryBar]]
    next_page_token: str | None


PAGE = msgspec.json.Decoder(HistoryPage)


def _columns(body: bytes) -> dict[str, Any]:
    bars = PAGE.decode(body).bars["AAPL"]
    return {name: np.array([getattr(bar, name) for bar in bars]) for name in HistoryBar.__struct_fields__}


def _page() -> Row:
    bar = {"c": 185.64, "h": 188.44, "l": 183.885, "n": 1009074, "o": 187.15, "v": 82496943, "vw": 185.9465}
    bars = [{**bar, "t": f"2024-01-{n % 28 + 1:02d}T{n % 24:02d}:{n % 60:02d}:00Z"} for n in range(10_000)]
    page = {"bars": {"AAPL": [dict(sorted(b.items())) for b in bars]}, "next_page_token": None}
    body = json.dumps(page, separators=(",", ":")).encode()
    return _row(
        "history page of 10,000 bars to columns",
        lambda run: _timed(1, run),
        {
            "puna": lambda: read_bars(body),
            "msgspec + NumPy": lambda: _columns(body),
        },
        Goal("msgspec + NumPy", 1 / 10),
    )
