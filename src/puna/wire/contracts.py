"""Option contracts, as the trading API lists them: GET /v2/options/contracts. Source: SPEC-T, fact sheet 5.6."""

import msgspec

from puna.wire.codec import Amount

__all__ = ["OptionContract", "OptionContractsPage", "OptionDeliverable"]


class OptionDeliverable(msgspec.Struct, kw_only=True):
    """What one contract delivers when it is exercised; usually 100 shares, other things after a corporate action."""

    type: str
    symbol: str
    asset_id: str | None = None
    amount: Amount | None = None
    allocation_percentage: Amount | None = None
    settlement_type: str | None = None
    settlement_method: str | None = None
    delayed_settlement: bool | None = None


class OptionContract(msgspec.Struct, kw_only=True):
    """A contract: `symbol` is OCC without padding, `multiplier` is for premiums, `size` for what is delivered."""

    id: str
    symbol: str
    expiration_date: str
    strike_price: Amount
    type: str
    style: str | None = None
    name: str | None = None
    status: str | None = None
    tradable: bool | None = None
    root_symbol: str | None = None
    underlying_symbol: str | None = None
    underlying_asset_id: str | None = None
    multiplier: Amount | None = None
    size: Amount | None = None
    open_interest: Amount | None = None
    open_interest_date: str | None = None
    close_price: Amount | None = None
    close_price_date: str | None = None
    ppind: bool | None = None
    deliverables: list[OptionDeliverable] | None = None


class OptionContractsPage(msgspec.Struct, kw_only=True):
    """One page of contracts; `page_token` and `limit` stand in older answers."""

    option_contracts: list[OptionContract] | None = None
    next_page_token: str | None = None
    page_token: str | None = None
    limit: int | None = None
