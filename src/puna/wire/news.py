"""News and the screener: GET /v1beta1/news, most actives, movers. Source: SPEC-D, fact sheet 6."""

import msgspec

from puna.wire.codec import Nanos, Price

__all__ = ["MostActive", "MostActives", "Mover", "Movers", "News", "NewsImage", "NewsPage"]


class NewsImage(msgspec.Struct, kw_only=True):
    """A picture of an article: `large`, `small` or `thumb`."""

    size: str
    url: str


class News(msgspec.Struct, kw_only=True):
    """An article; `content` is HTML, and empty unless it was asked for."""

    id: int
    headline: str
    created_at: Nanos
    updated_at: Nanos
    author: str = ""
    summary: str = ""
    content: str = ""
    url: str | None = None
    images: list[NewsImage] | None = None
    symbols: list[str] = []
    source: str = ""


class NewsPage(msgspec.Struct, kw_only=True):
    """GET /v1beta1/news."""

    news: list[News] | None = None
    next_page_token: str | None = None


class MostActive(msgspec.Struct, kw_only=True):
    """A symbol with its volume and its number of trades of the day."""

    symbol: str
    volume: Price
    trade_count: Price


class MostActives(msgspec.Struct, kw_only=True):
    """GET /v1beta1/screener/stocks/most-actives."""

    most_actives: list[MostActive]
    last_updated: Nanos


class Mover(msgspec.Struct, kw_only=True):
    """A symbol with its price and its change of the day, `percent_change` in percent."""

    symbol: str
    price: Price
    change: float
    percent_change: float


class Movers(msgspec.Struct, kw_only=True):
    """GET /v1beta1/screener/{market_type}/movers."""

    gainers: list[Mover]
    losers: list[Mover]
    market_type: str
    last_updated: Nanos
