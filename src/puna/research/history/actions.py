"""Corporate actions beside the bars: one Parquet file a stock, from the first day stored to the broker's today.

They say which jumps of raw prices are splits, and when adjusted bars that were stored are out of date: an action after
their download changes all that came before it.
"""

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from puna.alpaca.corporate import get_corporate_actions
from puna.alpaca.request import Page, Paging, Request
from puna.core.types import AssetClass
from puna.research.extra import library
from puna.research.history.series import Series
from puna.research.history.store import Store, read_metadata, write_whole
from puna.wire.codec import encode
from puna.wire.corporate import CashDividend, CorporateAction, ForwardSplit, ReverseSplit, StockDividend

__all__ = ["Action", "Asks", "actions_of", "download_actions", "outdated", "split_factors"]


class Asks(Protocol):
    """The client, as far as it is needed here: `AsyncAlpaca` is one."""

    def __call__(self, call: Request[Any], /) -> Any: ...


class Action(NamedTuple):
    """One action. `factor`: shares after it for each share before, 1 where it does not change them; `cash` a share.

    `body` is the broker's JSON.
    """

    symbol: str
    kind: str
    id: str
    on: date
    factor: float
    cash: float
    body: str


async def download_actions(ask: Asks, store: Store, wanted: Iterable[Series], first: date, now: int) -> int:
    """Stores the actions of the stocks whose bars are wanted, from `first`, or from where they were stored, to now."""
    stocks = {each.symbol: each for each in wanted if each.kind == "bars" and each.asset_class is AssetClass.US_EQUITY}
    count = 0
    for symbol, series in stocks.items():
        path, last = _path(store, symbol), series.day_of(now)
        start = min(first, date.fromisoformat(read_metadata(path)["first"])) if path.exists() else first
        found = [_action(symbol, each) for each in await _ask(ask, symbol, start, last)]
        days = {"symbol": symbol, "first": start.isoformat(), "last": last.isoformat(), "downloaded": now}
        write_whole(path, _frame(sorted(found, key=lambda each: (each.on, each.id))), days)
        count += len(found)
    return count


def actions_of(store: Store, symbol: str) -> list[Action]:
    """What is stored of a stock, by day; nothing where nothing was downloaded."""
    path = _path(store, symbol)
    if not path.exists():
        return []
    return [Action(*row) for row in library("polars").read_parquet(path).rows()]


def split_factors(store: Store, symbol: str) -> dict[date, float]:
    """Ex-date -> shares after it for each share before."""
    return {each.on: each.factor for each in actions_of(store, symbol) if each.factor != 1}


def outdated(store: Store, series: Series, downloaded: int, now: int) -> bool:
    """Whether an action since the download changes adjusted prices that are stored."""
    if series.adjustment == "raw":
        return False
    then, today = series.day_of(downloaded), series.day_of(now)
    return any(then < each.on <= today and (each.factor != 1 or each.cash) for each in actions_of(store, series.symbol))


async def _ask(ask: Asks, symbol: str, first: date, last: date) -> list[CorporateAction]:
    found: list[CorporateAction] = []
    paging = Paging(get_corporate_actions([symbol], start=first, end=last))
    while paging.request is not None:
        page: Page[CorporateAction] = await ask(paging.request)
        found += paging.take(page)
    return found


def _action(symbol: str, each: CorporateAction) -> Action:
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(each).__name__).lower()
    on = date.fromisoformat(each.ex_date or each.effective_date or each.process_date)
    factor, cash = 1.0, 0.0
    if isinstance(each, ForwardSplit | ReverseSplit):
        factor = float(each.new_rate / each.old_rate)
    elif isinstance(each, StockDividend):
        factor = 1 + float(each.rate)
    elif isinstance(each, CashDividend):
        cash = float(each.rate)
    return Action(symbol, kind, each.id, on, factor, cash, json.dumps(json.loads(encode(each))))


def _frame(found: list[Action]) -> Any:
    polars = library("polars")
    text, number = polars.String, polars.Float64
    types = {
        "symbol": text,
        "kind": text,
        "id": text,
        "on": polars.Date,
        "factor": number,
        "cash": number,
        "body": text,
    }
    return polars.DataFrame(found, schema=types, orient="row")


def _path(store: Store, symbol: str) -> Path:
    return store.root / "actions" / f"{symbol}.parquet"
