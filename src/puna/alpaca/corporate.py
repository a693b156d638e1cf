"""Corporate actions: those of the data API, and the older announcements. Each call answers a value to be sent.

Source: SPEC-D and SPEC-T, fact sheet 6.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import Lane, Page, Paged, Request, query_string, reading, segment, tokens
from puna.wire.codec import decoder
from puna.wire.corporate import Announcement, CorporateAction, CorporateActionsPage

__all__ = ["get_announcement", "get_announcements", "get_corporate_actions"]

_announcement = reading(decoder(Announcement))
_announcements = reading(decoder(list[Announcement]))
_page = reading(decoder(CorporateActionsPage))

ACTIONS_LIMIT = 1_000  # the most that one page may hold [SPEC-D]


@operation("GET /v1/corporate-actions", "CorporateActions")
def get_corporate_actions(
    symbols: Iterable[str] | None = None,
    *,
    types: Iterable[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    cusips: Iterable[str] | None = None,
    ids: Iterable[str] | None = None,
    region: Literal["us", "non_us", "all"] | None = None,
    data_quality: Literal["complete", "all"] | None = None,
    sort: Literal["asc", "desc"] = "asc",
    limit: int = ACTIONS_LIMIT,
) -> Paged[CorporateAction]:
    """Corporate actions by the day they are processed, to the last page; the class of each says what it is.

    Args:
        symbols: whose; all when not given.
        types: such as `cash_dividend` or `forward_split`; all when not given.
        start: the first day; today when not given.
        end: the last day, inclusive; today when not given.
        cusips: whose, by CUSIP.
        ids: these and no others; excludes every other filter.
        region: US, elsewhere, or both.
        data_quality: `complete` leaves out what is not known in full yet.
        sort: by the day.
        limit: rows of one page.
    """
    return tokens(
        "/v1/corporate-actions",
        _rows,
        symbols=symbols if symbols is None else ",".join(symbols),
        types=types if types is None else ",".join(types),
        start=start,
        end=end,
        cusips=cusips if cusips is None else ",".join(cusips),
        ids=ids if ids is None else ",".join(ids),
        region=region,
        data_quality=data_quality,
        sort=sort,
        limit=limit,
    )


@operation("GET /v2/corporate_actions/announcements", "get-v2-corporate_actions-announcements")
def get_announcements(
    ca_types: Iterable[str],
    since: date,
    until: date,
    *,
    symbol: str | None = None,
    cusip: str | None = None,
    date_type: Literal["declaration_date", "ex_date", "record_date", "payable_date"] | None = None,
) -> Request[list[Announcement]]:
    """Announcements of at most 90 days, both days inclusive; deprecated by Alpaca in favour of `get_corporate_actions`.

    Args:
        ca_types: `dividend`, `merger`, `spinoff`, `split`.
        since: the first day.
        until: the last day.
        symbol: of the company that announces.
        cusip: of the company that announces.
        date_type: which of its days is meant.
    """
    query = query_string(ca_types=ca_types, since=since, until=until, symbol=symbol, cusip=cusip, date_type=date_type)
    path = f"/v2/corporate_actions/announcements{query}"
    return Request("GET", path, _announcements, repeatable=True, lane=Lane.BACKFILL)


@operation("GET /v2/corporate_actions/announcements/{id}", "get-v2-corporate_actions-announcements-id")
def get_announcement(announcement_id: str) -> Request[Announcement]:
    """One announcement."""
    path = f"/v2/corporate_actions/announcements/{segment(announcement_id)}"
    return Request("GET", path, _announcement, repeatable=True)


def _rows(body: bytes) -> Page[CorporateAction]:
    page = _page(body)
    kinds = page.corporate_actions
    rows = [action for name in kinds.__struct_fields__ for action in getattr(kinds, name)]
    return Page(rows, page.next_page_token or None)
