"""Which bars a backtest runs on: what the store of history has, or the prices that ship with Puna."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from puna.config import Config
from puna.core import sessions
from puna.core.symbols import Option, asset_class, is_symbol, parse, underlying
from puna.core.types import AssetClass
from puna.engine.strategy import Strategy
from puna.errors import DataError
from puna.exchange.data import SYMBOLS, tape
from puna.research.backtest.chain import looked_ahead
from puna.research.backtest.data import History, bundled_days, bundled_minutes, stored
from puna.research.history.series import Series
from puna.research.history.store import Store

__all__ = ["history_for"]

MOST_INVENTED = 260
_AN_OPTION = "AAPL240315C00170000"  # any will do where only the kind of a symbol matters


def history_for(
    team: Sequence[Strategy],
    config: Config,
    *,
    store: Path,
    bundled: bool,
    timeframe: str | None,
    feed: str | None,
    adjustment: str,
    days: tuple[date | None, date | None],
    seed: int,
) -> History:
    """Bars of every symbol that the strategies name, of what options stand on, and of contracts within `option_days`.

    Of the timeframe that is asked for; else of days where all want days, of the one that all want where the store has
    it, of minutes otherwise.

    Raises:
        DataError: E675, there are none; E670, none of these days.
    """
    named = {symbol for each in team for symbol in each.symbols}
    roots = {root for each in team for root in each.option_days}
    symbols = sorted(named | {underlying(each) for each in named if is_symbol(each)} | roots)
    wanted = {each.timeframe for each in team}
    one = timeframe or (wanted.pop() if len(wanted) == 1 else "1Min")
    if not bundled:
        for frame in dict.fromkeys((one, "1Min")):
            if _has(Store(store), symbols, frame, config, feed, adjustment):
                chains = _contracts(Store(store), team, frame, _feed(_AN_OPTION, config, feed), days)
                found = _stored(Store(store), sorted({*symbols, *chains}), frame, config, feed, adjustment)
                return found.between(*days)
    return _bundled(symbols, one, days, seed, store)


def _feed(symbol: str, config: Config, feed: str | None) -> str:
    kind = asset_class(symbol)
    if kind is AssetClass.US_EQUITY:
        return feed or config.data.feed.removeprefix("delayed_")
    return (feed if feed and feed.startswith(("us", "eu", "own-")) else None) or (
        "us" if kind is AssetClass.CRYPTO else "opra"
    )


def _series(symbol: str, frame: str, config: Config, feed: str | None, adjustment: str) -> Series:
    stock = asset_class(symbol) is AssetClass.US_EQUITY
    return Series("bars", symbol, frame, _feed(symbol, config, feed), adjustment if stock else "raw")


def _has(store: Store, symbols: Sequence[str], frame: str, config: Config, feed: str | None, adjustment: str) -> bool:
    if not store.root.is_dir() or not symbols:
        return False
    folders = (store.root / _series(each, frame, config, feed, adjustment).folder for each in symbols)
    return all(any(folder.glob("[!.]*.parquet")) for folder in folders)


def _contracts(
    store: Store, team: Sequence[Strategy], frame: str, feed: str, days: tuple[date | None, date | None]
) -> list[str]:
    """The stored contracts that strategies look for by `option_days`, as far as they end while anybody could look."""
    reach = looked_ahead(team)
    first, last = (ordinal(day) for day, ordinal in zip(days, (_first, _last), strict=True))
    folder = (store.root / Series("bars", _AN_OPTION, frame, feed).folder).parent
    found = []
    for name in sorted(each.name for each in folder.glob("*") if is_symbol(each.name)) if reach else ():
        option = parse(name)
        if isinstance(option, Option) and option.root in reach:
            ends = option.expiration.toordinal()
            if first <= ends <= last + reach[option.root]:
                found.append(name)
    return found


def _first(day: date | None) -> int:
    return 0 if day is None else day.toordinal()


def _last(day: date | None) -> int:
    return date.max.toordinal() if day is None else day.toordinal()


def _stored(
    store: Store, symbols: Sequence[str], frame: str, config: Config, feed: str | None, adjustment: str
) -> History:
    return stored(store, [_series(symbol, frame, config, feed, adjustment) for symbol in symbols])


def _bundled(
    symbols: Sequence[str], frame: str, days: tuple[date | None, date | None], seed: int, store: Path
) -> History:
    """The prices that ship with Puna: real days, or invented minutes of them."""
    if not symbols:
        raise DataError(
            "The strategies name no symbols.",
            why="without a symbol there are no bars to hear",
            state="Nothing was run.",
            remedy='symbols = ["AAPL"], in the class or under [[strategy]]',
            code="E675",
        )
    if unknown := [symbol for symbol in symbols if symbol not in SYMBOLS]:
        raise DataError(
            f"There are no bars of {', '.join(unknown)}.",
            why=f"{store} holds none of that feed and timeframe, and with Puna come {', '.join(SYMBOLS)} only",
            state="Nothing was run.",
            remedy="puna data get SYMBOL --from DATE downloads; puna data import takes files; then --feed own-NAME",
            code="E675",
        )
    if frame == "1Day":
        return bundled_days(symbols, None, days[1]).between(*days)
    first, last = _span(symbols, days)
    count = len(sessions.trading_days(first, last))
    return bundled_minutes(symbols, first, min(count, MOST_INVENTED), seed=seed)


def _span(symbols: Sequence[str], days: tuple[date | None, date | None]) -> tuple[date, date]:
    """Days that all symbols have; a single day where nothing is said of the end."""
    known = set.intersection(*(set(tape(symbol).days) for symbol in symbols))
    start, end = days
    fitting = sorted(on for on in known if (start or on) <= on <= (end or on))
    if not fitting:
        raise DataError(
            f"There are no prices from {start} to {end}.",
            why=f"the prices that ship with Puna hold {min(known)} to {max(known)}",
            state="Nothing was run.",
            code="E670",
        )
    last = fitting[-1] if end or not start else fitting[0]
    return (fitting[0] if start else last), last
