"""Signal models: what counts as an answer, scikit-learn turned into ONNX, folders that are whole or refused."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import skl2onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from puna.core.features import FEATURES, FeatureComputer, FeatureParameters, FeatureSchema
from puna.engine.models import (
    BadSignalError,
    EstimatorModel,
    LiveSignals,
    Manifest,
    ModelError,
    OnnxModel,
    Samples,
    SchemaMismatchError,
    convert,
    fit,
    load,
    samples,
    save,
    signal,
    signals,
)
from puna.errors import ConfigError

from .test_models_walk_forward import walk

NAMES = ("rsi", "spread", "dist_from_sma", "range_pct", "volume")
SCHEMA = FeatureSchema(names=NAMES)
LIBRARIES = ["sklearn", "skl2onnx", "onnx", "onnxruntime"]


@pytest.fixture(scope="module")
def rows() -> Samples:
    """Two symbols' minutes."""
    bars = [*walk("A", 400, 1), *walk("B", 400, 2)]
    return samples(bars, timeframe="1Min", horizon=5, schema=SCHEMA)


@pytest.fixture(scope="module")
def saved_once(rows: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model in a folder."""
    folder = tmp_path_factory.mktemp("models") / "m"
    save(fit(linear(), rows), folder, rows, source="x")
    return folder


@pytest.fixture
def folder(saved_once: Path, tmp_path: Path) -> Path:
    """The same, in a folder of this test's own."""
    return Path(shutil.copytree(saved_once, tmp_path / "m"))


def linear() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression())


class Says:
    """A model that says what it is told to."""

    def __init__(self, answer: Callable[[Any], Any], schema: FeatureSchema = SCHEMA) -> None:
        self.schema = schema
        self.predict = answer


# Answers.


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_an_answer_outside_one_is_refused_never_clipped(answers: list[float]) -> None:
    """Whatever floats a model answers: all of them pass unchanged, or the whole answer is refused. NaN is outside."""
    table = np.ones((len(answers), 5))
    model = Says(lambda _: np.array(answers))
    if all(-1.0 <= each <= 1.0 for each in answers):
        assert signals(model, table).tolist() == answers
    else:
        with pytest.raises(BadSignalError, match="between -1 and 1"):
            signals(model, table)


@pytest.mark.parametrize("answer", [1.0000000000000002, -1.5, float("nan"), float("inf"), [0.1, 0.2], "x", None])
def test_one_row_has_one_number(answer: Any) -> None:
    """A vector's signal is a number from -1 to 1; two numbers, none and words are refused, with the code E652."""
    with pytest.raises(BadSignalError) as caught:
        signal(Says(lambda _: answer), np.ones(5))
    assert caught.value.code == "E652"


def test_cold_features_give_no_signal_and_are_not_shown() -> None:
    """Rows with a NaN or an infinity are NaN in a table and None live; the model sees the others alone."""
    shown: list[Any] = []

    def predict(features: Any) -> Any:
        shown.append(features)
        return features[..., 0] / 100

    table = np.arange(20.0).reshape(4, 5)
    table[1, 3], table[2, 0] = np.nan, np.inf
    model = Says(predict)
    np.testing.assert_equal(signals(model, table), [0.0, np.nan, np.nan, 0.15])
    assert [each.shape for each in shown] == [(2, 5)]
    assert [signal(model, row) for row in table] == [0.0, None, None, 0.15]
    assert len(shown) == 3
    assert np.isnan(signals(model, table[1:3])).all()
    assert len(shown) == 3


@pytest.mark.parametrize("shape", [(5,), (3, 4), (3, 5, 1), (0,)])
def test_a_table_of_other_columns_is_refused(shape: tuple[int, ...]) -> None:
    """A model of five features is not asked about four, nor about something that is no table."""
    with pytest.raises(SchemaMismatchError):
        signals(Says(lambda features: features[..., 0]), np.zeros(shape))
    with pytest.raises(SchemaMismatchError):
        signal(Says(lambda features: features[..., 0]), np.zeros(4))


# scikit-learn.


