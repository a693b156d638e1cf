"""Instruments from the broker: stocks, coins, option chains to the end of their pages, spreads made of their legs."""

from collections.abc import Iterable
from typing import Any

from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.model.identifiers import InstrumentId, new_generic_spread_id
from nautilus_trader.model.instruments import Instrument, OptionContract

from puna.alpaca.contracts import get_contract, get_contracts
from puna.alpaca.http import AsyncAlpaca
from puna.alpaca.trading import get_asset, get_assets
from puna.core import symbols
from puna.errors import DataError, NotFoundError, PunaError
from puna.nautilus.config import AlpacaAssetClass, AlpacaInstrumentProviderConfig
from puna.nautilus.instruments import contract_of, instrument_id, instrument_of, legs_of, spread_of, symbol_of
from puna.wire import contracts
from puna.wire.trading import Asset, Order

__all__ = ["AlpacaInstrumentProvider"]

_FILTERS = {
    "asset_classes",
    "exchanges",
    "symbol_prefix",
    "tradable",
    "shortable",
    "fractionable",
    "option_underlyings",
    "option_expiry_from",
    "option_expiry_to",
    "option_strike_from",
    "option_strike_to",
    "option_type",
}
_DEFAULT = frozenset({AlpacaAssetClass.US_EQUITY, AlpacaAssetClass.CRYPTO})


class AlpacaInstrumentProvider(InstrumentProvider):
    """Loads instruments by the filters of its configuration, or of a call, whose names are the same.

    Parameters
    ----------
    alpaca : AsyncAlpaca
        The client.
    clock : LiveClock
        Stamps what is loaded.
    config : AlpacaInstrumentProviderConfig
        Filters, and how stocks are shown.

    """

    def __init__(self, alpaca: AsyncAlpaca, clock: LiveClock, config: AlpacaInstrumentProviderConfig) -> None:
        super().__init__(config=config)
        self._alpaca = alpaca
        self._clock = clock
        self._settings = config

    async def load_all_async(self, filters: dict[str, Any] | None = None) -> None:
        """Everything that the filters let through."""
        wanted = self._filters_of(filters)
        classes = wanted["asset_classes"] or _DEFAULT
        for kind in (AlpacaAssetClass.US_EQUITY, AlpacaAssetClass.CRYPTO):
            if kind in classes:
                assets = await self._alpaca(get_assets("active", kind.value))
                self._add_assets(asset for asset in assets if _passes(asset, wanted))
        if wanted["option_underlyings"]:
            await self._load_chains(wanted)

    async def load_ids_async(self, instrument_ids: list[InstrumentId], filters: dict[str, Any] | None = None) -> None:
        """These, whatever the filters say; what the broker does not know is told and left out."""
        del filters
        for each in instrument_ids:
            try:
                await self._load(each)
            except NotFoundError:
                self._log.error(f"Alpaca knows no {each}")
            except DataError as error:
                self._log.error(f"{each} is no instrument of Alpaca's: {error.what}")

    async def load_async(self, instrument_id: InstrumentId, filters: dict[str, Any] | None = None) -> None:
        """One, if it is not there already."""
        if self.find(instrument_id) is None:
            await self.load_ids_async([instrument_id], filters)

    def instrument_of_order(self, order: Order) -> InstrumentId | None:
        """What an order of the broker's trades; a multi-leg order a spread of its legs, as it stands."""
        if order.order_class != "mleg":
            return instrument_id(order.symbol) if order.symbol else None
        legs = [
            (instrument_id(leg.symbol), int(leg.ratio_qty or 1) * (-1 if leg.side == "sell" else 1))
            for leg in order.legs or ()
            if leg.symbol
        ]
        return new_generic_spread_id(legs) if len(legs) > 1 else None

    async def _load(self, wanted: InstrumentId) -> None:
        if legs := legs_of(wanted):
            for leg, _ in legs:
                await self.load_async(leg)
            contracts = [self.find(leg) for leg, _ in legs]
            if all(isinstance(each, OptionContract) for each in contracts):
                self.add(spread_of(wanted, contracts, self._clock.timestamp_ns()))
            return
        symbol = symbol_of(wanted)
        if isinstance(symbols.parse(symbol), symbols.Option):
            self.add(self._contract(await self._alpaca(get_contract(symbol))))
        else:
            self.add(self._asset(await self._alpaca(get_asset(symbol))))

    async def _load_chains(self, wanted: dict[str, Any]) -> None:
        call = get_contracts(
            wanted["option_underlyings"],
            expiration_date_gte=wanted["option_expiry_from"],
            expiration_date_lte=wanted["option_expiry_to"],
            strike_price_gte=wanted["option_strike_from"],
            strike_price_lte=wanted["option_strike_to"],
            type=wanted["option_type"],
        )
        async for contract in self._alpaca(call):
            self._add(contract.symbol, lambda contract=contract: self._contract(contract))

    def _add_assets(self, assets: Iterable[Asset]) -> None:
        for asset in assets:
            self._add(asset.symbol, lambda asset=asset: self._asset(asset))

    def _add(self, symbol: str, make: Any) -> None:
        """One of many: what cannot be read is left out, and told if warnings are wanted."""
        try:
            instrument: Instrument = make()
        except (PunaError, ValueError) as error:
            if self._settings.log_warnings:
                self._log.warning(f"{symbol} is left out: {error}")
        else:
            self.add(instrument)

    def _asset(self, asset: Asset) -> Instrument:
        return instrument_of(
            asset,
            self._clock.timestamp_ns(),
            fractional=self._settings.fractional_shares,
            precision=self._settings.equity_price_precision,
        )

    def _contract(self, contract: contracts.OptionContract) -> OptionContract:
        return contract_of(
            contract.symbol,
            self._clock.timestamp_ns(),
            penny=contract.ppind is not False,
            info={"contract_id": contract.id, "style": contract.style, "status": contract.status},
        )

    def _filters_of(self, filters: dict[str, Any] | None) -> dict[str, Any]:
        """The configuration's, with those of the call in their place.

        Raises:
            ValueError: a filter that does not exist.
        """
        if unknown := set(filters or ()) - _FILTERS:
            raise ValueError(f"no such filters: {', '.join(sorted(unknown))}; there are {', '.join(sorted(_FILTERS))}")
        return {name: getattr(self._settings, name) for name in _FILTERS} | dict(filters or {})


def _passes(asset: Asset, wanted: dict[str, Any]) -> bool:
    if wanted["symbol_prefix"] and not asset.symbol.startswith(wanted["symbol_prefix"]):
        return False
    if wanted["exchanges"] and asset.asset_class == "us_equity" and asset.exchange not in wanted["exchanges"]:
        return False
    flags = ("tradable", "shortable", "fractionable")
    return all(wanted[name] is None or bool(getattr(asset, name)) is wanted[name] for name in flags)
