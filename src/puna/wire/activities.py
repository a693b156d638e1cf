"""Account activities: the rows of GET /v2/account/activities, and the events of the activities feed (SSE).

A row is a fill, or something else that moved cash or positions: one shape, whose `activity_type` says which fields
are there. Source: SPEC-T (TradingActivities, NonTradeActivities, ActivityEventV2), fact sheet 5.7.
"""

import msgspec

from puna.wire.codec import Amount, Nanos, Ratio

__all__ = ["Activity", "ActivityDetails", "ActivityEvent"]


class Activity(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One activity; `id` is `YYYYMMDDHHMMSSmmm::uuid` and serves as page token.

    A FILL has `price`, `qty` (this execution), `cum_qty`, `leaves_qty`, `side`, `order_id`, `transaction_time`; all
    others have `date`, `net_amount` and what belongs to their type.
    """

    id: str
    activity_type: str
    activity_sub_type: str | None = None
    symbol: str | None = None
    qty: Amount | None = None
    price: Amount | None = None
    side: str | None = None
    type: str | None = None
    order_id: str | None = None
    order_status: str | None = None
    cum_qty: Amount | None = None
    leaves_qty: Amount | None = None
    transaction_time: Nanos | None = None
    date: str | None = None
    created_at: Nanos | None = None
    net_amount: Amount | None = None
    per_share_amount: Amount | None = None
    amount: Amount | None = None
    currency: str | None = None
    description: str | None = None
    status: str | None = None
    cusip: str | None = None
    group_id: str | None = None


class ActivityDetails(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an event of the activities feed tells beyond the common fields; which are there depends on the type.

    Trades have `order_id`, `side`, `symbol`, `cum_qty`, `leaves_qty`, `order_status` and `execution_type` (`fill`,
    `trade_correct`, `trade_bust`); all others have `system_date`.
    """

    order_id: str | None = None
    client_order_id: str | None = None
    side: str | None = None
    symbol: str | None = None
    asset_id: str | None = None
    cusip: str | None = None
    isin: str | None = None
    commission: Amount | None = None
    cum_qty: Amount | None = None
    leaves_qty: Amount | None = None
    order_status: str | None = None
    execution_type: str | None = None

    system_date: str | None = None
    group_id: str | None = None
    description: str | None = None
    ca_id: str | None = None
    reorg_id: str | None = None
    position_date: str | None = None
    position_qty: Amount | None = None
    entitled_qty: Amount | None = None
    rate: Ratio | None = None
    cash_rate: Ratio | None = None
    cash_payout: Amount | None = None
    special: str | bool | None = None
    foreign: str | bool | None = None
    ex_date: str | None = None
    record_date: str | None = None
    payable_date: str | None = None
    payment_date: str | None = None
    effective_date: str | None = None
    expiration_date: str | None = None
    hold_date: str | None = None
    due_bill_on_date: str | None = None
    due_bill_off_date: str | None = None
    due_bill_redemption_date: str | None = None
    long_term_rate: Ratio | None = None
    short_term_rate: Ratio | None = None

    qty: Amount | None = None
    price: Amount | None = None
    paid_qty: Amount | None = None
    removed_qty: Amount | None = None
    new_qty: Amount | None = None
    new_rate: Ratio | None = None
    new_price: Amount | None = None
    new_symbol: str | None = None
    new_cusip: str | None = None
    new_isin: str | None = None
    old_qty: Amount | None = None
    old_rate: Ratio | None = None
    old_symbol: str | None = None
    old_cusip: str | None = None
    old_isin: str | None = None
    alternate_qty: Amount | None = None
    alternate_rate: Ratio | None = None
    alternate_symbol: str | None = None
    alternate_cusip: str | None = None
    alternate_isin: str | None = None
    source_qty: Amount | None = None
    source_rate: Ratio | None = None
    source_price: Amount | None = None
    source_symbol: str | None = None
    source_cusip: str | None = None
    source_isin: str | None = None
    acquiree_qty: Amount | None = None
    acquiree_rate: Ratio | None = None
    acquiree_symbol: str | None = None
    acquiree_cusip: str | None = None
    acquiree_isin: str | None = None
    acquirer_qty: Amount | None = None
    acquirer_rate: Ratio | None = None
    acquirer_symbol: str | None = None
    acquirer_cusip: str | None = None
    acquirer_isin: str | None = None
    contract_symbol: str | None = None
    new_contract_symbol: str | None = None
    old_contract_symbol: str | None = None
    interest_type: str | None = None
    accrued_interest_rate: Ratio | None = None
    tax_country: str | None = None
    tax_rate: Ratio | None = None
    contra: str | None = None
    external_id: str | None = None
    request_id: str | None = None
    parent_id: str | None = None
    journal_id: str | None = None
    transfer_id: str | None = None
    bank_transaction_id: str | None = None


class ActivityEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One event of GET /v2beta1/events/activities; `event_id` (ULID) is what `since_id` resumes from.

    `ref_id` names the activity, `previous_id` the one that it corrects.
    """

    event_id: str
    activity_type: str
    at: Nanos
    activity_subtype: str | None = None
    executed_at: Nanos | None = None
    status: str | None = None
    settle_date: str | None = None
    currency: str | None = None
    ref_id: str | None = None
    previous_id: str | None = None
    net_amount: Amount | None = None
    price: Amount | None = None
    qty: Amount | None = None
    swap_rate: Ratio | None = None
    swap_fee_bps: Ratio | None = None
    details: ActivityDetails = msgspec.field(default_factory=ActivityDetails)
