"""How an exchange is set up: what it replays, how its time passes, who may talk to it, what goes wrong on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from puna.exchange.faults import Fault
from puna.exchange.prices.halts import Halt
from puna.exchange.terms import VenueOptions

__all__ = ["DEFAULT_DAY", "Books", "ExchangeConfig", "Lockstep", "Speed"]

DEFAULT_DAY = date(2012, 9, 19)


@dataclass(frozen=True)
class Lockstep:
    """Market time moves on only after every live socket has answered the ping that follows its last frame."""


@dataclass(frozen=True)
class Speed:
    """Market time runs `factor` times as fast as the wall's.

    Args:
        factor: 1 is real time; thousands are fine.
        nights: False leaps from the end of one session to just before the next one.
    """

    factor: float = 1.0
    nights: bool = False


@dataclass(frozen=True, kw_only=True)
class ExchangeConfig:
    """Everything an exchange needs to know before it starts.

    Args:
        seed: of prices, ids and chance: the same seed and the same commands give the same event log.
        day: first day to replay, a trading day of the data.
        days: how many sessions.
        history_days: sessions before them that have minute bars, quotes and trades of stocks; earlier ones have days.
        symbols: what is traded: stocks of the data, and coins ("BTC/USD", invented prices around the clock); at least
            one stock. None: all stocks, no coins.
        options: whether the stocks have options; they cost nothing until somebody asks for one.
        recording: a file of recorded or downloaded bars to replay instead (`puna.exchange.prices.recorded`); its
            symbols are those that are traded when none are named.
        halts: when which stock does not trade.
        late_bars: the part of the minute bars that are revised half a minute later (measured: 0.0006 to 0.0036).
        busts: one print in so many is voided or corrected after its minute, on the stream and over REST; 0: none.
        cash: what the account starts with.
        venue: how the venue treats orders: latencies, fills, fees, visibility; its cash is the one above.
        keys: key id -> secret. None accepts any credentials, but never none at all. All keys share one account.
        pacing: how market time passes.
        faults: what goes wrong on purpose.
        log_path: the event log is appended to this file, flushed after each line.
        host: where to listen. Anything but loopback needs `keys`.
        port: 0 finds a free one.
        wait_for: kinds of sockets ("data", "trading") that must have subscribed or listened before time starts.
        lead_seconds: how long before the first open market time begins.
        rate_limit: requests in any 60 s of market time, for each key and API; 0 is no limit. Alpaca's is 200.
        rate_headers: whether X-RateLimit-... come with the data API, clock and calendar, as documented, or with all
            answers (facts.md 13.8).
        old_symbols: what the latest and the snapshot of a name are that its stock does not bear any more: "last", what
            was known under it at the end, or "absent". facts.md is silent; history is told as `asof` says (facts.md 6).
        data_plan: "plus" sees everything at once; "basic" has no SIP data of the last 15 minutes, and IEX by default.
        data_auth_status: 401 or 403, what the data API answers to bad credentials (sources differ).
        auth_seconds: how long a data socket may stay unauthenticated (wall time).
        binary_updates: the trading stream sends its JSON in binary frames, as paper does; False: text.
        ping_seconds: how often a socket is pinged when time runs free (wall time); no pong for 6 s closes it.
        option_quotes: how many options' quotes one socket may hold; Alpaca: 200 on Basic, 1000 on Plus; 0: by the plan.
        wrong_channel: what a channel of another feed gets: 400, as measured, or 410, as documented (facts.md 13.4).
        name_all_channels: whether an acknowledgement names every channel of the feed, as documented, or only those in
            use, as measured (facts.md 13.6).
        symbol_limit: how many symbols trades and quotes of one socket may hold; 0 is no limit. Alpaca's Basic: 30.
        backlog: frames that may wait for a slow reader before it gets 407 and is closed.
        step_seconds: market time between two quotes of a symbol.
    """

    seed: int = 7
    day: date = DEFAULT_DAY
    days: int = 1
    history_days: int = 5
    symbols: tuple[str, ...] | None = None
    options: bool = True
    recording: Path | None = None
    halts: tuple[Halt, ...] = ()
    late_bars: float = 0.0
    busts: int = 0
    cash: Decimal = Decimal(100_000)
    venue: VenueOptions = field(default_factory=VenueOptions)
    keys: Mapping[str, str] | None = None
    pacing: Lockstep | Speed = field(default_factory=Lockstep)
    faults: tuple[Fault, ...] = ()
    log_path: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    wait_for: tuple[str, ...] = ("data", "trading")
    lead_seconds: int = 60
    rate_limit: int = 0
    rate_headers: Literal["documented", "everywhere"] = "documented"
    old_symbols: Literal["last", "absent"] = "last"
    data_plan: Literal["basic", "plus"] = "plus"
    data_auth_status: int = 401
    auth_seconds: float = 10.0
    binary_updates: bool = True
    ping_seconds: float = 54.0
    symbol_limit: int = 0
    option_quotes: int = 0
    wrong_channel: Literal[400, 410] = 400
    name_all_channels: bool = True
    backlog: int = 10_000
    step_seconds: int = 15


@dataclass(frozen=True)
class Books:
    """What the exchange's ledger says: cash, positions as symbol -> (quantity, average entry price), fees paid."""

    cash: Decimal
    positions: Mapping[str, tuple[Decimal, Decimal]]
    fees: Decimal
