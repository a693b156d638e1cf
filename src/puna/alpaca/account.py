"""The account's own calls: configurations, portfolio history, activities. Each answers a value to be sent.

Source: SPEC-T, fact sheet 4 and 5.7. There are no calls for wallets and transfers here.
"""

from collections.abc import Iterable
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import Lane, Moment, Page, Paged, Request, moment, query_string, reading, segment
from puna.wire.account import Configurations, ConfigurationsChange, PortfolioHistory
from puna.wire.activities import Activity
from puna.wire.codec import decoder, encode

__all__ = [
    "get_activities",
    "get_activities_of",
    "get_configurations",
    "get_portfolio_history",
    "set_configurations",
]

_activities = reading(decoder(list[Activity]))
_configurations = reading(decoder(Configurations))
_history = reading(decoder(PortfolioHistory))

ACTIVITIES_LIMIT = 100  # the most that one page may hold [SPEC-T]


@operation("GET /v2/account/configurations", "getAccountConfig")
def get_configurations() -> Request[Configurations]:
    """The account's switches: shorting, fractions, margin, suspension, options level."""
    return Request("GET", "/v2/account/configurations", _configurations, repeatable=True)


@operation("PATCH /v2/account/configurations", "patchAccountConfig")
def set_configurations(change: ConfigurationsChange) -> Request[Configurations]:
    """Changes the switches that `change` names; the answer has all of them."""
    return Request(
        "PATCH",
        "/v2/account/configurations",
        _configurations,
        body=encode(change),
        repeatable=True,
        lane=Lane.CANCEL if change.suspend_trade else Lane.ORDER,
    )


@operation("GET /v2/account/portfolio/history", "getAccountPortfolioHistory")
def get_portfolio_history(
    *,
    period: str | None = None,
    timeframe: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    intraday_reporting: Literal["market_hours", "extended_hours", "continuous"] | None = None,
    pnl_reset: Literal["per_day", "no_reset"] | None = None,
    extended_hours: bool | None = None,
    cashflow_types: str | None = None,
) -> Request[PortfolioHistory]:
    """Equity and profit over time.

    Args:
        period: a number and D, W, M or A, such as `1M`; not together with both `start` and `end`.
        timeframe: `1Min`, `5Min`, `15Min`, `1H` or `1D`; the broker chooses by the period when it is not given.
        start: the first instant.
        end: the last instant.
        intraday_reporting: which hours of the day, for timeframes below a day.
        pnl_reset: whether each day's profit starts at nought.
        extended_hours: the older form of `intraday_reporting`.
        cashflow_types: `ALL`, `NONE`, or activity types joined by commas.
    """
    query = query_string(
        period=period,
        timeframe=timeframe,
        start=moment(start),
        end=moment(end),
        intraday_reporting=intraday_reporting,
        pnl_reset=pnl_reset,
        extended_hours=extended_hours,
        cashflow_types=cashflow_types,
    )
    return Request("GET", f"/v2/account/portfolio/history{query}", _history, repeatable=True)


@operation("GET /v2/account/activities", "getAccountActivities")
def get_activities(
    types: Iterable[str] | None = None,
    *,
    category: Literal["trade_activity", "non_trade_activity"] | None = None,
    order_id: str | None = None,
    date: Moment | None = None,
    after: Moment | None = None,
    until: Moment | None = None,
    direction: Literal["asc", "desc"] = "desc",
    page_size: int = ACTIVITIES_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[Activity]:
    """Fills and everything else that moved cash or positions, to the end of the list.

    Args:
        types: such as `FILL`, `DIV`, `OPASN`; not together with `category`.
        category: trades, or everything else.
        order_id: the executions of one order.
        date: created on this day (not the day of settlement).
        after: created later than this.
        until: created earlier than this.
        direction: newest first, or oldest first.
        page_size: rows of one page, at most 100.
        lane: a recovery may be more urgent than a read.
    """
    parameters = {
        "activity_types": None if types is None else ",".join(types),
        "category": category,
        "order_id": order_id,
    }
    return _activity_pages("/v2/account/activities", parameters, date, after, until, direction, page_size, lane)


@operation("GET /v2/account/activities/{activity_type}", "getAccountActivitiesByActivityType")
def get_activities_of(
    activity_type: str,
    *,
    order_id: str | None = None,
    date: Moment | None = None,
    after: Moment | None = None,
    until: Moment | None = None,
    direction: Literal["asc", "desc"] = "desc",
    page_size: int = ACTIVITIES_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[Activity]:
    """The activities of one type; the parameters are those of `get_activities`."""
    path = f"/v2/account/activities/{segment(activity_type)}"
    return _activity_pages(path, {"order_id": order_id}, date, after, until, direction, page_size, lane)


def _activity_pages(
    path: str,
    parameters: dict[str, str | None],
    date: Moment | None,
    after: Moment | None,
    until: Moment | None,
    direction: str,
    page_size: int,
    lane: Lane,
) -> Paged[Activity]:
    """The token of the next page is the id of the last row; a page that is not full is the last one."""

    def page(token: str | None) -> Request[Page[Activity]]:
        query = query_string(
            **parameters,
            date=moment(date),
            after=moment(after),
            until=moment(until),
            direction=direction,
            page_size=page_size,
            page_token=token,
        )
        return Request("GET", f"{path}{query}", read, repeatable=True, lane=lane)

    def read(body: bytes) -> Page[Activity]:
        rows = _activities(body)
        return Page(rows, rows[-1].id if rows and len(rows) >= page_size else None)

    return Paged(page)
