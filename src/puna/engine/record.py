"""What one run leaves behind: a `RunRecord`, the single input of every report, JSON in and out.

Money and quantity are Decimal (strings in JSON), times whole nanoseconds UTC. Lists are in the order of their time.
"""

from decimal import Decimal

import msgspec

from puna.core.types import ZERO
from puna.engine.holdings import HoldingRow

__all__ = [
    "ActionRow",
    "BookRow",
    "Books",
    "CheckRow",
    "DataRow",
    "DropRow",
    "EquityPoint",
    "FillRow",
    "NoteRow",
    "OrderRow",
    "ParentRow",
    "PositionRow",
    "PricePoint",
    "RunRecord",
    "read_record",
    "write_record",
]


class EquityPoint(msgspec.Struct, frozen=True, array_like=True):
    """Equity (cash plus positions at their marks) at a time."""

    ts: int
    equity: Decimal


class PricePoint(msgspec.Struct, frozen=True, array_like=True):
    """A bar's close, at the time the bar was known."""

    ts: int
    close: float


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order, from decision to end. `refusal_*` is set when risk (R...) or the broker (its own code) said no.

    Of `filled_qty`, `crossed_qty` was crossed with other strategies inside the account.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal
    type: str
    tif: str
    status: str
    ts_decision: int
    broker_id: str | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    filled_qty: Decimal = ZERO
    avg_price: Decimal | None = None
    ts_final: int | None = None
    because: str = ""
    arrival_mid: float | None = None
    refusal_code: str | None = None
    refusal_text: str | None = None
    replaces: str | None = None
    parent: str | None = None
    leg_of: str | None = None
    legs: list[str] = []
    crossed_qty: Decimal = ZERO


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One booked step of one order's filled quantity; `mid` is the quote's middle when it was booked.

    `price` is rounded to nine decimals where one step holds several prints; `notional` is exact. An `internal` one was
    crossed with another strategy: the account traded nothing.
    """

    ts: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    cid: str
    strategy: str = ""
    mid: float | None = None
    notional: Decimal | None = None
    internal: bool = False


class ParentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A parent order, and what its quality is measured by; prices of a package are net, a credit is negative.

    Args:
        parent_id: its children name it.
        style: how it was worked, in words.
        cap: the worst price that was allowed.
        children: client_order_ids, in the order in which they were sent.
        filled: how much of `qty` was done by `ts_end`; `avg_price` is what it cost.
        arrival_mid: the middle of the market when it was decided; `end_mid` when it ended.
        market_vwap: of the market's minutes between both, as far as the bars tell.
        multiplier: dollars for one unit of price: 100 for a package of options.
        reason: why it ended; empty while it is worked.
    """

    parent_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal
    style: str
    ts_begin: int
    cap: Decimal | None = None
    children: list[str] = []
    filled: Decimal = ZERO
    avg_price: Decimal | None = None
    arrival_mid: float | None = None
    end_mid: float | None = None
    market_vwap: float | None = None
    multiplier: int = 1
    ts_end: int | None = None
    reason: str = ""
    because: str = ""


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is held at the end; `cost` is signed."""

    symbol: str
    qty: Decimal
    cost: Decimal
    mark: Decimal | None = None


class DropRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that was down; `ts_up` is None when it never came back; `bars` were fetched to close the gap."""

    stream: str
    ts_down: int
    ts_up: int | None = None
    bars: int = 0
    fills_lost: int = 0


class NoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know: a strategy stopped, a state changed, an order was adopted."""

    ts: int
    code: str
    text: str


class BookRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the comparison of our books with the broker's: cash, or the quantity of a symbol."""

    item: str
    ours: Decimal
    broker: Decimal

    @property
    def equal(self) -> bool:
        return self.ours == self.broker


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Our books against the broker's, to the cent."""

    equal: bool
    rows: list[BookRow] = []


