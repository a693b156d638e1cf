"""What the account may still spend, as the broker last said, less what was bought since."""

from decimal import Decimal
from typing import TYPE_CHECKING

from puna.alpaca.trading import get_account
from puna.core.decimals import plain
from puna.core.symbols import asset_class, is_symbol, multiplier
from puna.core.types import ZERO, AssetClass, Fill, OrderIntent
from puna.errors import PunaError
from puna.wire import trading

if TYPE_CHECKING:
    from puna.engine.gateway import Gateway

__all__ = ["Means"]

DE_MINIMIS, DE_MINIMIS_PART = Decimal(1000), Decimal("0.05")  # the lower of both is no deficit yet (IMR)


class Means:
    """The account as the broker sees it.

    Args:
        gateway: who asks, and is halted by an account that is blocked or is another one.

    Attributes:
        maintenance: maintenance margin; None when the broker has not said.
        option_level: options trading level; None likewise.
        counted: orders of which the broker's figures were net.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self.maintenance: Decimal | None = None
        self.option_level: int | None = None
        self.counted: frozenset[str] = frozenset()
        self._gateway = gateway
        self._account_id = ""
        self._power: Decimal | None = None
        self._powers: dict[AssetClass, Decimal] = {}
        self._spent = ZERO
        self._refreshing = False
        self._lacking = False

    @property
    def power(self) -> Decimal | None:
        """Buying power, whatever it is spent on."""
        return None if self._power is None else max(ZERO, self._power - self._spent)

    def power_for(self, intent: OrderIntent) -> Decimal | None:
        """Buying power of the order's kind: options and coins are paid with money that margin does not multiply."""
        whole = self.power
        kind = AssetClass.US_OPTION if intent.legs or not is_symbol(intent.symbol) else asset_class(intent.symbol)
        narrow = self._powers.get(kind)
        return whole if whole is None or narrow is None else min(whole, max(ZERO, narrow - self._spent))

    def take(self, fill: Fill) -> None:
        """What was bought is spent; soon the broker is asked again."""
        self._spent += abs(fill.notional) * multiplier(fill.symbol) if fill.side.sign > 0 else ZERO
        if not self._refreshing:
            self._refreshing = True
            self._gateway.tasks.spawn(self._refreshed(self._gateway.timing.refresh), "refresh")

    def look(self) -> None:
        """Asks the broker now: something points to a change of the account itself."""
        self._gateway.tasks.spawn(self._refreshed(0.0), "refresh")

    async def refresh(self) -> trading.Account:
        """Reads the account: buying power, and whether the broker blocks it."""
        gateway = self._gateway
        counted = frozenset(key for key, order in gateway.blotter.open.items() if order.seen)
        spent = self._spent
        account = await gateway.alpaca(get_account())
        self.counted, self._spent = counted, self._spent - spent
        self._power = _plain(account.buying_power)
        powers = {
            AssetClass.US_OPTION: _plain(account.options_buying_power),
            AssetClass.CRYPTO: _plain(account.non_marginable_buying_power),
        }
        self._powers = {kind: power for kind, power in powers.items() if power is not None}
        self.maintenance = _plain(account.maintenance_margin)
        level = account.options_trading_level
        self.option_level = None if level is None else int(level)
        self._look_at_margin(account)
        if self._account_id and account.id != self._account_id:
            gateway.halt(f"the keys now lead to account {account.id}, and the books are of {self._account_id}")
        self._account_id = account.id
        if account.account_blocked or account.trading_blocked or account.trade_suspended_by_user:
            gateway.halt("the broker says that trading is blocked or suspended on this account", by="broker")
        return account

    def _look_at_margin(self, account: trading.Account) -> None:
        """An alarm when equity no longer covers the maintenance margin, once until it does again (facts.md 4, IMR)."""
        equity, needed = account.equity, account.maintenance_margin
        if equity is None or needed is None:
            return
        lacking = plain(needed - equity)
        if lacking <= min(DE_MINIMIS, max(ZERO, plain(equity)) * DE_MINIMIS_PART):
            self._lacking = False
        elif not self._lacking:
            self._lacking = True
            text = f"intraday margin deficit of {lacking:f}: maintenance margin {needed:f}, equity {equity:f}"
            self._gateway.note("E531", text)

    async def _refreshed(self, later: float) -> None:
        if later:
            await self._gateway.clock.sleep(later)
            self._refreshing = False
        try:
            await self.refresh()
        except PunaError as error:  # the older, stricter figure stays
            self._gateway.note(error.code, f"the account could not be read: {error.what}")


def _plain(value: Decimal | None) -> Decimal | None:
    return None if value is None else plain(value)
