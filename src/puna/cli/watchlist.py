"""`puna watchlist`: lists of symbols that the broker keeps; shown, made, changed, deleted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from puna.cli.account import ask, print_wire
from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.wire.account import Watchlist

__all__ = ["watchlist"]


@click.group
def watchlist() -> None:
    """Lists of symbols that the broker keeps: show, make, change and delete them."""


@watchlist.command("list")
@config_option
@json_option
@verbose_option
def list_all(*, config: Path | None, as_json: bool) -> None:
    """Every list, by name."""
    from puna.alpaca.watchlists import get_watchlists

    found = ask(load_config(config, follow_address=True), lambda alpaca: alpaca(get_watchlists()))
    if as_json:
        print_wire(found)
    elif found:
        print_rows([{"name": each.name, "id": each.id} for each in found])
        print_next(f"puna watchlist show {found[0].name!r}")
    else:
        click.echo("no watchlists")
        print_next("puna watchlist create NAME SYMBOL...")


@watchlist.command
@click.argument("name")
@config_option
@json_option
@verbose_option
def show(name: str, *, config: Path | None, as_json: bool) -> None:
    """The symbols of one list."""
    from puna.alpaca.watchlists import get_watchlist_named

    _show(ask(load_config(config, follow_address=True), lambda alpaca: alpaca(get_watchlist_named(name))), as_json)


@watchlist.command
@click.argument("name")
@click.argument("symbols", nargs=-1)
@config_option
@json_option
@verbose_option
def create(name: str, symbols: tuple[str, ...], *, config: Path | None, as_json: bool) -> None:
    """Make a list."""
    from puna.alpaca.watchlists import create_watchlist

    call = create_watchlist(name, symbols)
    _show(ask(load_config(config, follow_address=True), lambda alpaca: alpaca(call)), as_json)


@watchlist.command
@click.argument("name")
@click.argument("symbol")
@config_option
@json_option
@verbose_option
def add(name: str, symbol: str, *, config: Path | None, as_json: bool) -> None:
    """Add one symbol to a list."""
    from puna.alpaca.watchlists import add_to_watchlist_named

    call = add_to_watchlist_named(name, symbol)
    _show(ask(load_config(config, follow_address=True), lambda alpaca: alpaca(call)), as_json)


@watchlist.command
@click.argument("name")
@click.argument("symbol")
@config_option
@json_option
@verbose_option
def remove(name: str, symbol: str, *, config: Path | None, as_json: bool) -> None:
    """Take one symbol out of a list."""
    from puna.alpaca.http import AsyncAlpaca
    from puna.alpaca.watchlists import get_watchlist_named, remove_from_watchlist

    async def removed(alpaca: AsyncAlpaca) -> "Watchlist":
        found = await alpaca(get_watchlist_named(name))
        return await alpaca(remove_from_watchlist(found.id, symbol))

    _show(ask(load_config(config, follow_address=True), removed), as_json)


@watchlist.command
@click.argument("name")
@config_option
@json_option
@verbose_option
def delete(name: str, *, config: Path | None, as_json: bool) -> None:
    """Delete a list."""
    from puna.alpaca.watchlists import delete_watchlist_named

    ask(load_config(config, follow_address=True), lambda alpaca: alpaca(delete_watchlist_named(name)))
    if as_json:
        print_json({"deleted": name})
        return
    click.echo(f"deleted {name}")
    print_next("puna watchlist list")


def _show(found: "Watchlist", as_json: bool) -> None:  # noqa: FBT001 - one place, called by all
    if as_json:
        print_wire(found)
        return
    click.echo(found.name)
    for asset in found.assets or ():
        click.echo(f"  {asset.symbol.ljust(8)} {asset.name or ''}".rstrip())
    print_next(f"puna watchlist add {found.name!r} SYMBOL")
