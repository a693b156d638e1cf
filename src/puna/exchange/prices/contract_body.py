"""An option contract as the broker shows it: its id, its terms, and what it delivers."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from puna.core.symbols import Option
from puna.exchange.prices.listings import name_of
from puna.wire.codec import Amount
from puna.wire.contracts import OptionContract, OptionDeliverable

__all__ = ["contract_body", "contract_id"]

_HUNDRED = Amount(100)


def contract_id(symbol: str) -> str:
    """The same for one symbol, always."""
    return str(uuid5(NAMESPACE_URL, f"us_option:{symbol}"))


def contract_body(symbol: str, option: Option, *, over: bool, penny: bool, **told: Any) -> OptionContract:
    """A contract for a hundred shares.

    Args:
        symbol: what it is called.
        option: the same, read.
        over: whether its last session is.
        penny: whether it is in the penny programme.
        **told: open interest and last close with their days, as far as they are known.
    """
    stock_id = str(uuid5(NAMESPACE_URL, f"us_equity:{option.root}"))
    return OptionContract(
        id=contract_id(symbol),
        symbol=symbol,
        name=name_of(option),
        status="inactive" if over else "active",
        tradable=not over,
        expiration_date=option.expiration.isoformat(),
        root_symbol=option.root,
        underlying_symbol=option.root,
        underlying_asset_id=stock_id,
        type="call" if option.right == "C" else "put",
        style="american",
        strike_price=Amount(option.strike.normalize()),
        multiplier=_HUNDRED,
        size=_HUNDRED,
        ppind=penny,
        deliverables=[_shares(option.root, stock_id)],
        **told,
    )


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
