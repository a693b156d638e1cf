"""Reports that the framework asks for, or needs to hear: orders, fills and positions as the broker states them."""

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.instruments import Instrument

from puna.alpaca.account import get_activities
from puna.alpaca.trading import get_orders, get_positions
from puna.nautilus import reports
from puna.nautilus.account import Account
from puna.nautilus.instruments import instrument_id
from puna.nautilus.updates import Fill
from puna.wire import trading as wire

__all__ = ["Statements"]


class Statements:
    """Reads the broker's books. A read that fails raises: it says nothing, least of all that there is nothing.

    Args:
        account: whose.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    async def orders(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Orders of the account, replaced ones merged into what replaced them."""
        account = self._account
        call = get_orders("open" if command.open_only else "all", nested=True, after=_ns(command.start))
        shown = [leg async for order in account.alpaca(call) for leg in (order, *_exits(order))]
        found = [await self.order(lineage) for lineage in account.tracking.lineages(shown)]
        wanted = command.instrument_id
        return [each for each in found if each is not None and wanted in (None, each.instrument_id)]

    async def order(self, lineage: list[wire.Order]) -> OrderStatusReport | None:
        """One order and what it replaced; None when its instrument cannot be loaded."""
        account, shown = self._account, lineage[-1]
        name = account.tracking.learn(shown)
        known = account.cache.order(name)
        wanted = known.instrument_id if known is not None else account.provider.instrument_of_order(shown)
        instrument = await account.traded(wanted)
        if instrument is None:
            account.warn(f"An order in {shown.symbol or shown.id} is left out: the instrument cannot be loaded")
            return None
        return reports.order_report(lineage, instrument, account.client.account_id, account.now, name)

    async def fills(self, command: GenerateFillReports) -> list[FillReport]:
        """Executions, from the account's activities."""
        account, found = self._account, []
        wanted = command.venue_order_id.value if command.venue_order_id is not None else None
        async for activity in account.alpaca(get_activities(["FILL"], after=_ns(command.start), direction="asc")):
            fill = Fill.of_activity(activity)
            instrument = await account.traded(instrument_id(fill.symbol))
            if instrument is None or wanted not in (None, fill.order_id):
                continue
            if command.instrument_id in (None, instrument.id):
                account.tracking.take(fill.order_id, fill.execution_id, fill.qty, fill.cumulative)
                found.append(self._fill(fill, instrument, account.tracking.name(fill.order_id)))
        return found

    async def positions(self, command: GeneratePositionStatusReports) -> list[PositionStatusReport]:
        """What the broker holds, and FLAT for what only the framework holds."""
        account, found = self._account, {}
        for position in await account.alpaca(get_positions()):
            instrument = await account.traded(instrument_id(position.symbol))
            if instrument is None:
                account.warn(f"A position in {position.symbol} is left out: the instrument cannot be loaded")
                continue
            found[instrument.id] = reports.position_report(position, instrument, account.client.account_id, account.now)
        held = {each.instrument_id for each in account.positions()}
        wanted = command.instrument_id
        for missing in (held | ({wanted} if wanted is not None else set())) - set(found):
            if (instrument := await account.traded(missing)) is not None:
                found[missing] = self._flat(instrument)
        return [report for key, report in found.items() if wanted in (None, key)]

    async def differing(self) -> list[PositionStatusReport]:
        """The positions that the framework holds otherwise."""
        account = self._account
        command = GeneratePositionStatusReports(None, None, None, UUID4(), account.now)
        found = await self.positions(command)
        return [each for each in found if each.signed_decimal_qty != account.held(each.instrument_id)]

    async def send_positions(self) -> None:
        """Tells the framework the positions that it holds otherwise, now."""
        for report in await self.differing():
            self.send_position(report)

    def send_position(self, report: PositionStatusReport) -> None:
        """Tells the framework one position."""
        self._account.client._send_position_status_report(report)  # noqa: SLF001 - the framework's way in

    async def send_order(self, shown: wire.Order) -> None:
        """Tells the framework of an order that it does not know: made by hand, or by another program."""
        report = await self.order([shown])
        if report is not None:
            self._account.client._send_order_status_report(report)  # noqa: SLF001 - as above

    def send_fill(self, fill: Fill, instrument: Instrument, name: ClientOrderId) -> None:
        """Tells the framework a fill of an order that it does not know."""
        self._account.client._send_fill_report(self._fill(fill, instrument, name))  # noqa: SLF001 - as above

    def _fill(self, fill: Fill, instrument: Instrument, name: ClientOrderId | None) -> FillReport:
        return reports.fill_report(
            instrument,
            self._account.client.account_id,
            order_id=fill.order_id,
            client_order_id=name,
            trade_id=fill.execution_id,
            side="buy" if fill.side is OrderSide.BUY else "sell",
            qty=fill.qty,
            price=fill.price,
            ts_event=fill.ts_event,
            ts_init=self._account.now,
        )

    def _flat(self, instrument: Instrument) -> PositionStatusReport:
        account = self._account
        return reports.flat_report(instrument.id, account.client.account_id, account.now, instrument.size_precision)


def _exits(order: wire.Order) -> list[wire.Order]:
    """The legs of a bracket are orders; those of a multi-leg order are parts of it."""
    return [] if order.order_class == "mleg" else list(order.legs or ())


def _ns(moment: object) -> int | None:
    """The framework's times are pandas's or datetime's."""
    return None if moment is None else int(getattr(moment, "value", 0)) or int(moment.timestamp() * 1e9)  # type: ignore[attr-defined]
