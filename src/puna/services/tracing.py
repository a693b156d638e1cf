"""An order's way as one trace of OpenTelemetry: what a model said, what execution made of it, the order, its fills.

A span's context travels in the message (`trace`, in the words of W3C's traceparent), so that the spans of several
processes are one trace. Unless one of the OTEL_* variables asks for more, `traces_of` gives traces that do nothing.
Times of spans are wall time; market time is an attribute.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from puna import __version__
from puna.core.orders import LIFE, Order
from puna.core.types import Fill, OrderIntent
from puna.errors import ConfigError

__all__ = ["OpenTelemetry", "Traces", "traces_of"]

SWITCHES = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
KEPT = 10_000
"""Orders whose spans are open; beyond it the oldest span ends without its order's end."""


class Traces:
    """Does nothing, at no cost: what runs when nobody asked for traces."""

    @contextmanager
    def span(self, name: str, parent: str = "", **attributes: str | float) -> Iterator[str]:
        """A step of the work; gives its context for a message.

        Args:
            name: what is done.
            parent: the context that came with a message; empty begins a trace.
            attributes: of the span, with `puna.` before each.
        """
        del name, parent, attributes
        yield ""

    def expect(self, client_order_id: str, parent: str) -> None:
        """An order of this id belongs to the trace of that context."""

    def begin(self, intent: OrderIntent) -> None:
        """An order is durable, and may be sent from now on."""

    def change(self, order: Order, fills: tuple[Fill, ...]) -> None:
        """Evidence came for an order."""

    def close(self) -> None:
        """Ends what is open, and sends what waits."""


class OpenTelemetry(Traces):
    """Spans of one process.

    Args:
        provider: a TracerProvider of the SDK; closed with this.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._trace: Any = import_module("opentelemetry.trace")
        propagator: Any = import_module("opentelemetry.trace.propagation.tracecontext")
        self._words: Any = propagator.TraceContextTextMapPropagator()
        self._tracer: Any = provider.get_tracer("puna", __version__)
        self._orders: OrderedDict[str, Any] = OrderedDict()
        self._expected: OrderedDict[str, str] = OrderedDict()

    @contextmanager
    def span(self, name: str, parent: str = "", **attributes: str | float) -> Iterator[str]:
        with self._tracer.start_as_current_span(
            name, context=self._context(parent), attributes=_named(attributes)
        ) as span:
            yield self._said(span)

    def expect(self, client_order_id: str, parent: str) -> None:
        if parent:
            self._expected[client_order_id] = parent
            _bounded(self._expected)

    def begin(self, intent: OrderIntent) -> None:
        parent = self._expected.pop(intent.client_order_id, "")
        attributes: dict[str, str | float] = {
            "client_order_id": intent.client_order_id,
            "strategy": intent.strategy,
            "symbol": intent.symbol,
            "side": str(intent.side),
            "qty": f"{intent.qty:f}",
            "type": str(intent.type),
            "market_time": intent.ts,
        }
        self._orders[intent.client_order_id] = self._tracer.start_span(
            "order", context=self._context(parent), attributes=_named(attributes)
        )
        for span in _bounded(self._orders):
            span.end()

    def change(self, order: Order, fills: tuple[Fill, ...]) -> None:
        span = self._orders.get(order.client_order_id)
        if span is None:
            return
        span.add_event(str(order.status), _named({"broker_id": order.broker_id or "", "reason": order.reason}))
        for fill in fills:
            said = _named({"qty": f"{fill.qty:f}", "price": f"{fill.price:f}", "market_time": fill.ts_event})
            self._tracer.start_span("fill", context=self._trace.set_span_in_context(span), attributes=said).end()
        if LIFE[order.status].terminal:
            del self._orders[order.client_order_id]
            span.set_attribute("puna.status", str(order.status))
            span.set_attribute("puna.filled_qty", f"{order.filled_qty:f}")
            span.end()

    def close(self) -> None:
        for span in self._orders.values():
            span.end()
        self._orders.clear()
        self._provider.shutdown()

    def _context(self, parent: str) -> Any:
        """Of whoever sent the message; what is no context begins a trace of its own."""
        return self._words.extract({"traceparent": parent}) if parent else None

    def _said(self, span: Any) -> str:
        carrier: dict[str, str] = {}
        self._words.inject(carrier, self._trace.set_span_in_context(span))
        return carrier.get("traceparent", "")


def traces_of(component: str, environ: Mapping[str, str] | None = None) -> Traces:
    """The traces of a process, as its OTEL_* variables say.

    Raises:
        ConfigError: a variable asks for traces, and the extra or the exporter is not installed.
    """
    environ = os.environ if environ is None else environ
    names = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if not any(environ.get(name) for name in SWITCHES) or names == "none" or _disabled(environ):
        return Traces()
    try:
        resources: Any = import_module("opentelemetry.sdk.resources")
        sdk: Any = import_module("opentelemetry.sdk.trace")
        export: Any = import_module("opentelemetry.sdk.trace.export")
    except ImportError as error:
        raise _absent("The extra for traces is not installed.", str(error)) from error
    service = {"service.name": environ.get("OTEL_SERVICE_NAME") or f"puna-{component}", "service.version": __version__}
    provider = sdk.TracerProvider(resource=resources.Resource.create(service), shutdown_on_exit=False)
    for name in names.split(","):
        provider.add_span_processor(export.BatchSpanProcessor(_exporter(name.strip(), environ)))
    return OpenTelemetry(provider)


def _exporter(name: str, environ: Mapping[str, str]) -> Any:
    """By its name, as the SDK's packages register it."""
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    known = {"otlp": "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"}.get(name, name)
    for entry in entry_points(group="opentelemetry_traces_exporter", name=known):
        return entry.load()()
    raise _absent(f"There is no exporter {name} for traces.", f"nothing installed is registered as {known}")


def _disabled(environ: Mapping[str, str]) -> bool:
    return environ.get("OTEL_SDK_DISABLED", "").lower() == "true"


def _named(attributes: Mapping[str, str | float]) -> dict[str, str | float]:
    return {f"puna.{name}": value for name, value in attributes.items()}


def _bounded(held: OrderedDict[str, Any]) -> list[Any]:
    """Takes out the oldest that are too many."""
    return [held.popitem(last=False)[1] for _ in range(len(held) - KEPT)]


def _absent(what: str, why: str) -> ConfigError:
    return ConfigError(
        what,
        why=why,
        state="Nothing was started.",
        remedy="pip install 'puna[otel]', or unset the OTEL_* variables.",
        code="E049",
    )
