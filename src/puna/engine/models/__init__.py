"""Signal models: features in, a number from -1 to 1 out; trained, judged, saved and served with the same features.

    rows = samples(bars, timeframe="1Min", horizon=5)
    print(walk_forward(rows, lambda past: fit(estimator, past)).text())
    model = save(fit(estimator, rows), Path("models/first"), rows, source="IEX, split-adjusted")
    live = LiveSignals(load(Path("models/first")), timeframe="1Min")
    live.update(bar)    # a float, or None while a feature is not warm

Whatever has a schema and `predict(features) -> [-1, 1]` is a model. The libraries are the extra `models`, and none of
them is imported before it is needed.
"""

from puna.engine.models.estimator import EstimatorModel, fit
from puna.engine.models.evaluation import (
    Evaluation,
    Fold,
    FoldScore,
    folds,
    hit_rate,
    information_coefficient,
    walk_forward,
)
from puna.engine.models.graph import OnnxModel, convert
from puna.engine.models.live import LiveSignals
from puna.engine.models.protocol import (
    BadSignalError,
    ModelError,
    SchemaMismatchError,
    SignalModel,
    signal,
    signals,
)
from puna.engine.models.sampling import Samples, feature_table, forward_returns, samples
from puna.engine.models.saved import Manifest, SavedModel, load, save
from puna.engine.models.truncation import LookAhead, look_ahead

__all__ = [
    "BadSignalError",
    "EstimatorModel",
    "Evaluation",
    "Fold",
    "FoldScore",
    "LiveSignals",
    "LookAhead",
    "Manifest",
    "ModelError",
    "OnnxModel",
    "Samples",
    "SavedModel",
    "SchemaMismatchError",
    "SignalModel",
    "convert",
    "feature_table",
    "fit",
    "folds",
    "forward_returns",
    "hit_rate",
    "information_coefficient",
    "load",
    "look_ahead",
    "samples",
    "save",
    "signal",
    "signals",
    "walk_forward",
]
