"""Frames of market data to typed messages, and a page of history to columns: Puna against msgspec and alpaca-py."""

import gzip
import json
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import numpy as np
import simdjson

from benchmarks.table import Goal, Row, interleaved
from puna.alpaca.transport import inflated
from puna.wire import frames
from puna.wire.columns import read_bars
from puna.wire.frames import read_data, read_packed_data

warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets")

from alpaca.data.live import StockDataStream  # noqa: E402 - after the filter for its websockets.legacy import
from alpaca.data.models import BarSet  # noqa: E402

__all__ = ["TYPED_JSON", "json_frame", "messages", "packed_frame", "rows", "timed"]

Clock = Callable[[Callable[[], object]], Callable[[], list[int]]]

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


class OptionQuote(msgspec.Struct, tag_field="T", tag="q"):
    """A quote of an option: its condition is one text."""

    S: str
    t: datetime
    bp: float
    bs: float
    ap: float
    as_: float = msgspec.field(name="as")
    bx: str = ""
    ax: str = ""
    c: str = ""


class OptionTrade(msgspec.Struct, tag_field="T", tag="t"):
    """A trade of an option."""

    S: str
    t: datetime
    p: float
    s: float
    x: str = ""
    c: str = ""


TYPED_OPTIONS = msgspec.msgpack.Decoder(list[OptionQuote | OptionTrade])
TYPED_MSGPACK = msgspec.msgpack.Decoder(list[Quote | Trade | Bar])


def messages(count: int, kinds: str = "qqqqqqtttb") -> list[dict[str, Any]]:
    bodies = {"q": QUOTE, "t": TRADE, "b": BAR}
    tags = [kinds[n % len(kinds)] for n in range(count)]
    return [{"T": tag, **bodies[tag], "t": 1_709_218_800_000_000_000 + n * 104_729} for n, tag in enumerate(tags)]


def _options(count: int) -> list[dict[str, Any]]:
    """Messages of the options stream (facts.md 7.3): quotes and trades of some contracts."""
    quote = {"T": "q", "bx": "A", "bp": 5.2, "bs": 12, "ax": "B", "ap": 5.4, "as": 30, "c": "A"}
    trade = {"T": "t", "p": 5.3, "s": 2, "x": "N", "c": "S"}
    found = [quote if n % 10 < 8 else trade for n in range(count)]
    start = 1_709_218_800_000_000_000
    return [{**m, "S": f"SPY260320P00{400 + n % 7:03d}000", "t": start + n * 104_729} for n, m in enumerate(found)]


def json_frame(found: list[dict[str, Any]]) -> bytes:
    timed = [{**m, "t": f"2024-02-29T15:00:00.{m['t'] % 10**9:09d}Z"} for m in found]
    return json.dumps(timed, separators=(",", ":")).encode()


def packed_frame(found: list[dict[str, Any]]) -> bytes:
    timed = [{**m, "t": msgpack.Timestamp.from_unix_nano(m["t"])} for m in found]
    return bytes(msgpack.packb(timed))


