"""What the self-test of risk shows to the checks: a sound order, and the same with one thing wrong."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from msgspec.structs import replace

from puna.core.portfolio import Portfolio, opening
from puna.core.risk import Listing, Lock, Reservation, RiskLimits, RiskView, Tally, TradingState, narrowed
from puna.core.sessions import date_of, day
from puna.core.symbols import asset_class
from puna.core.types import ZERO, AssetClass, OrderIntent, OrderType, Position, Quote, Side, TimeInForce
from puna.errors import DataError

__all__ = ["Case", "cases", "reduction", "sound"]

NANOS = 1_000_000_000
MINUTE = 60 * NANOS
DAY = date(2024, 3, 6)  # any trading day of the table
EQUITY = Decimal(100_000)
CENT = Decimal("0.01")
HUNDRED = Decimal(100)
STRATEGY = "selfcheck"
CANDIDATES = ("AAPL", "MSFT", "SPY", "INTC")
OTHER = "GE"  # held, and never ordered


class Case(NamedTuple):
    """An order and the world in which it is shown.

    Attributes:
        code: of the check that must refuse it; empty when it must pass.
        words: what is wrong.
    """

    code: str
    words: str
    intent: OrderIntent
    view: RiskView


def sound(limits: RiskLimits) -> Case | None:
    """One unit of something that is allowed, near the market, in the middle of the session; None: nothing is."""
    symbol = _symbol(limits)
    if symbol is None:
        return None
    now, kind = _noon(limits), asset_class(symbol)
    price = _price(symbol, limits)
    intent = OrderIntent(
        client_order_id="selfcheck-1",
        strategy=STRATEGY,
        symbol=symbol,
        side=Side.BUY,
        qty=Decimal(1),
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC if kind is AssetClass.CRYPTO else TimeInForce.DAY,
        ts=now,
        limit_price=price,
    )
    view = RiskView(
        now=now,
        state=TradingState.ACTIVE,
        portfolio=_holding({}, price),
        instrument=Listing(symbol=symbol, asset_class=kind, shortable=True, easy_to_borrow=True, fractionable=True),
        quote=_quote(symbol, price, now),
        marks={symbol: price, OTHER: price},
        buying_power=limits.buying_power_buffer + EQUITY,
        adv=Decimal(10**12),
        volatility=0.0,
        maintenance=ZERO,
        option_level=3,
        skew=0.0,
        unprotected=0.0,
        tally=_tally(now),
    )
    return Case("", "", intent, view)


def reduction(limits: RiskLimits) -> Case | None:
    """What closes a position while protections, clock, quote, money and the list of symbols forbid everything else."""
    base = sound(limits)
    if base is None:
        return None
    intent, view = base.intent, base.view
    price = intent.limit_price or CENT
    worst = replace(
        view,
        state=TradingState.REDUCING,
        portfolio=_holding({intent.symbol: Decimal(1)}, price),
        quote=None,
        buying_power=ZERO,
        skew=limits.max_clock_skew_seconds + 1,
        locks=(_lock(),),
        maintenance=EQUITY * 10,
    )
    return Case("", "", replace(intent, side=Side.SELL), worst)


def cases(limits: RiskLimits) -> list[Case]:
    """At least one for every check that can be asked under these limits."""
    base = sound(limits)
    if base is None:
        return []
    tight = narrowed(limits, base.intent)
    found = [*_order(base, tight), *_world(base, tight), *_money(base, tight), *_optional(base, tight)]
    return [*found, *_losses(base, limits), *_options(base, limits)]


def _order(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """Something is wrong with the order itself."""
    intent, view, price = base.intent, base.view, base.intent.limit_price or CENT
    held = replace(view, portfolio=_holding({intent.symbol: Decimal(1)}, price))
    listing = view.instrument
    dear = price * (1 + max(limits.collar_percent, limits.collar_extended_percent) / HUNDRED) * 2
    unborrowed = replace(view, instrument=listing and replace(listing, shortable=False, easy_to_borrow=False))
    yield Case("R103", "a quantity of nothing", replace(intent, qty=ZERO), view)
    yield Case("R109", "its id was used before", intent, replace(view, id_used=True))
    yield Case("R115", "its deadline has passed", replace(intent, deadline=view.now - 1), view)
    yield Case("R116", "it sells more than is held", replace(intent, side=Side.SELL, qty=Decimal(2)), held)
    yield Case("R117", "it sells short what cannot be borrowed", replace(intent, side=Side.SELL), unborrowed)
    yield Case("R108", "its limit is far above the market", replace(intent, limit_price=_cents(dear)), view)
    yield Case("R105", "one unit too many", replace(intent, qty=limits.max_order_qty + 1), view)
    most = _cap(limits.max_order_value, limits.max_order_percent)
    yield Case("R106", "it is worth a unit too much", replace(intent, qty=most // price + 2), view)


def _world(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """Something is wrong with the world."""
    intent, view, price = base.intent, base.view, base.intent.limit_price or CENT
    listing, late = view.instrument, view.now - round((limits.max_quote_age_seconds + 1) * NANOS)
    selling = replace(intent, client_order_id="selfcheck-0", side=Side.SELL)
    ours = (Reservation(intent=selling, leaves=Decimal(1), price=price),)
    yield Case("R101", "trading is halted", intent, replace(view, state=TradingState.HALTED))
    yield Case("R101", "only reductions may be sent", intent, replace(view, state=TradingState.REDUCING))
    yield Case(
        "R111", "as many orders as are allowed were just sent", intent, replace(view, submits=limits.max_submits)
    )
    halted = replace(view, instrument=listing and replace(listing, halted=True))
    yield Case("R102", "the symbol is halted", intent, halted)
    if limits.allowed is not None or limits.denied:
        barred = next(iter(limits.denied), "ZZZZ")
        there = replace(view, instrument=listing and replace(listing, symbol=barred))
        yield Case("R102", f"{barred} may not be traded", replace(intent, symbol=barred), there)
    yield Case("R110", "there is no quote", intent, replace(view, quote=None))
    yield Case("R110", "the quote is too old", intent, replace(view, quote=_quote(intent.symbol, price, late)))
    crossed = Quote(symbol=intent.symbol, bid=float(price) * 1.1, bid_size=1, ask=float(price), ask_size=1,
                    ts_event=view.now, ts_init=view.now)  # fmt: skip
    yield Case("R110", "the quote is crossed", intent, replace(view, quote=crossed))
    yield Case("R128", "our clock is wrong", intent, replace(view, skew=limits.max_clock_skew_seconds + 1))
    yield Case("R114", "an order of ours rests on the other side", intent, replace(view, open=ours))
    yield Case("R121", "a protection was set off", intent, replace(view, locks=(_lock(),)))


def _money(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """What is held, open and owed leaves no room."""
    intent, view, price = base.intent, base.view, base.intent.limit_price or CENT
    most = _cap(limits.max_position_value, limits.max_position_percent) // price + 1
    yield Case("R104", "as much is held as may be", intent, _with(view, {intent.symbol: most}, price))
    most = _cap(limits.max_gross_value, limits.max_gross_percent) // price + 1
    yield Case("R107", "all together is as large as may be", intent, _with(view, {OTHER: most}, price))
    resting = tuple(
        Reservation(intent=replace(intent, client_order_id=f"selfcheck-open-{n}"), leaves=Decimal(1), price=price)
        for n in range(limits.max_open_orders)
    )
    yield Case("R112", "as many orders are open as may be", intent, replace(view, open=resting))
    yield Case("R113", "no buying power is left", intent, replace(view, buying_power=limits.buying_power_buffer))
    yield Case("R113", "the buying power is not known", intent, replace(view, buying_power=None))
    if asset_class(intent.symbol) is AssetClass.US_EQUITY:
        full = EQUITY * limits.max_maintenance_percent / HUNDRED
        yield Case("R126", "maintenance margin takes all equity", intent, replace(view, maintenance=full))


def _optional(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """Checks that a limit switches on."""
    intent, view, price = base.intent, base.view, base.intent.limit_price or CENT
    if (most := limits.max_adv_percent) is not None:
        yield Case("R118", "the day's volume is small", intent, replace(view, adv=HUNDRED / (most + 1)))
        yield Case("R118", "the day's volume is not known", intent, replace(view, adv=None))
    for name, symbols in limits.groups.items():
        first = next((each for each in symbols if _stock(each)), None)
        if first is not None:
            held = (EQUITY * limits.max_group_percent / HUNDRED) // price + 1
            there = _with(replace(view, marks={**view.marks, first: price}), {first: held}, price)
            yield Case("R119", f"the group {name} is as large as may be", replace(intent, symbol=first), there)
    for row in limits.narrow:
        if row.strategy is not None and row.symbol is None and row.max_budget_value is not None:
            spent = replace(view, sleeve={OTHER: row.max_budget_value // price + 1})
            mine = replace(intent, strategy=row.strategy)
            yield Case("R120", f"the budget of {row.strategy} is spent", mine, spent)
    if limits.max_repeats is not None:
        yield Case("R125", "the strategy keeps ordering it", intent, replace(view, sent=limits.max_repeats))
    if limits.max_spread_bp is not None:
        wide = float(price) * (1 - min(0.99, float(limits.max_spread_bp + 1) / 10_000))
        apart = view.quote and replace(view.quote, bid=wide)
        yield Case("R122", "bid and ask are far apart", intent, replace(view, quote=apart))
    if limits.max_volatility_percent is not None:
        wild = float(limits.max_volatility_percent) / 100 + 0.01
        yield Case("R123", "prices move too much", intent, replace(view, volatility=wild))
        yield Case("R123", "the volatility is not known", intent, replace(view, volatility=None))
    if limits.max_unprotected_seconds is not None:
        late = replace(view, unprotected=limits.max_unprotected_seconds + 1)
        yield Case("R129", "a position has had no stop for too long", intent, late)
    yield from _blackouts(base, limits)


def _blackouts(base: Case, limits: RiskLimits) -> Iterator[Case]:
    today = day(DAY)
    if today is None or asset_class(base.intent.symbol) is AssetClass.CRYPTO:
        return
    ends = ((limits.open_blackout_minutes, today.open + NANOS, "the session has only begun"),
            (limits.close_blackout_minutes, today.close - NANOS, "the session is about to end"))  # fmt: skip
    for minutes, now, words in ends:
        if minutes:
            price = base.intent.limit_price or CENT
            view = replace(base.view, now=now, quote=_quote(base.intent.symbol, price, now))
            yield Case("R124", words, base.intent, view)


def _losses(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """Losses beyond what is configured, before any lock was set."""
    tally = _tally(base.view.now)
    much = EQUITY * 1000
    rows = (
        ("the day has lost too much", (limits.max_daily_loss_value, limits.max_daily_loss_percent), "day_equity"),
        ("the week has lost too much", (limits.max_weekly_loss_value, limits.max_weekly_loss_percent), "week_equity"),
        ("equity has fallen too far", (limits.max_drawdown_percent, None), "peak"),
    )
    for words, set_, name in rows:
        if any(each is not None for each in set_):
            yield Case("R121", words, base.intent, replace(base.view, tally=replace(tally, **{name: much})))


def _options(base: Case, limits: RiskLimits) -> Iterator[Case]:
    """Selling a call that nothing covers; a package may lose too much where that is limited."""
    expiry, now = DAY + timedelta(days=30), base.view.now
    symbol = f"AAPL{expiry:%y%m%d}C00100000"
    listing = Listing(symbol=symbol, asset_class=AssetClass.US_OPTION)
    view = replace(base.view, instrument=listing, quote=_quote(symbol, Decimal(2), now))
    terms: dict[str, Any] = {"symbol": symbol, "time_in_force": TimeInForce.DAY, "limit_price": Decimal(2)}
    yield Case("R127", "a call is sold that nothing covers", replace(base.intent, side=Side.SELL, **terms), view)
    gone = f"AAPL{DAY - timedelta(days=1):%y%m%d}C00100000"
    there = replace(view, instrument=replace(listing, symbol=gone), quote=_quote(gone, Decimal(2), now))
    yield Case("R127", "the contract has expired", replace(base.intent, **(terms | {"symbol": gone})), there)
    if limits.max_option_loss_value is not None:
        cost = _cents(limits.max_option_loss_value / HUNDRED) + 1
        yield Case("R127", "it could lose too much", replace(base.intent, **(terms | {"limit_price": cost})), view)


# The parts of a case.


def _symbol(limits: RiskLimits) -> str | None:
    """A stock that may be traded, else a coin."""
    wanted = CANDIDATES if limits.allowed is None else limits.allowed
    free = [each for each in wanted if each not in limits.denied and each != OTHER]
    coins = [each for each in free if _kind(each) is AssetClass.CRYPTO]
    return next(iter([*filter(_stock, free), *coins]), None)


def _kind(symbol: str) -> AssetClass | None:
    try:
        return asset_class(symbol)
    except DataError:
        return None


def _stock(symbol: str) -> bool:
    return _kind(symbol) is AssetClass.US_EQUITY


def _noon(limits: RiskLimits) -> int:
    """The middle of the time in which anything may be opened."""
    today = day(DAY)
    assert today is not None  # noqa: S101 - DAY is a trading day
    first, last = limits.open_blackout_minutes * MINUTE, limits.close_blackout_minutes * MINUTE
    return (today.open + first + today.close - last) // 2


def _price(symbol: str, limits: RiskLimits) -> Decimal:
    """100, or less where a limit is so tight that one unit would not fit."""
    tight = narrowed(limits, OrderIntent(client_order_id="x", strategy=STRATEGY, symbol=symbol, side=Side.BUY,
                                         qty=Decimal(1), type=OrderType.MARKET, time_in_force=TimeInForce.DAY,
                                         ts=0))  # fmt: skip
    caps = (
        _cap(tight.max_order_value, tight.max_order_percent),
        _cap(tight.max_position_value, tight.max_position_percent),
        _cap(tight.max_gross_value, tight.max_gross_percent),
        _cap(tight.max_net_value, tight.max_net_percent),
        _cap(tight.max_open_value, tight.max_open_percent),
        *(EQUITY * tight.max_group_percent / HUNDRED for symbols in tight.groups.values() if symbol in symbols),
    )
    return max(CENT, _cents(min(HUNDRED, min(caps) / 2)))


def _cap(value: Decimal, percent: Decimal) -> Decimal:
    return min(value, EQUITY * percent / HUNDRED)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_DOWN)


def _quote(symbol: str, price: Decimal, ts: int) -> Quote:
    """The price is the bid: an order at it only waits, so that no collar is too narrow for it."""
    bid = float(price)
    return Quote(symbol=symbol, bid=bid, bid_size=1, ask=bid * 1.0001, ask_size=1, ts_event=ts, ts_init=ts)


def _holding(quantities: dict[str, Decimal], price: Decimal) -> Portfolio:
    """Worth EQUITY at marks, whatever is held."""
    rows = [Position(symbol=symbol, qty=qty, cost=qty * price) for symbol, qty in quantities.items() if qty]
    return opening(EQUITY - sum((row.cost for row in rows), ZERO), rows)


def _with(view: RiskView, quantities: dict[str, Decimal], price: Decimal) -> RiskView:
    return replace(view, portfolio=_holding(quantities, price))


def _tally(now: int) -> Tally:
    today = date_of(now)
    monday = today - timedelta(days=today.weekday())
    return Tally(
        day=today.isoformat(), day_equity=EQUITY, week=monday.isoformat(), week_equity=EQUITY, peak=EQUITY, losses={}
    )


def _lock() -> Lock:
    return Lock(scope="", cause=STRATEGY, until=0, reason="the self-test says so")
