"""The trading API's option contracts: GET /v2/options/contracts, by filters and in pages (fact sheet, 5.6)."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from aiohttp import web

from puna.core import sessions
from puna.exchange.floor import Floor
from puna.exchange.web import pages
from puna.exchange.web.answers import RefusedRequest, answer, boolean, error, number, words
from puna.exchange.web.bodies import without_nulls
from puna.exchange.web.data_options import ChainFilter, day_of, price_of
from puna.exchange.web.pages import Place
from puna.wire.contracts import OptionContract

__all__ = ["ContractsApi"]

_SUNDAY = 6


class ContractsApi:
    """Contracts in order of symbol. Without dates, those that expire before the coming weekend (facts.md 5.6)."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/options/contracts", self.contracts)
        router.add_get("/v2/options/contracts/{contract}", self.contract)

    async def contracts(self, request: web.Request) -> web.Response:
        limit = number(request.query, "limit", 100, 10_000, _invalid)
        place = pages.place_of(request.query.get("page_token", ""))
        found = list(islice(self._wanted(request, place.symbol if place else ""), limit + 1))
        shown = found[:limit]
        token = pages.token(Place(shown[-1].symbol, 0), "") if len(found) > limit else None
        return answer({"option_contracts": list(map(without_nulls, shown)), "next_page_token": token})

    async def contract(self, request: web.Request) -> web.Response:
        name = request.match_info["contract"]
        found = self._floor.market.contract(name, self._floor.now)
        if found is None:
            return error(404, 40410000, f"option contract not found for {name[:40]}")
        found.deliverables = None
        return answer(without_nulls(found))

    def _wanted(self, request: web.Request, after: str) -> Iterator[OptionContract]:
        query, market, now = request.query, self._floor.market, self._floor.now
        status = _choice(request, "status", ("active", "inactive"))
        style = _choice(request, "style", ("american", "european"))
        takes = _filter(request, sessions.date_of(now))
        shows = boolean(query, "show_deliverables")
        penny = boolean(query, "ppind") if "ppind" in query else None
        stocks = [asset.symbol for asset in market.assets() if asset.asset_class == "us_equity"]
        roots = words(query, "underlying_symbols") or tuple(stocks)
        for root in sorted(roots) if style == "american" else ():
            for symbol in market.listed(root, now):
                if symbol <= after or not takes.takes(symbol):
                    continue
                each = market.contract(symbol, now)
                if each and each.status == status and penny in (None, each.ppind):
                    each.deliverables = each.deliverables if shows else None
                    yield each


def _filter(request: web.Request, today: date) -> ChainFilter:
    query = request.query
    on = day_of(request, "expiration_date")
    first, last = on or day_of(request, "expiration_date_gte"), on or day_of(request, "expiration_date_lte")
    if first is None and last is None:
        last = today + timedelta(days=_SUNDAY - today.weekday())
    return ChainFilter(
        right=_choice(request, "type", ("call", "put")) if query.get("type") else None,
        strikes=(price_of(request, "strike_price_gte"), price_of(request, "strike_price_lte")),
        expirations=(first, last),
        root=query.get("root_symbol") or None,
    )


def _choice(request: web.Request, name: str, known: tuple[str, ...]) -> str:
    if (value := request.query.get(name, "") or known[0]) not in known:
        raise RefusedRequest(_invalid(f"invalid {name}: {value[:40]}"))
    return value


def _invalid(message: str) -> web.Response:
    return error(422, 42210001, message)
