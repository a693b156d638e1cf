"""`puna order`, `puna cancel`, `puna close`: one order, previewed or sent; what ends orders and positions."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puna.cli.account import ask, print_wire
from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, money, price, print_json, print_next, print_rows, verbose_option
from puna.errors import InDoubtError, NotFoundError, PunaError

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.alpaca.portfolio import Closing
    from puna.alpaca.preview import Preview
    from puna.wire.trading import LegRequest, Order, OrderRequest

__all__ = ["cancel", "close", "order"]

TRIES, PAUSE_SECONDS = 5, 1.0


@click.command
@click.argument("words", nargs=-1, metavar="[SYMBOL buy|sell] QTY")
@click.option("--limit", help="Limit price; of a package: debit positive, credit negative.")
@click.option("--stop", help="Stop price.")
@click.option("--trail", help="Trailing stop: by so many dollars.")
@click.option("--trail-percent", help="Trailing stop: by so many percent.")
@click.option("--tif", help="day, gtc, opg, cls, ioc, fok.  [default: day, for coins gtc]")
@click.option("--extended-hours", is_flag=True, help="Outside regular hours, too: limit orders only.")
@click.option("--take-profit", help="With --stop-loss: a bracket.")
@click.option("--stop-loss", help="With --take-profit: a bracket.")
@click.option("--class", "order_class", help="bracket, oco, oto; found out by itself otherwise.")
@click.option(
    "--leg", "legs", multiple=True, metavar="'buy|sell N OPTION'", help="A leg of a package; as often as legs."
)
@click.option("--id", "client_order_id", help="The client_order_id; a new one when not given.")
@click.option("--preview", is_flag=True, help="Show what it would meet and cost, and send nothing.")
@config_option
@json_option
@verbose_option
def order(words: tuple[str, ...], *, config: Path | None, as_json: bool, preview: bool, **options: Any) -> int:
    """Place one order; --preview shows cost and objections and sends nothing.

    QTY is a number of shares, contracts or coins, or an amount such as $500:

      puna order AAPL buy 10 --limit 150 --preview

      puna order 1 --leg "buy 1 SPY260320P00480000" --leg "sell 1 SPY260320P00490000" --limit -1.20
    """
    request = _request(words, options)
    settings = load_config(config, follow_address=True)
    if preview:
        from puna.alpaca import preview as previews

        found = ask(settings, lambda alpaca: alpaca(previews.preview(request)))
        _show_preview(found, as_json=as_json)
        return 0 if found.allowed else 6
    sent = ask(settings, lambda alpaca: _send(alpaca, request))
    _show_order(sent, as_json=as_json)
    return 0


@click.command
@click.argument("order_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Every open order.")
@config_option
@json_option
@verbose_option
def cancel(*, order_id: str | None, everything: bool, config: Path | None, as_json: bool) -> int:
    """Ask to cancel one order, by its id or its client_order_id, or all open ones."""
    if everything == (order_id is not None):
        raise click.UsageError("name one order, or give --all")
    settings = load_config(config, follow_address=True)
    if order_id is None:
        from puna.alpaca.portfolio import cancel_all

        return _show_closings(ask(settings, lambda alpaca: alpaca(cancel_all())), "cancel asked for", as_json=as_json)
    name = order_id
    asked = ask(settings, lambda alpaca: _cancel_one(alpaca, name))
    if as_json:
        print_json({"id": asked, "asked": True})
    else:
        click.echo(f"cancel asked for: {asked}")
        print_next("puna orders --status all")
    return 0


@click.command
@click.argument("symbol", required=False)
@click.option("--qty", help="So much of it.")
@click.option("--percent", help="So much of it, in percent: above 0, at most 100.")
@click.option("--all", "everything", is_flag=True, help="Every position; cancels every open order first.")
@config_option
@json_option
@verbose_option
def close(
    *, symbol: str | None, qty: str | None, percent: str | None, everything: bool, config: Path | None, as_json: bool
) -> int:
    """Close one position, or a part of it, or all; one line for each says what the broker answered."""
    if everything == (symbol is not None) or (everything and (qty or percent)):
        raise click.UsageError("name one position, or give --all alone")
    if qty and percent:
        raise click.UsageError("--qty or --percent, not both")
    settings = load_config(config, follow_address=True)
    if symbol is None:
        from puna.alpaca.portfolio import close_all

        return _show_closings(ask(settings, lambda alpaca: alpaca(close_all())), "closing", as_json=as_json)
    from puna.alpaca.trading import close_position
    from puna.core import symbols

    found = symbols.parse(symbol)
    path = found.alias if isinstance(found, symbols.Crypto) else str(found)
    share = _amount("--percent", percent)
    if share is not None and not 0 < share <= 100:
        raise click.UsageError("--percent is above 0 and at most 100")
    call = close_position(path, qty=_amount("--qty", qty), percentage=share)
    _show_order(ask(settings, lambda alpaca: alpaca(call)), as_json=as_json)
    return 0


def _request(words: tuple[str, ...], options: dict[str, Any]) -> "OrderRequest":
    from puna.core import symbols
    from puna.core.types import AssetClass
    from puna.wire.trading import OrderRequest, StopLossRequest, TakeProfitRequest

    legs = [_leg(text) for text in options["legs"]]
    if len(words) != (1 if legs else 3):
        raise click.UsageError("give SYMBOL, buy or sell, and a quantity; with --leg the quantity alone")
    symbol = None if legs else str(symbols.parse(words[0]))
    side = None if legs else words[1].lower()
    if side not in (None, "buy", "sell"):
        raise click.UsageError(f"the side is buy or sell, not {words[1]!r}")
    amount = _amount("QTY", words[-1].removeprefix("$"))
    coins = symbol is not None and symbols.asset_class(symbol) is AssetClass.CRYPTO
    profit, loss = _amount("--take-profit", options["take_profit"]), _amount("--stop-loss", options["stop_loss"])
    prices = {
        name: _amount(f"--{name.replace('_', '-')}", options[name])
        for name in ("limit", "stop", "trail", "trail_percent")
    }
    return OrderRequest(
        symbol=symbol,
        side=side,
        qty=None if words[-1].startswith("$") else amount,
        notional=amount if words[-1].startswith("$") else None,
        type=_type(prices),
        time_in_force=options["tif"] or ("gtc" if coins else "day"),
        limit_price=prices["limit"],
        stop_price=prices["stop"],
        trail_price=prices["trail"],
        trail_percent=prices["trail_percent"],
        extended_hours=options["extended_hours"] or None,
        client_order_id=options["client_order_id"] or _new_id(),
        order_class=_class(options["order_class"], profit, loss, legs),
        take_profit=None if profit is None else TakeProfitRequest(limit_price=profit),
        stop_loss=None if loss is None else StopLossRequest(stop_price=loss),
        legs=legs or None,
    )


def _type(prices: dict[str, Decimal | None]) -> str:
    if prices["trail"] is not None or prices["trail_percent"] is not None:
        return "trailing_stop"
    if prices["stop"] is not None:
        return "stop" if prices["limit"] is None else "stop_limit"
    return "market" if prices["limit"] is None else "limit"


def _class(given: str | None, profit: Decimal | None, loss: Decimal | None, legs: "list[LegRequest]") -> str | None:
    if given or legs:
        return given or "mleg"
    return {0: None, 1: "oto", 2: "bracket"}[(profit is not None) + (loss is not None)]


def _leg(text: str) -> "LegRequest":
    from puna.core import symbols
    from puna.wire.trading import LegRequest

    parts = text.split()
    if len(parts) != 3 or parts[0] not in ("buy", "sell") or not parts[1].isdecimal():
        raise click.UsageError(f"a leg is written 'buy 1 SPY260320P00480000', not {text!r}")
    return LegRequest(symbol=str(symbols.parse(parts[2])), side=parts[0], ratio_qty=Decimal(parts[1]))


def _amount(name: str, text: str | None) -> Decimal | None:
    from puna.wire.codec import amount

    if text is None:
        return None
    try:
        return amount(text)
    except ValueError:
        raise click.UsageError(f"{name} is a plain decimal number, not {text!r}") from None


def _new_id() -> str:
    from puna.seams import RandomIds

    return f"cli-{RandomIds().uuid()}"


async def _send(alpaca: "AsyncAlpaca", request: "OrderRequest") -> "Order":
    """The order as the broker took it; where no answer came, what the broker says when it is asked for it.

    Raises:
        InDoubtError: it cannot be told what became of it.
    """
    from puna.alpaca.trading import get_order_by_client_id, submit_order

    try:
        return await alpaca(submit_order(request))
    except PunaError as error:
        if not error.in_doubt:
            raise
        doubt = error
    for _ in range(TRIES):
        await alpaca.clock.sleep(PAUSE_SECONDS)
        try:
            return await alpaca(get_order_by_client_id(request.client_order_id or ""))
        except NotFoundError:
            continue  # it may not be visible yet
        except PunaError:
            break
    raise InDoubtError(
        f"What became of the order {request.client_order_id} is not known.",
        why=f"{doubt.what} {doubt.why}".strip(),
        state="The broker may have it, and may not; it was not sent again.",
        remedy="puna orders --status all; send it again only with the same --id: the broker takes an id once.",
    ) from doubt


async def _cancel_one(alpaca: "AsyncAlpaca", name: str) -> str:
    """By the broker's id; by ours when it knows no such id."""
    from puna.alpaca.trading import cancel_order, get_order_by_client_id

    try:
        await alpaca(cancel_order(name))
    except NotFoundError:
        found = await alpaca(get_order_by_client_id(name))
        await alpaca(cancel_order(found.id))
        return found.id
    except PunaError as error:
        if getattr(error, "status", None) != 422 or "uuid" not in getattr(error, "message", ""):
            raise
        found = await alpaca(get_order_by_client_id(name))
        await alpaca(cancel_order(found.id))
        return found.id
    return name


