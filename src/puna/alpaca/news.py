"""News, the screener, logos. Each call answers a value to be sent. Source: SPEC-D, fact sheet 6."""

from collections.abc import Iterable
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import (
    Lane,
    Moment,
    Page,
    Paged,
    Request,
    data_request,
    moment,
    query_string,
    reading,
    segment,
    tokens,
)
from puna.wire.codec import decoder
from puna.wire.news import MostActives, Movers, News, NewsPage

__all__ = ["get_logo", "get_most_actives", "get_movers", "get_news"]

_most_actives = reading(decoder(MostActives))
_movers = reading(decoder(Movers))
_news = reading(decoder(NewsPage))

NEWS_LIMIT = 50  # the most that one page may hold [SPEC-D]


@operation("GET /v1beta1/news", "News")
def get_news(
    symbols: Iterable[str] | None = None,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    sort: Literal["asc", "desc"] = "desc",
    include_content: bool | None = None,
    exclude_contentless: bool | None = None,
    limit: int = NEWS_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[News]:
    """Articles by the time they were updated, to the last page; `content` is empty unless it is asked for."""
    return tokens(
        "/v1beta1/news",
        _articles,
        lane=lane,
        symbols=symbols if symbols is None else ",".join(symbols),
        start=moment(start),
        end=moment(end),
        sort=sort,
        include_content=include_content,
        exclude_contentless=exclude_contentless,
        limit=limit,
    )


@operation("GET /v1beta1/screener/stocks/most-actives", "MostActives")
def get_most_actives(by: Literal["volume", "trades"] = "volume", top: int = 10) -> Request[MostActives]:
    """The most active stocks of the day, at most 100."""
    return data_request("/v1beta1/screener/stocks/most-actives", _most_actives, by=by, top=top)


@operation("GET /v1beta1/screener/{market_type}/movers", "Movers")
def get_movers(market_type: Literal["stocks", "crypto"] = "stocks", top: int = 10) -> Request[Movers]:
    """The greatest gains and losses of the day, at most 50 of each."""
    return data_request(f"/v1beta1/screener/{segment(market_type)}/movers", _movers, top=top)


@operation("GET /v1beta1/logos/{symbol}", "Logos")
def get_logo(symbol: str, *, placeholder: bool | None = None) -> Request[bytes]:
    """A company's logo, as a PNG; a made-up one where there is none, unless `placeholder` is False."""
    path = f"/v1beta1/logos/{segment(symbol)}{query_string(placeholder=placeholder)}"
    return Request("GET", path, bytes, api="data", repeatable=True, headers={"Accept": "image/png"})


def _articles(body: bytes) -> Page[News]:
    page = _news(body)
    return Page(page.news or [], page.next_page_token or None)
