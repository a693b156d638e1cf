"""Traces: an order from a model's word in one component to its fill in another is one trace; off, there is nothing."""

import asyncio
import sys
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from quartet import PATIENCE, running

from puna.bus.messages import IntentRequest
from puna.core.types import OrderIntent, OrderType, Side, TimeInForce
from puna.errors import ConfigError
from puna.services.serve import Component
from puna.services.signals import Signals
from puna.services.tracing import OpenTelemetry, Traces, traces_of

pytest.importorskip("opentelemetry.sdk")


EAGER = """
import numpy as np
from puna.core.features import FeatureSchema

class Eager:
    schema = FeatureSchema(names=("range_pct",))

    def predict(self, features):
        return np.ones(features.shape[:-1])
"""


def intent_of(ts: int) -> OrderIntent:
    """A share for the peer `signals`, wanted at that market time."""
    return OrderIntent(
        client_order_id="puna-1-signals-1",
        strategy="signals",
        symbol="IBM",
        side=Side.BUY,
        qty=Decimal(1),
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        ts=ts,
    )


def recorder() -> Any:
    """An exporter that keeps what it is given."""
    module: Any = import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    return module.InMemorySpanExporter()


def traces(name: str, exporter: Any) -> OpenTelemetry:
    """Of one component, into the exporter."""
    resources: Any = import_module("opentelemetry.sdk.resources")
    sdk: Any = import_module("opentelemetry.sdk.trace")
    export: Any = import_module("opentelemetry.sdk.trace.export")
    resource = resources.Resource.create({"service.name": name})
    provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    return OpenTelemetry(provider)


def way(spans: tuple[Any, ...], end: Any) -> list[tuple[str, str]]:
    """Component and name of a span, of its parent, and so on up to the root."""
    known, found = {span.context.span_id: span for span in spans}, []
    span = end
    while span is not None:
        assert span.context.trace_id == end.context.trace_id
        found.append((span.resource.attributes["service.name"], span.name))
        span = known.get(span.parent.span_id) if span.parent else None
    return found


@pytest.mark.timeout(150)
async def test_an_order_is_one_trace_from_the_model_to_the_fill(bot: Callable[..., Path], tmp_path: Path) -> None:
    """Through two components and the bus: signal, take signal, order, fill; and the same for an intent of a peer."""
    exporter = recorder()

    def equip(name: str, component: Component) -> None:
        component.traces = traces(name, exporter)

    def filled(strategy: str) -> list[Any]:
        spans = exporter.get_finished_spans()
        owners = {span.context.span_id for span in spans if (span.attributes or {}).get("puna.strategy") == strategy}
        return [span for span in spans if span.name == "fill" and span.parent.span_id in owners]

    (tmp_path / "eager.py").write_text(EAGER)  # a word with the second bar already
    async with running(bot(services="stale_seconds = 10", model="eager.py:Eager"), equip) as system:
        signals = system.parts["signals"]
        assert isinstance(signals, Signals)
        assert signals._control is not None
        with signals.traces.span("somebody's intent") as trace:
            intent = intent_of(system.execution.place.clock.now())
            answer = await signals._control.tell(IntentRequest(intent, trace), PATIENCE)
        assert answer.outcome == "taken"
        async with asyncio.timeout(PATIENCE):
            while not (filled("trend") and filled("signals")):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.05)
    spans = exporter.get_finished_spans()
    (by_model, *_), (by_intent, *_) = filled("trend"), filled("signals")
    execution = [("execution", "fill"), ("execution", "order")]
    assert way(spans, by_model) == [*execution, ("execution", "take signal"), ("signals", "signal")]
    assert way(spans, by_intent) == [*execution, ("execution", "take intent"), ("signals", "somebody's intent")]
    order = next(span for span in spans if span.context.span_id == by_intent.parent.span_id)
    assert order.attributes["puna.client_order_id"] == intent.client_order_id
    assert order.attributes["puna.status"] == "filled"
    assert order.attributes["puna.filled_qty"] == "1"
    assert [event.name for event in order.events][-1] == "filled"
    assert Decimal(by_intent.attributes["puna.price"]) > 0


def test_what_is_no_context_begins_a_trace() -> None:
    """A peer's nonsense in `trace` harms nobody."""
    exporter = recorder()
    made = traces("execution", exporter)
    with made.span("take intent", "nonsense", symbol="AAPL") as trace:
        assert trace.startswith("00-")
    made.close()
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert span.attributes == {"puna.symbol": "AAPL"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_without_a_variable_that_asks_for_it_there_is_nothing(environ: dict[str, str]) -> None:
    """No SDK, no thread, no context in messages."""
    made = traces_of("execution", environ)
    assert type(made) is Traces
    with made.span("signal") as trace:
        assert trace == ""


def test_the_variables_choose_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Console and otlp are there with the extra; another name, or no extra, is E049 before anything starts."""
    for name in ("console", "otlp"):
        made = traces_of("execution", {"OTEL_TRACES_EXPORTER": name})
        assert isinstance(made, OpenTelemetry)
        made.close()
    with pytest.raises(ConfigError, match="E049"):
        traces_of("execution", {"OTEL_TRACES_EXPORTER": "nowhere"})
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"puna\[otel\]"):
        traces_of("execution", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
