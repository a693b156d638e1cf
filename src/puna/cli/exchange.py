"""`puna exchange`: the Alpaca-compatible exchange in the foreground, for any Alpaca client."""

import asyncio
import json
import signal
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from puna.cli.output import DATE, json_option, money, price, print_rows, verbose_option
from puna.core import sessions
from puna.errors import PunaError
from puna.exchange.data import SYMBOLS
from puna.exchange.faults import load_faults, load_halts
from puna.exchange.options import DEFAULT_DAY
from puna.exchange.prices.coins import COINS
from puna.exchange.prices.recorded import load
from puna.exchange.scenarios import SCENARIOS, play_out
from puna.exchange.server import ExchangeConfig, ExchangeServer, Lockstep, Speed
from puna.seams import SystemClock

__all__ = ["exchange"]

_PROGRESS_SECONDS = 1.0


@click.command
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="The TCP port.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; others than loopback need --key."
)
@click.option("--seed", default=7, show_default=True, help="Of prices, ids and chance.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Market seconds in a second.  [default: 1]")
@click.option("--lockstep", is_flag=True, help="Go on when every client has answered; no wall time.")
@click.option(
    "--day",
    type=DATE,
    help=f"The first day.  [default: {DEFAULT_DAY}, or the scenario's, or the recording's first]",
)
@click.option("--days", type=click.IntRange(1), default=1, show_default=True, help="How many sessions.")
@click.option(
    "--history",
    type=click.IntRange(0, 5_000),
    default=5,
    show_default=True,
    help="So many sessions before have minutes of stocks, too.",
)
@click.option("--symbols", default="", help="A comma list of stocks and coins (AAPL,BTC/USD); all when not given.")
@click.option("--no-options", is_flag=True, help="No options on the stocks.")
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replay the bars of this file (.csv, .jsonl, .parquet) instead of the data that ships with Puna.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(list(SCENARIOS)),
    metavar="NAME",
    help="What goes wrong, by name; may be given several times: " + ", ".join(SCENARIOS) + ".",
)
@click.option(
    "--plan",
    type=click.Choice(["basic", "plus"]),
    help="The market-data plan: basic has no SIP data of the last 15 minutes.  [default: plus]",
)
@click.option("--cash", type=Decimal, default=Decimal(100_000), show_default=True, help="What the account starts with.")
@click.option("--key", "keys", multiple=True, metavar="ID:SECRET", help="Accept only these; without it, any.")
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=None,
    help="Requests a minute; 0: no limit.  [default: 200, lockstep 0]",
)
@click.option("--lead", type=click.IntRange(1), help="Market seconds before the open.  [default: 5, lockstep 60]")
@click.option("--faults", type=click.Path(path_type=Path, dir_okay=False), help="A fault script (TOML).")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Append the event log to this file.")
@json_option
@verbose_option
def exchange(as_json: bool, **options: Any) -> int:  # noqa: FBT001 - click's flag
    """Start the Alpaca-compatible exchange, for any Alpaca client.

    It replays real days of five stocks, with options on them, and invented coins around the clock; or days of your own
    (--replay). Without --speed and --lockstep time runs as on the wall. Point a client at the printed addresses; any
    key will do. docs/exchange.md tells the rest.
    """
    return asyncio.run(_serve(_config(options), as_json=as_json))


def _config(options: dict[str, Any]) -> ExchangeConfig:
    if options["lockstep"] and options["speed"]:
        raise click.UsageError("--lockstep and --speed exclude each other")
    lockstep: bool = options["lockstep"]
    limit, day = options["rate_limit"], _day(options)
    config = ExchangeConfig(
        seed=options["seed"],
        day=day,
        days=options["days"],
        history_days=options["history"],
        symbols=_symbols(options),
        options=not options["no_options"],
        recording=options["replay"],
        cash=options["cash"],
        keys=_keys(options["keys"]),
        pacing=Lockstep() if lockstep else Speed(options["speed"] or 1.0),
        faults=load_faults(options["faults"], day=day) if options["faults"] else (),
        halts=load_halts(options["faults"], day=day) if options["faults"] else (),
        log_path=options["log"],
        host=options["host"],
        port=options["port"],
        wait_for=("data", "trading") if lockstep else (),
        lead_seconds=options["lead"] or (60 if lockstep else 5),
        rate_limit=(0 if lockstep else 200) if limit is None else limit,
        data_plan=options["plan"] or "plus",
    )
    return play_out(config, options["scenarios"])


def _day(options: dict[str, Any]) -> date:
    """The day that is asked for, or the one that goes with the scenario or the recording.

    A scenario that needs a day of its own does not go with another one.
    """
    given: date | None = options["day"].date() if options["day"] else None
    needed = {name: found.day for name in options["scenarios"] if (found := SCENARIOS[name]).day is not None}
    if len(set(needed.values())) > 1 or (given and any(day != given for day in needed.values())):
        names = ", ".join(f"{name} needs {day}" for name, day in needed.items())
        raise click.UsageError(f"these days exclude each other: {names}")
    if needed and options["replay"]:
        raise click.UsageError(f"{next(iter(needed))} needs the data that ships with Puna, not --replay")
    if given or needed:
        return given or next(iter(needed.values()))
    return load(options["replay"], options["seed"]).first_day if options["replay"] else DEFAULT_DAY


