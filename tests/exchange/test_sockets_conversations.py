"""The conversations of both WebSockets, without a socket, against what Alpaca has been recorded to say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # comes with alpaca-py, without types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.exchange.streams.conversations import DataConversation, TradingConversation
from puna.exchange.streams.feeds import CHANNELS
from puna.exchange.streams.frames import pack_market, pack_text, pack_trading, unpack
from puna.wire.codec import Nanos, format_time
from puna.wire.stream import ErrorMessage, QuoteMessage, Subscription

RECORDED = Path(__file__).parents[3] / "shared" / "alpaca" / "recorded"
AUTH = {"action": "auth", "key": "K", "secret": "S"}


def _admit(key: str, secret: str) -> int:
    """K with its secret is known; Z is known and connected already."""
    return 406 if key == "Z" else 0 if (key, secret) == ("K", "S") else 402


def _data(**options: Any) -> DataConversation:
    return DataConversation(_admit, **options)


def _said(answers: object) -> Any:
    """What goes over the wire, as a client reads it."""
    return json.loads(pack_text(answers))


def _subscribed(**channels: list[str]) -> DataConversation:
    talk = _data()
    talk.receive(AUTH)
    talk.receive({"action": "subscribe", **channels})
    return talk


def _recorded(kind: str) -> Iterator[Any]:
    path = RECORDED / f"{kind}.json"
    if not path.exists():
        pytest.skip("the recorded bodies are not on this machine")
    for body in json.loads(path.read_text())["bodies"]:
        yield from body["body"] if isinstance(body["body"], list) else [body["body"]]


def test_the_data_stream_says_what_alpaca_was_recorded_to_say() -> None:
    """Every recorded control message of the data stream is one that this exchange says too, word for word."""
    talk = _data(symbol_limit=1)
    said = _said(talk.welcome())
    for message in (
        {"action": "listen"},
        {"action": "subscribe", "trades": ["A"]},
        {"action": "auth", "key": "K", "secret": "wrong"},
        {"action": "auth", "key": "Z", "secret": "S"},
        AUTH,
        AUTH,
        {"action": "subscribe", "trades": ["A", "B"]},
    ):
        said += _said(talk.receive(message))
    recorded = [each for each in _recorded("data_stream_messages_stock") if each.get("T") in ("success", "error")]
    assert len(recorded) >= 7
    for each in recorded:
        if each.get("code") != 409:  # insufficient subscription: every feed is open here
            assert each in said
    assert [each["code"] for each in said if each["T"] == "error"] == [400, 401, 402, 406, 403, 405]


def test_recorded_requests_of_the_data_stream_are_understood() -> None:
    """What other clients were recorded to send gets the recorded acknowledgement."""
    talk = DataConversation(lambda _key, _secret: 0)
    requests = [each for each in _recorded("data_stream_messages_stock") if "action" in each]
    assert requests
    for each in requests:
        assert all(
            answer["T"] in ("success", "subscription") or answer["code"] == 403 for answer in _said(talk.receive(each))
        )
    (ack,) = _said(talk.receive({"action": "subscribe", "bars": ["AAPL", "VOO"], "quotes": [], "trades": []}))
    assert ack["bars"] == ["AAPL", "VOO"]


def test_the_trading_stream_says_what_alpaca_was_recorded_to_say() -> None:
    """Both forms of auth and the listen of the recordings get the recorded replies."""
    talk = TradingConversation(lambda _key, _secret: 0)
    recorded = [each for each in _recorded("trading_stream_messages") if isinstance(each, dict)]
    said = [_said(talk.receive(each)) for each in recorded if "key" in each]
    said.append(_said(talk.receive({"action": "listen", "data": {"streams": ["trade_updates"]}})))
    for each in recorded:
        if each.get("stream") in ("authorization", "listening"):
            assert each in said


def test_both_forms_of_trading_auth_are_accepted_and_checked() -> None:
    """The documented form and the one that alpaca-py sends are the same to the exchange."""
    for form in (
        lambda secret: {"action": "auth", "key": "K", "secret": secret},
        lambda secret: {"action": "authenticate", "data": {"key_id": "K", "secret_key": secret}},
    ):
        talk = TradingConversation(_admit)
        assert _said(talk.receive(form("wrong")))["data"] == {"status": "unauthorized", "action": "authenticate"}
        assert talk.key is None
        assert _said(talk.receive(form("S")))["data"] == {"status": "authorized", "action": "authenticate"}
        assert talk.key == "K"


def test_listening_needs_authorization_and_replaces_the_set() -> None:
    """An unauthenticated listen is refused; a later one replaces the streams; unknown streams are left out."""
    talk = TradingConversation(_admit)
    listen = {"action": "listen", "data": {"streams": ["trade_updates", "weather"]}}
    assert _said(talk.receive(listen)) == {
        "stream": "authorization",
        "data": {"status": "unauthorized", "action": "listen"},
    }
    talk.receive(AUTH)
    assert _said(talk.receive(listen)) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    assert talk.ready
    talk.receive({"action": "listen", "data": {"streams": []}})
    assert not talk.ready


@pytest.mark.parametrize(
    "message",
    [None, 3, [], {}, {"action": "dance"}, {"action": "listen"}, {"action": "listen", "data": {"streams": "x"}}],
)
def test_nonsense_ends_the_trading_conversation(message: object) -> None:
    """What the trading stream cannot understand has no answer but the end."""
    assert TradingConversation(_admit).receive(message) is None


def test_subscriptions_add_up_and_the_ack_has_the_full_state() -> None:
    """Subscribe adds, unsubscribe takes away, lists are sorted, trades bring corrections and cancel errors."""
    talk = _subscribed(trades=["MSFT", "AAPL"], bars=["*"])
    (ack,) = talk.receive({"action": "subscribe", "quotes": ["IBM"], "trades": ["GOOG"]})
    assert ack == Subscription(
        trades=["AAPL", "GOOG", "MSFT"],
        quotes=["IBM"],
        bars=["*"],
        updated_bars=[],
        daily_bars=[],
        statuses=[],
        lulds=[],
        imbalances=[],
        corrections=["AAPL", "GOOG", "MSFT"],
        cancel_errors=["AAPL", "GOOG", "MSFT"],
    )
    (ack,) = talk.receive({"action": "unsubscribe", "trades": ["AAPL", "TSLA"], "bars": ["*"]})
    assert isinstance(ack, Subscription)
    assert (ack.trades, ack.quotes, ack.bars) == (["GOOG", "MSFT"], ["IBM"], [])


@pytest.mark.parametrize(
    "channels",
    [
        {},
        {"trades": []},
        {"weather": ["AAPL"]},
        {"trades": ["AAPL"], "weather": []},
        {"trades": "AAPL"},
        {"trades": [3]},
        {"trades": ["aapl"]},
        {"trades": ["AAPL "]},
        {"trades": None},
    ],
)
def test_a_malformed_subscription_is_refused_and_changes_nothing(channels: dict[str, object]) -> None:
    """Nothing asked for, unknown channels and bad symbols get 400, and what was subscribed stays."""
    talk = _subscribed(trades=["MSFT"])
    before = dict(talk.wanted)
    assert talk.receive({"action": "subscribe", **channels}) == [ErrorMessage(code=400, msg="invalid syntax")]
    assert talk.wanted == before


def test_too_many_symbols_change_nothing() -> None:
    """405 leaves the previous subscriptions as they were, and bars do not count."""
    talk = _data(symbol_limit=2)
    talk.receive(AUTH)
    talk.receive({"action": "subscribe", "trades": ["A"], "quotes": ["A"], "bars": ["A", "B", "C"]})
    assert talk.receive({"action": "subscribe", "trades": ["B"]}) == [
        ErrorMessage(code=405, msg="symbol limit exceeded")
    ]
    assert talk.wanted["trades"] == {"A"}


def _feed(feed: str, **options: Any) -> DataConversation:
    talk = DataConversation(_admit, feed=feed, **options)
    talk.receive(AUTH)
    return talk


def _subscribe(talk: DataConversation, **channels: list[str]) -> Any:
    return _said(talk.receive({"action": "subscribe", **channels}))[0]


def test_each_feed_has_its_channels_and_its_symbols() -> None:
    """Crypto takes pairs and books, options contracts, news their one channel; each acknowledgement names them all."""
    crypto = _subscribe(_feed("crypto"), orderbooks=["BTC/USD"], bars=["*"])
    assert set(crypto) == {"T", "trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"}
    assert crypto["orderbooks"] == ["BTC/USD"]
    options = _subscribe(_feed("options"), quotes=["AAPL120921C00700000"], trades=["*"])
    assert options == {"T": "subscription", "trades": ["*"], "quotes": ["AAPL120921C00700000"]}
    assert _subscribe(_feed("news"), news=["*"]) == {"T": "subscription", "news": ["*"]}
    assert _subscribe(_feed("crypto"), trades=["AAPL"])["code"] == 400
    assert _subscribe(_feed("options"), trades=["AAPL"])["code"] == 400


@pytest.mark.parametrize(("switch", "code"), [(400, 400), (410, 410)])
def test_a_channel_of_another_feed_is_refused_as_switched(switch: int, code: int) -> None:
    """400 as measured, 410 as documented (facts.md 13.4); a channel of no feed is 400 either way."""
    assert _subscribe(_feed("stocks", wrong_channel=switch), news=["*"])["code"] == code
    assert _subscribe(_feed("stocks", wrong_channel=switch), nonsense=["*"])["code"] == 400


def test_an_acknowledgement_can_name_only_what_is_in_use() -> None:
    """As measured on v2/iex: no empty lists; corrections and cancelErrors come with trades (facts.md 7)."""
    talk = _feed("stocks", name_all=False)
    assert _subscribe(talk, trades=["AAPL"]) == {
        "T": "subscription",
        "trades": ["AAPL"],
        "corrections": ["AAPL"],
        "cancelErrors": ["AAPL"],
    }
    assert _said(talk.receive({"action": "unsubscribe", "trades": ["AAPL"]})) == [{"T": "subscription"}]


def test_option_quotes_take_no_star_and_no_more_than_the_plan() -> None:
    """413, and 405 without a change (facts.md 7)."""
    talk = _feed("options", symbol_limit=1)
    assert _subscribe(talk, quotes=["*"])["code"] == 413
    assert _subscribe(talk, quotes=["AAPL120921C00700000", "AAPL120921P00700000"])["code"] == 405
    assert talk.wanted["quotes"] == frozenset()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["action", "key", "secret", "data", "streams", *CHANNELS["stocks"]]) | st.text(), inner
            )
        ),
    )
)
def test_any_message_gets_an_answer(message: object) -> None:
    """Whatever a client sends, authenticated or not, the conversation goes on with an answer that can be sent."""
    for talk in (_data(), _subscribed(trades=["A"])):
        assert pack_text(talk.receive(message))
        assert msgpack.unpackb(pack_market(talk.receive(message)))
    TradingConversation(_admit).receive(message)


@given(st.integers(0, 2**34 * 10**9 - 1))
def test_msgpack_times_are_exact_to_the_nanosecond(ts: int) -> None:
    """A time survives msgpack's timestamp extension, as another library reads it."""
    packed = pack_market([QuoteMessage(S="AAPL", t=Nanos(ts), bp=1.5)])
    (message,) = msgpack.unpackb(packed)
    assert message["T"] == "q"
    assert message["t"].to_unix_nano() == ts


def test_text_times_are_exact_to_the_nanosecond() -> None:
    """The same time as JSON is RFC 3339."""
    ts = Nanos(1_700_000_000_123_456_789)
    (message,) = json.loads(pack_text([QuoteMessage(S="AAPL", t=ts)]))
    assert message["t"] == format_time(ts) == "2023-11-14T22:13:20.123456789Z"


def test_the_trading_stream_packs_the_same_words_both_ways() -> None:
    """Packed, the trading stream is its JSON document in another encoding."""
    message = {"stream": "trade_updates", "data": {"timestamp": Nanos(10**18), "qty": "1.5", "legs": None}}
    assert msgpack.unpackb(pack_trading(message)) == json.loads(pack_text(message))


@given(st.binary(max_size=200))
def test_bytes_of_a_client_never_break_the_reader(data: bytes) -> None:
    """Garbage reads as None or as something, in both encodings, and never raises."""
    unpack(data, msgpack=True)
    unpack(data, msgpack=False)
