"""ONNX as a signal model: graphs that need nothing but themselves, made of scikit-learn and proven equal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from puna.core.features import FeatureSchema
from puna.engine.models.estimator import EstimatorModel
from puna.engine.models.extra import library
from puna.engine.models.protocol import Column, ModelError, SchemaMismatchError, check_schema, signals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["OnnxModel", "convert", "steps"]

TOLERANCE: Final = 1e-6  # how far a converted model may be from its original, on any row it is proven on
PROOF_ROWS: Final = 100_000

# Pinned, so that a newer converter gives the same bytes and an older runtime can serve them.
OPSETS: Final = {"": 18, "ai.onnx.ml": 3}
DTYPES: Final[dict[str, type[np.floating[Any]]]] = {"tensor(double)": np.float64, "tensor(float)": np.float32}


class OnnxModel:
    """A graph with one input (n, columns), float or double, whose first output is one number a row.

    Rows are computed one by one, so that a table in research has the bits that a bar has live; the kernels of a runtime
    may add up in another order for many rows at once. One thread, CPU.

    Args:
        content: the ONNX file's bytes; never anything but data: see `docs/models.md`.
        schema: the columns of the input.

    Raises:
        ModelError: it is no ONNX, refers to other files or to operators beyond ONNX's own, or has another form.
        SchemaMismatchError: its input has another number of columns, or the schema cannot be computed here.
        ConfigError: onnx or onnxruntime is not installed.
    """

    def __init__(self, content: bytes, schema: FeatureSchema) -> None:
        check_schema(schema)
        self.content = content
        self.schema = schema
        _check(content)
        self._session = _session(content)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._dtype = _dtype(self._session, len(schema.names))

    def predict(self, features: Column) -> "ArrayLike":
        if features.ndim == 1:
            return self._row(features[np.newaxis])
        return np.array([self._row(features[row : row + 1]) for row in range(len(features))])

    def _row(self, row: Column) -> float:
        try:
            answer = self._session.run([self._output], {self._input: row.astype(self._dtype)})[0]
            return float(np.reshape(answer, ()))
        except Exception as error:
            raise ModelError("The ONNX model gives no number for a row.", why=_short(error)) from error


def convert(model: EstimatorModel, table: Column) -> tuple[OnnxModel, float]:
    """The same model as an ONNX graph, and how far both are apart at most on the rows of `table`: 1e-6 or less.

    Everything is computed in double precision, but for a last step of trees: scikit-learn compares in single precision
    there, and a value beside a split would fall on its other side.

    Raises:
        ModelError: it cannot be converted, or no conversion gives the same signals.
        ConfigError: skl2onnx, onnx or onnxruntime is not installed.
    """
    reasons = []
    trees = any(hasattr(steps(model.estimator)[-1][1], name) for name in ("tree_", "estimators_"))
    for double in (False, True) if trees else (True, False):
        try:
            converted = OnnxModel(_exported(model, double=double), model.schema)
            off = _deviation(model, converted, table)
        except ModelError as error:
            reasons.append(error.why or error.what)
            continue
        if off <= TOLERANCE:
            return converted, off
        reasons.append(f"with its last step in {'double' if double else 'single'} precision it is off by {off:.3g}")
    raise ModelError(
        f"{type(model.estimator).__name__} cannot be saved as ONNX.",
        why="; ".join(reasons),
        state="Nothing was written.",
        remedy="docs/models.md lists what is known to convert.",
    )


def _deviation(model: EstimatorModel, converted: OnnxModel, table: Column) -> float:
    """The greatest difference of the two models' signals, on at most 100,000 rows spread over the table."""
    rows = table[np.unique(np.linspace(0, len(table) - 1, min(len(table), PROOF_ROWS)).astype(np.intp))]
    return float(np.nanmax(np.abs(signals(model, rows) - signals(converted, rows)), initial=0.0))


def _exported(model: EstimatorModel, *, double: bool) -> bytes:
    skl2onnx, types = library("skl2onnx"), library("skl2onnx.common.data_types")
    estimator = model.estimator if double else _cast(model.estimator)
    try:
        exported = skl2onnx.to_onnx(
            estimator,
            initial_types=[("features", types.DoubleTensorType([None, len(model.schema.names)]))],
            options={id(estimator): {"zipmap": False}} if model.scale is None else None,
            target_opset=OPSETS,
            name="signal",
        )
    except Exception as error:  # converters raise whatever they like
        raise ModelError(
            f"{type(model.estimator).__name__} cannot be exported.", why=f"{type(error).__name__}: {_short(error)}"
        ) from error
    return bytes(_with_signal(exported, model).SerializeToString(deterministic=True))


