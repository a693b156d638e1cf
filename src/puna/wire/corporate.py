"""Corporate actions: GET /v1/corporate-actions by kind, their events (SSE), and the older announcements.

Rates are JSON numbers in the lists and strings in the events; both become exact decimals. Dates are `YYYY-MM-DD`.
Source: SPEC-D (corporate_actions, corporate_action_event), SPEC-T (CorporateAnnouncement), fact sheet 6.
"""

import msgspec

from puna.errors import ProtocolError
from puna.wire.codec import Amount, Nanos, Ratio, decode, decoder

__all__ = [
    "ACTIONS",
    "Announcement",
    "CapitalGainsDistribution",
    "CashDividend",
    "CashMerger",
    "CorporateAction",
    "CorporateActionEvent",
    "CorporateActions",
    "CorporateActionsPage",
    "ForwardSplit",
    "NameChange",
    "PartialCall",
    "Redemption",
    "Reorganization",
    "ReverseSplit",
    "RightsDistribution",
    "SpinOff",
    "StockAndCashMerger",
    "StockDividend",
    "StockMerger",
    "StockMovement",
    "UnitSplit",
    "WorthlessRemoval",
    "action_of",
]


class CorporateAction(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What every kind has: an id, the day it is processed, and, where they apply, the other days and the currency."""

    id: str
    process_date: str
    ex_date: str | None = None
    record_date: str | None = None
    payable_date: str | None = None
    effective_date: str | None = None
    currency: str | None = None


class CashDividend(CorporateAction, kw_only=True, omit_defaults=True):
    """`rate` per share."""

    symbol: str
    rate: Ratio
    special: bool | None = None
    foreign: bool | None = None
    sub_type: str | None = None
    cusip: str | None = None
    isin: str | None = None
    due_bill_on_date: str | None = None
    due_bill_off_date: str | None = None


class CapitalGainsDistribution(CorporateAction, kw_only=True, omit_defaults=True):
    """Rates per share, by how long the fund held what it sold."""

    symbol: str
    long_term_rate: Ratio | None = None
    short_term_rate: Ratio | None = None
    cusip: str | None = None
    isin: str | None = None


class StockDividend(CorporateAction, kw_only=True, omit_defaults=True):
    """`rate` new shares for each share."""

    symbol: str
    rate: Ratio
    cusip: str | None = None
    isin: str | None = None


class ForwardSplit(CorporateAction, kw_only=True, omit_defaults=True):
    """`new_rate` shares for `old_rate` shares, more of them."""

    symbol: str
    new_rate: Ratio
    old_rate: Ratio
    cusip: str | None = None
    isin: str | None = None
    due_bill_redemption_date: str | None = None


class ReverseSplit(CorporateAction, kw_only=True, omit_defaults=True):
    """`new_rate` shares for `old_rate` shares, fewer of them, under a new CUSIP and perhaps a new symbol."""

    symbol: str
    new_rate: Ratio
    old_rate: Ratio
    new_symbol: str | None = None
    old_cusip: str | None = None
    new_cusip: str | None = None
    old_isin: str | None = None
    new_isin: str | None = None


class UnitSplit(CorporateAction, kw_only=True, omit_defaults=True):
    """A unit that comes apart into shares (`new`) and warrants or rights (`alternate`)."""

    old_symbol: str
    new_symbol: str
    old_rate: Ratio
    new_rate: Ratio
    alternate_symbol: str | None = None
    alternate_rate: Ratio | None = None
    old_cusip: str | None = None
    new_cusip: str | None = None
    alternate_cusip: str | None = None
    old_isin: str | None = None
    new_isin: str | None = None
    alternate_isin: str | None = None


class SpinOff(CorporateAction, kw_only=True, omit_defaults=True):
    """`new_rate` shares of the new company for `source_rate` shares of the old."""

    source_symbol: str
    new_symbol: str
    source_rate: Ratio
    new_rate: Ratio
    source_cusip: str | None = None
    new_cusip: str | None = None
    source_isin: str | None = None
    new_isin: str | None = None
    due_bill_redemption_date: str | None = None


class CashMerger(CorporateAction, kw_only=True, omit_defaults=True):
    """`rate` in cash for each share of the acquired company."""

    acquiree_symbol: str
    rate: Ratio
    acquirer_symbol: str | None = None
    acquiree_cusip: str | None = None
    acquirer_cusip: str | None = None
    acquiree_isin: str | None = None
    acquirer_isin: str | None = None


class StockMerger(CorporateAction, kw_only=True, omit_defaults=True):
    """`acquirer_rate` shares of the one for `acquiree_rate` shares of the other."""

    acquiree_symbol: str
    acquirer_symbol: str
    acquiree_rate: Ratio
    acquirer_rate: Ratio
    acquiree_cusip: str | None = None
    acquirer_cusip: str | None = None
    acquiree_isin: str | None = None
    acquirer_isin: str | None = None


class StockAndCashMerger(StockMerger, kw_only=True, omit_defaults=True):
    """Shares, and `cash_rate` for each share of the acquired company."""

    cash_rate: Ratio


class Redemption(CorporateAction, kw_only=True, omit_defaults=True):
    """Shares are taken back at `rate` each."""

    symbol: str
    rate: Ratio
    cusip: str | None = None
    isin: str | None = None


class NameChange(CorporateAction, kw_only=True, omit_defaults=True):
    """A symbol becomes another one."""

    old_symbol: str
    new_symbol: str
    old_cusip: str | None = None
    new_cusip: str | None = None
    old_isin: str | None = None
    new_isin: str | None = None


class WorthlessRemoval(CorporateAction, kw_only=True, omit_defaults=True):
    """Shares that are worth nothing are taken out."""

    symbol: str
    cusip: str | None = None
    isin: str | None = None


class RightsDistribution(CorporateAction, kw_only=True, omit_defaults=True):
    """`rate` rights for each share, which end on `expiration_date`."""

    source_symbol: str
    new_symbol: str
    rate: Ratio
    source_cusip: str | None = None
    new_cusip: str | None = None
    source_isin: str | None = None
    new_isin: str | None = None
    expiration_date: str | None = None


class PartialCall(CorporateAction, kw_only=True, omit_defaults=True):
    """Some of the shares, drawn by lot, are called at `price`."""

    symbol: str
    price: Ratio | None = None
    dividend_rate: Ratio | None = None
    lottery_date: str | None = None
    lottery_type: str | None = None
    results_publication_date: str | None = None
    cusip: str | None = None
    isin: str | None = None


class StockMovement(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`new_rate` shares of a replacement for `source_rate` shares of what was held."""

    symbol: str
    new_rate: Ratio
    source_rate: Ratio
    cusip: str | None = None
    isin: str | None = None


class Reorganization(CorporateAction, kw_only=True, omit_defaults=True):
    """A company is restructured: cash, replacement securities, or both."""

    symbol: str
    cash_rate: Ratio | None = None
    stock_movements: list[StockMovement] | None = None
    cusip: str | None = None
    isin: str | None = None


class CorporateActions(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The actions of one page, by kind; kinds without any are absent."""

    capital_gains_distributions: list[CapitalGainsDistribution] = []
    cash_dividends: list[CashDividend] = []
    cash_mergers: list[CashMerger] = []
    forward_splits: list[ForwardSplit] = []
    name_changes: list[NameChange] = []
    partial_calls: list[PartialCall] = []
    redemptions: list[Redemption] = []
    reorganizations: list[Reorganization] = []
    reverse_splits: list[ReverseSplit] = []
    rights_distributions: list[RightsDistribution] = []
    spin_offs: list[SpinOff] = []
    stock_and_cash_mergers: list[StockAndCashMerger] = []
    stock_dividends: list[StockDividend] = []
    stock_mergers: list[StockMerger] = []
    unit_splits: list[UnitSplit] = []
    worthless_removals: list[WorthlessRemoval] = []


class CorporateActionsPage(msgspec.Struct, kw_only=True):
    """GET /v1/corporate-actions."""

    corporate_actions: CorporateActions = msgspec.field(default_factory=CorporateActions)
    next_page_token: str | None = None


class CorporateActionEvent(msgspec.Struct, kw_only=True):
    """One event of GET /v1beta1/events/corporate-actions; `action` is `insert`, `update` or `delete`.

    `ca` holds the action as it came; `action_of` reads it.
    """

    event_id: str
    event_type: str
    at: Nanos
    action: str
    region: str | None = None
    ca: msgspec.Raw = msgspec.Raw(b"null")


ACTIONS: dict[str, type[CorporateAction]] = {
    "capital_gains_distribution": CapitalGainsDistribution,
    "cash_dividend": CashDividend,
    "cash_merger": CashMerger,
    "equity_partial_call": PartialCall,
    "forward_split": ForwardSplit,
    "name_change": NameChange,
    "redemption": Redemption,
    "reorganization": Reorganization,
    "reverse_split": ReverseSplit,
    "rights_distribution": RightsDistribution,
    "spin_off": SpinOff,
    "stock_and_cash_merger": StockAndCashMerger,
    "stock_dividend": StockDividend,
    "stock_merger": StockMerger,
    "unit_split": UnitSplit,
    "worthless_removal": WorthlessRemoval,
}
"""The kinds of action by the first part of an event's type, which ends in `_corporateaction_event`."""

_SUFFIX = "_corporateaction_event"
_readers = {name: decoder(kind) for name, kind in ACTIONS.items()}


def action_of(event: CorporateActionEvent) -> CorporateAction:
    """The action that an event tells of.

    Raises:
        ProtocolError: a type that nobody here knows, or not of that type's shape; `event.ca` still holds it.
    """
    reader = _readers.get(event.event_type.removesuffix(_SUFFIX))
    if reader is None:
        raise ProtocolError(
            f"A corporate action of a kind that is not known: {event.event_type[:60]}.",
            why=f"event {event.event_id[:40]}",
            state="It was not used; the event holds it as it came.",
        )
    return decode(reader, bytes(event.ca))


class Announcement(msgspec.Struct, kw_only=True):
    """GET /v2/corporate_actions/announcements, which Alpaca calls deprecated in favour of the data API."""

    id: str
    ca_type: str
    corporate_action_id: str | None = None
    ca_sub_type: str | None = None
    initiating_symbol: str | None = None
    initiating_original_cusip: str | None = None
    target_symbol: str | None = None
    target_original_cusip: str | None = None
    declaration_date: str | None = None
    effective_date: str | None = None
    ex_date: str | None = None
    expiration_date: str | None = None
    record_date: str | None = None
    payable_date: str | None = None
    cash: Amount | None = None
    old_rate: Ratio | None = None
    new_rate: Ratio | None = None
