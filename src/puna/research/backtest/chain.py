"""The option contracts of a history: those whose bars it holds, as the venue names and lists them.

Bars tell neither open interest nor whether a contract is in the penny programme; the first stays unknown, the second is
assumed. A contract counts as listed from the first bar of the whole history to its last session.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from datetime import date
from uuid import NAMESPACE_URL, uuid5

from puna.core import sessions
from puna.core.symbols import Option, is_symbol, parse
from puna.exchange.prices.listings import name_of
from puna.wire.codec import Amount
from puna.wire.contracts import OptionContract, OptionDeliverable

__all__ = ["Chain", "option_of"]

_HUNDRED = Amount(100)


def option_of(symbol: str) -> Option | None:
    """The contract that a symbol names, if it names one."""
    found = parse(symbol) if is_symbol(symbol) else None
    return found if isinstance(found, Option) else None


class Chain:
    """Contracts by underlying.

    Args:
        symbols: of the history, of all kinds.
        close_before: a contract, a day -> its last close before that day and the day of it.
    """

    def __init__(self, symbols: Iterable[str], close_before: Callable[[str, date], tuple[float, date] | None]) -> None:
        self._options = {symbol: option for symbol in sorted(symbols) if (option := option_of(symbol)) is not None}
        self._names = {_id(symbol): symbol for symbol in self._options} | {each: each for each in self._options}
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
        option = self._option(symbol)
        if option is None or option.expiration > sessions.date_of(now):
            return None
        last = sessions.day(option.expiration)
        return self.underlying(symbol) if last is None or now > last.close else None

    def underlying(self, symbol: str) -> str | None:
        """The stock of a contract, of those too that a split has made; None of anything else."""
        option = self._option(symbol)
        return None if option is None else option.root.rstrip("0123456789")  # AAPL1 delivers AAPL and something else

    def _option(self, symbol: str) -> Option | None:
        known = self._options.get(symbol)
        return option_of(symbol) if known is None and symbol[-8:].isdigit() else known

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
        stock = str(uuid5(NAMESPACE_URL, f"us_equity:{option.root}"))
        close = self._close_before(symbol, today)
        return OptionContract(
            id=_id(symbol),
            symbol=symbol,
            name=name_of(option),
            status="inactive" if over else "active",
            tradable=not over,
            expiration_date=option.expiration.isoformat(),
            root_symbol=option.root,
            underlying_symbol=option.root,
            underlying_asset_id=stock,
            type="call" if option.right == "C" else "put",
            style="american",
            strike_price=Amount(option.strike.normalize()),
            multiplier=_HUNDRED,
            size=_HUNDRED,
            close_price=None if close is None else Amount(str(close[0])),
            close_price_date=None if close is None else close[1].isoformat(),
            ppind=True,
            deliverables=[_shares(option.root, stock)],
        )


def _id(symbol: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"us_option:{symbol}"))


def _shares(underlying: str, asset_id: str) -> OptionDeliverable:
    return OptionDeliverable(
        type="equity",
        symbol=underlying,
        asset_id=asset_id,
        amount=_HUNDRED,
        allocation_percentage=_HUNDRED,
        settlement_type="T+1",
        settlement_method="CCC",
        delayed_settlement=False,
    )
