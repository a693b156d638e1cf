"""What a signal model is, and the rules that every answer of one must pass."""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from puna.core.features import FEATURES, SCHEMA_VERSION, FeatureSchema
from puna.errors import DataError

__all__ = [
    "BadSignalError",
    "Column",
    "ModelError",
    "SchemaMismatchError",
    "SignalModel",
    "check_schema",
    "columns",
    "signal",
    "signals",
]

Column = NDArray[np.float64]


class ModelError(DataError):
    """A model that cannot be trained, converted, saved or loaded."""

    code = "E650"


class SchemaMismatchError(ModelError):
    """A model was trained on other features, windows or bars than it would be served with; it gives no signal."""

    code = "E651"


class BadSignalError(ModelError):
    """A model answered something else than numbers from -1 to 1; nothing was made of it."""

    code = "E652"


class SignalModel(Protocol):
    """Anything with `predict(features) -> [-1, 1]`: -1 is as short, 1 as long as it gets, 0 is no opinion."""

    @property
    def schema(self) -> FeatureSchema:
        """The columns it wants, in their order, and the windows that they were computed with."""

    def predict(self, features: Column) -> ArrayLike:
        """One number for a vector (columns,), or n numbers for a table (n, columns); no feature in it is NaN."""


def signals(model: SignalModel, features: Column) -> Column:
    """The model's signal for each row of a table (n, columns); NaN where a feature is not warm, unseen by it.

    Raises:
        SchemaMismatchError: the table has another number of columns than the model's schema.
        BadSignalError: an answer is NaN, outside [-1, 1], or not one a row.
    """
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(model.schema.names):
        raise SchemaMismatchError(
            f"A table of the shape {table.shape} came for a model of {len(model.schema.names)} features."
        )
    warm = np.isfinite(table).all(axis=1)
    answers = np.full(len(table), np.nan)
    if warm.any():
        answers[warm] = _checked(model.predict(table[warm]), (int(warm.sum()),))
    return answers


def signal(model: SignalModel, vector: Column) -> float | None:
    """The model's signal for one vector of its columns; None while a feature is not warm.

    Raises:
        SchemaMismatchError: the vector has another length than the model's schema.
        BadSignalError: the answer is not one number from -1 to 1.
    """
    features = np.asarray(vector, dtype=np.float64)
    if features.shape != (len(model.schema.names),):
        raise SchemaMismatchError(
            f"A vector of the shape {features.shape} came for a model of {len(model.schema.names)} features."
        )
    return float(_checked(model.predict(features), ())) if np.isfinite(features).all() else None


def _checked(answer: ArrayLike, shape: tuple[int, ...]) -> Column:
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadSignalError("The model answered with something that is no number.", why=str(error)) from error
    if values.shape != shape:
        raise BadSignalError(f"The model answered in the shape {values.shape} where {shape} was asked for.")
    refused = values[~(np.abs(values) <= 1.0)]  # NaN is not <= 1 either
    if refused.size:
        raise BadSignalError(
            f"The model answered {refused.flat[0]}.",
            why=f"a signal lies between -1 and 1; {refused.size} of {values.size} do not",
            state="Nothing was made of it.",
            remedy="Squash it inside the model, for example by tanh; it is never clipped for you.",
        )
    return values


def check_schema(schema: FeatureSchema) -> None:
    """Passes a schema whose features this program computes, by the same definitions.

    Raises:
        SchemaMismatchError: another version, or a name that is unknown or stands twice.
    """
    if schema.version != SCHEMA_VERSION:
        raise SchemaMismatchError(
            f"The model was trained on features of version {schema.version}; this program computes {SCHEMA_VERSION}.",
            state="No signal was given.",
            remedy="Train it again.",
        )
    strange = sorted(set(schema.names) - set(FEATURES))
    if strange or not schema.names or len(set(schema.names)) < len(schema.names):
        raise SchemaMismatchError(
            f"The model wants the features {', '.join(schema.names) or '(none)'}.",
            why=f"unknown: {', '.join(strange)}" if strange else "each must stand there once",
            state="No signal was given.",
            remedy=f"Known are {', '.join(FEATURES)}.",
        )


def columns(schema: FeatureSchema) -> list[int]:
    """Where the schema's features stand in the vector of a FeatureComputer."""
    return [FEATURES.index(name) for name in schema.names]
