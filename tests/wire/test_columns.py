"""A page of bars as columns: the same numbers as the bars one by one."""

import json

import numpy as np
import pytest

from puna.errors import ProtocolError
from puna.wire.codec import decode, decoder
from puna.wire.columns import read_bars
from puna.wire.market import BarsPage

BAR = {"c": 185.64, "h": 188.44, "l": 183.885, "n": 1, "o": 187.15, "t": "2024-01-02T05:00:00Z", "v": 82488, "vw": 1.5}
PAGE = {"bars": {"AAPL": [BAR, {**BAR, "t": "2024-01-03T05:00:00.5Z"}], "IBM": []}, "next_page_token": "QUFQTA=="}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_columns_hold_what_the_bars_hold(separators: tuple[str, str]) -> None:
    """Every column, its type, the empty symbol and the token; printed with or without spaces."""
    body = json.dumps(PAGE, separators=separators).encode()
    columns, page = read_bars(body), decode(decoder(BarsPage), body)
    assert columns.next_page_token == page.next_page_token == "QUFQTA=="
    assert list(columns.bars) == ["AAPL", "IBM"]
    assert page.bars is not None
    for name, column in columns.bars["AAPL"]._asdict().items():
        assert column.tolist() == [getattr(bar, name) for bar in page.bars["AAPL"]]
        assert column.dtype == (np.int64 if name in ("t", "n") else np.float64)
        assert column.flags.writeable
    assert len(columns.bars["IBM"].t) == 0


def test_a_page_without_bars_is_empty() -> None:
    """Alpaca answers `null` where nothing was found."""
    assert read_bars(b'{"bars":null,"next_page_token":null}') == ({}, None)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"bars":{"A":[{}]}}', json.dumps({"bars": {"A": [{**BAR, "n": 2**63}]}}).encode()]
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    """No JSON, no page, a bar without its fields, a count beyond 64 bits: one typed error."""
    with pytest.raises(ProtocolError):
        read_bars(body)
