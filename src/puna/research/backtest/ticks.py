"""Every stored quote and print of a bar, for strategies that listen to them: these days are played tick by tick.

An order meets the quotes themselves then, and not a way through the bar: those that come after the one it was decided
on, in what the fill model leaves of the bar's volume. Prints elect stops; where none are stored, the middle does.
"""

from collections.abc import Callable, Mapping
from typing import Any

from puna.core import sessions
from puna.core.types import Quote, Trade
from puna.engine.strategy import Strategy
from puna.exchange.prices.bars import Timeframe
from puna.research.backtest.house import BarHouse
from puna.research.backtest.market import BarMarket, Glass
from puna.research.backtest.tape import Tape, Tick
from puna.research.backtest.view import HistoryView

__all__ = ["Ticks", "is_ticking"]


def is_ticking(team: Any, market: BarMarket) -> bool:
    """Whether somebody hears quotes or prints, and all symbols have stored quotes; bars of options have none."""
    listens = any(
        type(each).on_quote is not Strategy.on_quote or type(each).on_trade is not Strategy.on_trade for each in team
    )
    tapes = market.history.tapes
    known = all(name in tapes and tapes[name].quotes for name in market.history.columns)
    return listens and known and Timeframe.parse(market.history.timeframe).intraday


class Ticks:
    """Plays the ticks of one bar after the other.

    Args:
        house: strategies and venue.
        market: where steps are put.
        view: what the gateway sees.
        glasses: by symbol.
        mark: hears of instants at which something is due.
    """

    def __init__(
        self,
        house: BarHouse,
        market: BarMarket,
        view: HistoryView,
        glasses: Mapping[str, Glass],
        mark: Callable[[int], None],
    ) -> None:
        self._house = house
        self._market = market
        self._view = view
        self._glasses = glasses
        self._mark = mark
        self._until = 0
        self._rooms: dict[str, tuple[float, float]] = {}
        self._last: dict[str, Tick] = {}

    def covers(self, known: int) -> bool:
        """Whether all symbols have quotes of the day of a bar that ends then."""
        return all(self._tape(name).quoted(known - 1) for name in self._glasses)

    def play(self, rows: Mapping[str, int], opens: int, known: int) -> None:
        """What was quoted and printed up to the end of bars, from the end of the ones before, or the day's first."""
        begin = max(self._until, opens if self._until == 0 else self._session(opens))
        self._rooms = {name: (self._room(name, row), self._house.filled.get(name, 0.0)) for name, row in rows.items()}
        found = [(*each, name) for name in self._glasses for each in self._tape(name).between(begin, known - 1)]
        for ts, tick, name in sorted(found, key=lambda each: each[0]):
            self._tick(max(ts, self._house.clock.time + 1), tick, name)
        self._until = known
        self._view.live.clear()

    def _tick(self, ts: int, tick: Tick, name: str) -> None:
        """Resting orders meet it, and then who listens hears it; what is decided on it meets the next one."""
        house, glass = self._house, self._glasses[name]
        house.pass_to(ts - 1, self._mark)
        printed = tick.price is not None or not self._tape(name).prints
        quote = tick if tick.price is None else self._last.get(name)
        if quote is None:
            return  # a print before the first quote
        self._last[name] = quote
        price = tick.price if tick.price is not None else (quote.bid + quote.ask) / 2
        self._view.live[name] = Quote(name, quote.bid, quote.bid_size, quote.ask, quote.ask_size, ts, ts)
        self._put(glass, ts, price, quote, self._left(name), printed=printed)
        house.pass_to(ts + 1, self._mark)
        house.settle()
        self._put(glass, house.clock.time, price, quote, 0.0, printed=False)
        if tick.price is None:
            house.desk.hear_quote(self._view.live[name])
        else:
            house.desk.hear_trade(Trade(name, tick.price, tick.size, ts, ts))
        house.settle()

    def _put(self, glass: Glass, ts: int, price: float, quote: Tick, left: float, *, printed: bool) -> None:
        self._market.put(glass.step(ts, price, quote.bid, quote.ask, left, printed=printed))
        self._house.clock.time = ts
        self._house.advance(ts)

    def _left(self, name: str) -> float:
        """What is left to us of a bar's volume; without a bar nothing trades."""
        room, before = self._rooms.get(name, (0.0, 0.0))
        return max(0.0, room - (self._house.filled.get(name, 0.0) - before))

    def _room(self, name: str, row: int) -> float:
        glass = self._glasses[name]
        return glass.room(glass.shape(self._market.history.columns[name], row))

    def _session(self, opens: int) -> int:
        """The begin of the session that a bar lies in, of coins of nothing."""
        day = sessions.day(sessions.date_of(opens))
        return min(opens, day.open) if day is not None and day.open <= opens else opens

    def _tape(self, name: str) -> Tape:
        return self._market.history.tapes[name]
