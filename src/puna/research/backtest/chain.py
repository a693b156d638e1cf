"""The option contracts of a history: those whose bars it holds, as the venue names and lists them.

Bars tell neither open interest nor whether a contract is in the penny programme; the first stays unknown, the second is
assumed. A contract counts as listed from the first bar of the whole history to its last session.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from datetime import date

from puna.core import sessions
from puna.core.symbols import Option
from puna.engine.strategy import Strategy
from puna.exchange.option_margin import as_option
from puna.exchange.prices.contract_body import contract_body, contract_id
from puna.wire.codec import Amount
from puna.wire.contracts import OptionContract

__all__ = ["Chain", "looked_ahead"]


def looked_ahead(strategies: Iterable[Strategy]) -> dict[str, int]:
    """Underlying -> how many days ahead its contracts may end that any of the strategies looks for."""
    found: dict[str, int] = {}
    for root, days in (each for one in strategies for each in one.option_days.items()):
        found[root] = max(days, found.get(root, days))
    return found


class Chain:
    """Contracts by underlying.

    Args:
        symbols: of the history, of all kinds.
        close_before: a contract, a day -> its last close before that day and the day of it.
    """

    def __init__(self, symbols: Iterable[str], close_before: Callable[[str, date], tuple[float, date] | None]) -> None:
        self._options = {symbol: option for symbol in sorted(symbols) if (option := as_option(symbol)) is not None}
        self._names = {contract_id(symbol): symbol for symbol in self._options} | {each: each for each in self._options}
        self._roots: dict[str, list[str]] = {}
        for symbol, option in self._options.items():
            self._roots.setdefault(option.root, []).append(symbol)
        self._close_before = close_before
        self._made: dict[str, tuple[date, bool, OptionContract]] = {}

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._options

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def on(self, underlying: str) -> tuple[str, ...]:
        """Every contract on a stock, ended or not."""
        return tuple(self._roots.get(underlying, ()))

    def ends(self, symbol: str) -> date:
        """The last day of a contract."""
        return self._options[symbol].expiration

    def settlement(self, symbol: str, now: int) -> str | None:
        """What a contract ends at, its underlying, once its last session is over; None before, and of anything else."""
        option = as_option(symbol)
        if option is None or option.expiration > sessions.date_of(now):
            return None
        last = sessions.day(option.expiration)
        return self.underlying(symbol) if last is None or now > last.close else None

    def underlying(self, symbol: str) -> str | None:
        """The stock of a contract, of those too that a split has made; None of anything else."""
        option = as_option(symbol)
        return None if option is None else option.root.rstrip("0123456789")  # AAPL1 delivers AAPL and something else

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        """The contracts on a stock that do not end before the day of `now`, by symbol."""
        today = sessions.date_of(now)
        return tuple(each for each in self._roots.get(underlying, ()) if self._options[each].expiration >= today)

    def contract(self, name: str, now: int) -> OptionContract | None:
        """A contract by its symbol or its id, to the end of its last day; a copy, which is the caller's."""
        symbol, today = self._names.get(name, ""), sessions.date_of(now)
        option = self._options.get(symbol)
        if option is None or option.expiration < today:
            return None
        last = sessions.day(option.expiration)
        over = last is not None and now >= last.close
        kept = self._made.get(symbol)
        if kept is None or kept[:2] != (today, over):
            kept = self._made[symbol] = today, over, self._contract(symbol, option, today, over=over)
        return copy(kept[2])  # routes take the deliverables away from what they show

    def _contract(self, symbol: str, option: Option, today: date, *, over: bool) -> OptionContract:
        close = self._close_before(symbol, today)
        told = {} if close is None else {"close_price": Amount(str(close[0])), "close_price_date": close[1].isoformat()}
        return contract_body(symbol, option, over=over, penny=True, **told)
