"""Trades by a saved signal model. Train it first: model_training.py; then `puna run examples/model_strategy.toml`."""

from collections.abc import Mapping
from pathlib import Path

from puna import Strategy
from puna.core.types import Bar
from puna.engine.models import LiveSignals, load

__all__ = ["ModelStrategy"]


class ModelStrategy(Strategy):
    """Three tenths of its capital in each stock that the model favours, nothing in one that it does not."""

    symbols = ("AAPL", "MSFT")
    warmup: Mapping[str, int] = {"1Min": 390}  # the session before: features are warm at the first bar
    folder = "models/minutes"
    threshold = 0.02

    live: LiveSignals

    def on_start(self) -> None:
        """Loads the model, and shows it the bars that came before."""
        self.live = LiveSignals(load(Path(self.folder)), timeframe=self.timeframe)
        for symbol in self.symbols:
            self.live.warm_up(self.history(symbol))

    def on_bar(self, bar: Bar) -> None:
        """Asks the model; None means that a feature is not warm."""
        signal = self.live.update(bar)
        if signal is not None:
            self.act(bar.symbol, signal)

    def act(self, symbol: str, signal: float) -> None:
        """In above the threshold, out below its negative, and no change in between."""
        if abs(signal) > self.threshold:
            weight = 0.3 if signal > 0 else 0
            self.target(symbol, weight, because=f"signal {signal:+.3f} of model {self.live.name}")