@pytest.mark.parametrize(
    "estimator",
    [
        linear(),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, early_stopping=True, random_state=1)),
        RandomForestClassifier(20, max_depth=4, random_state=1),
        RandomForestRegressor(10, max_depth=4, random_state=1),
        DecisionTreeClassifier(max_depth=4, random_state=1),
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=20, random_state=1)),
        GradientBoostingRegressor(n_estimators=20, random_state=1),
    ],
    ids=lambda each: type(each[-1] if hasattr(each, "steps") else each).__name__,
)
def test_the_onnx_of_an_estimator_is_the_estimator(estimator: Any, rows: Samples) -> None:
    """On 3,000 rows that neither has seen, signals agree within 1e-6; a table of the ONNX has the bits of its rows."""
    model = fit(estimator, rows)
    fresh = samples(walk("C", 3030, 3), timeframe="1Min", horizon=5, schema=SCHEMA).features
    converted, off = convert(model, rows.features)
    assert off <= 1e-6
    told = signals(converted, fresh)
    np.testing.assert_allclose(told, signals(model, fresh), atol=1e-6, rtol=0)
    assert told.tolist() == [signal(converted, row) for row in fresh]
    assert len(set(told.tolist())) > 5
    assert type(estimator) is type(model.estimator)
    assert model.estimator is not estimator


def test_a_classifier_leans_by_its_probabilities(rows: Samples) -> None:
    """The signal is P(up) - P(down), with a class of unchanged prices too."""
    still = rows.take(np.arange(len(rows)))
    still.returns[::7] = 0.0
    for each in (rows, still):
        model = fit(linear(), each)
        chances = model.estimator.predict_proba(each.features)
        up, down = (chances[:, list(model.estimator.classes_).index(side)] for side in (1, -1))
        np.testing.assert_allclose(signals(model, each.features), up - down, atol=1e-12)


def test_a_forest_that_is_sure_stays_within_one(rows: Samples) -> None:
    """Probabilities in single precision may add up to more than one; the signal does not."""
    sure = rows.take(np.arange(len(rows)))
    sure.returns[:] = np.where(sure.features[:, 0] > 50, 0.01, -0.01)
    model = fit(RandomForestClassifier(97, random_state=1), sure)
    told = signals(convert(model, sure.features)[0], sure.features)
    assert np.abs(told).max() == 1.0


@pytest.mark.parametrize(
    ("estimator", "scale", "what"),
    [
        (LogisticRegression().fit([[0.0], [1.0]], [0, 2]), None, "no classifier of directions"),
        (LogisticRegression(), None, "no classifier of directions"),
        (Ridge().fit([[0.0], [1.0]], [0, 2]), None, "no classifier of directions"),
        (Ridge().fit([[0.0], [1.0]], [0, 2]), 0.0, "scaled by 0.0"),
        (Ridge().fit([[0.0], [1.0]], [0, 2]), float("nan"), "scaled by nan"),
    ],
)
def test_what_has_no_direction_is_no_model(estimator: Any, scale: float | None, what: str) -> None:
    """Foreign classes, unfitted estimators and returns that cannot be scaled."""
    with pytest.raises(ModelError, match=what):
        EstimatorModel(estimator, SCHEMA, scale=scale)


def test_one_direction_alone_cannot_be_learned(rows: Samples) -> None:
    """A market that only rose teaches a classifier nothing, and returns that are all equal no regressor."""
    rising = rows.take(np.arange(50))
    rising.returns[:] = 0.01
    with pytest.raises(ModelError, match="same direction"):
        fit(linear(), rising)
    rising.returns[:] = 0.0
    with pytest.raises(ModelError, match="scaled by 0"):
        fit(Ridge(), rising)


