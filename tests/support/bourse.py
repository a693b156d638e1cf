"""The exchange of a crash campaign: a process of its own that opens a fresh exchange for each trial.

What the exchange knows is taken from it when it is closed: its event log (the file is the oracle), the orders as it has
them, its ledger. The parent's side is `Bourse`; the other side is this file, run as a program.
"""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from puna.exchange.faults import Fault
from puna.exchange.server import ExchangeConfig, ExchangeServer
from puna.wire.codec import decode, decoder, encode
from puna.wire.trading import Order

__all__ = ["Bourse", "Closed", "Opening"]

SYMBOLS = ("IBM", "MSFT")
CASH = Decimal(1_000_000)
ALL = 100_000
MILLISECOND = 1_000_000


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange is opened with."""

    seed: int
    faults: tuple[Fault, ...]
    log: str
    hidden: int = 0


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What it knew when it was closed.

    Args:
        now: its market time.
        orders: every order it ever had, oldest first.
        cash: of the ledger.
        positions: quantities of the ledger, by symbol.
        struck: the faults that struck, as (what, action).
    """

    now: int
    orders: list[Order]
    cash: Decimal
    positions: dict[str, Decimal]
    struck: list[tuple[str, str]]


_CLOSED = decoder(Closed)


class Bourse:
    """The parent's side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def open(self, opening: Opening) -> str:
        """Opens a fresh exchange; its address."""
        return msgspec.json.decode(self._ask(msgspec.json.encode(opening)), type=str)

    def close(self) -> Closed:
        """Closes it; what it knew."""
        return decode(_CLOSED, self._ask(b"null"))

    def end(self) -> None:
        """Ends the process."""
        self._process.communicate()

    def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


async def main() -> None:
    """Opens and closes as it is told; one exchange at a time."""
    loop = asyncio.get_running_loop()
    server: ExchangeServer | None = None
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        opening = msgspec.json.decode(line, type=Opening | None)
        if opening is not None:
            server = ExchangeServer(_config(opening))
            server.venue._options = replace(server.venue._options, visibility_ns=opening.hidden * MILLISECOND)
            await server.start()
            _say(encode(server.url))
        elif server is not None:
            _say(encode(_closed(server)))
            await server.stop()


def _config(opening: Opening) -> ExchangeConfig:
    return ExchangeConfig(
        seed=opening.seed,
        symbols=SYMBOLS,
        cash=CASH,
        faults=opening.faults,
        log_path=Path(opening.log),
        lead_seconds=5,
    )


def _closed(server: ExchangeServer) -> Closed:
    books = server.books()
    positions: Mapping[str, tuple[Decimal, Decimal]] = books.positions
    return Closed(
        now=server.progress().now,
        orders=server.venue.orders(status="all", limit=ALL, direction="asc"),
        cash=books.cash,
        positions={symbol: qty for symbol, (qty, _) in positions.items()},
        struck=[(what, fault.action) for _, what, fault in server.struck],
    )


def _say(answer: bytes) -> None:
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
