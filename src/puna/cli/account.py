"""`puna account`, `positions`, `orders`: what the broker says now, on paper or on a running exchange."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click
import msgspec

from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, money, new_york, price, print_next, print_rows, verbose_option
from puna.errors import ConfigError, PunaError

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca, Credentials, Endpoints
    from puna.config import Config
    from puna.wire.trading import Order, Position

__all__ = ["account", "ask", "credentials_of", "endpoints_of", "orders", "positions", "print_wire"]

T = TypeVar("T")


class NotRunningError(PunaError):
    """Mode sim has no account outside a run."""

    code = "E040"
    exit_code = 4


@click.command
@click.option("--history", metavar="PERIOD", help="Equity and profit over 1D, 2W, 3M, 1A, ... instead.")
@click.option("--timeframe", help="Of the history: 1Min, 5Min, 15Min, 1H, 1D; the broker chooses when not given.")
@config_option
@json_option
@verbose_option
def account(*, history: str | None, timeframe: str | None, config: Path | None, as_json: bool) -> None:
    """What the account holds and what it may spend."""
    if history is not None:
        _show_history(config, history, timeframe, as_json=as_json)
        return
    if timeframe is not None:
        raise click.UsageError("--timeframe goes with --history")
    from puna.alpaca.portfolio import get_portfolio
    from puna.alpaca.trading import get_account

    settings = load_config(config, follow_address=True)
    found = ask(settings, lambda alpaca: alpaca(get_account()))
    if as_json:
        print_wire(found)
        return
    figures = ask(settings, lambda alpaca: alpaca(get_portfolio()))
    rows = {
        "account": found.account_number or found.id,
        "status": found.status,
        "equity": money(found.equity),
        "cash": money(found.cash),
        "long": money(found.long_market_value),
        "short": money(found.short_market_value),
        "buying power": money(found.buying_power),
        "day P&L": _gain(figures.day_pl, figures.day_pl_pct),
        "open P&L": _gain(figures.open_pl, figures.open_pl_pct),
        "initial margin": money(found.initial_margin),
        "maintenance margin": money(found.maintenance_margin),
        "blocked": ", ".join(name for name in _BLOCKS if getattr(found, name)) or "no",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name.ljust(width)}  {value}")
    print_next("puna positions")


def _show_history(config: Path | None, period: str, timeframe: str | None, *, as_json: bool) -> None:
    from puna.alpaca.account import get_portfolio_history

    call = get_portfolio_history(period=period, timeframe=timeframe)
    found = _ask(config, lambda alpaca: alpaca(call))
    if as_json:
        print_wire(found)
        return
    rows = [
        {
            "time": new_york(second * 1_000_000_000),
            "equity": money(equity),
            "profit": money(profit),
            "percent": "-" if share is None else f"{share * 100:+.2f}",
        }
        for second, equity, profit, share in zip(
            found.timestamp, found.equity, found.profit_loss, found.profit_loss_pct, strict=True
        )
    ]
    if rows:
        print_rows(rows, right=frozenset({"equity", "profit", "percent"}))
    else:
        click.echo("no history yet")
    print_next("puna activity")


def _gain(gained: Decimal | None, share: Decimal | None) -> str:
    """+35.90 (+0.04 %)."""
    if gained is None:
        return "-"
    return f"{gained:+,.2f}" + ("" if share is None else f" ({share * 100:+.2f} %)")


_BLOCKS = ("account_blocked", "trading_blocked", "transfers_blocked", "trade_suspended_by_user")


@click.command
@config_option
@json_option
@verbose_option
def positions(*, config: Path | None, as_json: bool) -> None:
    """What is held, at which price, with which profit."""
    from puna.alpaca.trading import get_positions

    found = _ask(config, lambda alpaca: alpaca(get_positions()))
    if as_json:
        print_wire(found)
        return
    if found:
        print_rows([_position(each) for each in found], right=frozenset({"qty", "entry", "price", "value", "profit"}))
    else:
        click.echo("no positions")
    print_next("puna orders")


@click.command
@click.option("--status", type=click.Choice(["open", "closed", "all"]), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Newest first, at most so many.")
@config_option
@json_option
@verbose_option
def orders(*, status: Literal["open", "closed", "all"], limit: int, config: Path | None, as_json: bool) -> None:
    """Open orders; with --status, closed ones too."""
    from puna.alpaca.trading import get_orders

    async def newest(alpaca: "AsyncAlpaca") -> "list[Order]":
        found: list[Order] = []
        async for order in alpaca(get_orders(status, limit=min(limit, 500))):
            found.append(order)
            if len(found) == limit:
                break
        return found

    found = _ask(config, newest)
    if as_json:
        print_wire(found)
        return
    if found:
        print_rows([_order(each) for each in found], right=frozenset({"qty", "filled", "limit", "price"}))
    else:
        click.echo("no orders" if status == "all" else f"no {status} orders")
    print_next("puna orders --status all" if status == "open" else "puna positions")


def _position(each: "Position") -> dict[str, str]:
    return {
        "symbol": each.symbol,
        "qty": f"{each.qty:f}",
        "entry": price(each.avg_entry_price),
        "price": price(each.current_price),
        "value": money(each.market_value),
        "profit": money(each.unrealized_pl),
    }


def _order(each: "Order") -> dict[str, str]:
    return {
        "submitted": new_york(each.submitted_at),
        "symbol": each.symbol or "",
        "side": each.side or "",
        "qty": "-" if each.qty is None else f"{each.qty:f}",
        "type": each.type or "",
        "limit": price(each.limit_price),
        "status": each.status,
        "filled": "-" if each.filled_qty is None else f"{each.filled_qty:f}",
        "price": price(each.filled_avg_price),
        "client_order_id": each.client_order_id or "",
    }


def _ask(path: Path | None, question: "Callable[[AsyncAlpaca], Awaitable[T]]") -> T:
    """One answer from the broker that a configuration file names."""
    return ask(load_config(path, follow_address=True), question)


def ask(config: "Config", question: "Callable[[AsyncAlpaca], Awaitable[T]]") -> T:
    """One answer from the broker that the configuration names.

    Raises:
        PunaError: there are no keys, no broker to ask, or no answer.
    """
    return asyncio.run(_answer(config, endpoints_of(config), question))


async def _answer(config: "Config", endpoints: "Endpoints", question: "Callable[[AsyncAlpaca], Awaitable[T]]") -> T:
    from puna.alpaca.drift import DRIFT
    from puna.alpaca.http import AsyncAlpaca

    async with AsyncAlpaca(credentials_of(config), endpoints) as alpaca:
        answer = await question(alpaca)
    for line in DRIFT.lines():
        click.echo(line, err=True)
    return answer


def credentials_of(config: "Config") -> "Credentials":
    """The keys of a configuration.

    Raises:
        ConfigError: E008, there are none.
    """
    from puna.alpaca.http import Credentials

    if config.keys is None:
        raise ConfigError(
            "There are no API keys.",
            state="Nothing was sent.",
            remedy="set ALPACA_API_KEY and ALPACA_SECRET_KEY, or their *_FILE forms; check: puna doctor. "
            "Without an account, start puna exchange: it prints what to set",
            code="E008",
        )
    return Credentials(config.keys.key, config.keys.secret)


def endpoints_of(config: "Config") -> "Endpoints":
    """Where a configuration's broker is.

    Raises:
        NotRunningError: E040, mode sim, and no exchange is named.
    """
    from puna.alpaca.http import Endpoints
    from puna.config import Mode

    if config.account.mode is Mode.PAPER:
        return Endpoints.paper(config.data.feed)
    if config.base_url is None:
        raise NotRunningError(
            "Mode sim has no account outside a run.",
            why="no exchange was named",
            remedy="start `puna exchange` and set ALPACA_BASE_URL to its address, or use mode paper",
        )
    return Endpoints.at(config.base_url, config.data.feed)


def print_wire(found: object) -> None:
    """The broker's own words as JSON."""
    from puna.wire.codec import encode

    click.echo(msgspec.json.format(encode(found), indent=2).decode())
