"""What differs from live in a backtest on bars, in words, for the report: it depends on what the history holds."""

from collections.abc import Iterator, Mapping

from puna.exchange.option_margin import as_option
from puna.research.backtest.data import History

__all__ = ["differences_of"]

OPTIONS = (
    "Options are known by their bars: no quotes, no open interest; a contract that is not among them does not exist.",
    "A package fills at the opens of a bar in which all its legs trade; a contract that does not trade fills nothing.",
    "Short options are assigned on their last day, and not before, unless the terms say so.",
)

TICKS = (
    "Because a strategy listens, every stored quote and print is heard, and met by orders, on days on which all "
    "symbols have quotes; sizes are what the fill model leaves of the bar's volume. The rest is true of other days."
)


def differences_of(history: History, *, ticking: bool = False) -> tuple[str, ...]:
    """One sentence for each.

    Args:
        history: what was played.
        ticking: whether strategies listen to quotes or prints, and these are stored.
    """
    return tuple(_told(history, ticking=ticking))


def _told(history: History, *, ticking: bool) -> Iterator[str]:
    if ticking:
        yield TICKS
    yield from _tapes(history)
    yield "A bar is known the moment it ends, and orders reach the venue then; live both take part of a second."
    if any(as_option(symbol) is not None for symbol in history.columns):
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


def _tapes(history: History) -> Iterator[str]:
    """What is known of quotes and prints."""
    quoted = {symbol: tape.quotes for symbol, tape in sorted(history.tapes.items()) if tape.quotes}
    printed = {symbol: tape.prints for symbol, tape in sorted(history.tapes.items()) if tape.prints}
    if quoted:
        yield (
            f"Orders met stored quotes where there were some ({_days(quoted)}): the one that stood at their moment, "
            "inside of a bar its spread around the bar's path; sizes, and other spreads, are the fill model's."
        )
    if printed:
        yield f"Which extreme of a bar came first was told by stored prints where there were some ({_days(printed)})."
    if len(quoted) < len(history.columns):
        other = f"{'Elsewhere b' if quoted else 'B'}ars only: nothing is known of quotes, depth"
        yield f"{other} and the order of prints inside a bar; the fill model guesses."
        yield "Quotes stand around the last close; on_quote hears of them once a bar, on_trade never."
    else:
        yield "on_quote hears the quote at the end of each bar, not those in between; on_trade hears nothing."


def _days(known: Mapping[str, int]) -> str:
    return ", ".join(f"{symbol} {days} days" for symbol, days in [*known.items()][:8])
