"""What the codes of research mean: history, backtests, sweeps, reports; a part of `puna.cli.codes`."""

from puna.cli.code_text import Text

__all__ = ["RESEARCH_CODES"]

RESEARCH_CODES: dict[str, Text] = {
    "E660": Text(
        "A library of the extra `research` or `sweep` is not installed",
        "History on disk needs polars (and DuckDB, if you ask it questions); sweeps that search or use a cluster need "
        "optuna and ray; nothing else in Puna does. Nothing was downloaded, read or run.",
        "pip install 'puna[research]' or 'puna[sweep]', or from a clone: make test installs them into .venv.",
    ),
    "E661": Text(
        "A file of the history cannot be read",
        "It is damaged, or was not written by Puna: its metadata do not say what it holds. It was left as it is.",
        "Remove it and download its days again with `puna data get`; `puna data import` takes files of your own.",
    ),
    "E662": Text(
        "The history is in use",
        "Another process writes to the same folder. One writes at a time; any number may read.",
        "Wait for it, or name another folder with --store.",
    ),
    "E663": Text(
        "A file cannot be imported",
        "It is neither CSV nor Parquet, lacks a column, or holds times or prices that are none. Nothing was stored.",
        "The message names the column. Bars need time, open, high, low, close and volume; a time without an offset is "
        "UTC.",
    ),
    "E664": Text(
        "There is no such history",
        "Kind, symbol, timeframe, feed and adjustment do not go together, or the days make no span: options have no "
        "historical quotes, adjustments are of stocks' bars, each kind of symbol has feeds of its own. Nothing was "
        "downloaded.",
        "The message says what can be chosen.",
    ),
    "E665": Text(
        "Nothing of it is stored",
        "The history holds no file of that series.",
        "`puna data list` shows what there is; `puna data get` downloads.",
    ),
    "E680": Text(
        "The values to try cannot be understood",
        "A sweep varies keys: key=a,b,c or key=1..10 or key=0.1..0.5:0.1, each key in one word. A word is none of it, "
        "a range holds nothing, has no step where a grid needs one, or there are more than a million cells. Nothing "
        "was run.",
        "The message names the word. docs/sweeps.md shows each form.",
    ),
    "E681": Text(
        "There is no such key to vary, or no such metric",
        "A key is a parameter of a strategy (lookback, or momentum.lookback where several strategies have one), or a "
        "key of the configuration such as risk.max_position; what --by names is a metric of the backtest.",
        "The message lists what there is. `puna config explain` lists the keys of the configuration.",
    ),
    "E682": Text(
        "A value does not fit its key",
        "A parameter has the type of the value that the class sets: a whole number, a number, true or false, text. "
        "Nothing was run.",
        "Give values of that type; the message says which it is.",
    ),
    "E683": Text(
        "A cell of a sweep failed",
        "The strategy raised an error with these values, or the process that ran it ended, three times. The other "
        "cells were run. A cell that failed has no result and is counted in the report of the sweep.",
        "Run that cell alone with `puna backtest` to see where it fails. `puna sweep --resume FOLDER` tries failed "
        "cells again.",
    ),
    "E684": Text(
        "The workers of a sweep cannot run its cells",
        "The processes that run cells did not start, or could not load what they were to run. Cells that were done "
        "before are kept.",
        "--jobs 1 runs everything in one process and shows the error itself, with -v.",
    ),
    "E685": Text(
        "The folder holds another sweep",
        "A sweep goes on only with the values, options, configuration, code and data that it was begun with: cells of "
        "two programs in one table would compare what cannot be compared. Nothing was run.",
        "Take a new folder with --out, or restore what the message names and resume.",
    ),
    "E686": Text(
        "The sweep is running already",
        "Another process has the folder open. Nothing was run and the other process was not disturbed.",
        "Wait for it, or end it with Ctrl-C and resume.",
    ),
    "E687": Text(
        "No cell of the sweep gave a result",
        "Every cell failed, so there is nothing to compare. The first error is shown.",
        "Run one of the cells alone with `puna backtest`.",
    ),
    "E688": Text(
        "Cells of a sweep cover different periods",
        "Something that was varied changes which days are backtested. Cells that saw different days "
        "cannot be compared.",
        "Vary parameters and limits; choose the days with --from and --to.",
    ),
    "E689": Text(
        "The periods do not suffice for the folds",
        "Walk-forward needs days to train on and days to test, after purging and embargo have taken theirs.",
        "Use a longer span, fewer folds, or a smaller --purge and --embargo.",
    ),
    "E670": Text(
        "There are no bars of these days",
        "The history holds none of the symbols between the days that were asked for. Nothing was run.",
        "The message says which days there are. `puna data get` downloads more, `puna data list` shows what is stored.",
    ),
    "E671": Text(
        "The bars cannot be used",
        "A column is missing, times do not rise, a price is none or lies outside of its bar's low and high, or a day "
        "is no trading day. Nothing was run.",
        "`puna data verify` checks what is stored. Times are ns since the epoch (UTC), the left edge of each bar.",
    ),
    "E672": Text(
        "The books of a backtest do not add up",
        "Cash or positions of the strategies' books differ from the venue's ledger, or that does not balance. The "
        "result would be worth nothing, so there is none.",
        "This is a mistake of Puna's: please report it, with the strategy and the data.",
    ),
    "E673": Text(
        "There is no such fill model",
        "Fill models are optimistic, realistic, pessimistic, or all for the three side by side. Nothing was run.",
        "docs/backtest.md says what each assumes.",
    ),
    "E675": Text(
        "There are no bars of these symbols",
        "The history holds none of that feed, timeframe and adjustment, and the prices that ship with Puna are of "
        "other symbols. Nothing was run.",
        "`puna data get SYMBOL --from DATE` downloads, `puna data import FILE --name NAME` takes files of your own, "
        "and `puna data list` shows what there is; --feed, --timeframe and --adjust say which of it.",
    ),
    "E676": Text(
        "Parity has nothing to compare",
        "The folder holds no run or not the bars that it heard (bars.csv, which `puna run` writes), or its "
        "configuration is another or has changed. Nothing was run.",
        "`puna run CONFIG`, then `puna parity runs/NAME-1 --config CONFIG`; `puna parity CONFIG` does both.",
    ),
    "E674": Text(
        "Strategies and history do not fit together",
        "There is no strategy, a strategy names a symbol without bars, or it wants bars of a timeframe that these "
        "cannot be made into. Nothing was run.",
        "Name other symbols, or get their bars: `puna data get SYMBOL --from DATE --timeframe 1Min`.",
    ),
    "E677": Text(
        "A fresh process could not run the strategies",
        "`puna check` runs them in processes of their own too. What runs here and not there hangs on something of this "
        "process: its folder, a variable of the environment, a path. Nothing was changed.",
        "The message has the last words of that process. Name files by their place beside the strategy's own file.",
    ),
    "E679": Text(
        "A cell of a sweep took too long",
        "It ran for longer than --timeout allows, and its process was ended. The strategy waits for something that "
        "does not come, or has more to do than was thought. The other cells were run.",
        "Run that cell alone with `puna backtest`. `puna sweep --resume FOLDER --timeout SECONDS` tries it again.",
    ),
    "E690": Text(
        "A strategy looks ahead",
        "A decision changes when the bars after it are taken away, so it was made from what nobody could know then: a "
        "table with rows of the future, the engine's own columns, a centred average, a figure of the whole day or "
        "sample. Its backtest means nothing. A table whose past rows were computed with the future, or a model trained "
        "on the days of the test, cannot be seen from outside.",
        "Decide from what `on_bar` was given and from `self.history(...)`, which end at the present bar. Read tables "
        "of your own up to `self.now`.",
    ),
    "E691": Text(
        "The warm-up is too short",
        "The strategy decides otherwise when it is started later: it remembers more than the warm-up that it declares. "
        "A run live is started anew every day, and after every failure.",
        'Declare what it needs, such as warmup = {"1Day": 60}, and compute it from `self.history(...)` in `on_start`. '
        "What is held is told by `self.position(...)`, what is open by `self.orders()`.",
    ),
    "E692": Text(
        "A strategy is not deterministic",
        "The same bars and the same seed gave other decisions: in the same process, with another order of sets "
        "(PYTHONHASHSEED), or with another wall clock. Such a result cannot be repeated, nor compared with another.",
        "Chance from random.Random(seed) made in `on_start`, time from `self.now`, sets only through sorted(...), and "
        "nothing kept in the class or the module.",
    ),
    "E693": Text(
        "Orders cannot be placed",
        "The broker, or the risk checks that know its rules, refuse orders of this strategy: prices between two ticks, "
        "parts of shares that rest, sizes beyond the buying power, sales that take a position through flat.",
        "Each is told with its code (`puna explain R103`), the first place and how often. What your own limits refuse "
        "is a note, not a finding.",
    ),
}
