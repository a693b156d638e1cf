"""Options on the replayed stocks: contracts, quotes, prints and Greeks, each computed when somebody asks for it.

A quote follows the underlying's quote of the same moment through the surface, and stands on the ticks of the penny
programme. Prints are seeded, most where the strike is near and the expiry soon, each at the bid or the ask of its
moment. Nothing is kept but what is quick to make again, so a market whose options nobody asks for costs nothing.

When the underlying splits into a whole number of shares, the contracts of the day before are listed on at their new
strikes beside the new grid, as far as those can be written. History reaches as far back as the stock's minutes do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from math import floor
from typing import NamedTuple

from puna.core import sessions
from puna.core.symbols import Option
from puna.exchange.data import Split
from puna.exchange.option_margin import as_option
from puna.exchange.prices import bars as candles
from puna.exchange.prices import blackscholes, listings, surface
from puna.exchange.prices.bars import MINUTE, UNIT, Candle, Timeframe
from puna.exchange.prices.blackscholes import Contract, Greeks, Sensitivities
from puna.exchange.prices.contract_body import contract_body, contract_id
from puna.exchange.prices.market import BAR_DELAY
from puna.exchange.prices.playback import Session
from puna.exchange.prices.stocks import ReplayMarket
from puna.seams import seeded_rng
from puna.wire.codec import Amount, Nanos
from puna.wire.contracts import OptionContract
from puna.wire.market import Bar
from puna.wire.stream import QuoteMessage, TradeMessage

__all__ = ["OFF_PENNIES", "Chains"]

OFF_PENNIES = frozenset({"IBM"})
"""Underlyings outside the penny programme. In truth all of these stocks are in it; here one is not, for the ticks."""

_YEAR_NS = 365 * 86_400 * 1_000_000_000
_EXCHANGES = "ABCDEHIMNPQXZ"
_HUNDRED = Amount(100)
_KEPT = 4096
_ID_LENGTH = 36


class _Terms(NamedTuple):
    """A listed contract, ready to be priced."""

    symbol: str
    root: str
    expiration: date
    call: bool
    strike: float
    expires_ns: int


class _Print(NamedTuple):
    """A trade of a contract: at a step of its day, by a buyer or a seller."""

    step: int
    at_ask: bool
    size: int


class Chains:
    """Every option on the stocks of a market.

    Args:
        stocks: the underlyings; their current quote is the time of every answer.
        seed: of prints, sizes and open interest.
        splits: further splits than those of the stocks' data.
    """

    def __init__(self, stocks: ReplayMarket, *, seed: int, splits: Iterable[Split] = ()) -> None:
        self._stocks = stocks
        self._splits: dict[str, list[Split]] = {}
        for split in (*(each for symbol in stocks.symbols for each in stocks.splits(symbol)), *splits):
            self._splits.setdefault(split.symbol, []).append(split)
        self._seed = seed
        self._level = lru_cache(maxsize=256)(self._level_on)
        self._terms = lru_cache(maxsize=4 * _KEPT)(self._terms_of)
        self._by_step = lru_cache(maxsize=8)(self._by_step_of)
        self._tape = lru_cache(maxsize=_KEPT)(self._tape_of)
        self._prints = lru_cache(maxsize=_KEPT)(self._prints_of)
        self._ids = lru_cache(maxsize=2)(self._ids_on)
        self._listed = lru_cache(maxsize=64)(self._listed_on)
        self._quotes: dict[str, QuoteMessage] = {}

    @property
    def underlyings(self) -> tuple[str, ...]:
        return self._stocks.symbols

    # Contracts.

    def contracts(self, underlying: str, now: int) -> list[OptionContract]:
        """The chain that is listed today, by symbol; what expires today is inactive after the close."""
        on = sessions.date_of(now)
        return [self._contract(symbol, on, now) for symbol in self._listed(underlying, on)]

    def listed(self, underlying: str, now: int) -> tuple[str, ...]:
        """The symbols of today's chain."""
        return self._listed(underlying, sessions.date_of(now))

    def contract(self, name: str, now: int) -> OptionContract | None:
        """One contract by its symbol, or by its id if it is in the chain of today."""
        on = sessions.date_of(now)
        if self.exists(name, on):
            return self._contract(name, on, now)
        symbol = self._ids(on).get(name) if len(name) == _ID_LENGTH else None
        return None if symbol is None else self._contract(symbol, on, now)

    def exists(self, symbol: str, on: date) -> bool:
        """Whether there is such a contract on that day, in today's list or not."""
        option = as_option(symbol)
        close = self._stocks.close_before(option.root, on) if option else None
        if option is None or close is None:
            return False
        return listings.is_listed(option, on, close) or self._is_adjusted(option, on)

    def _is_adjusted(self, option: Option, on: date) -> bool:
        """Whether a split made it of a contract that there was on the day before."""
        if option.expiration < on:
            return False
        return any(
            self.exists(str(replace(option, strike=option.strike * ratio)), before)
            for before, ratio in self._whole(option.root, on)
        )

    def _whole(self, underlying: str, on: date) -> Iterator[tuple[date, int]]:
        """The splits into a whole number of shares up to that day: the trading day before, how many for one."""
        for split in self._splits.get(underlying, ()):
            ratio, rest = divmod(split.new_rate, split.old_rate)
            if split.ex_date <= on <= split.ex_date + listings.YEARS and ratio > 1 and not rest:
                yield sessions.previous_trading_day(split.ex_date).date, ratio

    def _listed_on(self, underlying: str, on: date) -> tuple[str, ...]:
        close = self._stocks.close_before(underlying, on)
        if close is None:
            return ()
        thousandths = list(listings.strikes(close))
        grid = (
            f"{underlying}{expiry:%y%m%d}{right}{strike:08d}"
            for expiry in listings.expirations(on)
            for right in "CP"
            for strike in thousandths
        )
        carried = set(self._carried(underlying, on))
        return tuple(sorted({*grid, *carried})) if carried else tuple(grid)

    def _carried(self, underlying: str, on: date) -> Iterator[str]:
        """What splits made of the contracts that were listed before them, as long as those live."""
        for before, ratio in self._whole(underlying, on):
            for option in map(_known, self._listed(underlying, before)):
                strike = option.strike / ratio
                if option.expiration >= on and not strike * 1000 % 1:
                    yield str(replace(option, strike=strike))

    def _ids_on(self, on: date) -> dict[str, str]:
        return {contract_id(symbol): symbol for root in self.underlyings for symbol in self._listed(root, on)}

    def _contract(self, symbol: str, on: date, now: int) -> OptionContract:
        option, terms = _known(symbol), self._terms(symbol)
        over = now >= terms.expires_ns
        before = sessions.previous_trading_day(on)
        return contract_body(
            symbol,
            option,
            over=over,
            penny=option.root not in OFF_PENNIES,
            open_interest=Amount(self._open_interest(terms, before.date)),
            open_interest_date=before.date.isoformat(),
            close_price=self._close_price(terms, on, before.close),
            close_price_date=before.date.isoformat(),
        )

    def _open_interest(self, terms: _Terms, on: date) -> int:
        rng = seeded_rng(f"{self._seed}:interest:{terms.symbol}:{on}")
        return self._liveliness(terms, on) * (40 + rng.getrandbits(6))

    def _close_price(self, terms: _Terms, on: date, closed_ns: int) -> Amount | None:
        close = self._stocks.close_before(terms.root, on)
        if close is None:
            return None
        theory = self._theory(terms, close / 100, closed_ns)
        step = listings.tick(theory, penny=terms.root not in OFF_PENNIES)
        return Amount(max(1, floor(theory / float(step) + 0.5)) * step)

    # Prices.

    def quote(self, symbol: str) -> QuoteMessage | None:
        """The quote that goes with the underlying's current one; None where there is none, or no such contract."""
        option = as_option(symbol)
        under = self._stocks.quote(option.root) if option else None
        if under is None:
            return None
        kept = self._quotes.get(symbol)
        if kept is None or kept.t != under.t:
            if not self.exists(symbol, sessions.date_of(under.t)):
                return None
            kept = self._quote(self._terms(symbol), (under.bp + under.ap) / 2.0, under.t)
            if kept is not None:
                self._quotes[symbol] = kept
        return kept

    def trade(self, symbol: str) -> TradeMessage | None:
        """The last print, as far back as history reaches."""
        option = as_option(symbol)
        under = self._stocks.quote(option.root) if option else None
        return next(self._backwards(symbol, under.t), None) if under else None

    def trades(self, symbol: str, start: int | None, end: int | None, now: int) -> list[TradeMessage]:
        """Prints between two times, both included, as far as they are known at `now`; oldest first."""
        last = now if end is None else min(end, now)
        return [each for each in self._forwards(symbol, start or 0, last) if (start or 0) <= each.t <= last]

    def prints_at(self, underlying: str, ts: int) -> list[TradeMessage]:
        """The prints of the listed chain at exactly that moment."""
        for session in self._stocks.recent(underlying):
            if session.open_ns <= ts < session.close_ns:
                step = (ts - session.open_ns) // self._stocks.step_ns
                printed = self._by_step(underlying, session).get(step, ()) if ts == self._moment(session, step) else ()
                return [told for symbol, each in printed if (told := self._told(symbol, session, each))]
        return []

    def _by_step_of(self, underlying: str, session: Session) -> dict[int, list[tuple[str, _Print]]]:
        found: dict[int, list[tuple[str, _Print]]] = {}
        for symbol in self._listed(underlying, session.date):
            for each in self._prints(symbol, session):
                found.setdefault(each.step, []).append((symbol, each))
        return found

    def bars(self, symbol: str, timeframe: str, start: int | None, end: int | None, now: int) -> list[Bar]:
        """Bars of prints whose left edge lies in [start, end], as far as they are known at `now`; oldest first."""
        frame = Timeframe.parse(timeframe)
        known = self._candles(symbol, start, now)
        return [
            candles.wire_bar(each)
            for each in candles.fold(known, frame)
            if (start is None or start <= each.start) and (end is None or each.start <= end)
        ]

    def _candles(self, symbol: str, start: int | None, now: int) -> Iterator[Candle]:
        """Minutes with prints, as far as they are known at `now`."""
        since = candles.midnight(sessions.date_of(start)) if start else 0
        minute: list[TradeMessage] = []
        for each in self._forwards(symbol, since, now):
            if minute and each.t // MINUTE != minute[0].t // MINUTE:
                yield from _candle(minute)
                minute = []
            minute.append(each)
        if minute and minute[0].t - minute[0].t % MINUTE + MINUTE + BAR_DELAY <= now:
            yield from _candle(minute)

    def greeks(self, symbol: str) -> Greeks | None:
        """What the quote implies; None on the last day, for a zero bid or ask, before the stock's first print (FAQ)."""
        quote = self.quote(symbol)
        option = as_option(symbol)
        under = self._stocks.quote(option.root) if option else None
        if quote is None or option is None or under is None or self._stocks.trade(option.root) is None:
            return None
        if not quote.bp or not quote.ap or option.expiration == sessions.date_of(quote.t):
            return None
        terms = self._terms(symbol)
        years = (terms.expires_ns - quote.t) / _YEAR_NS
        here = Contract(terms.call, (under.bp + under.ap) / 2.0, terms.strike, years)
        implied = blackscholes.implied_volatility(here, (quote.bp + quote.ap) / 2.0)
        if implied is None:
            return None
        found = blackscholes.sensitivities(here, implied)
        return Greeks(_rounded(implied), Sensitivities(*map(_rounded, found)))

    def _quote(self, terms: _Terms, spot: float, ts: int) -> QuoteMessage | None:
        if ts >= terms.expires_ns:
            return None
        bid, ask = self._sides(terms, spot, ts)
        rng = seeded_rng(f"{terms.symbol}:{ts}")
        return QuoteMessage(
            S=terms.symbol,
            t=ts,
            bp=float(bid),
            bs=float(1 + rng.getrandbits(8)) if bid else 0.0,
            ap=float(ask),
            as_=float(1 + rng.getrandbits(8)),
            bx=_EXCHANGES[rng.getrandbits(8) % len(_EXCHANGES)],
            ax=_EXCHANGES[rng.getrandbits(8) % len(_EXCHANGES)],
            c="A",
        )

    def _sides(self, terms: _Terms, spot: float, ts: int) -> tuple[Decimal, Decimal]:
        """Bid and ask around the value, on ticks, one tick apart at least; the bid of what is worth little is 0."""
        theory = self._theory(terms, spot, ts)
        half = 0.004 + theory * 0.01
        penny = terms.root not in OFF_PENNIES
        bid = _on_tick(theory - half, up=False, penny=penny)
        ask = _on_tick(theory + half, up=True, penny=penny)
        return bid, ask if ask > bid else bid + listings.tick(bid, penny=penny)

    def _theory(self, terms: _Terms, spot: float, ts: int) -> float:
        years = (terms.expires_ns - ts) / _YEAR_NS
        if years <= 0:
            return blackscholes.value(Contract(terms.call, spot, terms.strike, 0.0), 0.0)
        level = self._level(terms.root, sessions.date_of(ts))
        sigma = surface.volatility(level, spot, terms.strike, years)
        return blackscholes.value(Contract(terms.call, spot, terms.strike, years), sigma)

    def _level_on(self, underlying: str, on: date) -> float:
        return surface.level([close / 100 for close in self._stocks.closes_before(underlying, on, surface.SESSIONS)])

    # Prints.

    def _liveliness(self, terms: _Terms, on: date) -> int:
        """How many prints to expect of a contract on a day."""
        spot = (self._stocks.close_before(terms.root, on) or 0) / 100
        if not spot:
            return 0
        away, days = (terms.strike / spot - 1.0) * 25.0, (terms.expiration - on).days
        return floor(160.0 / (1.0 + away * away) / (1.0 + days / 30.0))

    def _prints_of(self, symbol: str, session: Session) -> tuple[_Print, ...]:
        terms, rng = self._terms(symbol), seeded_rng(f"{self._seed}:prints:{symbol}:{session.date}")
        steps = (session.close_ns - session.open_ns) // self._stocks.step_ns
        count = self._liveliness(terms, session.date) * (8 + rng.getrandbits(4)) // 16
        found = {rng.randrange(0, steps): rng.getrandbits(16) for _ in range(count)}
        return tuple(
            _Print(step, bool(bits & 1), 1 + (bits >> 1 & 15) ** 2 // 12) for step, bits in sorted(found.items())
        )

    def _forwards(self, symbol: str, start: int, last: int) -> Iterator[TradeMessage]:
        for session in self._sessions_of(symbol, start, last):
            for each in self._tape(symbol, session):
                if each.t > last:
                    return
                yield each

    def _backwards(self, symbol: str, last: int) -> Iterator[TradeMessage]:
        for session in reversed(self._sessions_of(symbol, 0, last)):
            for each in reversed(self._prints(symbol, session)):
                if self._time(session, each) <= last and (told := self._told(symbol, session, each)):
                    yield told

    def _tape_of(self, symbol: str, session: Session) -> tuple[TradeMessage, ...]:
        """A whole day's prints, those that are still to come among them."""
        found = (self._told(symbol, session, each) for each in self._prints(symbol, session))
        return tuple(each for each in found if each)

    def _sessions_of(self, symbol: str, start: int, last: int) -> list[Session]:
        option = as_option(symbol)
        if option is None:
            return []
        return [
            each
            for each in self._stocks.recent(option.root)
            if each.open_ns <= last and start < each.close_ns and self.exists(symbol, each.date)
        ]

    def _time(self, session: Session, each: _Print) -> int:
        return self._moment(session, each.step)

    def _moment(self, session: Session, step: int) -> int:
        return session.open_ns + step * self._stocks.step_ns

    def _told(self, symbol: str, session: Session, each: _Print) -> TradeMessage | None:
        """The print at the price of its moment; none where nobody bids."""
        terms, ts = self._terms(symbol), self._time(session, each)
        bid, ask = self._sides(terms, self._stocks.middle(terms.root, session, each.step), ts)
        price = ask if each.at_ask else bid
        where = _EXCHANGES[each.step % len(_EXCHANGES)]
        return (
            TradeMessage(S=symbol, t=Nanos(ts), p=float(price), s=float(each.size), x=where, c="I") if price else None
        )

    def _terms_of(self, symbol: str) -> _Terms:
        option = _known(symbol)
        expires = sessions.day(option.expiration)
        closes = expires.close if expires else candles.midnight(option.expiration)
        return _Terms(symbol, option.root, option.expiration, option.right == "C", float(option.strike), closes)


def _print(step: int, bits: int) -> _Print:
    return _Print(step, bool(bits & 1), 1 + (bits >> 1 & 15) ** 2 // 12)


def _known(symbol: str) -> Option:
    option = as_option(symbol)
    if option is None:
        raise AssertionError(f"{symbol} is no option")
    return option


def _on_tick(price: float, *, up: bool, penny: bool) -> Decimal:
    if price <= 0.0:
        return Decimal(0)
    step = listings.tick(price, penny=penny)
    count = price / float(step)
    return step * (-floor(-count) if up else floor(count))


def _candle(minute: list[TradeMessage]) -> Iterator[Candle]:
    start = minute[0].t - minute[0].t % MINUTE
    prices = [round(each.p * UNIT) for each in minute]
    if (found := candles.candle(start, prices, [int(each.s) for each in minute])) is not None:
        yield found


def _rounded(number: float) -> float:
    """Ten decimals: far inside what the last bit can tell, so equal on every machine and in every log."""
    return floor(number * 1e10 + 0.5) / 1e10
