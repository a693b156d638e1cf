"""scikit-learn as a signal model: probabilities or predicted returns become a number from -1 to 1."""

from typing import TYPE_CHECKING, Any

import numpy as np

from puna.core.features import FeatureSchema
from puna.engine.models.extra import library
from puna.engine.models.protocol import Column, ModelError, check_schema
from puna.engine.models.sampling import Samples

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["EstimatorModel", "fit"]


class EstimatorModel:
    """A fitted classifier or regressor as a signal model; for research: `save` makes of it what is served.

    A classifier of the classes -1, 0 and 1 (or two of them) gives P(1) - P(-1), over the sum of all probabilities,
    which is 1 but for rounding. A regressor of returns gives tanh(return / scale).

    Args:
        estimator: fitted, or a pipeline whose last step is.
        schema: the columns that it was fitted on.
        scale: of a regressor's returns; None for a classifier.

    Raises:
        ModelError: a classifier with other classes, or a scale that is none.
        SchemaMismatchError: the schema names features that are not computed here.
    """

    def __init__(self, estimator: Any, schema: FeatureSchema, *, scale: float | None = None) -> None:
        check_schema(schema)
        self.estimator = estimator
        self.schema = schema
        self.scale = scale
        self.classes = _classes(estimator) if scale is None else np.empty(0)
        if scale is not None and not 0.0 < scale < np.inf:
            raise ModelError(f"Returns cannot be scaled by {scale}.", why="they must differ from each other")

    def predict(self, features: Column) -> "ArrayLike":
        table = features if features.ndim == 2 else features[np.newaxis]
        answers = self._leaning(table) if self.scale is None else self._squashed(table, self.scale)
        return answers if features.ndim == 2 else answers[0]

    def _squashed(self, table: Column, scale: float) -> Column:
        predicted: Column = np.asarray(self.estimator.predict(table), dtype=np.float64).reshape(-1)
        return np.asarray(np.tanh(predicted / scale))

    def _leaning(self, table: Column) -> Column:
        chances: Column = np.asarray(self.estimator.predict_proba(table), dtype=np.float64)
        return np.asarray((chances @ self.classes) / np.abs(chances).sum(axis=1))


def fit(estimator: Any, samples: Samples) -> EstimatorModel:
    """A fresh copy of `estimator`, fitted: a classifier on the direction of the returns, a regressor on their size.

    Whatever else is learned from data (a scaler, a selection) belongs into a pipeline with it: then walk-forward
    evaluation learns it from the past alone too.

    Raises:
        ModelError: the returns have one direction only, or do not differ.
        ConfigError: scikit-learn is not installed.
    """
    base = library("sklearn.base")
    fresh = base.clone(estimator)
    if not base.is_classifier(fresh):
        fresh.fit(samples.features, samples.returns)
        return EstimatorModel(fresh, samples.schema, scale=float(np.std(samples.returns)))
    direction = np.sign(samples.returns).astype(np.int64)
    if len(np.unique(direction)) < 2:
        raise ModelError("All returns have the same direction.", remedy="Use more samples.")
    fresh.fit(samples.features, direction)
    return EstimatorModel(fresh, samples.schema)


def _classes(estimator: Any) -> Column:
    classes = np.asarray(getattr(estimator, "classes_", ()))
    if not hasattr(estimator, "predict_proba") or not len(classes) or not set(classes.tolist()) <= {-1, 0, 1}:
        raise ModelError(
            f"{type(estimator).__name__} is no classifier of directions.",
            why="it must be fitted, give probabilities, and have no classes but -1, 0 and 1",
            remedy="Fit it with puna.engine.models.fit, or give the scale of a regressor.",
        )
    return classes.astype(np.float64)
