"""The `puna` command: one file a verb family, loaded when the verb is called, so that `--help` stays fast.

A verb `name` is the click command `name` in its module. The first line of its docstring stands here as well (a test
compares the two); a verb whose module is not installed does not show up. Every error leaves through `main`: what
happened, why, in which state you are, what to do, on stderr, with a documented exit code.

Exit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 not running, 5 broker refused, 6 risk refused, 7 timeout or in doubt,
8 needs a permit, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

import click

from puna import __version__

__all__ = ["VERBS", "main", "puna"]

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("puna.cli.demo", "A whole trading day on the simulated exchange: no account, no keys, no network."),
    "run": ("puna.cli.run", "Run the strategies of a config; its [account] mode decides where orders go."),
    "backtest": (
        "puna.cli.backtest",
        "Run the strategies of a config, or of a .py file, on bars of the past: same orders, risk and books as live.",
    ),
    "check": (
        "puna.cli.check",
        "Whether a strategy looks ahead, needs more warm-up, changes by itself, or orders what cannot be placed.",
    ),
    "sweep": (
        "puna.cli.sweep",
        "A backtest for each combination of values, judged by neighbourhoods, luck and overfitting.",
    ),
    "parity": (
        "puna.cli.parity",
        "Put a recorded day through the backtest and compare: each difference explained, one score.",
    ),
    "up": ("puna.cli.up", "Start market-data, signals, execution and risk as processes, and watch over them."),
    "serve": ("puna.cli.serve", "Run one component of the services: market-data, signals, execution or risk."),
    "reload": ("puna.cli.serve", "Let the risk process read the configuration anew; looser limits wait for --confirm."),
    "bus": ("puna.cli.bus", "Watch, record and replay the bus, and make the keys of its peers."),
    "exchange": ("puna.cli.exchange", "Start the Alpaca-compatible exchange, for any Alpaca client."),
    "account": ("puna.cli.account", "What the account holds and what it may spend."),
    "positions": ("puna.cli.account", "What is held, at which price, with which profit."),
    "orders": ("puna.cli.account", "Open orders; with --status, closed ones too."),
    "order": ("puna.cli.order", "Place one order; --preview shows cost and objections and sends nothing."),
    "cancel": ("puna.cli.order", "Ask to cancel one order, by its id or its client_order_id, or all open ones."),
    "close": (
        "puna.cli.order",
        "Close one position, or a part of it, or all; one line for each says what the broker answered.",
    ),
    "activity": (
        "puna.cli.activity",
        "What moved cash or positions: fills, fees, dividends, deposits, assignments.",
    ),
    "quote": ("puna.cli.quote", "The latest quotes, with mid and spread: stocks, options, coins."),
    "history": ("puna.cli.quote", "Bars of any timeframe, to the end of the span: stocks, options, coins."),
    "data": (
        "puna.cli.data",
        "History on disk: download, list, find gaps, verify, import; Parquet files that any tool reads.",
    ),
    "watch": ("puna.cli.watch", "Quotes and trades as they come, from the streams: stocks, options, coins, news."),
    "clock": ("puna.cli.market", "Whether the market is open, and the next trading days."),
    "asset": ("puna.cli.market", "What the broker says about symbols: tradable, shortable, fractionable, increments."),
    "chain": (
        "puna.cli.chain",
        "The options of one underlying around its price: quotes, implied volatility, Greeks.",
    ),
    "watchlist": (
        "puna.cli.watchlist",
        "Lists of symbols that the broker keeps: show, make, change and delete them.",
    ),
    "report": (
        "puna.cli.report",
        "Write the report of a run anew and say what it says; of several runs, compare them with the first.",
    ),
    "halt": ("puna.cli.halt", "Stop all new orders of a run, now and after every restart, until `puna resume`."),
    "why": (
        "puna.cli.why",
        "Why an order was what it was: bar, reason, risk checks, broker, fills, cost; or why there was none.",
    ),
    "flatten": (
        "puna.cli.flatten",
        "Halt, cancel every order, close every position, until the broker says flat, twice.",
    ),
    "resume": (
        "puna.cli.halt",
        "End a halt, with a reason; a running process compares its books with the broker's first.",
    ),
    "alarms": ("puna.cli.alarms", "What asks for a person: halts, locks, failures that nobody has acknowledged yet."),
    "ack": (
        "puna.cli.alarms",
        "Acknowledge alarms, by their numbers or all: they are not told again, and the journal holds who and why.",
    ),
    "selfcheck": (
        "puna.cli.selfcheck",
        "Show every risk check an order that it must refuse, under the limits of a configuration, and tell which did.",
    ),
    "watchdog": (
        "puna.cli.watchdog",
        "Watch a run; when it dies, hangs or loses the broker, halt it and cancel its orders that could add risk.",
    ),
    "rebalance": (
        "puna.cli.rebalance",
        "Plan the trades that bring the account to target weights; --execute sends them.",
    ),
    "margin": ("puna.cli.margin", "Margin, cost, break-evens and largest size of an option order, with its payoff."),
    "config": ("puna.cli.config", "Show, explain and describe the configuration."),
    "doctor": ("puna.cli.doctor", "Check this machine, the configuration, the keys and the journal."),
    "explain": ("puna.cli.explain", "The long text of an error or refusal code, offline."),
}
_EPILOG = (
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 not running, 5 broker refused, 6 risk refused, "
    "7 timeout or in doubt, 8 needs a permit, 130 interrupted.\n\n"
    "Environment: ALPACA_API_KEY and ALPACA_SECRET_KEY are the keys. ALPACA_BASE_URL is the address of a running "
    "`puna exchange`; any two words are keys there.\n\n"
    "Start with: puna demo"
)
_INTERRUPTED = 130


class _Lazy(click.Group):
    """A group that imports a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, (module, _) in VERBS.items() if find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(import_module(VERBS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a programming mistake, not an input
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a verb that is nearly one of ours is told what it may have been."""
        word = args[0]
        if word not in self.list_commands(ctx) and not word.startswith("-"):
            from difflib import get_close_matches

            near = " or ".join(repr(name) for name in get_close_matches(word, self.list_commands(ctx), n=2))
            if near:
                ctx.fail(f"No such command {word!r}. Did you mean {near}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        with formatter.section("Verbs"):
            formatter.write_dl([(name, VERBS[name][1]) for name in names] or [("-", "none installed")])


@click.group(cls=_Lazy, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="puna %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error.")
def puna(verbose: bool) -> None:  # noqa: FBT001 - `main` reads the flag, before any parsing
    """Algorithmic trading on Alpaca, offline first. Unofficial, not affiliated with Alpaca."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        colour = False if os.environ.get("NO_COLOR") else None  # None: as the terminal can; https://no-color.org
        sys.exit(_code(puna(words, prog_name="puna", standalone_mode=False, color=colour)))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the last stop of every error
        if isinstance(error, ExceptionGroup) and error.subgroup(BrokenPipeError):  # of one of several tasks
            _forget_stdout()
            sys.exit(1)
        from puna.cli.errors import report

        sys.exit(report(error, words))


def _code(result: Any) -> int:
    """A verb may return its exit code; `--help` and `--version` return 0 themselves."""
    return result if isinstance(result, int) else 0


def _forget_stdout() -> None:
    """Whoever read our output has gone; the interpreter must not complain about that while it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
