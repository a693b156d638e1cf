"""`puna watch`: what the streams say, one line a message, until Ctrl-C or for some seconds."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puna.cli.account import credentials_of, endpoints_of
from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, verbose_option

if TYPE_CHECKING:
    from puna.alpaca.feeds import Feed
    from puna.alpaca.frames import Frame, Subscription
    from puna.alpaca.stream import Stream

__all__ = ["watch"]


@click.command
@click.argument("symbols", nargs=-1, required=True)
@click.option("--trades", is_flag=True, help="Trades, too.")
@click.option("--bars", is_flag=True, help="Minute bars of stocks and coins, too.")
@click.option("--news", is_flag=True, help="Articles about the symbols, too.")
@click.option("--for", "seconds", type=click.FloatRange(0, min_open=True), help="So many seconds, then the end.")
@config_option
@json_option
@verbose_option
def watch(
    symbols: tuple[str, ...],
    *,
    trades: bool,
    bars: bool,
    news: bool,
    seconds: float | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Quotes and trades as they come, from the streams: stocks, options, coins, news."""
    settings = load_config(config, follow_address=True)
    wanted = list(_wanted(symbols, trades=trades, bars=bars, news=news))
    asyncio.run(_watch(settings, wanted, seconds, as_json=as_json))


def _wanted(
    symbols: tuple[str, ...], *, trades: bool, bars: bool, news: bool
) -> "Iterator[tuple[Feed | None, Subscription]]":
    """Each feed that has some of the symbols, and what to hear of there."""
    from puna.alpaca import feeds
    from puna.alpaca.frames import Subscription
    from puna.core.symbols import asset_class, canonical
    from puna.core.types import AssetClass

    places: dict[AssetClass, Feed | None] = {
        AssetClass.US_EQUITY: None,
        AssetClass.US_OPTION: feeds.options(),
        AssetClass.CRYPTO: feeds.crypto(),
    }
    names = list(dict.fromkeys(map(canonical, symbols)))
    for kind, feed in places.items():
        chosen = [name for name in names if asset_class(name) is kind]
        minutes = chosen if bars and kind is not AssetClass.US_OPTION else []
        if chosen:
            yield feed, Subscription.of(quotes=chosen, trades=chosen if trades else [], bars=minutes)
    if news:
        yield feeds.news(), Subscription.of(news=[name.replace("/", "") for name in names])


async def _watch(
    settings: Any, wanted: "list[tuple[Feed | None, Subscription]]", seconds: float | None, *, as_json: bool
) -> None:
    from puna.alpaca.stream import market_data
    from puna.seams import SystemClock

    endpoints, credentials = endpoints_of(settings), credentials_of(settings)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(market_data(endpoints, credentials, each, feed=feed))
            for feed, each in wanted
        ]
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(_read(stream, as_json=as_json)) for stream in streams]
            if seconds is not None:
                await SystemClock().sleep(seconds)
                for reader in readers:
                    reader.cancel()


async def _read(stream: "Stream[Any]", *, as_json: bool) -> None:
    async for frame in stream:
        for line in _lines(frame, as_json=as_json):
            click.echo(line)


def _lines(frame: "Frame[Any]", *, as_json: bool) -> Iterator[str]:
    from puna.wire.codec import encode
    from puna.wire.stream import NewsMessage, UnknownMessage

    if frame.gap is not None and not as_json:
        yield f"gap: {frame.gap.reason}; something may be missing"
    for message in frame.messages:
        if isinstance(message, UnknownMessage):
            click.echo(f"a message that is not known: {message.raw[:200]!r} ({message.why})", err=True)
            continue
        if as_json:
            yield encode(_plain(message)).decode()
        elif isinstance(message, NewsMessage):
            yield f"news  {','.join(message.symbols)}  {message.headline}"
        else:
            yield _line(message)


def _plain(message: Any) -> dict[str, Any]:
    fields = message.__struct_fields__ if hasattr(message, "__struct_fields__") else message.__class__.__struct_fields__
    kind = message.__class__.__struct_config__.tag
    return {"T": kind, **{name.rstrip("_"): getattr(message, name) for name in fields}}


def _line(message: Any) -> str:
    from puna.core.sessions import new_york
    from puna.wire.stream import QuoteMessage, TradeMessage

    when = f"{new_york(int(message.t)):%H:%M:%S.%f}"[:12]
    if isinstance(message, QuoteMessage):
        return (
            f"{when:<12} {message.S:<20} {message.bp:.10g} x {message.bs:.10g}   {message.ap:.10g} x {message.as_:.10g}"
        )
    if isinstance(message, TradeMessage):
        return f"{when:<12} {message.S:<20} trade {message.s:.10g} at {message.p:.10g}"
    prices = " ".join(f"{price:.10g}" for price in (message.o, message.h, message.l, message.c))
    return f"{when:<12} {message.S:<20} bar {prices} volume {message.v:.10g}"
