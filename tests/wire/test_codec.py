"""The grammar of amounts and times: what gets in, what does not, and that nothing is lost on the way."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ProtocolError
from puna.wire.codec import Amount, Nanos, amount, decode, decoder, encode, format_time, parse_time, ratio
from puna.wire.trading import Order, OrderRequest

AMOUNTS = st.decimals(min_value=-(10**14), max_value=10**14, places=9, allow_nan=False)
FULL_WIDTH = "".join(map(chr, range(0xFF11, 0xFF14)))  # the digits 1 to 3 of another script
YEAR_3000 = 32_503_680_000 * 10**9


class Holder(msgspec.Struct):
    """One amount."""

    x: Amount


@given(AMOUNTS)
def test_amounts_survive_the_wire(value: Decimal) -> None:
    """What is encoded comes back equal, to the ninth decimal."""
    body = encode({"x": amount(f"{value:f}")})
    assert decode(decoder(Holder), body).x == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "sNaN", "Infinity", "-Infinity", "1E+1000000", "1e5", FULL_WIDTH, "1_0", " 1", "1.", ".5", "", "+1", "0x1",
     "1" * 16, "0." + "1" * 10],
)  # fmt: skip
def test_strings_outside_the_grammar_are_refused(text: str) -> None:
    """Neither NaN nor exponents nor foreign digits nor too many digits pass for money."""
    with pytest.raises(ProtocolError):
        decode(decoder(Holder), encode({"x": text}))


@pytest.mark.parametrize(
    ("number", "value"), [("1", "1"), ("1e-05", "0.00001"), ("0.1", "0.1"), ("-2.50", "-2.5"), ("1e3", "1000")]
)
def test_json_numbers_may_carry_a_small_exponent(number: str, value: str) -> None:
    """alpaca-py sends floats such as 1e-05."""
    assert decode(decoder(Holder), f'{{"x":{number}}}'.encode()).x == Decimal(value)


@pytest.mark.parametrize(
    "number", ["1e15", "1e308", "1e999", "1e-13", "NaN", "Infinity", "true", "null", "[]", "9" * 5000]
)
def test_json_numbers_are_bounded(number: str) -> None:
    """Absurd exponents, other types and endless digits are refused."""
    with pytest.raises(ProtocolError):
        decode(decoder(Holder), f'{{"x":{number}}}'.encode())


def test_ratios_may_have_the_decimals_of_a_float() -> None:
    """A position's plpc has sixteen decimals, and is no money."""
    assert ratio("-0.0135445640343451") == Decimal("-0.0135445640343451")
    with pytest.raises(ValueError, match="not a fraction"):
        ratio("NaN")


@given(st.integers(min_value=0, max_value=YEAR_3000))
def test_times_survive_the_wire(ts: int) -> None:
    """Every nanosecond is kept."""
    assert parse_time(format_time(ts)) == ts


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T19:00:00-05:00", 0),
        ("2018-04-01T12:00:00.000Z", 1_522_584_000_000_000_000),
        ("2026-07-24T10:42:49.337646391-04:00", 1_784_904_169_337_646_391),
        ("2026-07-24 14:42:49.337646391z", 1_784_904_169_337_646_391),
    ],
)
def test_times_are_read_with_their_offset(text: str, ts: int) -> None:
    """Orders come in UTC, the clock in New York time."""
    assert parse_time(text) == ts


@pytest.mark.parametrize(
    "text",
    ["2026-07-24T14:42:49", "2026-07-24", "2026-02-30T00:00:00Z", "2026-07-24T25:00:00Z", "2026-07-24T00:00:60Z",
     "2026-07-24T00:00:00.0000000001Z", "0000-01-01T00:00:00Z", "2026-07-24T00:00:00+99:99",
     f"{FULL_WIDTH}6-07-24T00:00:00Z"],
)  # fmt: skip
def test_other_times_are_refused(text: str) -> None:
    """No offset, no such day, too many digits, digits of another script."""
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


def test_an_order_request_is_written_as_alpaca_prints() -> None:
    """Amounts as strings, fields that are not set left out."""
    request = OrderRequest(symbol="AAPL", qty=amount("1.50"), side="buy", type="market", time_in_force="day")
    assert encode(request) == b'{"symbol":"AAPL","qty":"1.50","side":"buy","type":"market","time_in_force":"day"}'


def test_times_are_written_as_alpaca_prints() -> None:
    """RFC 3339 in UTC, without trailing zeros."""
    assert encode({"t": Nanos(1_522_584_000_500_000_000)}) == b'{"t":"2018-04-01T12:00:00.5Z"}'


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"id":1}', b"[]", b"null", b'{"id":"\xff","status":"new"}', b"[" * 100_000,
     b'{"id":"1","status":"new","x":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_order_is_one_typed_error(body: bytes) -> None:
    """HTML, cut JSON, wrong types, bad UTF-8 and deep nesting all raise ProtocolError."""
    with pytest.raises(ProtocolError):
        decode(decoder(Order), body)


def test_the_last_of_two_equal_keys_counts() -> None:
    """As documented; the broker does not send such."""
    assert decode(decoder(Holder), b'{"x":"1","x":"2"}').x == 2