class Contrary(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # it ships no types
    """A classifier that nobody taught the converter."""

    def fit(self, x: Any, y: Any) -> "Contrary":
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.full((len(x), len(self.classes_)), 1 / len(self.classes_))


def test_what_cannot_be_converted_is_not_saved(rows: Samples, tmp_path: Path) -> None:
    """An estimator without a converter, and one without probabilities: an error that says why, and no folder."""
    with pytest.raises(ModelError, match="Contrary cannot be saved as ONNX") as caught:
        save(fit(Contrary(), rows), tmp_path / "m", rows, source="")
    assert "Contrary" in caught.value.why
    with pytest.raises(ModelError, match="no classifier of directions"):
        fit(SVC(), rows)
    assert list(tmp_path.iterdir()) == []


def test_a_conversion_that_is_not_equal_is_not_saved(rows: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that makes something else of the model is found out, whatever precision it tries."""
    right = skl2onnx.to_onnx
    other = fit(make_pipeline(StandardScaler(), LogisticRegression(C=1e-3)), rows).estimator

    def wrong(_: Any, **options: Any) -> Any:
        return right(other, **options | {"options": {id(other): {"zipmap": False}}})

    monkeypatch.setattr(skl2onnx, "to_onnx", wrong)
    with pytest.raises(ModelError, match="cannot be saved") as caught:
        convert(fit(linear(), rows), rows.features)
    assert "in double precision it is off by" in caught.value.why
    assert "in single precision it is off by" in caught.value.why


# Folders.


def test_a_model_comes_back_as_it_was(rows: Samples, tmp_path: Path) -> None:
    """Loaded, it has the same id, schema, training range, data and versions, and the same bits in every signal."""
    saved = save(fit(linear(), rows), tmp_path / "deep/m", rows, source="two seeded walks")
    back = load(tmp_path / "deep/m", schema=SCHEMA, model_id=saved.id[:12])
    assert (back.manifest, back.id) == (saved.manifest, saved.id)
    assert np.array_equal(signals(back, rows.features), signals(saved, rows.features))
    trained = back.manifest.trained
    assert [trained.first, trained.last] == [rows.begin.min().item(), rows.end.max().item()]
    assert (trained.rows, trained.symbols, trained.bars) == (len(rows), ("A", "B"), rows.data)
    assert (trained.timeframe, trained.horizon, trained.source) == ("1Min", 5, "two seeded walks")
    assert back.manifest.proof is not None
    assert back.manifest.proof.estimator == "StandardScaler > LogisticRegression"
    assert back.manifest.proof.deviation <= 1e-6
    assert {"python", "puna", "numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime"} == set(back.manifest.versions)


def test_the_id_is_the_content(rows: Samples, tmp_path: Path) -> None:
    """Trained again on the same data it is the same model; on other data, or said to come from elsewhere, another."""
    model, half = fit(linear(), rows), rows.take(np.arange(300))
    first = save(model, tmp_path / "1", rows, source="x")
    assert save(fit(linear(), rows), tmp_path / "2", rows, source="x").id == first.id
    assert save(fit(linear(), half), tmp_path / "3", half, source="x").id != first.id
    assert save(model, tmp_path / "4", rows, source="y").id != first.id


def test_a_model_is_never_overwritten(rows: Samples, folder: Path) -> None:
    """A folder that is there stays as it is."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ModelError, match="exists already"):
        save(fit(make_pipeline(StandardScaler(), Ridge()), rows), folder, rows, source="x")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_saving_with_samples_of_other_features_is_refused(rows: Samples, tmp_path: Path) -> None:
    """Provenance of other features would be a lie."""
    other = samples(walk("A", 100), timeframe="1Min", horizon=5)
    with pytest.raises(SchemaMismatchError, match="not trained on these samples"):
        save(fit(linear(), rows), tmp_path / "m", other, source="")


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (FeatureSchema(names=NAMES[:4]), "features rsi, spread, dist_from_sma, range_pct, volume, not rsi"),
        (FeatureSchema(names=NAMES[::-1]), "features"),
        (FeatureSchema(NAMES, FeatureParameters(rsi=10)), "rsi 14, not 10"),
        (FeatureSchema(NAMES, FeatureParameters(rsi_smoothing="cutler")), "rsi_smoothing wilder, not cutler"),
        (FeatureSchema(NAMES, version=2), "version 1, not 2"),
    ],
)
def test_another_schema_refuses_to_serve(folder: Path, other: FeatureSchema, difference: str) -> None:
    """Other names, order, windows or version: E651, which says what differs."""
    with pytest.raises(SchemaMismatchError) as caught:
        load(folder, schema=other)
    assert caught.value.code == "E651"
    assert difference in caught.value.why


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None], *, honest: bool = False) -> None:
    """Changes a manifest; an honest change carries its new id."""
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    if honest:
        content["id"] = msgspec.convert(content["model"], Manifest).id
    (folder / "manifest.json").write_text(json.dumps(content))


