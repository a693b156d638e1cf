"""What a user sets: feeds, asset classes, keys and places, and the execution engine settings that Alpaca needs."""

from enum import StrEnum

from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveDataClientConfig,
    LiveExecClientConfig,
    LiveExecEngineConfig,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)
from nautilus_trader.config import NonNegativeInt as NonNegative

__all__ = [
    "AlpacaAssetClass",
    "AlpacaDataClientConfig",
    "AlpacaDataFeed",
    "AlpacaExecClientConfig",
    "AlpacaInstrumentProviderConfig",
    "exec_engine_config",
]

_NEVER = 2**31 - 1


class AlpacaDataFeed(StrEnum):
    """Where stock data comes from (facts.md 6 and 7)."""

    IEX = "iex"
    SIP = "sip"
    DELAYED_SIP = "delayed_sip"
    BOATS = "boats"
    OVERNIGHT = "overnight"
    TEST = "test"


class AlpacaAssetClass(StrEnum):
    """What Alpaca trades."""

    US_EQUITY = "us_equity"
    US_OPTION = "us_option"
    CRYPTO = "crypto"


class AlpacaInstrumentProviderConfig(InstrumentProviderConfig, frozen=True):
    """Which instruments are loaded, and how stocks are shown.

    Parameters
    ----------
    asset_classes : frozenset[AlpacaAssetClass], optional
        What `load_all` loads; ``None`` is stocks and crypto. Options need `option_underlyings`.
    exchanges : frozenset[str], optional
        Only stocks of these exchanges, such as ``NASDAQ``.
    symbol_prefix : str, optional
        Only symbols that begin so.
    tradable, shortable, fractionable : bool, optional
        Only assets with this property; ``None`` takes both.
    option_underlyings : tuple[str, ...]
        Whose chains `load_all` loads; paged to the end.
    option_expiry_from, option_expiry_to : str, optional
        ISO dates, inclusive, in New York.
    option_strike_from, option_strike_to : str, optional
        Decimal strikes, inclusive.
    option_type : str, optional
        ``call`` or ``put``.
    fractional_shares : bool, default False
        Loads fractionable stocks as instruments with nine decimals of size (``Cfd``), because ``Equity`` takes whole
        shares only. Then fractional and notional orders of stocks work.
    equity_price_precision : PositiveInt, default 2
        Decimals of stock prices: 2, or 4 to keep sub-penny prints and to trade below a dollar. The tick is one unit of
        the last decimal.

    """

    asset_classes: frozenset[AlpacaAssetClass] | None = None
    exchanges: frozenset[str] | None = None
    symbol_prefix: str | None = None
    tradable: bool | None = True
    shortable: bool | None = None
    fractionable: bool | None = None
    option_underlyings: tuple[str, ...] = ()
    option_expiry_from: str | None = None
    option_expiry_to: str | None = None
    option_strike_from: str | None = None
    option_strike_to: str | None = None
    option_type: str | None = None
    fractional_shares: bool = False
    equity_price_precision: PositiveInt = 2

    # The framework's own equality looks at three fields, and instrument providers are cached by their configuration.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, AlpacaInstrumentProviderConfig) and self.json() == other.json()

    def __hash__(self) -> int:
        return hash(self.json())


