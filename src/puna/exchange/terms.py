"""The terms of a venue: latencies, fills, what the account may do, and every choice that the sources leave open."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from puna.exchange.account.terms import AccountTerms
from puna.exchange.ledger import FeeSchedule
from puna.exchange.orders.book import FillModel, Honest

__all__ = ["VenueOptions"]

_MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class VenueOptions:
    """How a venue behaves. Times are ns of market time.

    Args:
        cash: what the account starts with.
        fills: how much of a marketable order fills: `Honest()` or `Paper(rng)`.
        ack_ns: from a request to its `pending_new`, `pending_cancel` or `pending_replace` (facts.md 5.4: 16 ms).
        new_ns: from the request to `new` (facts.md 5.4: 23 ms).
        match_ns: from the request to the first matching.
        cancel_ns: from a cancel to `canceled`.
        replace_ns: from a replace to `replaced`.
        visibility_ns: how long a new order cannot be read yet.
        multiplier: 1, 2 or 4, while equity is at least 2,000; below it is 1 (facts.md 4).
        buying_power: for a multiplier of 4, whose formula is unpublished (facts.md 13.1): "maintenance" is
            4 * (equity - maintenance margin); "exposure" is 4 * equity - gross market value.
        fees: what sells (and CAT on both sides) cost, charged after the close; None on paper (facts.md 9, 10).
        replace_keeps: what a replace without a quantity asks for after a partial fill: the "original" quantity, as
            reported of Alpaca (facts.md 5.4), or what "remaining" is left of it.
        flip_to_long: whether one buy may cover a short and go long. Sells never flip a long (facts.md 5.2).
        extended_gtc: whether extended hours take gtc orders (facts.md 13.2).
        refuse_wash_trades: whether an order that could meet one of our own is refused (facts.md 5.2, PROT).
        buy_stop_limits: whether a buy stop turns into a stop-limit order, 4 % or 2.5 % above (facts.md 5.2, ORD).
        stop_away_from_market: whether the stop of a group must be 0.01 away from the market too, and not only from its
            entry or take-profit (facts.md 5.3, ORD; a trader's test on paper says no: find_string 59721560122).
        stopped_profit_ends: how a take-profit ends when its stop-loss is elected (facts.md 5.3, alpaca-py#198).
        tell_stop_cancels: whether the stream tells that a take-profit's fill has canceled the held stop-loss; it was
            reported not to (facts.md 8, alpaca-py#198).
        stray_legs: what becomes of `take_profit` and `stop_loss` of a simple order: "ignored", as reported
            (alpaca-py#289), or "refused".
        auction_price: what opg and cls orders fill at: the "print" of the auction (the first of the session, the last
            before the close), or the "quote" then, as paper simulates them (facts.md 9).
        cls_cutoff_minutes: before the close; 10 by the docs, 5 by the text of the refusal (facts.md 13.3).
        price_away: how far on the wrong side of the market a limit may be, as a fraction; None does not look
            (facts.md 5.2, PROT: such a check exists, its thresholds are unpublished).
        halted_market_orders: what becomes of a market order in a halted symbol: "held" until it trades again, or
            "refused" (no source says which).
        option_gtc: which option orders may be gtc: "any", only "limit" orders, or "none" (facts.md 13.10).
        option_ticks: whether prices of options must stand on the ticks of the penny programme (facts.md 13.10).
        largest_expiration: whether of several expirations the one that needs most counts (facts.md 11, L3), or they
            add up.
        multileg_gtc: whether a multi-leg order may be gtc (facts.md 5.2: the specification lists it, L3 shows day).
        multileg_side: what stands as the side of a multi-leg order: "buy" for a debit and "sell" for a credit, as in a
            capture of 2026-08 ("direction"), or "" ("blank"), as in the specification (facts.md 5.3, 13.5).
        crypto_minimum: the least that a crypto order may cost (facts.md 5.2; find_string 61968254550 reports 10).
        crypto_maximum: the most (facts.md 5.2, CRY).
        stops_within_quote: whether a stop is elected only by a print inside bid and ask (facts.md 5.2, ORD).
        client_order_id_length: 128; 48 before 2024 (facts.md 5.1).
        shorting_enabled: False refuses every opening short.
        trading_blocked: no new orders, by the broker.
        account_blocked: the same, and shown so.
        trade_suspended_by_user: no new orders, by the user's own wish (configuration `suspend_trade`).
        options_level: the level of options that the account is approved for, 0 to 3 (facts.md 11).
        fractional_trading: whether parts of shares may be bought.
        overnight_trading: whether the overnight session takes orders.
        ptp_entry: whether partnerships without exception may be bought (attribute `ptp_no_exception`).
        account: what days, corporate actions and expiries do to the account.
    """

    cash: Decimal = Decimal(100_000)
    fills: FillModel = field(default_factory=Honest)
    ack_ns: int = 16 * _MS
    new_ns: int = 23 * _MS
    match_ns: int = 50 * _MS
    cancel_ns: int = 23 * _MS
    replace_ns: int = 23 * _MS
    visibility_ns: int = 0
    multiplier: Literal[1, 2, 4] = 4
    buying_power: Literal["maintenance", "exposure"] = "maintenance"
    fees: FeeSchedule | None = None
    replace_keeps: Literal["original", "remaining"] = "original"
    flip_to_long: bool = False
    extended_gtc: bool = True
    refuse_wash_trades: bool = True
    buy_stop_limits: bool = True
    stop_away_from_market: bool = True
    stopped_profit_ends: Literal["canceled", "replaced"] = "canceled"
    tell_stop_cancels: bool = True
    stray_legs: Literal["ignored", "refused"] = "ignored"
    auction_price: Literal["print", "quote"] = "print"
    cls_cutoff_minutes: int = 10
    price_away: Decimal | None = None
    halted_market_orders: Literal["held", "refused"] = "held"
    option_gtc: Literal["any", "limit", "none"] = "any"
    option_ticks: bool = True
    largest_expiration: bool = True
    multileg_gtc: bool = False
    multileg_side: Literal["direction", "blank"] = "direction"
    crypto_minimum: Decimal = Decimal(1)
    crypto_maximum: Decimal = Decimal(200_000)
    stops_within_quote: bool = True
    client_order_id_length: int = 128
    shorting_enabled: bool = True
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    options_level: Literal[0, 1, 2, 3] = 3
    fractional_trading: bool = True
    overnight_trading: bool = True
    ptp_entry: bool = False
    account: AccountTerms = field(default_factory=AccountTerms)