def timed(repeat: int, task: Callable[[], object]) -> Callable[[], list[int]]:
    """`repeat` runs of a task as one sample, in nanoseconds of one."""

    def run() -> list[int]:
        start = time.perf_counter_ns()
        for _ in range(repeat):
            task()
        return [(time.perf_counter_ns() - start) // repeat]

    return run


def _some(task: Callable[[], object]) -> Callable[[], list[int]]:
    return timed(20, task)


def _once(task: Callable[[], object]) -> Callable[[], list[int]]:
    return timed(1, task)


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


def rows(*, quick: bool = False) -> list[Row]:
    """JSON and msgpack, a hundred messages and one, objects alone and with fields read; a page of bars."""
    many, one = messages(100), messages(1)
    quotes = json_frame(messages(100, "q"))
    text, packed, single = json_frame(many), packed_frame(many), json_frame(one)
    options = packed_frame(_options(100))

    def row(path: str, clock: Clock, tasks: dict[str, Callable[[], object]], *goals: Goal) -> Row:
        timings = {name: clock(task) for name, task in tasks.items()}
        return Row(path, interleaved(3 if quick else ROUNDS, timings), goals)

    return [
        row(
            "JSON frame, 100 messages",
            _some,
            {
                "puna": lambda: read_data(text),
                "msgspec": lambda: TYPED_JSON.decode(text),
                "alpaca-py (its msgpack)": _official(packed),
                "puna in Python": lambda: frames.REFERENCE[0](text),
            },
            Goal("msgspec", 1 / 4),
            Goal("alpaca-py (its msgpack)", 1 / 50),
        ),
        row(
            "JSON frame, 100 quotes, four fields read",
            _some,
            {
                "puna": _read_four(read_data, quotes),
                "msgspec": _read_four(TYPED_JSON.decode, quotes),
            },
            Goal("msgspec", 1 / 2.5),
        ),
        row(
            "JSON frames of 1 message, a thousand",
            _thousand,
            {
                "puna": lambda: read_data(single),
                "msgspec": lambda: TYPED_JSON.decode(single),
                "alpaca-py (its msgpack)": _official(packed_frame(one)),
            },
            Goal("msgspec", 1 / 3),
            Goal("alpaca-py (its msgpack)", 1 / 50),
        ),
        row(
            "msgpack frame, 100 messages",
            _some,
            {
                "puna": lambda: read_packed_data(packed),
                "msgspec": lambda: TYPED_MSGPACK.decode(packed),
                "alpaca-py": _official(packed),
            },
            Goal("msgspec", 1 / 3.5),
            Goal("alpaca-py", 1 / 60),
        ),
        row(
            "msgpack frame, 100 messages of options",
            _some,
            {
                "puna": lambda: read_packed_data(options),
                "msgspec": lambda: TYPED_OPTIONS.decode(options),
                "alpaca-py": _official(options),
            },
            Goal("msgspec", 1 / 3.5),
            Goal("alpaca-py", 1 / 60),
        ),
        *_page(row),
    ]


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


def _bars(count: int) -> bytes:
    """A page of a random walk: what is the same in every bar would be compressed, and parsed, too easily."""
    rng = np.random.default_rng(7)
    closes = np.round(185 * np.exp(np.cumsum(rng.normal(0, 0.0005, count))), 2).tolist()
    spans = rng.random((count, 2)).round(2).tolist()
    sizes = rng.integers(100, 100_000, count).tolist()
    bars = [
        {
            "c": close,
            "h": round(close + up, 2),
            "l": round(close - down, 2),
            "n": size // 90 + 1,
            "o": round(close - down / 2, 2),
            "t": f"2024-01-{n // 1440 % 28 + 1:02d}T{n // 60 % 24:02d}:{n % 60:02d}:00Z",
            "v": size,
            "vw": round(close + (up - down) / 3, 6),
        }
        for n, (close, (up, down), size) in enumerate(zip(closes, spans, sizes, strict=True))
    ]
    return json.dumps({"bars": {"AAPL": bars}, "next_page_token": None}, separators=(",", ":")).encode()


def _page(row: Callable[..., Row]) -> list[Row]:
    body = _bars(10_000)
    packed = gzip.compress(body, 6)
    parser = simdjson.Parser()

    def tape() -> None:
        parser.parse(body)  # the document is dropped at once: nothing is made of it

    def official() -> BarSet:
        return BarSet(json.loads(zlib.decompress(packed, wbits=31))["bars"])

    parsed = row(
        "history page of 10,000 bars to columns",
        _once,
        {"puna": lambda: read_bars(body), "msgspec + NumPy": lambda: _columns(body), "simdjson, tape only": tape},
        Goal("msgspec + NumPy", 1 / 10),
        Goal("simdjson, tape only", 1.0),
    )
    whole = row(
        "the same with gunzip",
        _once,
        {
            "puna": lambda: read_bars(inflated(packed, 1 << 24)),
            "gunzip alone": lambda: inflated(packed, 1 << 24),
            "alpaca-py": official,
        },
        Goal("alpaca-py", 1 / 60),
    )
    return [parsed, whole]
