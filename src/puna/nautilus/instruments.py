"""Alpaca's assets and option contracts as NautilusTrader's instruments, and the names of both, there and back."""

from datetime import date
from decimal import Decimal
from typing import Any

from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AssetClass, CurrencyType, OptionKind
from nautilus_trader.model.identifiers import (
    InstrumentId,
    Symbol,
    generic_spread_id_to_list,
    is_generic_spread_id,
)
from nautilus_trader.model.instruments import (
    Cfd,
    CurrencyPair,
    Equity,
    Instrument,
    OptionContract,
    OptionSpread,
)
from nautilus_trader.model.objects import Currency, Price, Quantity

from puna.core import sessions, symbols
from puna.nautilus.constants import ALPACA_VENUE
from puna.wire.trading import Asset

__all__ = [
    "contract_of",
    "instrument_id",
    "instrument_of",
    "legs_of",
    "spread_of",
    "symbol_of",
]

_NINE = Decimal("0.000000001")
_CENT, _NICKEL, _DIME = Decimal("0.01"), Decimal("0.05"), Decimal("0.10")


def instrument_id(symbol: str) -> InstrumentId:
    """The framework's id: Alpaca's symbol, crypto always with its slash."""
    return InstrumentId(Symbol(symbols.canonical(symbol)), ALPACA_VENUE)


def symbol_of(instrument: InstrumentId) -> str:
    """Alpaca's symbol.

    Raises:
        DataError: it is none, or the id names a spread, which has legs instead.
    """
    return symbols.canonical(instrument.symbol.value)


def legs_of(spread: InstrumentId) -> list[tuple[InstrumentId, int]]:
    """The legs of a spread with their ratios, negative where the spread sells; none for anything else."""
    return list(generic_spread_id_to_list(spread)) if is_generic_spread_id(spread) else []


def instrument_of(asset: Asset, ts: int, *, fractional: bool = False, precision: int = 2) -> Instrument:
    """A stock or a coin, with the increments that the broker reports.

    Args:
        asset: of class us_equity or crypto.
        ts: now, ns.
        fractional: a fractionable stock gets nine decimals of size.
        precision: decimals of a stock's price.

    Raises:
        DataError: the symbol cannot be read.
    """
    if asset.asset_class == "crypto":
        return _pair(asset, ts)
    names = {"instrument_id": instrument_id(asset.symbol), "raw_symbol": Symbol(asset.symbol)}
    price = {"price_precision": precision, "price_increment": Price(10**-precision, precision)}
    stamps = {"ts_event": ts, "ts_init": ts, "info": _info(asset)}
    margins = {"margin_init": Decimal("0.5"), "margin_maint": _share(asset.maintenance_margin_requirement)}
    if fractional and asset.fractionable:
        size = {"size_precision": 9, "size_increment": Quantity(_NINE, 9)}
        return Cfd(asset_class=AssetClass.EQUITY, quote_currency=USD, **names, **price, **size, **margins, **stamps)
    return Equity(currency=USD, lot_size=Quantity.from_int(1), **names, **price, **margins, **stamps)


def contract_of(
    symbol: str, ts: int, *, penny: bool = True, multiplier: Decimal = Decimal(100), info: dict[str, Any] | None = None
) -> OptionContract:
    """An option contract; it expires at the close of its last day in New York.

    Args:
        symbol: OCC, unpadded.
        ts: now, ns.
        penny: in the penny programme, where the tick is 0.01; elsewhere it is 0.05 (0.10 from 3.00 on, which is checked
            when an order is made).
        multiplier: of the premium.
        info: what else is known.

    Raises:
        DataError: no option symbol.
    """
    option = symbols.parse(symbol)
    if not isinstance(option, symbols.Option):
        raise TypeError(f"{symbol} is no option")
    return OptionContract(
        instrument_id=instrument_id(symbol),
        raw_symbol=Symbol(symbol),
        asset_class=AssetClass.EQUITY,
        currency=USD,
        price_precision=2,
        price_increment=Price(_CENT if penny else _NICKEL, 2),
        multiplier=Quantity.from_int(int(multiplier)),
        lot_size=Quantity.from_int(1),
        underlying=option.root,
        option_kind=OptionKind.CALL if option.right == "C" else OptionKind.PUT,
        strike_price=Price(option.strike, 3 if option.strike % _CENT else 2),
        activation_ns=0,
        expiration_ns=_expiry(option.expiration),
        ts_event=ts,
        ts_init=ts,
        info={**(info or {}), "penny": penny},
    )


def spread_of(spread: InstrumentId, legs: list[OptionContract], ts: int) -> OptionSpread:
    """A multi-leg order as one instrument; its price is the net price of one unit, negative for a credit."""
    return OptionSpread(
        instrument_id=spread,
        raw_symbol=spread.symbol,
        asset_class=AssetClass.EQUITY,
        currency=USD,
        price_precision=2,
        price_increment=Price(_CENT, 2),
        multiplier=legs[0].multiplier,
        lot_size=Quantity.from_int(1),
        underlying=legs[0].underlying,
        strategy_type="multi-leg",
        activation_ns=0,
        expiration_ns=min(leg.expiration_ns for leg in legs),
        ts_event=ts,
        ts_init=ts,
    )


def _pair(asset: Asset, ts: int) -> CurrencyPair:
    pair = symbols.parse(asset.symbol)
    if not isinstance(pair, symbols.Crypto):
        raise TypeError(f"{asset.symbol} is no pair")
    price, size = asset.price_increment or _NINE, asset.min_trade_increment or _NINE
    return CurrencyPair(
        instrument_id=instrument_id(asset.symbol),
        raw_symbol=Symbol(asset.symbol),
        base_currency=_coin(pair.base),
        quote_currency=_coin(pair.quote),
        price_precision=_decimals(price),
        size_precision=_decimals(size),
        price_increment=Price(price, _decimals(price)),
        size_increment=Quantity(size, _decimals(size)),
        min_quantity=Quantity(asset.min_order_size, _decimals(size)) if asset.min_order_size else None,
        ts_event=ts,
        ts_init=ts,
        info=_info(asset),
    )


def _coin(code: str) -> Currency:
    known = Currency.from_internal_map(code)
    return known or Currency(code, precision=9, iso4217=0, name=code, currency_type=CurrencyType.CRYPTO)


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def _share(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else Decimal(percent) / 100


def _expiry(day: date) -> int:
    hours = sessions.day(day) or sessions.previous_trading_day(day)
    return int(hours.close)


def _info(asset: Asset) -> dict[str, Any]:
    return {
        "asset_id": asset.id,
        "class": asset.asset_class,
        "exchange": asset.exchange,
        "name": asset.name,
        "tradable": asset.tradable,
        "shortable": asset.shortable,
        "fractionable": asset.fractionable,
    }
