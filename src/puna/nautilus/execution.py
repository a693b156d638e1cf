"""The execution client: the framework's commands in, its events and reports out. What it does is done by its parts.

An order changes by the broker's evidence and by nothing else: see `outbound` for what leaves, `evidence` for what comes
back, `statements` for what is reported when the framework asks.
"""

import asyncio
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.execution.messages import (
    BatchCancelOrders,
    CancelAllOrders,
    CancelOrder,
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
    ModifyOrder,
    QueryAccount,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import AccountId, ClientId, ClientOrderId
from nautilus_trader.model.orders import Order

from puna.alpaca.stream import trade_updates
from puna.alpaca.trading import get_account, get_order, get_order_by_client_id
from puna.errors import NotFoundError, PunaError
from puna.nautilus.account import Account
from puna.nautilus.config import AlpacaExecClientConfig
from puna.nautilus.connection import Connection
from puna.nautilus.constants import ALPACA, ALPACA_VENUE
from puna.nautilus.evidence import Evidence
from puna.nautilus.orders import Bracket, Situation, bracket_of, bracket_request, denial, request_of
from puna.nautilus.outbound import Outbound
from puna.nautilus.providers import AlpacaInstrumentProvider
from puna.nautilus.statements import Statements
from puna.wire import trading as wire

__all__ = ["AlpacaExecutionClient"]


class AlpacaExecutionClient(LiveExecutionClient):
    """Trades one Alpaca account.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop.
    connection : Connection
        To the account's broker; may be shared.
    msgbus, cache, clock
        The framework's.
    instrument_provider : AlpacaInstrumentProvider
        What can be traded.
    config : AlpacaExecClientConfig
        Settings.
    name : str
        The client's id, and the issuer of the account's.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        instrument_provider: AlpacaInstrumentProvider,
        config: AlpacaExecClientConfig,
        name: str,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name),
            venue=ALPACA_VENUE if name == ALPACA else None,  # a second account is reached by its client's id
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=None,
            instrument_provider=instrument_provider,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
        )
        self._config = config
        self._connection = connection
        options = connection.stream_options("trading")
        self._stream = trade_updates(connection.places.endpoints(), connection.credentials, options)
        self._account = Account(self, connection.alpaca, cache, clock, instrument_provider)
        self._statements = Statements(self._account)
        self._evidence = Evidence(self._account, self._statements)
        self._outbound = Outbound(self._account, self._evidence, settle=config.settle_secs, reads=config.settle_reads)

    # Life.

    async def _connect(self) -> None:
        self._connection.use()
        await self._instrument_provider.initialize()
        account = await self._connection.alpaca(get_account())
        self._set_account_id(AccountId(f"{self.id.value}-{account.account_number or account.id}"))
        self._account.show(account)
        await self._await_account_registered()
        await self._stream.ready()
        self._account.spawn(self._evidence.follow(self._stream), "trade updates")
        if self._config.sweep_interval_secs:
            self._account.spawn(self._evidence.sweep(self._config.sweep_interval_secs), "sweep")
        if self._config.account_interval_secs:
            self._account.spawn(self._account.watch(self._config.account_interval_secs), "account")

    async def _disconnect(self) -> None:
        """Requests under way are awaited for a moment; what has no answer by then is found at the next start."""
        commands = {task for task in self._tasks if not task.done()} - {asyncio.current_task()}
        if commands:
            await asyncio.wait(commands, timeout=self._config.timeout_secs)
        await self._account.end_jobs()
        await self._stream.close()
        await self._connection.release()

    # Commands.

    async def _submit_order(self, command: SubmitOrder) -> None:
        if command.order.is_closed:
            self._log.warning(f"Cannot submit an order that is closed: {command.order.client_order_id!r}")
        else:
            await self._submit_one(command.order, command.params or {})

    async def _submit_one(self, order: Order, params: dict[str, Any]) -> None:
        request = self._prepared(order, params, [order])
        if request is not None:
            await self._outbound.submit([order], request)

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        orders, params = command.order_list.orders, command.params or {}
        found = bracket_of(command.order_list)
        if isinstance(found, str):
            self._outbound.deny(orders, found)
        elif found is not None:
            await self._submit_bracket(found, orders, params)
        else:
            for order in orders:
                await self._submit_one(order, params)

    async def _submit_bracket(self, bracket: Bracket, orders: list[Order], params: dict[str, Any]) -> None:
        if params.get("extended_hours"):
            self._outbound.deny(orders, "brackets have no extended hours")
            return
        parent = bracket.parent
        if self._prepared(parent, params, orders) is not None:
            request = bracket_request(bracket, self._account.instrument(parent.instrument_id))
            await self._outbound.submit([parent, *(order for order in orders if order is not parent)], request)

    def _prepared(self, order: Order, params: dict[str, Any], denied: list[Order]) -> wire.OrderRequest | None:
        """The request, or None after a denial. An exception here would leave the order INITIALIZED for ever."""
        extended = bool(params.get("extended_hours"))
        try:
            instrument = self._account.instrument(order.instrument_id)
            if instrument is None:
                reason = f"{order.instrument_id} is not loaded; ask the instrument provider for it"
            else:
                here = Situation(self._account.held(order.instrument_id), extended)
                reason = denial(order, instrument, here) or ""
                if not reason:
                    return request_of(order, instrument, extended=extended)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was sent
            reason = f"the order cannot be expressed at Alpaca: {error}"
        self._outbound.deny(denied, reason)
        return None

    async def _modify_order(self, command: ModifyOrder) -> None:
        order = self._cache.order(command.client_order_id)
        if order is None or order.is_closed:
            self._log.warning(f"Cannot modify an order that is not open: {command.client_order_id!r}")
        else:
            await self._outbound.replace(order, command)

    async def _cancel_order(self, command: CancelOrder) -> None:
        await self._cancel(command.client_order_id)

    async def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        """Those of the command and no others: Alpaca's own cancel-all would end orders of everything else as well."""
        orders = self._cache.orders_open(instrument_id=command.instrument_id, strategy_id=command.strategy_id)
        orders += self._cache.orders_inflight(instrument_id=command.instrument_id, strategy_id=command.strategy_id)
        wanted = {o.client_order_id for o in orders if command.order_side in (OrderSide.NO_ORDER_SIDE, o.side)}
        await asyncio.gather(*(self._cancel(name) for name in sorted(wanted)))

    async def _batch_cancel_orders(self, command: BatchCancelOrders) -> None:
        """Alpaca has no such call; each order is canceled by itself."""
        await asyncio.gather(*(self._cancel(each.client_order_id) for each in command.cancels))

    async def _cancel(self, name: ClientOrderId) -> None:
        order = self._cache.order(name)
        if order is None or order.is_closed:
            self._log.warning(f"Cannot cancel an order that is not open: {name!r}")
        else:
            await self._outbound.cancel(order)

    async def _query_account(self, _: QueryAccount) -> None:
        await self._account.refresh()

    # Reports.

    async def generate_order_status_report(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """One order, as it is now; None when the broker does not show it, or is not reached."""
        alpaca, tracking = self._connection.alpaca, self._account.tracking
        name = command.client_order_id or self._cache.client_order_id(command.venue_order_id)
        current = (tracking.current(name) if name else None) or command.venue_order_id
        try:
            if current is not None:
                shown = await alpaca(get_order(str(current), nested=True))
            else:
                shown = await alpaca(get_order_by_client_id(name.value))
            while shown.replaced_by:
                tracking.learn(shown)
                shown = await alpaca(get_order(shown.replaced_by, nested=True))
        except NotFoundError:
            return None
        except PunaError as error:
            self._log.warning(f"{name!r} could not be read: {error.what}")
            return None
        await self._evidence.absorb(shown)
        return await self._statements.order([shown])

    async def generate_order_status_reports(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Orders of the account."""
        return await self._statements.orders(command)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
        """Executions of the account."""
        return await self._statements.fills(command)

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """What the account holds, and FLAT for what only the framework holds."""
        return await self._statements.positions(command)
