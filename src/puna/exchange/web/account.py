"""The routes of the account: itself, configurations, activities, history, watchlists (SPEC-T; facts.md 4 and 5.7).

Wordings of refusals are INF where facts.md has none.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from puna.exchange.account.activities import TYPES, Query, meant, utc_day
from puna.exchange.account.commands import (
    AddToWatchlist,
    Configure,
    CreateWatchlist,
    DeleteWatchlist,
    DoNotExercise,
    Exercise,
    RemoveFromWatchlist,
    UpdateWatchlist,
)
from puna.exchange.account.history import Ask, InvalidHistory
from puna.exchange.commands import Command
from puna.exchange.floor import Floor
from puna.exchange.refusals import Refusal
from puna.exchange.web.answers import RefusedRequest, answer, boolean, moment, number, words
from puna.exchange.web.bodies import account_told, asset_told, without_nulls
from puna.exchange.web.requests import body_of, choice, invalid, refused
from puna.wire.account import Configurations, ConfigurationsChange, Watchlist, WatchlistRequest, WatchlistSymbol
from puna.wire.codec import decoder

__all__ = ["AccountApi"]

_CHANGE, _WATCHLIST, _SYMBOL = decoder(ConfigurationsChange), decoder(WatchlistRequest), decoder(WatchlistSymbol)
_PAGE = 100
_CATEGORIES = ("", "trade_activity", "non_trade_activity")


class AccountApi:
    """What belongs to the account, besides orders and positions."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v2/account", self.account)
        router.add_get("/v2/account/configurations", self.configurations)
        router.add_patch("/v2/account/configurations", self.configure)
        router.add_get("/v2/account/activities", self.activities)
        router.add_get("/v2/account/activities/{activity_type}", self.activities_of_type)
        router.add_get("/v2/account/portfolio/history", self.history)
        router.add_post("/v2/positions/{contract}/exercise", self.exercise)
        router.add_post("/v2/positions/{contract}/do-not-exercise", self.do_not_exercise)
        router.add_get("/v2/watchlists", self.watchlists)
        router.add_post("/v2/watchlists", self.create_watchlist)
        router.add_get("/v2/watchlists:by_name", self.watchlist)
        router.add_post("/v2/watchlists:by_name", self.add_to_watchlist)
        router.add_put("/v2/watchlists:by_name", self.update_watchlist)
        router.add_delete("/v2/watchlists:by_name", self.delete_watchlist)
        router.add_get("/v2/watchlists/{watchlist}", self.watchlist)
        router.add_post("/v2/watchlists/{watchlist}", self.add_to_watchlist)
        router.add_put("/v2/watchlists/{watchlist}", self.update_watchlist)
        router.add_delete("/v2/watchlists/{watchlist}", self.delete_watchlist)
        router.add_delete("/v2/watchlists/{watchlist}/{symbol}", self.remove_from_watchlist)

    async def account(self, _: web.Request) -> web.Response:
        return answer(account_told(self._floor.venue.account(self._floor.now)))

    async def configurations(self, _: web.Request) -> web.Response:
        return answer(_configurations(self._floor.venue.office.configurations))

    async def configure(self, request: web.Request) -> web.Response:
        return self._do(Configure(await body_of(request, _CHANGE)))

    async def activities(self, request: web.Request) -> web.Response:
        query = request.query
        category = choice(query, "category", _CATEGORIES)
        names = words(query, "activity_types")
        if names and category:
            raise RefusedRequest(invalid("category cannot be used with activity_types"))
        if category:
            return self._activities(request, {"FILL"} if category == "trade_activity" else TYPES - {"FILL"})
        return self._activities(request, _types(names) if names else TYPES)

    async def activities_of_type(self, request: web.Request) -> web.Response:
        return self._activities(request, _types((request.match_info["activity_type"].upper(),)))

    async def history(self, request: web.Request) -> web.Response:
        try:
            return answer(self._floor.venue.office.history(_ask(request), self._floor.now))
        except InvalidHistory as wrong:
            raise RefusedRequest(invalid(str(wrong))) from wrong

    async def exercise(self, request: web.Request) -> web.Response:
        return self._ask(Exercise(request.match_info["contract"]))

    async def do_not_exercise(self, request: web.Request) -> web.Response:
        return self._ask(DoNotExercise(request.match_info["contract"]))

    async def watchlists(self, _: web.Request) -> web.Response:
        return answer([without_nulls(each) for each in self._floor.venue.office.watchlists.all()])

    async def watchlist(self, request: web.Request) -> web.Response:
        name, by_name = _name(request)
        found = self._floor.venue.office.watchlists.get(name, by_name=by_name)
        if found is None:
            return refused(Refusal(404, 40410000, "watchlist not found"))
        return answer(_watchlist(found))

    async def create_watchlist(self, request: web.Request) -> web.Response:
        return self._do(CreateWatchlist(await body_of(request, _WATCHLIST)))

    async def update_watchlist(self, request: web.Request) -> web.Response:
        name, by_name = _name(request)
        return self._do(UpdateWatchlist(name, await body_of(request, _WATCHLIST), by_name))

    async def add_to_watchlist(self, request: web.Request) -> web.Response:
        name, by_name = _name(request)
        symbol = (await body_of(request, _SYMBOL)).symbol
        return self._do(AddToWatchlist(name, symbol or "", by_name))

    async def remove_from_watchlist(self, request: web.Request) -> web.Response:
        return self._do(RemoveFromWatchlist(request.match_info["watchlist"], request.match_info["symbol"]))

    async def delete_watchlist(self, request: web.Request) -> web.Response:
        return self._do(DeleteWatchlist(*_name(request)))

    def _do(self, command: Command) -> web.Response:
        reply = self._floor.execute(command)
        if isinstance(reply, Refusal):
            return refused(reply)
        if isinstance(reply, Watchlist):
            return answer(_watchlist(reply))
        if isinstance(reply, Configurations):
            return answer(_configurations(reply))
        return web.Response(status=204)

    def _ask(self, command: Command) -> web.Response:
        """200 without a body (SPEC-T)."""
        reply = self._floor.execute(command)
        return refused(reply) if isinstance(reply, Refusal) else web.Response(status=200)

    def _activities(self, request: web.Request, types: set[str] | frozenset[str]) -> web.Response:
        query = request.query
        after, until = moment(query, "after", invalid), moment(query, "until", invalid)
        if "date" in query:
            after, until = _day(query["date"])
        wanted = Query(
            types=types,
            order_id=query.get("order_id") or None,
            after=after,
            until=until,
            ascending=choice(query, "direction", ("desc", "asc")) == "asc",
            size=number(query, "page_size", _PAGE, _PAGE, invalid),
            token=query.get("page_token") or None,
        )
        return answer(self._floor.venue.office.activities.find(wanted))