class DataRow(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of one symbol that a run was given, and where they come from.

    Args:
        source: in words, such as "bundled", "cache" or a file's name.
        feed: iex, sip, opra, us, own-NAME; empty when it is not known.
        timeframe: 1Min, 1Day; empty when it is not known.
        adjustment: raw, split, dividend, all; empty when it is not known.
        first: of the first bar, ns; `last` of the last one.
        bars: how many.
        missing: bars of the grid between both that are not there; None when nobody counted.
        digest: of the bars, to tell whether another run had the same.
    """

    symbol: str
    source: str = ""
    feed: str = ""
    timeframe: str = ""
    adjustment: str = ""
    first: int = 0
    last: int = 0
    bars: int = 0
    missing: int | None = None
    digest: str = ""


class ActionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A corporate action that the run carried out: a split, a dividend, an expiry, an assignment.

    `cash` is what came in or went out in all; `factor` the shares after it for each share before.
    """

    ts: int
    symbol: str
    kind: str
    text: str = ""
    cash: Decimal = ZERO
    factor: Decimal = Decimal(1)


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the strategy found: "look-ahead", "warm-up", "determinism", "order validity"."""

    name: str
    passed: bool
    text: str = ""


class RunRecord(msgspec.Struct, kw_only=True):
    """A whole run.

    `holdings` says what may come of the `positions` that are left. `prices` are closes of the bars that the strategies
    saw, by symbol. `refusals` is the number of orders that risk refused (each is also a row of `orders`, status
    "refused"). `outcome` is "completed", "stopped" or "halted".

    Of a backtest: `fill_model` is the name of the rules that filled its orders and `assumptions` are these in words;
    `data` says what the prices are, `actions` what was done about splits and the like, `checks` what was checked.
    `trials` counts the runs that this one was chosen from, itself included; they are worth `trials_effective`
    independent ones, and `trial_deviation` is the standard deviation of their Sharpe ratios, per day (0 where that is
    not known); `trials_from` names the sweeps that ran them. `benchmark` is what the equity is compared with; buying
    every symbol in equal parts when it is empty.
    """

    mode: str
    run_id: str = ""
    seed: int | None = None
    day: str = ""
    symbols: list[str] = []
    strategies: list[str] = []
    started_ts: int = 0
    ended_ts: int = 0
    elapsed_seconds: float = 0.0
    outcome: str = "completed"
    state: str = "active"
    start_cash: Decimal = ZERO
    start_equity: Decimal = ZERO
    cash: Decimal = ZERO
    equity_end: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal = ZERO
    equity: list[EquityPoint] = []
    prices: dict[str, list[PricePoint]] = {}
    orders: list[OrderRow] = []
    fills: list[FillRow] = []
    parents: list[ParentRow] = []
    positions: list[PositionRow] = []
    holdings: list[HoldingRow] = []
    drops: list[DropRow] = []
    notes: list[NoteRow] = []
    refusals: int = 0
    event_log_hash: str | None = None
    journal_hash: str | None = None
    books: Books | None = None
    config: str = ""
    versions: dict[str, str] = {}
    fill_model: str = ""
    assumptions: dict[str, str] = {}
    timeframe: str = ""
    data: list[DataRow] = []
    actions: list[ActionRow] = []
    checks: list[CheckRow] = []
    benchmark_name: str = ""
    benchmark: list[PricePoint] = []
    trials: int = 1
    trial_deviation: float = 0.0
    trials_effective: float = 0.0
    trials_from: list[str] = []
    code_hash: str | None = None


_READER = msgspec.json.Decoder(RunRecord)
_WRITER = msgspec.json.Encoder(decimal_format="string")


def write_record(record: RunRecord) -> bytes:
    """The record as JSON, one document, indented for people."""
    return msgspec.json.format(_WRITER.encode(record))


def read_record(body: bytes) -> RunRecord:
    """The record that `write_record` wrote."""
    return _READER.decode(body)
