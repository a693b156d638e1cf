"""The model of `puna demo --services`: a formula instead of something trained, so that there is nothing to download."""

import numpy as np

from puna.core.features import FeatureSchema
from puna.engine.models.protocol import Column

__all__ = ["Trend"]


class Trend:
    """Favours what is above its moving average, and less so when it is overbought. No advice."""

    schema = FeatureSchema(names=("dist_from_sma", "rsi"))

    def predict(self, features: Column) -> Column:
        """A number from -1 to 1 for each row of (distance from the mean, RSI from 0 to 100)."""
        distance, rsi = features[..., 0], features[..., 1]
        return np.asarray(np.tanh(300 * distance) * np.where(rsi > 80, 0.3, 1.0), dtype=np.float64)
