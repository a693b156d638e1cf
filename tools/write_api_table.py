"""Writes docs/api.md from the calls themselves: `python tools/write_api_table.py`.

Every operation of Alpaca's two specifications stands in it, with its call, or with the reason why there is none.
"""

import inspect
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from puna.alpaca import feeds
from puna.alpaca.operations import LEFT_OUT, Operation, operations
from puna.alpaca.request import Request
from puna.wire.account import ConfigurationsChange
from puna.wire.locates import LocateRequest
from puna.wire.trading import OrderRequest, ReplaceRequest

__all__ = ["TARGET", "render", "sample"]

TARGET = Path(__file__).parents[1] / "docs" / "api.md"

HEADER = """\
# Every operation, and its call

A call is a value: `await alpaca(get_account())` with `AsyncAlpaca`, `alpaca(get_account())` with `Alpaca`. A call that
answers `Paged[...]` is iterated, page by page to the last one: `for bar in alpaca(get_bars(["AAPL"], "1Day"))`, or
`async for`. One that answers `Events[...]` is followed by `puna.alpaca.feed.EventFeed`.

```python
from puna.alpaca.market import get_bars
from puna.alpaca.trading import get_account

print(get_account().method, get_account().target)
print(get_bars(["AAPL"], "1Day", limit=100).page(None).target)
```

This page is written by `tools/write_api_table.py` from the calls; a test holds it, and them, against Alpaca's
specifications.
"""


def render() -> str:
    """The page, byte for byte."""
    rows = list(operations().values())
    lines = [HEADER]
    for title, prefixes in GROUPS.items():
        chosen = [row for row in rows if row.path.startswith(prefixes)]
        rows = [row for row in rows if row not in chosen]
        lines += [f"## {title}\n", "| Operation | Call | Answer | Repeated by itself |", "|---|---|---|---|"]
        lines += [_row(each) for each in chosen]
        lines.append("")
    if rows:
        raise SystemExit(f"no group for {[row.path for row in rows]}")
    lines += ["## Streams\n", STREAMS, *_feeds(), ""]
    lines += ["## Left out\n", *_left_out()]
    return "\n".join(lines).rstrip() + "\n"


GROUPS = {
    "Account": ("/v2/account", "/v2beta1/events"),
    "Orders and positions": ("/v2/orders", "/v2/positions"),
    "Assets, contracts, calendars": (
        "/v2/assets",
        "/v2/options",
        "/v2/calendar",
        "/v2/clock",
        "/v3/",
        "/v2/corporate_actions",
    ),
    "Locates": ("/v1/locates",),
    "Watchlists": ("/v2/watchlists",),
    "Stocks": ("/v2/stocks",),
    "Options": ("/v1beta1/options",),
    "Crypto": ("/v1beta3/crypto",),
    "News, screener, corporate actions": ("/v1/corporate-actions", "/v1beta1/"),
}


def _row(each: Operation) -> str:
    home = each.call.__module__
    answer = _plain(str(inspect.signature(each.call).return_annotation))
    return f"| `{each.method} {each.path}` | `{home}.{each.call.__name__}` | `{answer}` | {_repeated(each)} |"


def _plain(answer: str) -> str:
    """Class names without their modules."""
    words = answer.replace("[", " [ ").replace("]", " ] ").replace(",", " , ").split()
    return "".join(word.rpartition(".")[2] for word in words).replace(",", ", ").replace("NoneType", "None")


def _repeated(each: Operation) -> str:
    value = sample(each)
    if not isinstance(value, Request):
        return "yes"
    return NOTES.get(each.call.__name__, "yes" if value.repeatable else "no")


STREAMS = """\
`puna.alpaca.stream.market_data(endpoints, credentials, wanted, feed=...)` is an async iterator over the frames of a
feed, `puna.alpaca.stream.trade_updates(endpoints, credentials)` one over what happens to orders. Both come back by
themselves and mark their gaps. `puna.alpaca.sharing` has one connection for all who listen, `puna.alpaca.backfill`
fills gaps over REST, and `puna.alpaca.feed.EventFeed` follows the operations that answer `Events`.

| Feed of `puna.alpaca.feeds` | Path | Channels |
|---|---|---|"""


def _feeds() -> Iterator[str]:
    for name, feed in {
        "stocks()": feeds.stocks(),
        "crypto()": feeds.crypto(),
        "options()": feeds.options(),
        "news()": feeds.news(),
    }.items():
        path = feed.path + (" (msgpack only)" if feed.packed_only else "")
        yield f"| `{name}` | {path} | {', '.join(sorted(feed.channels))} |"


# What one value does not tell.
NOTES = {
    "close_position": "the whole of it only",
    "create_locate": "with an idempotency key",
    "update_watchlist_named": "unless it is renamed",
}


def sample(each: Operation, **arguments: Any) -> Any:
    """The call's value, with made-up arguments where it needs some."""
    needed = [
        name
        for name, parameter in inspect.signature(each.call).parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in arguments
    ]
    made = {name: SAMPLES[name] for name in needed}
    if each.call.__name__ == "replace_order":
        made["change"] = ReplaceRequest(qty=Decimal(2))
    return each.call(**made, **arguments)


SAMPLES: dict[str, Any] = {
    **dict.fromkeys(("order_id", "locate_id", "watchlist_id", "announcement_id", "client_order_id"), "904837e3"),
    **dict.fromkeys(("symbol", "symbol_or_id", "symbol_or_contract_id", "underlying_symbol"), "AAPL"),
    "activity_type": "FILL",
    "ca_types": ["dividend"],
    "change": ConfigurationsChange(no_shorting=True),
    "locate": LocateRequest(symbol="HTB", qty=100),
    "market": "XNYS",
    "name": "first",
    "order": OrderRequest(symbol="AAPL", qty=Decimal(1), side="buy", type="market", time_in_force="day"),
    "since": date(2026, 3, 1),
    "symbols": ["AAPL", "MSFT"],
    "tape": "A",
    "ticktype": "trade",
    "timeframe": "1Day",
    "until": date(2026, 3, 31),
}


def _left_out() -> Iterator[str]:
    for reason in dict.fromkeys(LEFT_OUT.values()):
        names = ", ".join(f"`{name}`" for name, why in LEFT_OUT.items() if why == reason)
        yield f"- {reason[0].upper()}{reason[1:]}: {names}."


if __name__ == "__main__":
    TARGET.write_text(render())
