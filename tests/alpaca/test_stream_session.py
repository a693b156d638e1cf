"""The conversations without a socket: the table, what is sent once, and which refusals are for good."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.alpaca.frames import Subscription
from puna.alpaca.hosts import Credentials
from puna.alpaca.session import LIFE, DataSession, State, TradingSession
from puna.errors import AuthError, NetworkError, ProtocolError, RefusedError
from puna.wire.stream import QuoteMessage, UnknownMessage
from puna.wire.trading import TradeUpdate

WANTED = Subscription.of(quotes=["IBM", "AAPL"], updated_bars=["AAPL"])
CONNECTED = {"T": "success", "msg": "connected"}
AUTHENTICATED = {"T": "success", "msg": "authenticated"}
ACK = {"T": "subscription", "quotes": ["AAPL", "IBM"], "updatedBars": ["AAPL"]}
QUOTE = {"T": "q", "S": "AAPL", "t": "2012-09-19T14:00:00Z"}

KEYS = Credentials.of("k", "s")


def hear(session: DataSession | TradingSession, *messages: dict[str, Any]) -> list[Any]:
    """One data frame, or one trading message a frame."""
    if isinstance(session, DataSession):
        return list(session.receive(json.dumps(messages)))
    return [each for message in messages for each in session.receive(json.dumps(message).encode())]


def said(session: DataSession | TradingSession) -> list[dict[str, Any]]:
    """What was sent since the last time."""
    return [json.loads(frame) for frame in session.take()]


def live() -> DataSession:
    """A data session that has been through the handshake."""
    session = DataSession(KEYS, WANTED)
    hear(session, CONNECTED)
    hear(session, AUTHENTICATED)
    hear(session, ACK)
    session.take()
    return session


def test_the_data_handshake() -> None:
    """Welcome, auth, subscribe once, acknowledged, live."""
    session = DataSession(KEYS, WANTED)
    session.open()
    assert said(session) == []
    hear(session, CONNECTED)
    assert said(session) == [{"action": "auth", "key": "k", "secret": "s"}]
    hear(session, AUTHENTICATED)
    assert said(session) == [{"action": "subscribe", "quotes": ["AAPL", "IBM"], "updatedBars": ["AAPL"]}]
    assert session.missing == WANTED
    hear(session, ACK)
    assert session.state is State.LIVE
    assert session.missing == Subscription()
    assert said(session) == []


def test_a_frame_may_hold_control_and_data() -> None:
    """The data comes out, the control moves the conversation on."""
    session = DataSession(KEYS, WANTED)
    hear(session, CONNECTED, AUTHENTICATED)
    [quote] = hear(session, ACK, QUOTE)
    assert isinstance(quote, QuoteMessage)
    assert session.state is State.LIVE


def test_msgpack_is_spoken_both_ways() -> None:
    """The same conversation in the other encoding."""
    session = DataSession(KEYS, WANTED, packed=True)
    session.receive(msgspec.msgpack.encode([CONNECTED]))
    [auth] = session.take()
    assert isinstance(auth, bytes)
    assert msgspec.msgpack.decode(auth)["action"] == "auth"


def test_without_wishes_there_is_nothing_to_subscribe() -> None:
    """Live at once; a later wish is sent."""
    session = DataSession(KEYS, Subscription())
    hear(session, CONNECTED, AUTHENTICATED)
    assert session.state is State.LIVE
    session.take()
    session.want(Subscription.of(bars=["*"]))
    assert said(session) == [{"action": "subscribe", "bars": ["*"]}]
    assert session.missing == Subscription.of(bars=["*"])


def test_wishes_before_the_handshake_wait_for_it() -> None:
    """Nothing is said twice."""
    session = DataSession(KEYS, Subscription())
    session.want(WANTED)
    assert said(session) == []
    hear(session, CONNECTED, AUTHENTICATED)
    assert [message["action"] for message in said(session)] == ["auth", "subscribe"]


@pytest.mark.parametrize(
    ("code", "permanent", "kind", "floor"),
    [
        (402, True, AuthError, 0.0),
        (409, True, RefusedError, 0.0),
        (411, True, RefusedError, 0.0),
        (404, False, NetworkError, 0.0),
        (406, False, NetworkError, 1.0),
        (407, False, NetworkError, 0.0),
        (500, False, NetworkError, 0.0),
        (599, False, NetworkError, 0.0),
    ],
)
def test_refusals_while_authenticating(code: int, permanent: bool, kind: type[Exception], floor: float) -> None:
    """Keys and plans are for good; crowds, slowness, servers' trouble and the unheard-of are for now (PRO-15)."""
    session = DataSession(KEYS, WANTED)
    hear(session, CONNECTED, {"T": "error", "code": code, "msg": "no"})
    assert session.state is State.FAILED
    assert session.failure is not None
    assert isinstance(session.failure.error, kind)
    assert (session.failure.permanent, session.failure.floor) == (permanent, floor)