def steps(estimator: Any) -> list[tuple[str, Any]]:
    """A pipeline's steps; any other estimator is the only one."""
    return list(getattr(estimator, "steps", [("last", estimator)]))


def _cast(estimator: Any) -> Any:
    """The estimator with a cast to single precision before its last step: as scikit-learn's trees do inside."""
    *before, last = steps(estimator)
    cast = library("skl2onnx.sklapi").CastTransformer(dtype=np.float32)
    return library("sklearn.pipeline").Pipeline([*before, ("puna_cast", cast), last])


def _with_signal(exported: Any, model: EstimatorModel) -> Any:
    """Ends the graph as EstimatorModel does: P(1) - P(-1) over the sum of P, or tanh(return / scale)."""
    helper, double = library("onnx.helper"), library("onnx").TensorProto.DOUBLE
    graph = exported.graph
    made = graph.output[-1].name  # a classifier's label comes before its probabilities
    nodes = [helper.make_node("Cast", [made], ["puna_made"], to=double)]
    if model.scale is not None:
        constants = [helper.make_tensor("puna_scale", double, [1], [model.scale])]
        nodes.append(helper.make_node("Div", ["puna_made", "puna_scale"], ["puna_ratio"]))
        nodes.append(helper.make_node("Tanh", ["puna_ratio"], ["signal"]))
    else:
        constants = [helper.make_tensor("puna_classes", double, [len(model.classes), 1], model.classes.tolist())]
        constants.append(helper.make_tensor("puna_ones", double, [len(model.classes), 1], [1.0] * len(model.classes)))
        nodes.append(helper.make_node("MatMul", ["puna_made", "puna_classes"], ["puna_leaning"]))
        nodes.append(helper.make_node("Abs", ["puna_made"], ["puna_sizes"]))
        nodes.append(helper.make_node("MatMul", ["puna_sizes", "puna_ones"], ["puna_total"]))
        nodes.append(helper.make_node("Div", ["puna_leaning", "puna_total"], ["signal"]))
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("signal", double, [None, 1]))
    del exported.opset_import[:]
    exported.opset_import.extend(helper.make_opsetid(domain, number) for domain, number in OPSETS.items())
    return exported


def _check(content: bytes) -> None:
    """A model is data: tensors in other files and operators from elsewhere would be reached for when it is loaded."""
    onnx = library("onnx")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:
        raise ModelError("This is no ONNX model.", why=_short(error), state="Nothing of it was run.") from error
    domains = {entry.domain for entry in model.opset_import} - {"", "ai.onnx", "ai.onnx.ml"}
    outside = [each.name for each in _tensors(model.graph) if each.data_location == onnx.TensorProto.EXTERNAL]
    if domains or outside or model.functions:
        raise ModelError(
            "The ONNX model is not made of ONNX alone.",
            why=f"operators from elsewhere: {sorted(domains)}, tensors in other files: {outside}",
            state="Nothing of it was run.",
            remedy="Export it with its weights inside, and with operators of ai.onnx and ai.onnx.ml only.",
        )


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph, those of its nodes' attributes and inner graphs included."""
    yield from graph.initializer
    for each in graph.sparse_initializer:
        yield from (each.values, each.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors, attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _session(content: bytes) -> Any:
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError("The ONNX model cannot be run.", why=_short(error), state="Nothing was served.") from error


def _dtype(session: Any, columns: int) -> type[np.floating[Any]]:
    inputs = session.get_inputs()
    shape = inputs[0].shape
    if len(inputs) != 1 or inputs[0].type not in DTYPES or len(shape) != 2:
        raise ModelError("The ONNX model does not take one table of float or double.", state="Nothing was served.")
    if isinstance(shape[1], int) and shape[1] != columns:
        raise SchemaMismatchError(
            f"The ONNX model takes {shape[1]} columns, its schema names {columns}.", state="No signal was given."
        )
    return DTYPES[inputs[0].type]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
