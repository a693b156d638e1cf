"""A small run whose every number can be worked out by hand."""

from datetime import date, time
from decimal import Decimal

import pytest

from puna.core.sessions import at
from puna.engine.record import (
    BookRow,
    Books,
    DropRow,
    EquityPoint,
    FillRow,
    OrderRow,
    PositionRow,
    PricePoint,
    RunRecord,
)

DAY = date(2012, 10, 18)
OPEN, CLOSE = at(DAY, time(9, 30)), at(DAY, time(16))
MINUTE = 60_000_000_000


def order(number: int, **fields: object) -> OrderRow:
    """A market order for 10 AAPL, filled whole at 100.10, unless `fields` say otherwise."""
    known: dict[str, object] = {
        "client_order_id": f"puna-1-one-{number}",
        "strategy": "one",
        "symbol": "AAPL",
        "side": "buy",
        "qty": Decimal(10),
        "type": "market",
        "tif": "day",
        "status": "filled",
        "ts_decision": OPEN + number * MINUTE,
        "ts_final": OPEN + number * MINUTE + 1_000_000_000,
        "filled_qty": Decimal(10),
        "avg_price": Decimal("100.10"),
        "arrival_mid": 100.0,
        "because": "a reason",
    }
    return OrderRow(**known | fields)  # type: ignore[arg-type]


def fill(number: int, **fields: object) -> FillRow:
    """The fill of `order(number)`."""
    known: dict[str, object] = {
        "ts": OPEN + number * MINUTE + 1_000_000_000,
        "symbol": "AAPL",
        "side": "buy",
        "qty": Decimal(10),
        "price": Decimal("100.10"),
        "cid": f"puna-1-one-{number}",
        "strategy": "one",
        "mid": 100.0,
    }
    return FillRow(**known | fields)  # type: ignore[arg-type]


def a_run(**fields: object) -> RunRecord:
    """Strategy one buys 10 AAPL at 100.10 and keeps them; two sells 5 IBM at 199.80 and buys them back at 200.10."""
    known: dict[str, object] = {
        "mode": "sim",
        "run_id": "demo-7",
        "seed": 7,
        "day": "2012-10-18",
        "symbols": ["AAPL", "IBM"],
        "strategies": ["one", "two"],
        "started_ts": OPEN,
        "ended_ts": CLOSE,
        "start_cash": Decimal(10_000),
        "start_equity": Decimal(10_000),
        "cash": Decimal("8997.40"),
        "equity_end": Decimal("10017.40"),
        "fees": Decimal("0.10"),
        "equity": [
            EquityPoint(OPEN, Decimal(10_000)),
            EquityPoint(OPEN + MINUTE, Decimal(10_100)),
            EquityPoint(OPEN + 2 * MINUTE, Decimal(9_999)),
            EquityPoint(CLOSE, Decimal("10017.40")),
        ],
        "prices": {
            "AAPL": [PricePoint(OPEN, 100.0), PricePoint(CLOSE, 102.0)],
            "IBM": [PricePoint(OPEN, 200.0), PricePoint(CLOSE, 198.0)],
        },
        "orders": [
            order(1),
            order(
                2,
                client_order_id="puna-1-two-2",
                strategy="two",
                symbol="IBM",
                side="sell",
                qty=Decimal(5),
                filled_qty=Decimal(5),
                avg_price=Decimal("199.80"),
                arrival_mid=200.0,
            ),
            order(
                3,
                client_order_id="puna-1-one-3",
                status="refused",
                filled_qty=Decimal(0),
                avg_price=None,
                refusal_code="R104",
                refusal_text="position cap: 12,000.00 > 10,000.00 USD in AAPL",
            ),
        ],
        "fills": [
            fill(1),
            fill(
                2,
                symbol="IBM",
                side="sell",
                qty=Decimal(5),
                price=Decimal("199.80"),
                mid=200.0,
                cid="puna-1-two-2",
                strategy="two",
            ),
            fill(
                4,
                symbol="IBM",
                side="buy",
                qty=Decimal(5),
                price=Decimal("200.10"),
                mid=200.0,
                cid="puna-1-two-4",
                strategy="two",
            ),
        ],
        "positions": [
            PositionRow(symbol="AAPL", qty=Decimal(10), cost=Decimal("1001.00"), mark=Decimal("102.00")),
        ],
        "drops": [DropRow(stream="data", ts_down=OPEN + MINUTE, ts_up=OPEN + MINUTE + 2_000_000_000, bars=3)],
        "refusals": 1,
        "event_log_hash": "ab" * 32,
        "books": Books(equal=True, rows=[BookRow(item="cash", ours=Decimal("8997.40"), broker=Decimal("8997.40"))]),
        "config": '[account]\nmode = "sim"\n',
        "versions": {"puna": "0.1.0"},
    }
    return RunRecord(**known | fields)  # type: ignore[arg-type]


@pytest.fixture
def run() -> RunRecord:
    """See `a_run`."""
    return a_run()
