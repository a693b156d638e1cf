# Puna's native kernels: what `puna.native` lets in. The reference for each stands in the Python package.
# ruff: noqa: A002 - open is what the field calls it

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Self, TypeAlias, TypeVar, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = [
    "INTERFACE",
    "CrossSectionKernel",
    "FeatureKernel",
    "NativeBar",
    "NativeBarUpdate",
    "NativeQuote",
    "NativeQuoteUpdate",
    "NativeTrade",
    "NativeTradeUpdate",
    "feature_batch",
    "feature_panel",
    "make_bars",
    "payoff_requirement",
    "read_bars_columns",
    "read_frame",
    "read_packed_frame",
    "read_run",
    "use_bus_reference",
    "use_reference",
]

INTERFACE: Final = 1

_T = TypeVar("_T")
_Counts: TypeAlias = NDArray[np.int64]
_Column: TypeAlias = NDArray[np.float64]
_Columns: TypeAlias = tuple[_Column, _Column, _Column, _Column, _Column]
_Windows: TypeAlias = tuple[int, bool, int, int, int, int]
_State: TypeAlias = tuple[int, list[float], list[float], list[float], list[float], list[float], list[float]]
_Row: TypeAlias = tuple[float, float, float, float, float, float, float, float, float, float, float, float]

@disjoint_base
class FeatureKernel:
    close: Final[float]
    rsi: Final[float]
    macd_line: Final[float]
    macd_signal: Final[float]
    macd_hist: Final[float]
    ema_fast: Final[float]
    ema_slow: Final[float]
    spread: Final[float]
    sma: Final[float]
    dist_from_sma: Final[float]
    volume: Final[float]
    range_pct: Final[float]
    ready: Final[bool]
    values: Final[_Column]
    def __new__(cls, rsi: int, wilder: bool, fast: int, slow: int, signal: int, sma: int) -> Self: ...
    def update(
        self, symbol: str, open: float, high: float, low: float, close: float, volume: float, ts: int
    ) -> None: ...
    def nothing(
        self, symbol: str, open: float, high: float, low: float, close: float, volume: float, ts: int
    ) -> None: ...
    def of(self, symbol: str) -> _Column: ...
    def row(self) -> _Row: ...
    def symbols(self) -> list[str]: ...
    def state(self, symbol: str) -> _State: ...
    def put(self, symbol: str, fields: _State) -> bool: ...

@disjoint_base
class CrossSectionKernel:
    def __new__(cls, windows: _Windows, count: int, out: _Column) -> Self: ...
    def step(self, columns: _Columns, ts: int) -> int: ...
    def state(self, at: int) -> _State: ...
    def put(self, at: int, fields: _State) -> bool: ...

def feature_batch(windows: _Windows, columns: _Columns, out: _Column) -> int: ...
def feature_panel(windows: _Windows, tables: _Columns, symbols: int, out: _Column) -> tuple[int, int] | None: ...
def make_bars(
    class_: Callable[..., _T],
    names: list[str],
    counts: tuple[_Counts, _Counts, _Counts, _Counts],
    prices: tuple[_Column, _Column, _Column, _Column, _Column, _Column],
    first: int,
    last: int,
) -> list[_T]: ...
def payoff_requirement(positions: list[Any], kind: type, call: object) -> Decimal | None: ...
def use_reference(
    classes: tuple[type, type, type, type, type],
    json: Callable[[bytes | str], Any],
    msgpack: Callable[[bytes], Any],
) -> None: ...
def read_bars_columns(body: bytes) -> tuple[list[tuple[str, list[bytearray]]], str | None] | None: ...
def read_frame(frame: bytes | str) -> Any: ...
def read_packed_frame(frame: bytes) -> Any: ...
def use_bus_reference(
    classes: tuple[type, type, type],
    domain: tuple[type, type, type],
    version: int,
    next: Callable[[bytes, int, int, int], list[Any] | None],
) -> None: ...
def read_run(frames: list[bytes], at: int, start: bytes, epoch: int, seq: int) -> tuple[list[Any], int]: ...

@final
class NativeQuote:
    S: Final[str]
    t: Final[int]
    bp: Final[float]
    bs: Final[float]
    ap: Final[float]
    as_: Final[float]
    bx: Final[str]
    ax: Final[str]
    c: Final[list[str] | str | None]
    z: Final[str]
    def __eq__(self, value: object, /) -> bool: ...

@final
class NativeTrade:
    S: Final[str]
    t: Final[int]
    p: Final[float]
    s: Final[float]
    i: Final[int | str]
    x: Final[str]
    c: Final[list[str] | str | None]
    z: Final[str]
    def __eq__(self, value: object, /) -> bool: ...

@final
class NativeBar:
    S: Final[str]
    t: Final[int]
    o: Final[float]
    h: Final[float]
    l: Final[float]
    c: Final[float]
    v: Final[float]
    n: Final[int]
    vw: Final[float]
    def __eq__(self, value: object, /) -> bool: ...

@final
class NativeQuoteUpdate:
    symbol: Final[str]
    bid: Final[float]
    bid_size: Final[float]
    ask: Final[float]
    ask_size: Final[float]
    ts_event: Final[int]
    ts_init: Final[int]
    def quote(self) -> Any: ...
    def __eq__(self, value: object, /) -> bool: ...

@final
class NativeTradeUpdate:
    symbol: Final[str]
    price: Final[float]
    size: Final[float]
    ts_event: Final[int]
    ts_init: Final[int]
    def trade(self) -> Any: ...
    def __eq__(self, value: object, /) -> bool: ...

@final
class NativeBarUpdate:
    symbol: Final[str]
    timeframe: Final[str]
    open: Final[float]
    high: Final[float]
    low: Final[float]
    close: Final[float]
    volume: Final[float]
    ts_event: Final[int]
    ts_init: Final[int]
    trade_count: Final[int]
    vwap: Final[float]
    revised: Final[bool]
    def bar(self) -> Any: ...
    def __eq__(self, value: object, /) -> bool: ...
