"""The smallest strategy: hold what rose over the last minute. Run it offline with `puna run examples/momentum.toml`."""

from puna import Strategy
from puna.core.types import Bar

__all__ = ["Momentum"]


class Momentum(Strategy):
    """A fifth of the account in each stock whose last minute rose, nothing in the others."""

    def on_bar(self, bar: Bar) -> None:
        """Sets a target; sizing, risk and sending are the system's."""
        self.target(bar.symbol, "0.2" if bar.close > bar.open else 0, because=f"from {bar.open} to {bar.close}")
