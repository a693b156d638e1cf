"""What an account and its positions look like: values, margin, buying power (facts.md 4 and 5.5).

Rules of the venue's own: it shares none with the client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from puna.exchange.ledger import CENT, Holding
from puna.exchange.option_margin import as_option, needs
from puna.exchange.orders.live import amount
from puna.exchange.terms import VenueOptions
from puna.wire.codec import Nanos
from puna.wire.trading import Account, Asset, Position

__all__ = ["Standing", "account_body", "maintenance", "position_body", "standing"]

ZERO = Decimal(0)
_HALF = Decimal("0.5")
_SMALL_ACCOUNT = Decimal(2000)
_MOST_POSITION = 6  # times equity (facts.md 4, PROT)
_LARGE_DEBIT, _CONCENTRATED = Decimal(100_000), Decimal("0.7")  # facts.md 4, MARG


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An account's values at one moment.

    Args:
        cash: dollars.
        long_value: what is held long.
        short_value: what is held short, negative.
        initial_margin: of all that is held.
        maintenance_margin: of all that is held.
        multiplier: 1, 2 or 4.
        formula: of the buying power, as in the terms.
        claimed: the buying power that open orders have taken.
        cash_claimed: what open orders in options and coins take, which margin does not multiply.
        cash_margin: what held options and coins take of the same.
        stock_value: long and short stocks, both positive.
        secured: cash that short options lock.
        is_restricted: whether one position has outgrown the account, so that it may only close (PROT).
    """

    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    multiplier: int
    formula: str
    claimed: Decimal = ZERO
    cash_claimed: Decimal = ZERO
    cash_margin: Decimal = ZERO
    stock_value: Decimal = ZERO
    secured: Decimal = ZERO
    is_restricted: bool = False

    @property
    def equity(self) -> Decimal:
        """Cash, longs and shorts; shorts are negative (facts.md 4)."""
        return self.cash + self.long_value + self.short_value

    @property
    def buying_power(self) -> Decimal:
        """What opening orders may still cost; never negative."""
        return max(self._gross_buying_power - self.claimed - self.cash_claimed * self.multiplier, ZERO)

    @property
    def regt_buying_power(self) -> Decimal:
        return max((self.equity - self.initial_margin - self.cash_claimed) * 2 - self.claimed, ZERO)

    @property
    def non_marginable_buying_power(self) -> Decimal:
        """What options and coins may still cost."""
        return max(self.equity - self.initial_margin - self.claimed - self.cash_claimed, ZERO)

    @property
    def _gross_buying_power(self) -> Decimal:
        if self.multiplier == 1:
            return self.cash - self.secured
        if self.multiplier == 2:
            return (self.equity - self.initial_margin) * 2
        if self.formula == "exposure":
            return (self.equity - self.cash_margin) * 4 - self.stock_value
        return (self.equity - self.maintenance_margin) * 4


def standing(
    cash: Decimal,
    holdings: Mapping[str, Holding],
    marks: Mapping[str, Decimal],
    assets: Mapping[str, Asset],
    options: VenueOptions,
    claimed: Decimal,
    cash_claimed: Decimal = ZERO,
) -> Standing:
    """The account's values at these prices, each to nine decimals, so that what is shown adds up."""
    values = {symbol: each.value(marks[symbol]) for symbol, each in holdings.items()}
    equity = cash + sum(values.values(), ZERO)
    stocks = [symbol for symbol in holdings if assets[symbol].asset_class == "us_equity"]
    secured, paid = _cash_margin(holdings, values, assets, options)
    return Standing(
        cash=amount(cash),
        long_value=amount(sum((value for value in values.values() if value > 0), ZERO)),
        short_value=amount(sum((value for value in values.values() if value < 0), ZERO)),
        initial_margin=_cents(paid + sum((_initial(values[symbol], assets[symbol]) for symbol in stocks), ZERO)),
        maintenance_margin=_cents(
            paid + _stock_maintenance({each: holdings[each].qty for each in stocks}, marks, assets, options, cash)
        ),
        multiplier=1 if equity < _SMALL_ACCOUNT else options.multiplier,
        formula=options.buying_power,
        claimed=claimed,
        cash_claimed=cash_claimed,
        cash_margin=_cents(paid),
        stock_value=amount(sum((abs(values[symbol]) for symbol in stocks), ZERO)),
        secured=secured,
        is_restricted=options.account.house_rules
        and max(map(abs, values.values()), default=ZERO) > max(equity, ZERO) * _MOST_POSITION,
    )


def _stock_maintenance(
    held: Mapping[str, Decimal],
    marks: Mapping[str, Decimal],
    assets: Mapping[str, Asset],
    options: VenueOptions,
    cash: Decimal,
) -> Decimal:
    """By price, by what the asset itself requires (leveraged funds), and, of what is concentrated, a half (MARG)."""
    values = {symbol: abs(qty) * marks[symbol] for symbol, qty in held.items()}
    total, whole = ZERO, sum(values.values(), ZERO)
    for symbol, qty in held.items():
        asset = assets[symbol]
        percent = asset.margin_requirement_long if qty > 0 else asset.margin_requirement_short
        needed = max(maintenance(qty, marks[symbol]), values[symbol] * (percent or ZERO) / 100)
        if options.account.house_rules and -cash >= _LARGE_DEBIT and values[symbol] >= whole * _CONCENTRATED:
            needed = max(needed, values[symbol] * _HALF)
        total += needed
    return total


