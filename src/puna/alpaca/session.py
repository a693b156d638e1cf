"""A stream's conversation without a socket: frames in, messages out, frames to send.

Both conversations follow one table; what differs is the words. A refusal ends a conversation for good (wrong keys, not
in the plan) or for now (too many connections, too slow); a connection that ended needs a new conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from puna.alpaca.feeds import Feed, stocks
from puna.alpaca.frames import Subscription
from puna.alpaca.hosts import Credentials
from puna.errors import AuthError, NetworkError, PunaError, RefusedError
from puna.wire.frames import pack, read_trading
from puna.wire.stream import (
    ActionError,
    Authorization,
    BarMessage,
    CancelErrorMessage,
    CorrectionMessage,
    CryptoTradeMessage,
    DailyBarMessage,
    ErrorMessage,
    ImbalanceMessage,
    Listening,
    LuldMessage,
    NewsMessage,
    OrderbookMessage,
    QuoteMessage,
    StatusMessage,
    SuccessMessage,
    TradeMessage,
    TradeUpdateMessage,
    UnknownMessage,
    UpdatedBarMessage,
)
from puna.wire.stream import Subscription as Acknowledgement
from puna.wire.trading import TradeUpdate

__all__ = ["LIFE", "DataSession", "Failure", "MarketMessage", "State", "TradingSession", "UpdateMessage"]

MarketMessage: TypeAlias = (
    QuoteMessage
    | TradeMessage
    | BarMessage
    | UpdatedBarMessage
    | DailyBarMessage
    | StatusMessage
    | LuldMessage
    | ImbalanceMessage
    | CorrectionMessage
    | CancelErrorMessage
    | CryptoTradeMessage
    | OrderbookMessage
    | NewsMessage
    | UnknownMessage
)
UpdateMessage: TypeAlias = TradeUpdate | UnknownMessage
Outgoing: TypeAlias = str | bytes


class State(StrEnum):
    """How far a conversation has come."""

    OPENING = "opening"
    AUTHENTICATING = "authenticating"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    FAILED = "failed"


# What the server may say, and where that leads. Anything else in that state changes nothing.
LIFE: Mapping[tuple[State, str], State] = {
    (State.OPENING, "connected"): State.AUTHENTICATING,
    (State.AUTHENTICATING, "authenticated"): State.SUBSCRIBING,
    (State.SUBSCRIBING, "subscribed"): State.LIVE,
    (State.LIVE, "subscribed"): State.LIVE,
}

# Errors of the data stream (facts.md 7).
PERMANENT: Mapping[int, type[AuthError | RefusedError]] = {
    402: AuthError,
    409: RefusedError,
    411: RefusedError,
    412: RefusedError,
}
TRANSIENT = frozenset({401, 404, 406, 407, 408, 500})
HARMLESS = frozenset({403})  # already authenticated
CROWDED = 406  # the server may hold a dead connection for 90 s: no hurry to come back

_CONTROLS = frozenset({SuccessMessage, Acknowledgement, ErrorMessage})
_CHANNELS = tuple(field.name for field in fields(Subscription))
_ON_THE_WIRE = {"updated_bars": "updatedBars", "daily_bars": "dailyBars"}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a conversation ended; `floor` is the least time to wait, in seconds, before another one."""

    error: PunaError
    permanent: bool
    floor: float = 0.0