class AlpacaDataClientConfig(LiveDataClientConfig, frozen=True):
    """Market data.

    Parameters
    ----------
    api_key, api_secret : str, optional
        Without them the environment: ``ALPACA_API_KEY`` with ``ALPACA_SECRET_KEY`` or ``ALPACA_API_SECRET``, or
        ``APCA_API_KEY_ID`` with ``APCA_API_SECRET_KEY``.
    paper : bool, default True
        Live hosts are refused: no permit for live exists.
    feed : AlpacaDataFeed, default ``IEX``
        Of stocks, for streams and history.
    option_feed : str, default ``indicative``
        ``indicative`` or ``opra``.
    base_url_http, base_url_data, base_url_stream : str, optional
        Other places for the trading API, the data API and the data streams, such as `puna exchange`. One alone, of the
        trading API on loopback, stands for all.
    proxy_url : str, optional
        An HTTP proxy for all requests and streams.
    timeout_secs : PositiveFloat, default 10
        For a whole request.
    max_retries : NonNegativeInt, default 3
        Of what may be repeated.
    update_instruments_interval_mins : PositiveInt, optional, default 60
        How often instruments are loaded anew; ``None`` never.
    bars_timestamp_on_close : bool, default True
        `ts_event` of a bar is its end; False its beginning, as Alpaca stamps it.
    stale_after_secs : NonNegativeFloat, default 0
        A stream that is connected and mute for longer while something is subscribed is made anew; 0 never.

    """

    api_key: str | None = None
    api_secret: str | None = None
    paper: bool = True
    feed: AlpacaDataFeed = AlpacaDataFeed.IEX
    option_feed: str = "indicative"
    base_url_http: str | None = None
    base_url_data: str | None = None
    base_url_stream: str | None = None
    proxy_url: str | None = None
    timeout_secs: PositiveFloat = 10.0
    max_retries: NonNegative = 3
    update_instruments_interval_mins: PositiveInt | None = 60
    bars_timestamp_on_close: bool = True
    stale_after_secs: NonNegativeFloat = 0.0
    instrument_provider: AlpacaInstrumentProviderConfig = AlpacaInstrumentProviderConfig()


class AlpacaExecClientConfig(LiveExecClientConfig, frozen=True):
    """Orders, positions and the account.

    Parameters
    ----------
    api_key, api_secret : str, optional
        As for market data.
    paper : bool, default True
        Live hosts are refused: no permit for live exists.
    base_url_http, base_url_stream : str, optional
        Other places for the trading API and the trading stream. The first alone, on loopback, stands for both.
    proxy_url : str, optional
        An HTTP proxy for all requests and the stream.
    timeout_secs : PositiveFloat, default 10
        For a whole request.
    max_retries : NonNegativeInt, default 3
        Of what may be repeated; submits and replaces never are.
    settle_secs : PositiveFloat, default 2
        How long an order that was not answered may take to become visible, before its absence counts.
    settle_reads : PositiveInt, default 3
        How many reads in a row must miss it before the same order is sent again, with the same id.
    sweep_interval_secs : PositiveFloat, optional, default 10
        How often the broker is asked about orders that are open here, beside what the stream tells; ``None`` never.
    account_interval_secs : PositiveFloat, optional, default 30
        How often the account's balances are read, beside after each fill; ``None`` only then.

    """

    api_key: str | None = None
    api_secret: str | None = None
    paper: bool = True
    base_url_http: str | None = None
    base_url_stream: str | None = None
    proxy_url: str | None = None
    timeout_secs: PositiveFloat = 10.0
    max_retries: NonNegative = 3
    settle_secs: PositiveFloat = 2.0
    settle_reads: PositiveInt = 3
    sweep_interval_secs: PositiveFloat | None = 10.0
    account_interval_secs: PositiveFloat | None = 30.0
    instrument_provider: AlpacaInstrumentProviderConfig = AlpacaInstrumentProviderConfig()


def exec_engine_config(**changes: object) -> LiveExecEngineConfig:
    """Settings of the framework's execution engine that are right for Alpaca.

    The framework turns an order whose submit was never answered into REJECTED after a few queries; here it stays
    SUBMITTED until the broker says what became of it. The checks of open orders and positions, off by default in the
    framework, are on.
    """
    settings: dict[str, object] = {
        "reconciliation": True,
        "inflight_check_retries": _NEVER,
        "open_check_interval_secs": 10.0,
        "position_check_interval_secs": 60.0,
    }
    return LiveExecEngineConfig(**(settings | changes))
