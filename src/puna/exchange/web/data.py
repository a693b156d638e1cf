"""The market-data API as a whole: which part serves which route."""

from aiohttp import web
from aiohttp.typedefs import Handler

from puna.exchange.floor import Floor
from puna.exchange.options import ExchangeConfig
from puna.exchange.web.data_actions import ActionsApi
from puna.exchange.web.data_crypto import CryptoApi
from puna.exchange.web.data_news import NewsApi
from puna.exchange.web.data_options import OptionsApi
from puna.exchange.web.data_reference import ReferenceApi
from puna.exchange.web.data_stocks import StocksApi
from puna.seams import Clock

__all__ = ["add_data_routes", "is_data", "needs_no_key"]

_ROOTS = ("/v2/stocks", "/v1beta1/", "/v1beta3/", "/v1/corporate-actions")


def add_data_routes(
    router: web.UrlDispatcher, floor: Floor, config: ExchangeConfig, clock: Clock, stream: Handler
) -> None:
    """Every route; `stream` serves the news stream, which has the path of the news."""
    ReferenceApi().add_routes(router)
    StocksApi(floor, config).add_routes(router)
    OptionsApi(floor, config).add_routes(router)
    CryptoApi(floor).add_routes(router)
    NewsApi(floor, stream).add_routes(router)
    ActionsApi(floor, clock).add_routes(router)


def is_data(path: str) -> bool:
    """Whether a request is one of the data API, by its path."""
    return path.startswith(_ROOTS)


def needs_no_key(path: str) -> bool:
    """Crypto is told to anybody (facts.md 1, ABOUT)."""
    return path.startswith("/v1beta3/crypto/")
