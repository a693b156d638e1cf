"""What each stream tells: stocks with revisions, halts and bands, coins with books, options, news; without a socket."""

from datetime import date
from typing import Any

import pytest

from puna.core import sessions
from puna.exchange.commands import DataFrame
from puna.exchange.options import ExchangeConfig
from puna.exchange.prices.halts import Halt
from puna.exchange.prices.joint import build_market
from puna.exchange.streams.feeds import CHANNELS, Teller, Wanted, teller
from puna.exchange.streams.frames import pack_market, pack_text
from puna.wire.frames import read_crypto, read_data, read_packed_crypto, read_packed_data
from puna.wire.stream import (
    BarMessage,
    CancelErrorMessage,
    CorrectionMessage,
    DailyBarMessage,
    ImbalanceMessage,
    LuldMessage,
    NewsMessage,
    OrderbookMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    UnknownMessage,
    UpdatedBarMessage,
)

DAY = sessions.day(date(2012, 9, 19))
assert DAY is not None
OPEN, CLOSE = DAY.open, DAY.close
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
ALL = frozenset({"*"})
CALL = "AAPL120921C00700000"


def hear(
    path: str, feed: str, wanted: Wanted, until: int = OPEN + 10 * MINUTE, **config: Any
) -> tuple[Teller, list[Any]]:
    """Everything that a client of this path hears until then."""
    here = ExchangeConfig(**{"step_seconds": 60, **config})
    market = build_market(here)
    told = teller(path, feed, market, here)
    heard: list[Any] = list(told.begin(wanted))
    while (step := market.step(until)) is not None:
        heard += told.tell(DataFrame(step.ts, step.messages), wanted)
    return told, heard


def kinds(heard: list[Any]) -> set[type]:
    return {type(each) for each in heard}


def test_each_message_goes_to_who_asked_for_it() -> None:
    """A symbol of a channel, or its star, and nothing else."""
    _, heard = hear("/v2/iex", "stocks", {"trades": frozenset({"AAPL"}), "bars": ALL})
    assert kinds(heard) == {TradeMessage, BarMessage}
    assert {each.S for each in heard if isinstance(each, TradeMessage)} == {"AAPL"}
    assert {each.S for each in heard if isinstance(each, BarMessage)} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert hear("/v2/iex", "stocks", {})[1] == []


def test_stocks_and_coins_do_not_mix() -> None:
    """The star of one feed is not the star of the other."""
    symbols = ("MSFT", "BTC/USD")
    _, stocks = hear("/v2/iex", "stocks", {"quotes": ALL, "trades": ALL, "bars": ALL}, symbols=symbols)
    _, coins = hear("/v1beta3/crypto/us", "crypto", {"quotes": ALL, "trades": ALL, "bars": ALL}, symbols=symbols)
    assert {each.S for each in stocks} == {"MSFT"}
    assert {each.S for each in coins} == {"BTC/USD"}


def test_a_daily_bar_comes_each_minute_and_grows() -> None:
    """The day so far, after each minute's bar (OBS)."""
    _, heard = hear("/v2/iex", "stocks", {"dailyBars": frozenset({"IBM"})})
    assert kinds(heard) == {DailyBarMessage}
    volumes = [each.v for each in heard]
    assert len(volumes) == 9
    assert volumes == sorted(volumes)


def test_late_prints_revise_a_bar_half_a_minute_later() -> None:
    """The bar comes without them first, on the stream and over REST, and whole 29 seconds after its minute (OBS)."""
    wanted = {"bars": frozenset({"IBM"}), "updatedBars": frozenset({"IBM"})}
    config: dict[str, Any] = {"late_bars": 0.3, "step_seconds": 15, "symbols": ("IBM",)}
    _, heard = hear("/v2/iex", "stocks", wanted, OPEN + 60 * MINUTE, **config)
    first = {each.t: each for each in heard if isinstance(each, BarMessage)}
    again = {each.t: each for each in heard if isinstance(each, UpdatedBarMessage)}
    assert 5 < len(again) < 40
    assert all(bar.n == first[t].n + 1 and bar.v > first[t].v for t, bar in again.items())
    market = build_market(ExchangeConfig(**config))
    t = min(again)
    early = market.bars("IBM", "1Min", t, t, t + MINUTE + SECOND)
    late = market.bars("IBM", "1Min", t, t, t + MINUTE + 29 * SECOND)
    assert (early[0].v, late[0].v) == (first[t].v, again[t].v)
    whole = {
        each.t: each.v for each in build_market(ExchangeConfig(symbols=("IBM",))).bars("IBM", "1Min", OPEN, t, CLOSE)
    }
    assert whole[t] == again[t].v