def test_features_of_another_version_refuse_to_serve(folder: Path) -> None:
    """A whole, honest model of a schema version that is not computed here is E651, even if nobody asks for a schema."""
    rewritten(folder, lambda content: content["model"]["schema"].update(version=2), honest=True)
    with pytest.raises(SchemaMismatchError, match="version 2"):
        load(folder)


def test_more_columns_than_the_graph_takes_refuse_to_serve(folder: Path) -> None:
    """An honest manifest of six features does not go with a graph of five."""
    rewritten(folder, lambda content: content["model"]["schema"]["names"].append("sma"), honest=True)
    with pytest.raises(SchemaMismatchError, match="takes 5 columns, its schema names 6"):
        load(folder)


def damage_graph(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def windows(content: dict[str, Any]) -> dict[str, Any]:
    """The feature windows of a manifest."""
    found: dict[str, Any] = content["model"]["schema"]["parameters"]
    return found


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": damage_graph,
    "half a graph": lambda folder: (folder / "model.onnx").write_bytes(b"\x08"),
    "no graph": lambda folder: (folder / "model.onnx").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text('{"id": "'),
    "a longer manifest": lambda folder: (folder / "manifest.json").write_bytes(b" " * (1 << 20) + b"{}"),
    "another source": lambda folder: rewritten(folder, lambda all_: all_["model"]["trained"].update(source="y")),
    "another window": lambda folder: rewritten(folder, lambda all_: windows(all_).update(rsi=9)),
    "no window": lambda folder: rewritten(folder, lambda all_: windows(all_).update(rsi=0)),
    "a new key": lambda folder: rewritten(folder, lambda all_: all_["model"].update(more=1)),
    "a new format": lambda folder: rewritten(folder, lambda all_: all_["model"].update(format=2), honest=True),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_folder_that_is_not_whole_is_refused(folder: Path, damage: str) -> None:
    """Whatever is missing, cut off or changed: E650, and no signal."""
    DAMAGE[damage](folder)
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert caught.value.code == "E650"
    assert caught.value.state == "No signal was given."


@pytest.mark.parametrize("model_id", ["0" * 64, "", "abc"])
def test_a_pinned_id_is_insisted_on(folder: Path, model_id: str) -> None:
    """Another id, none at all, or too little of one is not the model."""
    with pytest.raises(ModelError, match="cannot be used"):
        load(folder, model_id=model_id)


# Graphs from elsewhere.


def graph(output: str = "last", *, columns: int = 5, element: int = TensorProto.FLOAT, **parts: Any) -> onnx.ModelProto:
    """A graph that answers the last column; `parts` change it."""
    nodes = parts.get("nodes") or [helper.make_node("Gather", ["x", "at"], ["last"], axis=1)]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element, ["n", columns])],
        [helper.make_tensor_value_info(output, element, ["n", 1])],
        [helper.make_tensor("at", TensorProto.INT64, [1], [columns - 1]), *parts.get("tensors", [])],
    )
    domains = parts.get("domains", {"": 18})
    return helper.make_model(made, opset_imports=[helper.make_opsetid(*each) for each in domains.items()], ir_version=8)


@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_a_graph_from_elsewhere_is_served_and_kept(rows: Samples, tmp_path: Path, element: int) -> None:
    """Any ONNX of the form is a model, in single or double precision, and is saved with its provenance, unproven."""
    model = OnnxModel(graph(element=element).SerializeToString(), SCHEMA)
    assert signal(model, np.array([0.0, 0.0, 0.0, 0.0, -0.5])) == -0.5
    save(model, tmp_path / "m", rows, source="elsewhere")
    back = load(tmp_path / "m")
    assert back.manifest.proof is None
    assert signal(back, np.array([0.0, 0.0, 0.0, 0.0, 0.25])) == 0.25
    with pytest.raises(BadSignalError):  # the last feature is a volume
        signals(back, rows.features)


