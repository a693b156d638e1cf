"""What a client and the two WebSockets say to each other, without a socket: messages in, answers out.

Sources: fact sheet, sections 7 (market data) and 8 (trading). A conversation knows whether the client is authenticated
and what it wants to hear; who it is, and whether there is room for it, is asked of `admit`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from puna.exchange.streams.feeds import CHANNELS
from puna.wire.stream import ErrorMessage, Subscription, SuccessMessage

__all__ = ["CODES", "Admit", "DataConversation", "TradingConversation"]

Admit = Callable[[str, str], int]
"""(key, secret) -> 0 when welcome, 402 unknown, 406 this key has its connection already, 409 not in its plan."""

CODES: Mapping[int, str] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    412: "option messages are only available in MsgPack format",
    413: "star subscription is not allowed for option quotes",
}

_FIELDS: Mapping[str, str] = {"updatedBars": "updated_bars", "dailyBars": "daily_bars"}
"""How the acknowledgement's fields are called, where they are called otherwise than the channel."""

_FOLLOWS_TRADES = ("corrections", "cancel_errors")
_STOCK = re.compile(r"\*|[A-Z][A-Z0-9.]{0,11}")
_SYMBOLS: Mapping[str, re.Pattern[str]] = {
    "stocks": _STOCK,
    "test": _STOCK,
    "crypto": re.compile(r"\*|[A-Z0-9]{2,10}/[A-Z0-9]{3,5}"),
    "options": re.compile(r"\*|[A-Z]{1,5}[0-9]?[0-9]{6}[CP][0-9]{8}"),
    "news": re.compile(r"\*|[A-Z][A-Z0-9./]{0,15}"),
}

Answer = SuccessMessage | ErrorMessage | Subscription


class DataConversation:
    """A market-data stream: welcome, auth, subscribe, unsubscribe.

    Args:
        admit: whether these credentials may connect.
        symbol_limit: how many symbols trades and quotes may hold together; 0 is no limit (Basic: 30). Of options: how
            many quotes.
        feed: stocks, test, crypto, options or news.
        wrong_channel: the code for a channel of another feed.
        name_all: whether acknowledgements name channels without symbols.
    """

    def __init__(
        self,
        admit: Admit,
        symbol_limit: int = 0,
        *,
        feed: str = "stocks",
        wrong_channel: int = 400,
        name_all: bool = True,
    ) -> None:
        self._admit = admit
        self._symbol_limit = symbol_limit
        self._feed = feed
        self._wrong_channel = wrong_channel
        self._name_all = name_all
        self.channels = CHANNELS[feed]
        self.tried = False
        self.refused = 0
        self.key: str | None = None
        self.wanted: dict[str, frozenset[str]] = dict.fromkeys(self.channels, frozenset())

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

    def _change(self, more: bool, channels: Mapping[str, Any]) -> list[Answer]:  # noqa: FBT001 - two verbs, one rule
        if code := self._ill_formed(channels):
            return _error(code)
        if more and self._feed == "options" and "*" in channels.get("quotes", ()):
            return _error(413)
        wanted = dict(self.wanted)
        for channel, symbols in channels.items():
            wanted[channel] = wanted[channel] | set(symbols) if more else wanted[channel] - set(symbols)
        if more and 0 < self._symbol_limit < self._counted(wanted):
            return _error(405)
        self.wanted = wanted
        return [self._state()]

    def _counted(self, wanted: Mapping[str, Collection[str]]) -> int:
        """What the limit is for: quotes of options, trades and quotes of stocks and coins."""
        names = ("quotes",) if self._feed == "options" else ("trades", "quotes")
        return sum(len(wanted.get(name, ())) for name in names)

    def _ill_formed(self, channels: Mapping[str, Any]) -> int:
        """0 for channels of this feed, with lists of symbols, and one symbol at least; otherwise what is wrong."""
        if foreign := [each for each in channels if each not in self.channels]:
            return self._wrong_channel if all(each in _EVERY_CHANNEL for each in foreign) else 400
        known = _SYMBOLS[self._feed]
        lists = all(isinstance(each, list) for each in channels.values())
        if not lists or not any(channels.values()):
            return 400
        symbols = (symbol for each in channels.values() for symbol in each)
        return 0 if all(isinstance(symbol, str) and known.fullmatch(symbol) for symbol in symbols) else 400

    def _state(self) -> Subscription:
        """The whole set: every channel of the feed, as documented, or those in use, as OBS saw it."""
        lists = {_FIELDS.get(each, each): sorted(self.wanted[each]) for each in self.channels}
        if self._feed in ("stocks", "test"):
            lists |= dict.fromkeys(_FOLLOWS_TRADES, lists["trades"])
        return Subscription(**{field: symbols for field, symbols in lists.items() if symbols or self._name_all})


def _error(code: int) -> list[Answer]:
    return [ErrorMessage(code=code, msg=CODES[code])]


_EVERY_CHANNEL = frozenset(channel for channels in CHANNELS.values() for channel in channels)


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