def test_a_halt_stops_one_stock_and_leaves_a_gap() -> None:
    """A status at both ends, no quote and no print between them, over REST as well; others go on."""
    halt = Halt("AAPL", OPEN + 2 * MINUTE, seconds=240)
    wanted = {"statuses": ALL, "quotes": ALL, "trades": ALL}
    _, heard = hear("/v2/iex", "stocks", wanted, halts=(halt,), step_seconds=15)
    statuses = [(each.t, each.sc, each.rc) for each in heard if isinstance(each, StatusMessage)]
    assert statuses == [(halt.at, "H", "T1"), (halt.until, "T", "T1")]
    between = [each for each in heard if halt.at <= each.t < halt.until and not isinstance(each, StatusMessage)]
    assert {each.S for each in between} == {"FB", "GOOG", "IBM", "MSFT"}
    assert any(each.S == "AAPL" for each in heard if each.t >= halt.until and isinstance(each, QuoteMessage))
    market = build_market(ExchangeConfig(halts=(halt,)))
    assert list(market.trades("AAPL", halt.at, halt.until - 1, CLOSE)) == []
    assert list(market.quotes("AAPL", halt.at, halt.until - 1, CLOSE)) == []


def test_nyse_halts_speak_the_codes_of_their_tape() -> None:
    """2 and 3, D and M on tape A."""
    halt = Halt("IBM", OPEN + MINUTE, seconds=60, reason="LUDP")
    _, heard = hear("/v2/sip", "stocks", {"statuses": ALL}, halts=(halt,))
    assert [(each.sc, each.rc, each.z) for each in heard] == [("2", "M", "A"), ("3", "M", "A")]


def test_bands_and_imbalances_are_told_to_who_asks() -> None:
    """Five percent either way, each minute; imbalances in the last ten minutes."""
    wanted = {"lulds": frozenset({"MSFT"}), "imbalances": frozenset({"MSFT"})}
    _, heard = hear("/v2/iex", "stocks", wanted, CLOSE + MINUTE, symbols=("MSFT",))
    bands = [each for each in heard if isinstance(each, LuldMessage)]
    imbalances = [each for each in heard if isinstance(each, ImbalanceMessage)]
    assert len(bands) == 390
    assert all(each.d < each.u for each in bands)
    assert imbalances
    assert all(each.t >= CLOSE - 10 * MINUTE for each in imbalances)


def test_wrong_prints_are_voided_or_corrected() -> None:
    """After their minute, with the id of the print; those who hear trades hear of it (facts.md 7)."""
    _, heard = hear("/v2/iex", "stocks", {"trades": frozenset({"FB"})}, OPEN + 60 * MINUTE, busts=5, step_seconds=15)
    told = {each.i: each for each in heard if isinstance(each, TradeMessage)}
    voids = [each for each in heard if isinstance(each, CancelErrorMessage)]
    corrections = [each for each in heard if isinstance(each, CorrectionMessage)]
    assert voids
    assert corrections
    assert all((each.p, each.s) == (told[each.i].p, told[each.i].s) for each in voids)
    assert all(each.os == told[each.oi].s and each.cs < each.os for each in corrections)


def test_delayed_sip_is_a_quarter_of_an_hour_late_and_nights_are_silent() -> None:
    """The same messages, later; the feeds of nights say nothing by day."""
    wanted = {"quotes": frozenset({"IBM"})}
    _, late = hear("/v2/delayed_sip", "stocks", wanted, OPEN + 20 * MINUTE)
    _, live = hear("/v2/sip", "stocks", wanted, OPEN + 5 * MINUTE)
    assert late == live != []
    assert hear("/v1beta1/overnight", "stocks", wanted)[1] == hear("/v1beta1/boats", "stocks", wanted)[1] == []


