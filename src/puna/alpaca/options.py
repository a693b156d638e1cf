"""The data API's calls for options: history, latest, snapshots, chains. Each answers a value to be sent.

Symbols are OCC without padding (`AAPL240621C00190000`). There are no historical quotes of options.
Source: SPEC-D, fact sheet 6.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias

from puna.alpaca.operations import operation
from puna.alpaca.request import (
    Lane,
    Moment,
    Page,
    Paged,
    Request,
    by_symbol,
    data_request,
    mapped,
    moment,
    reading,
    segment,
    tokens,
)
from puna.wire.codec import decoder
from puna.wire.market import Bar
from puna.wire.options import (
    OptionBarsPage,
    OptionLatestQuotes,
    OptionLatestTrades,
    OptionQuote,
    OptionSnapshot,
    OptionSnapshotsPage,
    OptionTrade,
    OptionTradesPage,
)

__all__ = [
    "OptionFeed",
    "get_option_bars",
    "get_option_chain",
    "get_option_conditions",
    "get_option_exchanges",
    "get_option_latest_quotes",
    "get_option_latest_trades",
    "get_option_snapshots",
    "get_option_trades",
]

OptionFeed: TypeAlias = Literal["opra", "indicative"]

ROWS_LIMIT = 10_000  # rows of a page of history, over all contracts [SPEC-D]
SNAPSHOTS_LIMIT = 1_000

_bars = reading(decoder(OptionBarsPage))
_bar_rows = by_symbol(_bars, lambda page: page.bars)
_trades = reading(decoder(OptionTradesPage))
_trade_rows = by_symbol(_trades, lambda page: page.trades)
_snapshots = reading(decoder(OptionSnapshotsPage))
_latest_quotes = mapped(reading(decoder(OptionLatestQuotes)), lambda answer: answer.quotes)
_latest_trades = mapped(reading(decoder(OptionLatestTrades)), lambda answer: answer.trades)
_words = reading(decoder(dict[str, str]))


@operation("GET /v1beta1/options/bars", "optionBars")
def get_option_bars(
    symbols: Iterable[str],
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Bar]]:
    """Bars with their contracts, by contract and then time, to the last page; `start` and `end` inclusive."""
    return tokens(
        "/v1beta1/options/bars",
        _bar_rows,
        lane=lane,
        symbols=",".join(symbols),
        timeframe=timeframe,
        start=moment(start),
        end=moment(end),
        sort=sort,
        limit=limit,
    )


@operation("GET /v1beta1/options/trades", "OptionTrades")
def get_option_trades(
    symbols: Iterable[str],
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ROWS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, OptionTrade]]:
    """Trades with their contracts, by contract and then time, to the last page; `start` and `end` inclusive."""
    return tokens(
        "/v1beta1/options/trades",
        _trade_rows,
        lane=lane,
        symbols=",".join(symbols),
        start=moment(start),
        end=moment(end),
        sort=sort,
        limit=limit,
    )


@operation("GET /v1beta1/options/quotes/latest", "OptionLatestQuotes")
def get_option_latest_quotes(
    symbols: Iterable[str], *, feed: OptionFeed | None = None
) -> Request[dict[str, OptionQuote]]:
    """The newest quote of each contract that has one; at most 100 contracts."""
    return data_request("/v1beta1/options/quotes/latest", _latest_quotes, symbols=symbols, feed=feed)


@operation("GET /v1beta1/options/trades/latest", "OptionLatestTrades")
def get_option_latest_trades(
    symbols: Iterable[str], *, feed: OptionFeed | None = None
) -> Request[dict[str, OptionTrade]]:
    """The newest trade of each contract that has one; at most 100 contracts."""
    return data_request("/v1beta1/options/trades/latest", _latest_trades, symbols=symbols, feed=feed)


@operation("GET /v1beta1/options/snapshots", "OptionSnapshots")
def get_option_snapshots(
    symbols: Iterable[str],
    *,
    feed: OptionFeed | None = None,
    updated_since: Moment | None = None,
    limit: int = SNAPSHOTS_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[tuple[str, OptionSnapshot]]:
    """The newest of everything of each contract, with Greeks and implied volatility where there are any."""
    return tokens(
        "/v1beta1/options/snapshots",
        _snapshot_rows,
        lane=lane,
        symbols=",".join(symbols),
        feed=feed,
        updated_since=moment(updated_since),
        limit=limit,
    )


@operation("GET /v1beta1/options/snapshots/{underlying_symbol}", "OptionChain")
def get_option_chain(
    underlying_symbol: str,
    *,
    type: Literal["call", "put"] | None = None,  # noqa: A002 - Alpaca's name
    expiration_date: date | None = None,
    expiration_date_gte: date | None = None,
    expiration_date_lte: date | None = None,
    strike_price_gte: Decimal | None = None,
    strike_price_lte: Decimal | None = None,
    root_symbol: str | None = None,
    feed: OptionFeed | None = None,
    updated_since: Moment | None = None,
    limit: int = SNAPSHOTS_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[tuple[str, OptionSnapshot]]:
    """The chain of one underlying: the snapshots of its contracts, to the last page."""
    return tokens(
        f"/v1beta1/options/snapshots/{segment(underlying_symbol)}",
        _snapshot_rows,
        lane=lane,
        type=type,
        expiration_date=expiration_date,
        expiration_date_gte=expiration_date_gte,
        expiration_date_lte=expiration_date_lte,
        strike_price_gte=strike_price_gte,
        strike_price_lte=strike_price_lte,
        root_symbol=root_symbol,
        feed=feed,
        updated_since=moment(updated_since),
        limit=limit,
    )


@operation("GET /v1beta1/options/meta/conditions/{ticktype}", "OptionMetaConditions")
def get_option_conditions(ticktype: Literal["trade", "quote"]) -> Request[dict[str, str]]:
    """What the condition codes mean."""
    return data_request(f"/v1beta1/options/meta/conditions/{segment(ticktype)}", _words)


@operation("GET /v1beta1/options/meta/exchanges", "OptionMetaExchanges")
def get_option_exchanges() -> Request[dict[str, str]]:
    """What the exchange codes mean."""
    return data_request("/v1beta1/options/meta/exchanges", _words)


def _snapshot_rows(body: bytes) -> Page[tuple[str, OptionSnapshot]]:
    page = _snapshots(body)
    return Page(list(page.snapshots.items()), page.next_page_token or None)
