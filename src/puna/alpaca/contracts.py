"""Option contracts, and what a holder may ask for: exercise, or none. Each call answers a value to be sent.

Source: SPEC-T, fact sheet 5.5 and 5.6.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

from puna.alpaca.operations import operation
from puna.alpaca.request import Lane, Page, Paged, Request, nothing, reading, segment, tokens
from puna.wire.codec import decoder
from puna.wire.contracts import OptionContract, OptionContractsPage

__all__ = ["do_not_exercise", "exercise", "get_contract", "get_contracts"]

_contract = reading(decoder(OptionContract))
_page = reading(decoder(OptionContractsPage))

CONTRACTS_LIMIT = 10_000  # the most that one page may hold [SPEC-T]


@operation("GET /v2/options/contracts", "get-options-contracts")
def get_contracts(
    underlying_symbols: Iterable[str] | None = None,
    *,
    expiration_date: date | None = None,
    expiration_date_gte: date | None = None,
    expiration_date_lte: date | None = None,
    strike_price_gte: Decimal | None = None,
    strike_price_lte: Decimal | None = None,
    type: Literal["call", "put"] | None = None,  # noqa: A002 - Alpaca's name
    style: Literal["american", "european"] | None = None,
    root_symbol: str | None = None,
    status: Literal["active", "inactive"] | None = None,
    ppind: bool | None = None,
    show_deliverables: bool | None = None,
    limit: int = CONTRACTS_LIMIT,
    lane: Lane = Lane.READ,
) -> Paged[OptionContract]:
    """Contracts, to the last page.

    Without `status` only active ones; without dates only those that expire before the coming weekend.
    """
    names = None if underlying_symbols is None else ",".join(underlying_symbols)
    return tokens(
        "/v2/options/contracts",
        _rows,
        api="trading",
        lane=lane,
        underlying_symbols=names,
        expiration_date=expiration_date,
        expiration_date_gte=expiration_date_gte,
        expiration_date_lte=expiration_date_lte,
        strike_price_gte=strike_price_gte,
        strike_price_lte=strike_price_lte,
        type=type,
        style=style,
        root_symbol=root_symbol,
        status=status,
        ppind=ppind,
        show_deliverables=show_deliverables,
        limit=limit,
    )


@operation("GET /v2/options/contracts/{symbol_or_id}", "get-option-contract-symbol_or_id")
def get_contract(symbol_or_id: str) -> Request[OptionContract]:
    """One contract, by OCC symbol or id."""
    return Request("GET", f"/v2/options/contracts/{segment(symbol_or_id)}", _contract, repeatable=True)


@operation("POST /v2/positions/{symbol_or_contract_id}/exercise", "optionExercise")
def exercise(symbol_or_contract_id: str) -> Request[None]:
    """Asks to exercise every contract held of it; refused between the close and midnight. Never repeated."""
    return Request("POST", f"/v2/positions/{segment(symbol_or_contract_id)}/exercise", nothing, lane=Lane.ORDER)


@operation("POST /v2/positions/{symbol_or_contract_id}/do-not-exercise", "optionDoNotExercise")
def do_not_exercise(symbol_or_contract_id: str) -> Request[None]:
    """Asks not to exercise at expiry what would be exercised by itself."""
    return Request("POST", f"/v2/positions/{segment(symbol_or_contract_id)}/do-not-exercise", nothing, lane=Lane.ORDER)


def _rows(body: bytes) -> Page[OptionContract]:
    page = _page(body)
    return Page(page.option_contracts or [], page.next_page_token or None)
