"""Symbols: what is one, what it means, and that nothing else gets through."""

import string
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.core import symbols
from puna.core.symbols import Crypto, Equity, Option
from puna.core.types import AssetClass
from puna.errors import DataError

equities = st.builds(
    Equity,
    root=st.text(string.ascii_uppercase, min_size=1, max_size=5),
    share_class=st.text(string.ascii_uppercase, max_size=4),
)
options = st.builds(
    Option,
    root=st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    expiration=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from("CP"),
    strike=st.integers(1, 99_999_999).map(lambda thousandths: Decimal(thousandths) / 1000),
)
pairs = st.builds(
    Crypto,
    base=st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=10),
    quote=st.text(string.ascii_uppercase, min_size=3, max_size=5),
)


@given(equities | options | pairs)
def test_round_trip(instrument: symbols.Instrument) -> None:
    """Formatting and parsing are inverse for every instrument."""
    assert symbols.parse(str(instrument)) == instrument
    assert len(str(instrument)) <= symbols.MAX_LENGTH


@given(st.text(max_size=30))
def test_any_text_is_a_canonical_symbol_or_a_data_error(text: str) -> None:
    """No text raises anything but the typed error, and what is accepted is ASCII capitals, digits, dot and slash."""
    if symbols.is_symbol(text):
        spelled = symbols.canonical(text)
        assert set(text) <= set(string.ascii_uppercase + string.digits + "./")
        assert symbols.canonical(spelled) == spelled
    else:
        with pytest.raises(DataError):
            symbols.canonical(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " AAPL",
        "AAPL ",
        "AAPL\n",
        "aapl",
        "AaPL",
        "AAPL/../",
        "../../etc/passwd",
        "AAPL%2F..",
        "AAPL?limit=1",
        "AAPL\x00",
        "\u202eAAPL",
        "\uff21\uff21\uff30\uff2c",  # full-width capitals
        "ААРL",  # noqa: RUF001 - Cyrillic look-alikes are the point
        "BRK.",
        ".B",
        "BRK..B",
        "BRK.B.C",
        "TOOLONG",
        "A" * 10_000,
        "AAPL250230C00100000",  # 30 February
        "AAPL251301C00100000",  # month 13
        "AAPL250620X00100000",  # neither call nor put
        "AAPL250620C00000000",  # strike 0
        "AAPL250620C0010000",  # seven digits
        "AAPL  250620C00100000",  # padded form of the OCC
        "AAPL\u0662\u0665\u0660\u0666\u0662\u0660C00100000",  # digits of another script
        "BTC//USD",
        "BTC/",
        "/USD",
        "BTC/usd",
    ],
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    """DAT-09: lower case, paths, control and bidirectional characters, other scripts, absurd lengths."""
    with pytest.raises(DataError, match="is not a symbol") as caught:
        symbols.parse(text)
    assert caught.value.code == "E630"
    assert len(str(caught.value)) < 400
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("AAPL", Equity("AAPL")),
        ("F", Equity("F")),
        ("BRK.B", Equity("BRK", "B")),
        ("BAC.PRB", Equity("BAC", "PRB")),
        ("AAPL250620C00100000", Option("AAPL", date(2025, 6, 20), "C", Decimal(100))),
        ("SPXW241213P05912500", Option("SPXW", date(2024, 12, 13), "P", Decimal("5912.5"))),
        ("AAPL1250620P00000500", Option("AAPL1", date(2025, 6, 20), "P", Decimal("0.5"))),
        ("BTC/USD", Crypto("BTC", "USD")),
        ("BTCUSD", Crypto("BTC", "USD")),
        ("BTCUSDT", Crypto("BTC", "USDT")),
        ("USDTUSD", Crypto("USDT", "USD")),
        ("USDCUSDT", Crypto("USDC", "USDT")),
        ("ETHBTC", Crypto("ETH", "BTC")),
        ("SUSHI/USDC", Crypto("SUSHI", "USDC")),
    ],
)
def test_what_symbols_mean(text: str, meaning: symbols.Instrument) -> None:
    """The three kinds, and the alias that positions use for crypto."""
    assert symbols.parse(text) == meaning


def test_asset_class_multiplier_and_lot_follow_from_the_kind() -> None:
    """An option is worth 100 units of its price; a coin can be split to nine decimals."""
    kinds = {
        "IBM": (AssetClass.US_EQUITY, Decimal(1), Decimal(1)),
        "IBM260117C00250000": (AssetClass.US_OPTION, Decimal(100), Decimal(1)),
        "ETHUSD": (AssetClass.CRYPTO, Decimal(1), Decimal("0.000000001")),
    }
    for symbol, expected in kinds.items():
        assert (symbols.asset_class(symbol), symbols.multiplier(symbol), symbols.lot(symbol)) == expected


@pytest.mark.parametrize(
    ("price", "valid"),
    [
        ("1.00", True),
        ("1.01", True),
        ("1.001", False),
        ("150.25", True),
        ("150.255", False),
        ("0.9999", True),
        ("0.99999", False),
        ("0.0001", True),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_sub_penny_rule_of_equities(price: str, valid: bool) -> None:
    """Two decimals from 1.00 on, four below (facts.md 5.2)."""
    assert symbols.on_tick("AAPL", Decimal(price)) is valid


@given(st.sampled_from(["AAPL", "AAPL250620C00100000", "BTC/USD"]), st.decimals(0, 100_000, places=7))
def test_rounding_brackets_the_price_on_ticks(symbol: str, price: Decimal) -> None:
    """Rounding down and up give ticks around the price, at most one tick apart."""
    low, high = (symbols.round_to_tick(symbol, price, up=up) for up in (False, True))
    assert low <= price <= high
    assert high - low <= symbols.tick(symbol, price)
    assert symbols.on_tick(symbol, low)
    assert symbols.on_tick(symbol, high)


@pytest.mark.parametrize(("given", "meant"), [("aapl", "AAPL"), ("btc/usd", "BTC/USD"), ("brk.b", "BRK.B")])
def test_small_letters_are_told_the_large_ones(given: str, meant: str) -> None:
    """What would be a symbol in capitals is named; what would not is not."""
    with pytest.raises(DataError) as caught:
        symbols.parse(given)
    assert caught.value.remedy == f"Did you mean {meant}?"
    with pytest.raises(DataError) as caught:
        symbols.parse("../aapl")
    assert not caught.value.remedy
