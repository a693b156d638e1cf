"""A model at work: a bar in, a signal out, features computed as they were for training."""

from collections.abc import Iterable

from puna.core.features import FeatureComputer
from puna.core.types import Bar
from puna.engine.models.protocol import SchemaMismatchError, SignalModel, check_schema, columns, signal
from puna.engine.models.saved import SavedModel

__all__ = ["LiveSignals"]


class LiveSignals:
    """The signals of one model for any number of symbols.

    Args:
        model: whose signals.
        timeframe: of the bars that will come; a saved model knows its own, and serves no other.
        computer: shared with others; None makes one of the model's windows. With a shared one, `read` after its update.

    Raises:
        SchemaMismatchError: the computer has other windows or another version than the model, or the bars another
            timeframe.
    """

    def __init__(self, model: SignalModel, *, timeframe: str, computer: FeatureComputer | None = None) -> None:
        check_schema(model.schema)
        self.model = model
        self.features = computer or FeatureComputer(model.schema.parameters)
        self._columns = columns(model.schema)
        if self.features.schema.parameters != model.schema.parameters:
            raise SchemaMismatchError(
                "The features are computed with other windows than the model was trained on.",
                why=f"{self.features.schema.parameters}, trained on {model.schema.parameters}",
                state="No signal was given.",
            )
        if isinstance(model, SavedModel) and model.manifest.trained.timeframe != timeframe:
            raise SchemaMismatchError(
                f"The model was trained on bars of {model.manifest.trained.timeframe}, not of {timeframe}.",
                state="No signal was given.",
                remedy="Set the timeframe of the strategy, or train on its bars.",
            )

    @property
    def name(self) -> str:
        """For orders and logs: the first digits of a saved model's id, of any other its class."""
        return self.model.id[:12] if isinstance(self.model, SavedModel) else type(self.model).__name__

    def warm_up(self, bars: Iterable[Bar]) -> None:
        """Takes what was before, without a signal.

        Raises:
            BadBarError: a bar is none, or time goes back.
        """
        for bar in bars:
            self._take(bar)

    def update(self, bar: Bar) -> float | None:
        """The signal after this bar; None while a feature is not warm.

        Raises:
            BadBarError: the bar is none, or time goes back; nothing has changed.
            BadSignalError: the model answered something else than a number from -1 to 1.
        """
        self._take(bar)
        return self.read(bar.symbol)

    def read(self, symbol: str) -> float | None:
        """The signal by the newest features of `symbol`; None while one is not warm.

        Raises:
            KeyError: no bar of it has come yet.
            BadSignalError: as for `update`.
        """
        return signal(self.model, self.features.of(symbol)[self._columns])

    def vector(self, symbol: str) -> list[float]:
        """What the model saw last of `symbol`, in the order of its schema.

        Raises:
            KeyError: no bar of it has come yet.
        """
        return [float(value) for value in self.features.of(symbol)[self._columns]]

    def _take(self, bar: Bar) -> None:
        self.features.update(bar.symbol, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_event)
