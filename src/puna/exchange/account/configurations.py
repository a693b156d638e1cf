"""The account's configurations, and what each of them does to the venue's terms (SPEC-T; facts.md 4).

`trade_confirm_email` does nothing here: the exchange sends no letters. All others act.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import msgspec

from puna.exchange.orders.live import amount
from puna.exchange.refusals import Refusal, invalid
from puna.exchange.terms import VenueOptions
from puna.wire.account import Configurations, ConfigurationsChange

__all__ = ["changed", "first", "governed"]

_MULTIPLIERS: Mapping[int, Literal[1, 2, 4]] = {1: 1, 2: 2, 4: 4}
_LEVELS: Sequence[Literal[0, 1, 2, 3]] = (0, 1, 2, 3)
_WORDS: dict[str, tuple[object, ...]] = {
    "max_margin_multiplier": (Decimal(1), Decimal(2), Decimal(4)),
    "max_options_trading_level": (0, 1, 2, 3),
    "trade_confirm_email": ("all", "none"),
}


def first(options: VenueOptions) -> Configurations:
    """What they are before anybody has changed them."""
    return Configurations(
        no_shorting=not options.shorting_enabled,
        suspend_trade=options.trade_suspended_by_user,
        fractional_trading=options.fractional_trading,
        max_margin_multiplier=amount(options.multiplier),
        max_options_trading_level=options.options_level,
        disable_overnight_trading=not options.overnight_trading,
        ptp_no_exception_entry=options.ptp_entry,
        trade_confirm_email="all",
    )


def changed(known: Configurations, change: ConfigurationsChange) -> Configurations | Refusal:
    """The configurations after a change, or why it makes no sense (wording INF)."""
    given: dict[str, Any] = {
        name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not None
    }
    for name, allowed in _WORDS.items():
        if name in given and given[name] not in allowed:
            return invalid(f"invalid {name}")
    return msgspec.structs.replace(known, **given)


def governed(options: VenueOptions, chosen: Configurations) -> VenueOptions:
    """The terms under these configurations: they restrict what the broker allows, and never widen it."""
    most = chosen.max_margin_multiplier or options.multiplier
    level = options.options_level if chosen.max_options_trading_level is None else chosen.max_options_trading_level
    return replace(
        options,
        shorting_enabled=options.shorting_enabled and not chosen.no_shorting,
        trade_suspended_by_user=bool(chosen.suspend_trade),
        fractional_trading=options.fractional_trading and bool(chosen.fractional_trading),
        multiplier=_MULTIPLIERS[min(options.multiplier, int(most))],
        options_level=_LEVELS[min(options.options_level, level)],
        overnight_trading=options.overnight_trading and not chosen.disable_overnight_trading,
        ptp_entry=bool(chosen.ptp_no_exception_entry),
    )
