"""What differs from live in a backtest on bars, in words, for the report: it depends on what the history holds."""

from collections.abc import Iterator

from puna.research.backtest.chain import option_of
from puna.research.backtest.data import History

__all__ = ["differences_of"]

OPTIONS = (
    "Options are known by their bars: no quotes, no open interest; a contract that is not among them does not exist.",
    "A package fills at the opens of a bar in which all its legs trade; a contract that does not trade fills nothing.",
)


def differences_of(history: History) -> tuple[str, ...]:
    """One sentence for each."""
    return tuple(_told(history))


def _told(history: History) -> Iterator[str]:
    yield "Bars only: nothing is known of quotes, depth and the order of prints inside a bar; the fill model guesses."
    yield "A bar is known the moment it ends, and orders reach the venue then; live both take part of a second."
    yield "Quotes stand around the last close; on_quote hears of them once a bar, on_trade never."
    if any(option_of(symbol) is not None for symbol in history.columns):
        yield from OPTIONS
    yield "Our own orders move their own price only, not the bars that follow."
    yield "No connection drops, no answer gets lost, no rate limit holds an order back."
    yield from _lending(history)


def _lending(history: History) -> Iterator[str]:
    noted = sorted(name for name, how in history.borrow.items() if how != "easy")
    if noted:
        yield f"{', '.join(noted[:8])} cannot simply be borrowed, all days alike; every other stock can, at no cost."
    else:
        yield "Every stock can be sold short, and is easy to borrow."
    if history.halts:
        yield f"Halts as they are noted with the history ({len(history.halts)}); volatility bands are not known."
    else:
        yield "Nobody noted halts: where there is no bar nothing fills, and no strategy hears why."