def _symbols(options: dict[str, Any]) -> tuple[str, ...] | None:
    """What is named; otherwise everything there is."""
    named = tuple(part.strip().upper() for part in options["symbols"].split(",") if part.strip())
    if named or options["replay"]:
        return named or None
    return (*SYMBOLS, *COINS)


def _keys(pairs: tuple[str, ...]) -> dict[str, str] | None:
    if not all(0 < pair.find(":") < len(pair) - 1 for pair in pairs):
        raise click.UsageError("--key takes ID:SECRET")
    return {key: secret for key, _, secret in (pair.partition(":") for pair in pairs)} or None


async def _serve(config: ExchangeConfig, *, as_json: bool) -> int:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with ExchangeServer(config) as server:
        _greet(server, as_json=as_json)
        progress = asyncio.create_task(_show_progress(server)) if _is_watched(as_json=as_json) else None
        await _first(server.done, interrupted)
        if progress is not None:
            progress.cancel()
        _sum_up(server, over=server.done.is_set(), as_json=as_json)
        if server.log_error is not None:
            raise PunaError(
                f"The event log {config.log_path} ends early.",
                why=server.log_error.strerror or str(server.log_error),
                state="The day went on without it; hash and books are those of the whole day.",
                remedy="Make room, and play the day again.",
                code="E033",
            )
    return 0


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _is_watched(*, as_json: bool) -> bool:
    return not as_json and sys.stderr.isatty()


def _greet(server: ExchangeServer, *, as_json: bool) -> None:
    """Where to point a client."""
    base = server.url.replace("http", "ws", 1)
    urls = {"rest": server.url, "data_stream": server.data_stream_url, "trading_stream": server.trading_stream_url}
    further = {"crypto_stream": "/v1beta3/crypto/us", "option_stream": "/v1beta1/opra", "news_stream": "/v1beta1/news"}
    urls |= {name: base + path for name, path in further.items()}
    if as_json:
        _print_line({"event": "listening", **urls, **_what(server.config)})
        return
    what = _what(server.config)
    click.echo(
        f"SIMULATED EXCHANGE  not Alpaca, not affiliated with it; {what['day']}, seed {what['seed']}, {what['pacing']}"
    )
    for name, url in urls.items():
        click.echo(f"  {name.replace('_', ' '):15} {url}")
    key = next(iter(server.config.keys or {}), "any")
    secret = "<its secret>" if server.config.keys else "any"
    click.echo("\nalpaca-py:")
    click.echo("  from alpaca.trading.client import TradingClient")
    click.echo(f'  client = TradingClient("{key}", "{secret}", url_override="{server.url}")')
    click.echo("  print(client.get_account().cash)")
    click.echo("\nPuna's own verbs, in another terminal:")
    click.echo(f"  export ALPACA_BASE_URL={server.url} ALPACA_API_KEY={key} ALPACA_SECRET_KEY='{secret}'")
    click.echo("  puna account")
    if isinstance(server.config.pacing, Lockstep):
        click.echo("\nTime starts when a data socket has subscribed and a trading socket listens.")
    click.echo("\nCtrl-C ends it.")


def _what(config: ExchangeConfig) -> dict[str, str]:
    pacing = "lockstep" if isinstance(config.pacing, Lockstep) else f"{config.pacing.factor:g} x real time"
    return {"day": config.day.isoformat(), "seed": str(config.seed), "pacing": pacing}


async def _show_progress(server: ExchangeServer) -> None:
    clock = SystemClock()
    while True:
        here = server.progress()
        now, day = _wall(here.now), max(1, here.close - here.open)
        done = min(100, max(0, 100 * (here.now - here.open) // day))
        click.echo(f"\r{now:%Y-%m-%d %H:%M:%S} New York  {done:3d} %", nl=False, err=True)
        await clock.sleep(_PROGRESS_SECONDS)


def _wall(ts: int) -> datetime:
    return sessions.new_york(ts)


def _sum_up(server: ExchangeServer, *, over: bool, as_json: bool) -> None:
    """What the exchange's own books say at the end."""
    books = server.books()
    ended = "day over" if over else "interrupted"
    rows = [
        {"symbol": symbol, "qty": f"{qty:f}", "average": price(average)}
        for symbol, (qty, average) in sorted(books.positions.items())
    ]
    if as_json:
        tail = {"event": "ended", "ended": ended, "cash": books.cash, "fees": books.fees, "positions": rows}
        _print_line({**tail, "market_time": _wall(server.progress().now), "event_log_hash": server.event_log_hash()})
        return
    click.echo(f"\n{ended} at {_wall(server.progress().now):%Y-%m-%d %H:%M:%S} New York")
    click.echo(f"cash {money(books.cash)}, fees {money(books.fees)}")
    if rows:
        print_rows(rows, right=frozenset({"qty", "average"}))
    click.echo(f"event log {server.event_log_hash()}")


def _print_line(value: dict[str, object]) -> None:
    """One JSON object on one line: the exchange prints one when it listens and one at its end."""
    click.echo(json.dumps(value, default=str))