def _show_preview(found: "Preview", *, as_json: bool) -> None:
    if as_json:
        margin = found.margin
        print_json(
            {
                "allowed": found.allowed,
                "objections": found.objections,
                "remarks": found.remarks,
                "price": found.price,
                "cost": found.cost,
                "buying_power": found.buying_power,
                "left": found.left,
                "margin_after": None if margin is None else margin.margin_after,
                "largest_quantity": None if margin is None else margin.largest_quantity,
            }
        )
        return
    rows = {
        "price": price(found.price),
        "cost": money(found.cost),
        "buying power": money(found.buying_power),
        "left": money(found.left),
    }
    if found.margin is not None:
        rows |= {
            "margin": f"{money(found.margin.margin_before)} -> {money(found.margin.margin_after)}",
            "largest size": f"{found.margin.largest_quantity}",
        }
    for name, value in rows.items():
        click.echo(f"{name.ljust(13)} {value}")
    for text in found.objections:
        click.echo(f"objection     {text}")
    for text in found.remarks:
        click.echo(f"note          {text}")
    click.echo("nothing was sent" if found.allowed else "nothing was sent; the broker would refuse it")


def _show_order(sent: "Order", *, as_json: bool) -> None:
    if as_json:
        print_wire(sent)
        return
    what = sent.symbol or "package"
    size = f"{sent.qty:f}" if sent.qty is not None else f"${money(sent.notional)}"
    limit = price(sent.limit_price) if sent.limit_price is not None else None
    words = (sent.side, size, what, sent.type, limit)
    click.echo(f"{sent.status}: {' '.join(word for word in words if word)}")
    click.echo(f"order id         {sent.id}")
    click.echo(f"client_order_id  {sent.client_order_id}")
    print_next("puna orders --status all")


def _show_closings(found: "list[Closing]", words: str, *, as_json: bool) -> int:
    """One row each; exit 5 when the broker refused one of them."""
    refused = [each for each in found if each.error is not None]
    if as_json:
        print_json(
            [
                {
                    "name": each.name,
                    "order": None if each.order is None else each.order.id,
                    "error": None if each.error is None else each.error.what,
                }
                for each in found
            ]
        )
    elif found:
        print_rows(
            [
                {
                    "name": each.name,
                    "answer": words if each.error is None else each.error.what,
                    "order": "" if each.order is None else each.order.id,
                }
                for each in found
            ]
        )
        print_next("puna orders --status all" if words != "closing" else "puna positions")
    else:
        click.echo("nothing to do")
    return 5 if refused else 0