def test_a_book_is_whole_first_and_then_what_changes() -> None:
    """The changes make of the first book what the market shows now; a level of size 0 is gone (facts.md 7)."""
    told, heard = hear("/v1beta3/crypto/us", "crypto", {"orderbooks": ALL}, symbols=("IBM", "BTC/USD"))
    assert kinds(heard) == {OrderbookMessage}
    assert heard[0].r is True
    sides: dict[str, dict[float, float]] = {"a": {}, "b": {}}
    for each in heard:
        assert each is heard[0] or each.r is not True
        for side, levels in sides.items():
            levels.update({level.p: level.s for level in getattr(each, side)})
    book = told.market.orderbook("BTC/USD")
    assert book is not None
    for side, levels in sides.items():
        assert {price: size for price, size in levels.items() if size} == {x.p: x.s for x in getattr(book, side)}


def test_options_are_told_when_their_stock_moves() -> None:
    """Quotes of the contracts asked for, all prints of the chain by the star; each in the shape of options."""
    wanted = {"quotes": frozenset({CALL}), "trades": ALL}
    _, heard = hear("/v1beta1/indicative", "options", wanted, symbols=("AAPL", "IBM"))
    quotes = [each for each in heard if hasattr(each, "bp")]
    prints = [each for each in heard if hasattr(each, "p")]
    assert {each.S for each in quotes} == {CALL}
    assert len(quotes) == 11
    assert {each.S[:3] for each in prints} == {"AAP", "IBM"}
    market = build_market(ExchangeConfig(symbols=("AAPL", "IBM"), step_seconds=60))
    mine = [(each.t, each.p) for each in prints if each.S == CALL]
    assert mine == [(each.t, each.p) for each in market.trades(CALL, OPEN, OPEN + 10 * MINUTE, CLOSE)]


def test_news_come_once_with_the_first_frame_after_their_time() -> None:
    """About the symbols asked for; what was published before the subscription is not repeated."""
    _, heard = hear("/v1beta1/news", "news", {"news": frozenset({"AAPL"})}, CLOSE + MINUTE)
    assert kinds(heard) == {NewsMessage}
    assert [each.symbols for each in heard] == [["AAPL"], ["AAPL"]]
    assert len({each.id for each in heard}) == 2


@pytest.mark.parametrize("feed", ["stocks", "crypto", "options", "news"])
def test_who_asks_for_nothing_hears_nothing(feed: str) -> None:
    """And costs nothing."""
    assert hear("/v2/iex", feed, {}, symbols=("IBM", "BTC/USD"))[1] == []


@pytest.mark.parametrize(
    ("path", "feed", "wanted", "config"),
    [
        ("/v2/sip", "stocks", dict.fromkeys(CHANNELS["stocks"], ALL), {"late_bars": 0.5, "busts": 5}),
        ("/v1beta3/crypto/us", "crypto", dict.fromkeys(CHANNELS["crypto"], ALL), {"symbols": ("IBM", "BTC/USD")}),
        ("/v1beta1/opra", "options", {"quotes": frozenset({CALL}), "trades": ALL}, {"symbols": ("AAPL",)}),
        ("/v1beta1/news", "news", {"news": ALL}, {}),
    ],
)
def test_the_client_knows_every_word(path: str, feed: str, wanted: Wanted, config: dict[str, Any]) -> None:
    """In JSON and in msgpack each message reads as one of the wire's, with the same values."""
    _, heard = hear(path, feed, wanted, OPEN + 30 * MINUTE, **config)
    assert heard
    read, unpack = (read_crypto, read_packed_crypto) if feed == "crypto" else (read_data, read_packed_data)
    text, packed = list(read(pack_text(heard))), list(unpack(pack_market(heard)))
    assert not any(isinstance(each, UnknownMessage) for each in text)
    assert text == packed