def _types(names: tuple[str, ...]) -> set[str]:
    found = meant(names)
    if isinstance(found, str):
        raise RefusedRequest(invalid(f"invalid activity type: {found[:20]}"))
    return found


def _day(text: str) -> tuple[int, int]:
    """A UTC day (SPEC-T, `date`); of an instant the day it lies in."""
    try:
        return utc_day(text)
    except ValueError:
        raise RefusedRequest(invalid(f"invalid date: {text[:40]}")) from None


def _ask(request: web.Request) -> Ask:
    query = request.query
    reporting = choice(query, "intraday_reporting", ("market_hours", "extended_hours", "continuous"))
    if "intraday_reporting" not in query and boolean(query, "extended_hours"):
        reporting = "extended_hours"
    flows = words(query, "cashflow_types")
    return Ask(
        period=query.get("period") or None,
        timeframe=query.get("timeframe") or None,
        start=moment(query, "start", invalid),
        end=moment(query, "end", invalid),
        reporting=reporting,
        reset=choice(query, "pnl_reset", ("per_day", "no_reset")) == "per_day",
        cashflows=() if "NONE" in flows else flows if "ALL" in flows else tuple(_types_in_order(flows)),
    )


def _types_in_order(names: tuple[str, ...]) -> list[str]:
    return sorted(_types(names))


def _name(request: web.Request) -> tuple[str, bool]:
    """Which watchlist, and whether by name."""
    if "watchlist" in request.match_info:
        return request.match_info["watchlist"], False
    if not (name := request.query.get("name", "")):
        raise RefusedRequest(invalid("name is required"))
    return name, True


def _watchlist(body: Watchlist) -> Mapping[str, Any]:
    return {**without_nulls(body), "assets": [asset_told(each) for each in body.assets or ()]}


def _configurations(body: Configurations) -> Mapping[str, Any]:
    return without_nulls(body)