class _Session:
    """What both conversations share: a state, a failure, an outbox."""

    def __init__(self, credentials: Credentials) -> None:
        self.state = State.OPENING
        self.failure: Failure | None = None
        self._credentials = credentials
        self._outbox: list[Outgoing] = []

    def take(self) -> list[Outgoing]:
        """What is to be sent now; each frame is given out once."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def _hear(self, word: str) -> None:
        """One step of the table, and what is said on entering the new state."""
        state = LIFE.get((self.state, word), self.state)
        entered, self.state = state is not self.state, state
        if entered and state is State.AUTHENTICATING:
            key, secret = self._credentials.key.reveal(), self._credentials.secret.reveal()
            self._say({"action": "auth", "key": key, "secret": secret})
        elif entered and state is State.SUBSCRIBING:
            self._subscribe()

    def _subscribe(self) -> None:
        raise NotImplementedError

    def _say(self, message: Mapping[str, Any]) -> None:
        self._outbox.append(msgspec.json.encode(message).decode())

    def _fail(self, error: PunaError, *, permanent: bool, floor: float = 0.0) -> None:
        self.state = State.FAILED
        self.failure = Failure(error, permanent, floor)


class DataSession(_Session):
    """The conversation of a market-data stream.

    Args:
        credentials: key and secret.
        wanted: what to subscribe to, once for each connection.
        packed: msgpack instead of JSON, both ways.
        feed: which channels there are, and how frames are read; stocks if not given.

    Raises:
        ConfigError: a channel that the feed does not have.
    """

    def __init__(
        self, credentials: Credentials, wanted: Subscription, *, packed: bool = False, feed: Feed | None = None
    ) -> None:
        super().__init__(credentials)
        self.feed = feed or stocks()
        self.feed.check(wanted)
        self.wanted = wanted
        self.acknowledged = Subscription()
        self._said = Subscription()
        self.refusals: list[ErrorMessage] = []
        self._packed = packed

    def open(self) -> None:
        """The socket is there; the server speaks first."""

    def receive(self, frame: bytes | str) -> list[MarketMessage]:
        """The market messages of a frame; the others move the conversation on.

        Raises:
            ProtocolError: the frame as a whole cannot be read; the conversation is unharmed.
        """
        packed = self._packed and isinstance(frame, bytes)
        messages: Sequence[Any] = self.feed.read_packed(frame) if packed else self.feed.read(frame)  # type: ignore[arg-type]
        if _CONTROLS.isdisjoint(map(type, messages)):
            return list(messages)
        return [message for message in messages if not self._control(message)]

    def want(self, wanted: Subscription) -> None:
        """Changes what is subscribed to: at once when live, otherwise with the next connection.

        Raises:
            ConfigError: a channel that the feed does not have.
        """
        self.feed.check(wanted)
        self.wanted = wanted
        if self.state is State.LIVE:
            self._catch_up()

    @property
    def missing(self) -> Subscription:
        """What is wanted and not acknowledged."""
        return _without(self.wanted, self.acknowledged)

    def _control(self, message: Any) -> bool:
        match message:
            case SuccessMessage():
                self._hear(message.msg)
            case Acknowledgement():
                names = {name: frozenset(getattr(message, name) or ()) for name in _CHANNELS}
                self.acknowledged = Subscription(**names)
                entering = self.state is not State.LIVE
                self._hear("subscribed")
                if entering and self.state is State.LIVE:
                    self._catch_up()
            case ErrorMessage():
                self._refused(message)
            case _:
                return False
        return True

    def _refused(self, message: ErrorMessage) -> None:
        code, live = message.code, self.state is State.LIVE
        said = f"the stream said {code} {message.msg[:100]!r}"
        if code in PERMANENT or (code not in TRANSIENT | HARMLESS and self.state is State.SUBSCRIBING):
            kind = PERMANENT.get(code, RefusedError)  # before there is a subscription, no other answer will come
            self._fail(_broker_error(kind, code, message.msg, said), permanent=True)
        elif code in TRANSIENT or (code not in HARMLESS and not live):
            error = NetworkError(
                "The market-data stream was refused for now.",
                why=said,
                state="It tries again by itself.",
                remedy="Is another program connected with the same key?" if code == CROWDED else "",
            )
            self._fail(error, permanent=False, floor=1.0 if code == CROWDED else 0.0)
        else:
            self.refusals.append(message)

    def _subscribe(self) -> None:
        self._said = self.wanted
        if not self._change("subscribe", self.wanted):
            self._hear("subscribed")

    def _catch_up(self) -> None:
        """Says what is wanted and was not said on this connection; wants may change while an answer is on its way."""
        said, self._said = self._said, self.wanted
        self._change("subscribe", _without(self.wanted, said))
        self._change("unsubscribe", _without(said, self.wanted))

    def _change(self, action: str, channels: Subscription) -> bool:
        named = {
            _ON_THE_WIRE.get(name, name): sorted(symbols) for name in _CHANNELS if (symbols := getattr(channels, name))
        }
        if named:
            self._say({"action": action, **named})
        return bool(named)

    def _say(self, message: Mapping[str, Any]) -> None:
        if self._packed:
            self._outbox.append(pack(message))
        else:
            super()._say(message)


class TradingSession(_Session):
    """The conversation of the trading stream: it listens to `trade_updates`."""

    def open(self) -> None:
        """The socket is there; we speak first."""
        self._hear("connected")

    def receive(self, frame: bytes | str) -> list[UpdateMessage]:
        """The trade update of a frame, if it is one; other messages move the conversation on.

        Raises:
            ProtocolError: the frame cannot be read at all; the conversation is unharmed.
        """
        message = read_trading(frame)
        match message:
            case TradeUpdateMessage():
                return [message.data]
            case UnknownMessage():
                return [message]
            case Authorization():
                self._authorized(message)
            case Listening():
                self._listening(message)
            case ActionError():
                said = f"the stream said {message.data.error_message[:100]!r}"
                self._fail(NetworkError("The trading stream reported an error.", why=said), permanent=False)
        return []

    def _authorized(self, message: Authorization) -> None:
        if message.data.status == "authorized":
            self._hear("authenticated")
        elif self.state is State.AUTHENTICATING:
            said = f"the stream said {message.data.status[:40]!r}"
            self._fail(_broker_error(AuthError, 401, message.data.status, said), permanent=True)
        else:
            self._fail(NetworkError("The trading stream forgot who we are."), permanent=False)

    def _listening(self, message: Listening) -> None:
        if "trade_updates" in message.data.streams:
            self._hear("subscribed")
        else:  # PRO-18: connected and deaf is not ready
            said = f"it listens to {message.data.streams}: {message.data.error or 'no reason given'}"
            self._fail(NetworkError("The trading stream does not send trade updates.", why=said), permanent=False)

    def _subscribe(self) -> None:
        self._say({"action": "listen", "data": {"streams": ["trade_updates"]}})


def _broker_error(kind: type[AuthError | RefusedError], code: int, message: str, said: str) -> AuthError | RefusedError:
    keys = kind is AuthError
    return kind(
        "The stream does not accept these keys." if keys else f"The stream refused the subscription: {message[:100]}",
        status=code,
        message=message,
        why=said,
        state="The stream is closed and does not try again.",
        remedy="Check key, secret and environment." if keys else "Check the data plan, the feed and how many symbols.",
    )


def _without(these: Subscription, those: Subscription) -> Subscription:
    return Subscription(**{name: getattr(these, name) - getattr(those, name) for name in _CHANNELS})
