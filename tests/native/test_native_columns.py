"""The native page reader is the reference: same columns, same errors, whatever the page."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from puna import native
from puna.errors import PunaError
from puna.wire import columns

BAR = {"c": 185.64, "h": 188.44, "l": 183.885, "n": 1, "o": 187.15, "t": "2024-01-02T05:00:00Z", "v": 82488, "vw": 1.5}
ODD = st.one_of(
    st.floats(),
    st.integers(),
    st.text(max_size=4),
    st.none(),
    st.sampled_from([2**63, 2**63 - 1, -1, 1e15, 1e16, "9999-12-31T23:59:59Z", "2262-04-11T23:47:16.9Z", [], {}]),
)


def outcome(body: bytes) -> Any:
    """The columns as plain values, or the type and text of the error."""
    try:
        page = columns.read_bars(body)
    except PunaError as error:
        return type(error), str(error)
    plain = {s: [(c.dtype, c.tobytes(), c.flags.writeable) for c in bars] for s, bars in page.bars.items()}
    return plain, page.next_page_token


def reference(body: bytes) -> Any:
    """The same by the reference alone."""
    native.PRESENT = False
    try:
        return outcome(body)
    finally:
        native.PRESENT = True


@given(
    st.dictionaries(
        st.sampled_from(["AAPL", "BRK.B", "é", ""]),
        st.lists(st.dictionaries(st.sampled_from([*BAR, "new"]), ODD, max_size=2), max_size=3),
        max_size=3,
    ),
    st.one_of(st.none(), st.text(max_size=5), st.just("QUFQTA==")),
    st.booleans(),
)
def test_pages_are_read_as_the_reference_reads_them(
    changes: dict[str, list[dict[str, Any]]], token: str | None, spaces: bool
) -> None:
    """Usual bars with odd, new and unusual values."""
    bars = {symbol: [BAR | change for change in each] for symbol, each in changes.items()}
    page = {"bars": bars, "next_page_token": token}
    body = json.dumps(page, separators=None if spaces else (",", ":")).encode()
    assert outcome(body) == reference(body)


@given(st.data())
def test_mutated_pages_are_read_as_the_reference_reads_them(data: st.DataObject) -> None:
    """Bytes changed, cut or doubled."""
    page = {"bars": {"AAPL": [BAR] * data.draw(st.integers(0, 2)), "IBM": [BAR]}, "next_page_token": None}
    body = bytearray(json.dumps(page, separators=(",", ":")).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\\", b'"', b"-", b"e", b".", b"0", b"}", b",", b"]"]))
        )
    assert outcome(bytes(body)) == reference(bytes(body))


def test_a_usual_page_is_read_natively() -> None:
    """It does not fall back."""
    body = json.dumps({"bars": {"AAPL": [BAR] * 3}, "next_page_token": None}, separators=(",", ":")).encode()
    assert native.read_bars_columns(body) is not None
