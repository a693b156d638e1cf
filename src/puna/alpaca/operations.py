"""Which call carries out which operation of Alpaca's two specifications, and which operations have no call, and why.

The calls register themselves; `docs/api.md` is written from here, and a test holds this against the specifications.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

__all__ = ["LEFT_OUT", "MODULES", "Operation", "operation", "operations"]

F = TypeVar("F", bound=Callable[..., Any])

MODULES = (
    "account",
    "calendar",
    "contracts",
    "corporate",
    "crypto",
    "events",
    "locates",
    "market",
    "news",
    "options",
    "single",
    "trading",
    "watchlists",
)
"""The modules of `puna.alpaca` that hold calls."""


class Operation(NamedTuple):
    """One operation of a specification, and its call."""

    id: str
    method: str
    path: str
    call: Callable[..., Any]


_registered: dict[str, Operation] = {}


def operation(route: str, operation_id: str) -> Callable[[F], F]:
    """Registers the call that carries out an operation: `@operation("GET /v2/account", "getAccount")`."""
    method, _, path = route.partition(" ")

    def register(call: F) -> F:
        _registered[operation_id] = Operation(operation_id, method, path, call)
        return call

    return register


def operations() -> dict[str, Operation]:
    """Every operation that has a call, by the specification's id."""
    for name in MODULES:
        import_module(f"puna.alpaca.{name}")
    return dict(sorted(_registered.items(), key=lambda item: (item[1].path, item[1].method)))


_MONEY_LEAVES = "wallets and transfers: calls that move money out of an account must not exist in this client"
_TOKENS = "tokenization: neither stocks, options nor crypto trading"
_OTHER_MARKETS = "fixed income and forex are outside what Puna trades"

LEFT_OUT: dict[str, str] = {
    **dict.fromkeys(
        (
            "createWhitelistedAddress",
            "deleteWhitelistedAddress",
            "getCryptoFundingTransfer",
            "getCryptoTransferEstimate",
            "listCryptoFundingTransfers",
            "listCryptoFundingWallets",
            "listWhitelistedAddress",
            "searchVASPs",
            "updateWhitelistedAddressTravelRuleInfo",
        ),
        _MONEY_LEAVES,
    ),
    **dict.fromkeys(
        (
            "getTokenizationRequest",
            "getTokenizationRequestByClientRequestID",
            "getTokenizationRequests",
            "postTokenizationMint",
        ),
        _TOKENS,
    ),
    **dict.fromkeys(("FixedIncomeLatestPrices", "FixedIncomeLatestQuotes", "LatestRates", "Rates"), _OTHER_MARKETS),
}
"""Operations without a call, by the specification's id, and why."""
