"""The model of the benchmark of the services: it changes its mind with every bar, so that every bar is an order."""

import numpy as np

from puna.core.features import FeatureSchema
from puna.engine.models.protocol import Column

__all__ = ["Alternating"]


class Alternating:
    """In, out, in, out."""

    schema = FeatureSchema(names=("dist_from_sma",))

    def __init__(self) -> None:
        self._long = False

    def predict(self, features: Column) -> Column:
        """1 and -1 in turns, for each row."""
        self._long = not self._long
        return np.full(features.shape[:-1], 1.0 if self._long else -1.0)