def outside() -> Any:
    """A tensor whose values lie in a file of this machine."""
    tensor = helper.make_tensor("secret", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/hostname")
    return tensor


def hidden() -> Any:
    """The same, inside a branch of an If."""
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=outside())],
        "inner",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    return helper.make_node("If", ["c"], ["last"], then_branch=inner, else_branch=inner)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "one table of float or double|cannot be run|no ONNX"),
        (b"\x80\x04K\x01.", "no ONNX"),
        (pickle.dumps({"a": 1}), "no ONNX"),
        (graph(tensors=[outside()]).SerializeToString(), "not made of ONNX alone"),
        (graph(nodes=[hidden()]).SerializeToString(), "not made of ONNX alone"),
        (graph(domains={"": 18, "com.microsoft": 1}).SerializeToString(), "not made of ONNX alone"),
        (graph(output="nowhere").SerializeToString(), "cannot be run"),
        (graph(element=TensorProto.INT64).SerializeToString(), "one table of float or double"),
    ],
    ids=["empty", "bytes", "pickle", "external data", "hidden external data", "custom operators", "broken", "integers"],
)
def test_what_is_not_plain_onnx_is_not_run(content: bytes, what: str) -> None:
    """Files that reach outside themselves, run foreign operators, or are something else are refused with E650."""
    with pytest.raises(ModelError, match=what) as caught:
        OnnxModel(content, SCHEMA)
    assert caught.value.code == "E650"


def test_a_graph_that_answers_too_much_is_refused() -> None:
    """Two numbers for a row are no signal."""
    model = OnnxModel(graph(output="x2", nodes=[helper.make_node("Concat", ["x", "x"], ["x2"], axis=1)],
                            ).SerializeToString(), SCHEMA)  # fmt: skip
    with pytest.raises(ModelError, match="no number for a row"):
        signal(model, np.zeros(5))


# Serving.


def test_live_signals_are_those_of_research(folder: Path) -> None:
    """Bars of two symbols, taking turns, through a loaded model: the bits of the table, and None until warm."""
    saved = load(folder)
    live = LiveSignals(load(folder), timeframe="1Min")
    turns = [bar for pair in zip(walk("A", 100, 3), walk("B", 100, 4), strict=True) for bar in pair]
    told = [live.update(bar) for bar in turns]
    for symbol, seed, at in (("A", 3, 0), ("B", 4, 1)):
        bars = walk(symbol, 100, seed)
        columns = np.array([(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]).T
        table = FeatureComputer().batch(*columns)[:, [FEATURES.index(name) for name in NAMES]]
        researched = signals(saved, table)
        assert [None if np.isnan(each) else each for each in researched.tolist()] == told[at::2]
    assert told.index(next(each for each in told if each is not None)) == 2 * 25
    assert live.name == saved.id[:12]


def test_live_signals_refuse_what_does_not_fit(folder: Path) -> None:
    """Bars of another timeframe, and a shared computer of other windows: E651."""
    saved = load(folder)
    with pytest.raises(SchemaMismatchError, match="bars of 1Min, not of 5Min"):
        LiveSignals(saved, timeframe="5Min")
    with pytest.raises(SchemaMismatchError, match="other windows"):
        LiveSignals(saved, timeframe="1Min", computer=FeatureComputer(FeatureParameters(rsi=9)))
    shared = FeatureComputer()
    live = LiveSignals(saved, timeframe="1Min", computer=shared)
    for bar in walk("A", 40):
        shared.update(bar.symbol, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_event)
    assert live.read("A") is not None


def test_nothing_of_the_extra_is_imported_before_it_is_needed() -> None:
    """Importing the models, and serving one of one's own, works without scikit-learn and ONNX."""
    program = f"""
import sys
sys.modules.update(dict.fromkeys({LIBRARIES}))
from puna.core.features import FeatureSchema
from puna.engine.models import signal
class Mine:
    schema = FeatureSchema(names=("rsi",))
    def predict(self, features): return features[..., 0] / 100
print(signal(Mine(), [50.0]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0.5\n"


@pytest.mark.parametrize("missing", LIBRARIES)
def test_a_missing_library_names_the_extra(
    rows: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Without the extra: E653, which library, and how to install it."""
    for name in [each for each in sys.modules if each.partition(".")[0] == missing]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"{missing} is not installed") as caught:
        save(fit(linear(), rows), tmp_path / "m", rows, source="x")
    assert caught.value.code == "E653"
    assert "puna[models]" in caught.value.remedy
