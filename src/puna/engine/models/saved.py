"""Models on disk: a folder with `model.onnx` and `manifest.json`, named by the hash of what it holds.

Only data is ever read back: ONNX, which is checked to refer to nothing outside itself, and JSON. Pickles, and formats
around them, run code when they are loaded, so there is no such thing here (reliability, SEC-07).
"""

import platform
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from puna.core.features import FeatureSchema
from puna.engine.models.estimator import EstimatorModel
from puna.engine.models.graph import OnnxModel, convert, steps
from puna.engine.models.protocol import Column, ModelError, SchemaMismatchError
from puna.engine.models.sampling import Samples
from puna.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Manifest", "Proof", "SavedModel", "TrainedOn", "load", "save"]

FORMAT: Final = 1
GRAPH: Final = "model.onnx"
MANIFEST: Final = "manifest.json"
LARGEST: Final = {GRAPH: 1 << 28, MANIFEST: 1 << 20}
LIBRARIES: Final = ("puna", "numpy", "scikit-learn", "skl2onnx", "onnx", "onnxruntime")


class TrainedOn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model has seen. `first` and `last` are left edges of bars, ns; `bars` is the SHA-256 of all of them."""

    timeframe: str
    horizon: int
    symbols: tuple[str, ...]
    first: int
    last: int
    rows: int
    bars: str
    source: str


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was converted, and how far the signals of both were apart at most on the training rows."""

    estimator: str
    deviation: float


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a model but its graph, of which it holds the SHA-256."""

    format: int = FORMAT
    onnx: str
    schema: FeatureSchema
    trained: TrainedOn
    proof: Proof | None
    versions: dict[str, str]

    @property
    def id(self) -> str:
        """SHA-256 over the manifest, and so over the graph: two models with one id are one model."""
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """manifest.json."""

    id: str
    model: Manifest


class SavedModel:
    """A model as it is served, with its manifest; `save` and `load` make it."""

    def __init__(self, manifest: Manifest, graph: OnnxModel) -> None:
        self.manifest = manifest
        self.id = manifest.id
        self.schema = manifest.schema
        self.graph = graph

    def predict(self, features: Column) -> "ArrayLike":
        return self.graph.predict(features)


def save(model: EstimatorModel | OnnxModel, folder: Path, samples: Samples, *, source: str) -> SavedModel:
    """Writes a model into a new folder and gives it as it will be served.

    An estimator becomes ONNX, proven equal to the original within 1e-6 on the samples. A model is never overwritten.

    Args:
        model: fitted on `samples`.
        folder: where; it must not exist yet.
        samples: what it was trained on.
        source: where the bars came from, in words: feed, adjustment, or the seed of an exchange.

    Raises:
        ModelError: the folder exists, the model cannot be converted, or was not trained on such samples.
        OSError: the disk refused.
    """
    saved = _packed(model, samples, source)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise ModelError(
            f"{folder} exists already.",
            why="a model is never overwritten: somebody may be serving it",
            state="Nothing was written.",
            remedy="Choose another folder, or remove this one.",
        ) from error
    (folder / GRAPH).write_bytes(saved.graph.content)
    content = msgspec.json.encode(_File(saved.id, saved.manifest))
    # Last: a folder without a manifest is no model, and a manifest in part is refused.
    (folder / MANIFEST).write_bytes(msgspec.json.format(content, indent=2) + b"\n")
    return saved


def load(folder: Path, *, schema: FeatureSchema | None = None, model_id: str | None = None) -> SavedModel:
    """The model of a folder, if it is whole.

    Args:
        folder: as `save` wrote it.
        schema: what it has to have been trained on; None takes what the manifest says, if it can be computed here.
        model_id: which model it has to be; its beginning suffices, from eight digits on.

    Raises:
        ModelError: something is missing or damaged, it is another model, or no ONNX.
        SchemaMismatchError: it was trained on other features, or on a version of them that is not computed here.
        ConfigError: the extra `models` is not installed.
    """
    manifest = _manifest(folder)
    content = _read(folder / GRAPH)
    if sha256(content).hexdigest() != manifest.onnx:
        raise _unusable(folder, f"{GRAPH} is not the one that the manifest speaks of")
    if model_id is not None and (len(model_id) < 8 or not manifest.id.startswith(model_id)):
        raise _unusable(folder, f"it holds the model {manifest.id[:12]}, not {model_id}")
    if schema is not None and schema != manifest.schema:
        raise SchemaMismatchError(
            "The model was trained on other features than it is asked to be served with.",
            why="; ".join(_differences(manifest.schema, schema)),
            state="No signal was given.",
            remedy="Compute what it was trained on, or train it again.",
        )
    return SavedModel(manifest, OnnxModel(content, manifest.schema))


def _packed(model: EstimatorModel | OnnxModel, samples: Samples, source: str) -> SavedModel:
    if model.schema != samples.schema:
        raise SchemaMismatchError(
            "The model was not trained on these samples.", why="; ".join(_differences(samples.schema, model.schema))
        )
    if isinstance(model, OnnxModel):
        graph, proof = model, None
    else:
        graph, off = convert(model, samples.features)
        proof = Proof(_name(model.estimator), off)
    manifest = Manifest(
        onnx=sha256(graph.content).hexdigest(),
        schema=model.schema,
        trained=_trained_on(samples, source),
        proof=proof,
        versions=_versions(),
    )
    return SavedModel(manifest, graph)


def _trained_on(samples: Samples, source: str) -> TrainedOn:
    return TrainedOn(
        timeframe=samples.timeframe,
        horizon=samples.horizon,
        symbols=samples.symbols,
        first=int(samples.begin.min()),
        last=int(samples.end.max()),
        rows=len(samples),
        bars=samples.data,
        source=source,
    )


def _name(estimator: object) -> str:
    """LogisticRegression; for a pipeline its steps in order."""
    return " > ".join(type(step).__name__ for _, step in steps(estimator))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _manifest(folder: Path) -> Manifest:
    try:
        file = msgspec.json.decode(_read(folder / MANIFEST), type=_File)
    except (msgspec.MsgspecError, DataError) as error:
        raise _unusable(folder, f"{MANIFEST}: {error}") from error
    if file.model.format != FORMAT:
        raise _unusable(folder, f"its format is {file.model.format}, this program reads {FORMAT}")
    if file.id != file.model.id:
        raise _unusable(folder, f"{MANIFEST} was changed after the model was saved")
    return file.model


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST[path.name] + 1)
    except FileNotFoundError as error:
        raise _unusable(path.parent, f"there is no {path.name}") from error
    if len(content) > LARGEST[path.name]:
        raise _unusable(path.parent, f"{path.name} is longer than {LARGEST[path.name]} bytes")
    return content


def _differences(trained: FeatureSchema, wanted: FeatureSchema) -> Iterator[str]:
    """In words, what one schema has and the other has not."""
    if trained.version != wanted.version:
        yield f"version {trained.version}, not {wanted.version}"
    if trained.names != wanted.names:
        yield f"features {', '.join(trained.names)}, not {', '.join(wanted.names)}"
    for name in trained.parameters.__struct_fields__:
        its, other = getattr(trained.parameters, name), getattr(wanted.parameters, name)
        if its != other:
            yield f"{name} {its}, not {other}"


def _unusable(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"The model in {folder} cannot be used.",
        why=why,
        state="No signal was given.",
        remedy="Save it again, or take it from where it is whole.",
    )
