"""The texts behind the codes of a run's beginning and its end."""

from puna.cli.code_text import Text

__all__ = ["RUN_CODES"]

RUN_CODES: dict[str, Text] = {
    "E051": Text(
        "The run was stopped before it began",
        "Somebody ended it while it waited for the broker's streams. One key has one stream of market data at Alpaca, "
        "so a second process on the same keys waits until the first has ended.",
        "End the other process, or start it again later: no strategy had begun.",
    ),
    "E510": Text(
        "Our books and the broker's differ",
        "Cash, a position or a fill is not the same on both sides. The message shows both. New risk is not opened on "
        "books that do not agree.",
        "Compare with `puna positions` and `puna account`. Trades made by hand or by another program look like this.",
    ),
    "E511": Text(
        "The books could not be compared at the end",
        "The run is over, and the broker could not be asked what the account holds: no network, or no answer in time. "
        "Nothing says that the books differ, and nothing says that they agree. Orders that were to be cancelled at the "
        "end may be open.",
        "Look with `puna orders` and `puna positions` when the broker can be reached. The next start compares the "
        "books before it sends anything.",
    ),
    "E520": Text(
        "Trading is halted",
        "A halt outlives the process: it stands in the journal, or as a latch beside it (journal.sqlite.halt). The "
        "books differed, keys were refused, an order was filled too often, an answer could not be believed, a limit of "
        "loss was reached, or a person asked for it. At the start only cancels that were asked for before are sent.",
        "The message names the reason. When it is gone: puna resume CONFIG --reason TEXT, or puna run CONFIG --resume.",
    ),
}
