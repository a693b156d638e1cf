"""The data API's calls for US stocks: bars, and the latest quotes, trades and bars. Each answers a value to be sent.

Source: SPEC-D, and the fact sheet, section 6.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal, TypeAlias

from puna.alpaca.request import Lane, Page, Paged, Request, mapped, query_string, reading
from puna.wire.codec import decoder, format_time
from puna.wire.market import Bar, BarsPage, LatestBars, LatestQuotes, LatestTrades, Quote, Trade

__all__ = ["Moment", "get_bars", "get_latest_bars", "get_latest_quotes", "get_latest_trades"]

Moment: TypeAlias = int | date | datetime
"""Nanoseconds since the epoch, a day, or an aware datetime."""

BARS_LIMIT = 10_000  # rows of a page, over all symbols [SPEC-D]

_bars_page = reading(decoder(BarsPage))
_latest_quotes = mapped(reading(decoder(LatestQuotes)), lambda answer: answer.quotes)
_latest_trades = mapped(reading(decoder(LatestTrades)), lambda answer: answer.trades)
_latest_bars = mapped(reading(decoder(LatestBars)), lambda answer: answer.bars)


def get_bars(
    symbols: Iterable[str],
    timeframe: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    adjustment: str = "raw",
    feed: str | None = None,
    asof: str | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = BARS_LIMIT,
    lane: Lane = Lane.BACKFILL,
) -> Paged[tuple[str, Bar]]:
    """Bars with their symbols, by symbol and then time, to the last page; symbols without data do not occur.

    Args:
        symbols: up to a few hundred.
        timeframe: `1Min` to `59Min`, `1Hour` to `23Hour`, `1Day`, `1Week`, `1Month` and the like.
        start: inclusive; without it, the beginning of the current day.
        end: inclusive.
        adjustment: `raw`, `split`, `dividend`, `spin-off`, `all`, or several, joined by commas.
        feed: `sip`, `iex`, `boats` or `otc`; without it, the best of the plan.
        asof: the day whose symbols are meant; `-` switches the mapping of renamed symbols off.
        sort: by time, within a symbol.
        limit: rows of one page.
        lane: backfill yields to everything else; a warm-up may ask for more.
    """
    names = ",".join(symbols)

    def page(token: str | None) -> Request[Page[tuple[str, Bar]]]:
        query = query_string(
            symbols=names,
            timeframe=timeframe,
            start=_moment(start),
            end=_moment(end),
            adjustment=adjustment,
            feed=feed,
            asof=asof,
            sort=sort,
            limit=limit,
            page_token=token,
        )
        return Request("GET", f"/v2/stocks/bars{query}", _rows, api="data", repeatable=True, lane=lane)

    return Paged(page)


def get_latest_quotes(symbols: Iterable[str], *, feed: str | None = None) -> Request[dict[str, Quote]]:
    """The newest quote of each symbol that has one."""
    return Request("GET", _latest("quotes", symbols, feed), _latest_quotes, api="data", repeatable=True)


def get_latest_trades(symbols: Iterable[str], *, feed: str | None = None) -> Request[dict[str, Trade]]:
    """The newest trade of each symbol that has one."""
    return Request("GET", _latest("trades", symbols, feed), _latest_trades, api="data", repeatable=True)


def get_latest_bars(symbols: Iterable[str], *, feed: str | None = None) -> Request[dict[str, Bar]]:
    """The newest minute bar of each symbol that has one."""
    return Request("GET", _latest("bars", symbols, feed), _latest_bars, api="data", repeatable=True)


def _latest(what: str, symbols: Iterable[str], feed: str | None) -> str:
    return f"/v2/stocks/{what}/latest{query_string(symbols=','.join(symbols), feed=feed)}"


def _rows(body: bytes) -> Page[tuple[str, Bar]]:
    page = _bars_page(body)
    rows = [(symbol, bar) for symbol, bars in (page.bars or {}).items() for bar in bars]
    return Page(rows, page.next_page_token or None)


def _moment(moment: Moment | None) -> str | None:
    if moment is None:
        return None
    if isinstance(moment, int):
        return format_time(moment)
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError(f"a time without an offset: {moment}")
    return moment.isoformat()