@pytest.mark.parametrize("code", [400, 405, 410])
def test_a_refused_change_leaves_what_there_is(code: int) -> None:
    """PRO-16: the previous subscriptions stay, and what is missing can be read off."""
    session = live()
    session.want(Subscription.of(quotes=["IBM", "AAPL", "MSFT"], updated_bars=["AAPL"]))
    hear(session, {"T": "error", "code": code, "msg": "symbol limit exceeded"})
    assert session.state is State.LIVE
    assert [refusal.code for refusal in session.refusals] == [code]
    assert session.missing == Subscription.of(quotes=["MSFT"])


@pytest.mark.parametrize("code", [402, 406, 407, 500])
def test_errors_while_live_end_the_conversation(code: int) -> None:
    """Cut off mid-session."""
    session = live()
    hear(session, {"T": "error", "code": code, "msg": "x"})
    assert session.state is State.FAILED


def test_already_authenticated_is_harmless() -> None:
    """403 changes nothing."""
    session = live()
    hear(session, {"T": "error", "code": 403, "msg": "already authenticated"})
    assert session.state is State.LIVE
    assert session.failure is None


def test_the_trading_handshake() -> None:
    """We speak first; a listening answer with trade_updates makes it live; updates come out."""
    session = TradingSession(KEYS)
    session.open()
    assert said(session) == [{"action": "auth", "key": "k", "secret": "s"}]
    hear(session, {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}})
    assert said(session) == [{"action": "listen", "data": {"streams": ["trade_updates"]}}]
    hear(session, {"stream": "listening", "data": {"streams": ["trade_updates"]}})
    assert session.state is State.LIVE
    order = {"id": "1", "status": "new"}
    good, bad = hear(
        session,
        {"stream": "trade_updates", "data": {"event": "a new word", "order": order}},
        {"stream": "trade_updates", "data": {"event": "fill", "order": order, "qty": "NaN"}},
    )
    assert isinstance(good, TradeUpdate)
    assert isinstance(bad, UnknownMessage)


def test_refusals_of_the_trading_stream() -> None:
    """Wrong keys are for good; a deaf listening answer, an error and forgetting us are for now."""
    unauthorized = {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
    session = TradingSession(KEYS)
    session.open()
    hear(session, unauthorized)
    assert session.failure is not None
    assert session.failure.permanent
    for message in (
        {"stream": "listening", "data": {"streams": [], "error": "x"}},
        {"action": "error", "data": {"error_message": "internal server error"}},
        unauthorized,
    ):
        session = TradingSession(KEYS)
        session.open()
        hear(session, {"stream": "authorization", "data": {"status": "authorized"}})
        hear(session, message)
        assert session.state is State.FAILED
        assert session.failure is not None
        assert not session.failure.permanent


def test_an_unreadable_frame_leaves_the_conversation_as_it_is() -> None:
    """The caller marks a gap and goes on."""
    session = live()
    with pytest.raises(ProtocolError):
        session.receive("nonsense")
    assert session.state is State.LIVE
    assert hear(session, QUOTE)


WORDS = [
    CONNECTED,
    AUTHENTICATED,
    ACK,
    QUOTE,
    {"T": "error", "code": 403, "msg": ""},
    {"T": "subscription"},
    {"T": "x"},
]


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_whatever_the_server_says_each_thing_is_said_once(messages: list[dict[str, Any]]) -> None:
    """In any order of messages: at most one auth and one subscribe, and only moves of the table."""
    session = DataSession(KEYS, WANTED)
    everything: list[dict[str, Any]] = []
    for message in messages:
        before = session.state
        hear(session, message)
        everything += said(session)
        assert session.state is before or session.state in {
            after for (state, _), after in LIFE.items() if state is before
        }
    actions = [message["action"] for message in everything]
    assert actions in ([], ["auth"], ["auth", "subscribe"])
