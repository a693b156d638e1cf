"""What a client and the two WebSockets say to each other, without a socket: messages in, answers out.

Sources: fact sheet, sections 7 (market data) and 8 (trading). A conversation knows whether the client is authenticated
and what it wants to hear; who it is, and whether there is room for it, is asked of `admit`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from puna.wire.stream import (
    BarMessage,
    DailyBarMessage,
    ErrorMessage,
    QuoteMessage,
    Subscription,
    SuccessMessage,
    TradeMessage,
    UpdatedBarMessage,
)

__all__ = ["CHANNELS", "CODES", "Admit", "DataConversation", "TradingConversation"]

Admit = Callable[[str, str], int]
"""(key, secret) -> 0 when welcome, 402 when unknown, 406 when this key has its connection already."""

CODES: Mapping[int, str] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
}

CHANNELS: Mapping[str, str] = {
    "trades": "trades",
    "quotes": "quotes",
    "bars": "bars",
    "updatedBars": "updated_bars",
    "dailyBars": "daily_bars",
    "statuses": "statuses",
    "lulds": "lulds",
    "imbalances": "imbalances",
}
"""The channels one may ask for, and how the acknowledgement's fields are called."""

_FOLLOWS_TRADES = ("corrections", "cancel_errors")
_SYMBOL = re.compile(r"\*|[A-Z][A-Z0-9.]{0,11}")
_CHANNEL_OF: tuple[tuple[type, str], ...] = (
    (UpdatedBarMessage, "updatedBars"),
    (DailyBarMessage, "dailyBars"),
    (TradeMessage, "trades"),
    (QuoteMessage, "quotes"),
    (BarMessage, "bars"),
)

Answer = SuccessMessage | ErrorMessage | Subscription


class DataConversation:
    """The market-data stream: welcome, auth, subscribe, unsubscribe.

    Args:
        admit: whether these credentials may connect.
        symbol_limit: how many symbols trades and quotes may hold together; 0 is no limit (Basic: 30).
    """

    def __init__(self, admit: Admit, symbol_limit: int = 0) -> None:
        self._admit = admit
        self._symbol_limit = symbol_limit
        self.tried = False
        self.refused = 0
        self.key: str | None = None
        self.wanted: dict[str, frozenset[str]] = dict.fromkeys(CHANNELS, frozenset())

    @property
    def ready(self) -> bool:
        """Authenticated, and subscribed to something."""
        return self.key is not None and any(self.wanted.values())

    def welcome(self) -> list[Answer]:
        return [SuccessMessage(msg="connected")]

    def receive(self, message: object) -> list[Answer]:
        """The answer to one message of the client."""
        match message:
            case {"action": "auth", **credentials}:
                return self.authenticate(credentials.get("key"), credentials.get("secret"))
            case {"action": "subscribe" | "unsubscribe"} if self.key is None:
                return _error(401)
            case {"action": "subscribe" | "unsubscribe" as action, **channels}:
                return self._change(action == "subscribe", {str(name): value for name, value in channels.items()})
        return _error(400)

    def authenticate(self, key: object, secret: object) -> list[Answer]:
        """The answer to credentials, from a message or from the handshake's headers."""
        self.tried = True
        if self.key is not None:
            return _error(403)
        if not (isinstance(key, str) and isinstance(secret, str) and key and secret):
            return _error(402)
        self.refused = self._admit(key, secret)
        if self.refused:
            return _error(self.refused)
        self.key = key
        return [SuccessMessage(msg="authenticated")]

    def wants(self, message: object) -> bool:
        """True when the client has asked for this message of the market."""
        channel = next((name for kind, name in _CHANNEL_OF if isinstance(message, kind)), None)
        if channel is None:
            return False
        wanted = self.wanted[channel]
        return "*" in wanted or getattr(message, "S", None) in wanted

    def _change(self, more: bool, channels: Mapping[str, Any]) -> list[Answer]:  # noqa: FBT001 - two verbs, one rule
        if not _well_formed(channels):
            return _error(400)
        wanted = dict(self.wanted)
        for channel, symbols in channels.items():
            wanted[channel] = wanted[channel] | set(symbols) if more else wanted[channel] - set(symbols)
        if more and 0 < self._symbol_limit < len(wanted["trades"]) + len(wanted["quotes"]):
            return _error(405)
        self.wanted = wanted
        return [self._state()]

    def _state(self) -> Subscription:
        """The whole set, every channel named (the documented form; OBS saw only those in use)."""
        lists = {field: sorted(self.wanted[channel]) for channel, field in CHANNELS.items()}
        return Subscription(**lists, **dict.fromkeys(_FOLLOWS_TRADES, lists["trades"]))


def _error(code: int) -> list[Answer]:
    return [ErrorMessage(code=code, msg=CODES[code])]


def _well_formed(channels: Mapping[str, Any]) -> bool:
    """Known channels only, with lists of symbols, and one symbol at least."""
    return all(channel in CHANNELS and _symbols(value) for channel, value in channels.items()) and any(
        channels.values()
    )


def _symbols(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and _SYMBOL.fullmatch(each) for each in value)


class TradingConversation:
    """The trading stream: auth in both its forms, listen."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit
        self.key: str | None = None
        self.streams: list[str] = []

    @property
    def ready(self) -> bool:
        """Authenticated, and listening to trade updates."""
        return "trade_updates" in self.streams

    def receive(self, message: object) -> Mapping[str, object] | None:
        """The answer to one message of the client; None: it makes no sense, and the connection ends."""
        match message:
            case {"action": "auth", **credentials}:
                return self._authenticate(credentials.get("key"), credentials.get("secret"))
            case {"action": "authenticate", "data": {**credentials}}:
                return self._authenticate(credentials.get("key_id"), credentials.get("secret_key"))
            case {"action": "listen", "data": {"streams": list(streams)}}:
                return self._listen(streams)
        return None

    def _authenticate(self, key: object, secret: object) -> Mapping[str, object]:
        if isinstance(key, str) and isinstance(secret, str) and key and secret and not self._admit(key, secret):
            self.key = key
            return _authorization("authorized", "authenticate")
        return _authorization("unauthorized", "authenticate")

    def _listen(self, streams: Collection[object]) -> Mapping[str, object]:
        if self.key is None:
            return _authorization("unauthorized", "listen")
        self.streams = ["trade_updates"] if "trade_updates" in streams else []
        return {"stream": "listening", "data": {"streams": self.streams}}


def _authorization(status: str, action: str) -> Mapping[str, object]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}