def _cash_margin(
    holdings: Mapping[str, Holding], values: Mapping[str, Decimal], assets: Mapping[str, Asset], options: VenueOptions
) -> tuple[Decimal, Decimal]:
    """What short options secure in cash, and what options and coins take in all of what margin does not multiply.

    Equity less the second is cash less the first: a long option or a coin counts for nothing, a short one for what it
    secures, and a call that shares cover only for what it would cost to buy back.
    """
    secured, paid = ZERO, ZERO
    by_underlying: dict[str, dict[str, Decimal]] = {}
    for symbol, each in holdings.items():
        if assets[symbol].asset_class != "us_equity":
            paid += values[symbol]
        if (option := as_option(symbol)) is not None:
            by_underlying.setdefault(option.root, {})[symbol] = each.qty
    for held in by_underlying.values():
        need = needs(held, largest=options.largest_expiration)
        secured += need.cash
        paid += sum((values[symbol] * qty / held[symbol] for symbol, qty in need.covered.items()), ZERO)
    return secured, paid + secured


def maintenance(qty: Decimal, price: Decimal) -> Decimal:
    """Maintenance margin of one position (facts.md 4, MARG)."""
    shares = abs(qty)
    if qty >= 0:
        rate = Decimal(1) if price < Decimal("2.50") else _HALF if price <= 6 else Decimal("0.3")
        return shares * price * rate
    if price < 5:
        return shares * max(Decimal("2.50"), price)
    return shares * max(Decimal(5), price * Decimal("0.3"))


def position_body(asset: Asset, holding: Holding, price: Decimal, close: Decimal, claimed: Decimal) -> Position:
    """GET /v2/positions/{symbol}; `close` is the last day's price, `claimed` what closing orders hold."""
    sign = 1 if holding.qty > 0 else -1
    value = holding.value(price)
    return Position(
        asset_id=asset.id,
        symbol=asset.symbol.replace("/", ""),
        exchange=asset.exchange,
        asset_class=asset.asset_class,
        asset_marginable=asset.marginable,
        qty=amount(holding.qty),
        qty_available=amount(sign * max(abs(holding.qty) - claimed, ZERO)),
        avg_entry_price=amount(holding.average_price),
        side="long" if sign > 0 else "short",
        market_value=amount(value),
        cost_basis=amount(holding.cost),
        unrealized_pl=amount(value - holding.cost),
        unrealized_plpc=_ratio(value - holding.cost, holding.cost),
        unrealized_intraday_pl=amount(value - holding.day_cost),
        unrealized_intraday_plpc=_ratio(value - holding.day_cost, holding.day_cost),
        current_price=amount(price),
        lastday_price=amount(close),
        change_today=_ratio(price - close, close),
    )


def account_body(
    now: Standing,
    last: Standing,
    options: VenueOptions,
    accrued: Decimal,
    account_id: str,
    created_at: int,
    *,
    approved: int,
    asof: str,
) -> Account:
    """GET /v2/account; `last` is the account at the last close, on the day `asof` (fields of facts.md 4, CAP)."""
    level = str(options.options_level)
    equity, power, cash_power = map(amount, (now.equity, now.buying_power, now.non_marginable_buying_power))
    last_equity, nothing = amount(last.equity), amount(0)
    shorts = options.shorting_enabled and now.multiplier > 1
    return Account(
        id=account_id,
        account_number=f"PA{account_id[:8].upper()}",
        status="ACTIVE",
        crypto_status="ACTIVE",
        currency="USD",
        cash=amount(now.cash),
        equity=equity,
        last_equity=last_equity,
        portfolio_value=equity,
        buying_power=power,
        regt_buying_power=amount(now.regt_buying_power),
        non_marginable_buying_power=cash_power,
        options_buying_power=cash_power,
        long_market_value=amount(now.long_value),
        short_market_value=amount(now.short_value),
        initial_margin=amount(now.initial_margin),
        maintenance_margin=amount(now.maintenance_margin),
        last_maintenance_margin=amount(last.maintenance_margin),
        sma=last_equity,
        accrued_fees=amount(accrued),
        multiplier=amount(now.multiplier),
        created_at=Nanos(created_at),
        options_approved_level=str(approved),
        options_trading_level=level,
        shorting_enabled=shorts,
        account_blocked=options.account_blocked,
        trading_blocked=options.trading_blocked,
        transfers_blocked=False,
        trade_suspended_by_user=options.trade_suspended_by_user,
        balance_asof=asof,
        pending_reg_taf_fees=nothing,
        intraday_adjustments=nothing,
        effective_buying_power=power,
        position_market_value=amount(now.long_value - now.short_value),
        **_ended_fields(now) if options.account.pdt_fields else {},
    )


def _ended_fields(now: Standing) -> dict[str, Any]:
    """Of the pattern-day-trader rule, as they last were: nobody is one (facts.md 4)."""
    power = amount(now.buying_power if now.multiplier == 4 else 0)
    return {"pattern_day_trader": False, "daytrade_count": 0, "daytrading_buying_power": power}


def _ratio(change: Decimal, base: Decimal) -> Decimal:
    """A change as a fraction; none of what cost nothing."""
    return amount(change / abs(base)) if base else amount(0)


def _initial(value: Decimal, asset: Asset) -> Decimal:
    """50 % of what may be held on margin, all of the rest (facts.md 4)."""
    return abs(value) * (_HALF if asset.marginable else 1)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
