"""A model that was trained on the days it is tried on is found by the check of look-ahead, whatever it decides."""

from datetime import date

import pytest

from puna import Strategy
from puna.core.features import FeatureSchema
from puna.core.types import Bar
from puna.research.backtest.data import History, bundled_minutes
from puna.research.checks.ahead import look_ahead
from puna.research.checks.case import Case, latest

pytest.importorskip("skl2onnx", reason="the extra models is not installed")
from sklearn.linear_model import Ridge

from puna.engine.models import LiveSignals, SavedModel, fit, samples, save

DAY = bundled_minutes(["IBM"], date(2012, 9, 19), 1)


def bars_of(history: History) -> list[Bar]:
    each = history.columns["IBM"]
    rows = zip(each.open, each.high, each.low, each.close, each.volume, each.begin, each.known, strict=True)
    return [
        Bar("IBM", float(o), float(h), float(low), float(c), float(v), int(begin), int(known))
        for o, h, low, c, v, begin, known in rows
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    """Trained on the morning of the day."""
    rows = samples(bars_of(DAY)[:250], timeframe="1Min", horizon=3, schema=FeatureSchema(names=("rsi", "range_pct")))
    return save(fit(Ridge(), rows), tmp_path_factory.mktemp("models") / "m", rows, source="a morning")


@pytest.mark.parametrize(("bars", "outcome"), [(200, "found"), (100, "passed")])
def test_days_that_a_model_was_trained_on_are_found(model: SavedModel, bars: int, outcome: str) -> None:
    """Tried on minutes that it has seen it is found; on the minutes after them it passes."""

    class Served(Strategy):
        symbols = ("IBM",)

        def on_start(self) -> None:
            self.served = {"ridge": LiveSignals(model, timeframe="1Min")}

        def on_bar(self, bar: Bar) -> None:
            signal = self.served["ridge"].update(bar)
            self.target("IBM", "0.3" if signal is not None and signal > 0 else 0)

    found = look_ahead(Case(lambda: [Served()], latest(DAY, bars)))
    assert found.outcome == outcome, found
    if found.findings:
        assert model.id[:12] in found.findings[0].what
        assert found.findings[0].strategy == "served"
