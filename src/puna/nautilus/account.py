"""What the parts of the execution client share: the broker, the framework's cache and events, whose order is which."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from decimal import Decimal
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.trading import get_account
from puna.errors import PunaError
from puna.nautilus import reports
from puna.nautilus.constants import ALPACA_VENUE
from puna.nautilus.providers import AlpacaInstrumentProvider
from puna.nautilus.tracking import Tracking
from puna.wire import trading as wire

__all__ = ["Account"]

_ZERO = Decimal(0)


class Account:
    """One account, as the framework's client for it sees it.

    Args:
        client: makes the framework's events.
        alpaca: the broker.
        cache: the framework's.
        clock: the framework's.
        provider: instruments.
    """

    def __init__(
        self,
        client: LiveExecutionClient,
        alpaca: AsyncAlpaca,
        cache: Cache,
        clock: LiveClock,
        provider: AlpacaInstrumentProvider,
    ) -> None:
        self.client = client
        self.alpaca = alpaca
        self.cache = cache
        self.clock = clock
        self.provider = provider
        self.tracking = Tracking()
        self.jobs: set[asyncio.Task[None]] = set()

    @property
    def now(self) -> int:
        """The framework's time, ns."""
        return int(self.clock.timestamp_ns())

    def names(self, order: Order) -> tuple[Any, Any, Any]:
        """Strategy, instrument and order, as every event begins."""
        return order.strategy_id, order.instrument_id, order.client_order_id

    def warn(self, text: str) -> None:
        self.client._log.warning(text)  # noqa: SLF001 - the framework gives its components a log and no way to it

    def fail(self, text: str, error: BaseException) -> None:
        self.client._log.exception(text, error)  # noqa: SLF001 - as above

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs beside everything else until it ends or the client disconnects; what it raises is told."""
        task = asyncio.get_running_loop().create_task(self._told(work, name), name=name)
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)

    async def end_jobs(self) -> None:
        jobs = [job for job in self.jobs if job is not asyncio.current_task()]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _told(self, work: Coroutine[Any, Any, None], name: str) -> None:
        with suppress(asyncio.CancelledError):
            try:
                await work
            except Exception as error:  # noqa: BLE001 - nobody awaits this task
                self.fail(f"{name} ended", error)

    # What is known.

    def held(self, instrument: InstrumentId) -> Decimal:
        """The signed quantity that the framework holds in this account."""
        return sum((Decimal(str(each.signed_decimal_qty())) for each in self.positions(instrument)), _ZERO)

    def positions(self, instrument: InstrumentId | None = None) -> list[Position]:
        """The framework's open positions of this account."""
        found = self.cache.positions_open(venue=ALPACA_VENUE, instrument_id=instrument)
        return [each for each in found if each.account_id == self.client.account_id]

    def open_orders(self) -> list[Order]:
        """The framework's orders of this account that can still change."""
        found = self.cache.orders_open(venue=ALPACA_VENUE) + self.cache.orders_inflight(venue=ALPACA_VENUE)
        return [each for each in found if each.account_id == self.client.account_id]

    def instrument(self, wanted: InstrumentId | None) -> Instrument | None:
        """If it is loaded."""
        return None if wanted is None else self.cache.instrument(wanted) or self.provider.find(wanted)

    async def traded(self, wanted: InstrumentId | None) -> Instrument | None:
        """The instrument, loaded now if it was not: an assignment, or a trade by hand, may bring in any."""
        if wanted is None:
            return None
        if (known := self.instrument(wanted)) is None:
            await self.provider.load_async(wanted)
            known = self.provider.find(wanted)
        if known is not None and self.cache.instrument(wanted) is None:
            self.cache.add_instrument(known)
        return known

    # Balances.

    def show(self, account: wire.Account) -> None:
        """Tells the framework the balances."""
        self.client.generate_account_state(
            balances=reports.balances(account),
            margins=reports.margins(account),
            reported=True,
            ts_event=self.now,
            info={"buying_power": str(account.buying_power), "options_level": str(account.options_trading_level)},
        )

    async def refresh(self) -> None:
        """Reads the balances; a failure is told and changes nothing."""
        try:
            self.show(await self.alpaca(get_account()))
        except PunaError as error:
            self.warn(f"The account could not be read: {error.what}")

    async def watch(self, seconds: float) -> None:
        """Reads the balances now and then."""
        while True:
            await self.alpaca.clock.sleep(seconds)
            await self.refresh()
