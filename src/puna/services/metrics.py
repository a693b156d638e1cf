"""The metrics of a component: one catalogue, a registry of its own, values out of facts at the moment of a scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["CATALOGUE", "PREFIX", "Metric", "Metrics", "Numbers", "catalogue_of"]

PREFIX = "puna_"
Numbers = Mapping[str, float | Mapping[str, float]]
"""Name -> value, or label -> value."""

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric(NamedTuple):
    """A metric: name without prefix, kind, which components have it, label, what it says."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    of: tuple[str, ...]
    text: str
    label: str = ""


ALL = ("market-data", "signals", "execution", "risk")
DATA, SIGNALS, EXECUTION, RISK = ALL

CATALOGUE: tuple[Metric, ...] = (
    Metric("uptime_seconds", "gauge", ALL, "Seconds since the process started."),
    Metric("health_status", "gauge", ALL, "2 healthy, 1 degraded, 0 unhealthy."),
    Metric("ready", "gauge", ALL, "1 when it is fit for its work."),
    Metric("messages_processed", "counter", ALL, "Messages that were worked through."),
    Metric("config_info", "gauge", ALL, "1, by the version of the configuration in force.", "version"),
    Metric("websocket_connected", "gauge", (DATA, EXECUTION), "1 while the stream to the broker is up."),
    Metric("stream_age_seconds", "gauge", (DATA, EXECUTION), "Seconds since the stream's last message."),
    Metric("stream_reconnects", "counter", (DATA, EXECUTION), "How often the stream came back."),
    Metric("stream_gaps", "counter", (DATA, EXECUTION), "Holes that were marked in the stream."),
    Metric("bus_published", "counter", (DATA, EXECUTION, RISK), "Messages published on the bus."),
    Metric("bus_lost", "counter", (SIGNALS, EXECUTION, RISK), "Messages of the bus that are known to be missing."),
    Metric("bus_gaps", "counter", (SIGNALS, EXECUTION, RISK), "Holes in what came over the bus."),
    Metric("bus_age_seconds", "gauge", (SIGNALS, EXECUTION, RISK), "Seconds since anything came over the bus."),
    Metric("bus_refused", "counter", (EXECUTION,), "What the control plane refused, by reason.", "reason"),
    Metric("queue_depth", "gauge", (SIGNALS, EXECUTION, RISK), "Messages or jobs that wait."),
    Metric("control_age_seconds", "gauge", (SIGNALS, RISK), "Seconds since execution answered."),
    Metric("signals", "counter", (SIGNALS, EXECUTION), "Signals, by model.", "model"),
    Metric("signal_seconds", "histogram", (SIGNALS,), "From a bar's arrival to its signal."),
    Metric("api_calls", "counter", (DATA, EXECUTION), "Calls to the broker, by outcome.", "outcome"),
    Metric("api_retries", "counter", (DATA, EXECUTION), "Repeated calls, by reason.", "reason"),
    Metric("api_seconds", "histogram", (DATA, EXECUTION), "Calls to the broker."),
    Metric("order_placement_seconds", "histogram", (EXECUTION,), "From the order's request to the broker's answer."),
    Metric("rate_budget_remaining", "gauge", (EXECUTION,), "Order requests that may leave now; -1 without a limit."),
    Metric("breaker_open", "gauge", (DATA, EXECUTION), "1 while the circuit breaker keeps calls back."),
    Metric("reconciliation_age_seconds", "gauge", (EXECUTION,), "Seconds since our books equalled the broker's."),
    Metric("halted", "gauge", (EXECUTION, RISK), "1 while trading is halted."),
    Metric("orders", "counter", (EXECUTION,), "Orders in the journal."),
    Metric("orders_open", "gauge", (EXECUTION,), "Orders that may still fill."),
    Metric("orders_in_doubt", "gauge", (EXECUTION,), "Orders whose fate is being asked about."),
    Metric("fills", "counter", (EXECUTION,), "Fills that were booked."),
    Metric("risk_refusals", "counter", (EXECUTION,), "Orders that risk did not let pass."),
    Metric("alarms_standing", "gauge", (EXECUTION,), "Alarms that nobody has acknowledged."),
    Metric("journal_writable", "gauge", (EXECUTION,), "1 while the journal can be written."),
    Metric("risk_age_seconds", "gauge", (EXECUTION,), "Seconds since the last word of the risk process."),
    Metric("equity", "gauge", (EXECUTION, RISK), "What the account is worth at marks."),
    Metric("cash", "gauge", (EXECUTION,), "Cash in our books."),
    Metric("pnl_day", "gauge", (EXECUTION, RISK), "Equity less the day's first."),
    Metric("exposure_gross", "gauge", (EXECUTION, RISK), "Positions, shorts counted as positive."),
    Metric("exposure_net", "gauge", (EXECUTION, RISK), "Longs less shorts."),
    Metric("drawdown_ratio", "gauge", (RISK,), "How far equity is below its highest of the day; 0.01 is one percent."),
    Metric("config_pending", "gauge", (RISK,), "1 while looser limits wait for a person."),
    Metric("config_rejected", "counter", (RISK,), "Configurations that could not be used."),
)
"""Every metric there is; counters get `_total` from Prometheus."""


def catalogue_of(component: str) -> list[Metric]:
    """What one component has."""
    return [metric for metric in CATALOGUE if component in metric.of]


class Metrics(Collector):
    """The registry of one component.

    Args:
        component: whose.
        numbers: gives all gauges and counters, out of facts; names as in the catalogue.
    """

    def __init__(self, component: str, numbers: Callable[[], Numbers]) -> None:
        self._component = component
        self._numbers = numbers
        self._metrics = {metric.name: metric for metric in catalogue_of(component)}
        self._registry = CollectorRegistry()
        self._histograms = {
            metric.name: Histogram(PREFIX + metric.name, metric.text, buckets=BUCKETS, registry=self._registry)
            for metric in self._metrics.values()
            if metric.kind == "histogram"
        }
        self._registry.register(self)

    def observe(self, name: str, seconds: float) -> None:
        """One sample of a histogram."""
        self._histograms[name].observe(seconds)

    def text(self) -> bytes:
        """The answer to a scrape."""
        return generate_latest(self._registry)

    def collect(self) -> "Iterable[CounterMetricFamily | GaugeMetricFamily]":
        """Called by the registry."""
        numbers = self._numbers()
        if strange := set(numbers) - set(self._metrics):
            raise KeyError(f"{self._component} has no metrics {sorted(strange)}")
        for name, metric in self._metrics.items():
            if metric.kind != "histogram":
                yield _family(metric, numbers.get(name))

    def describe(self) -> "Iterator[CounterMetricFamily | GaugeMetricFamily]":
        """What `collect` will give, without asking for numbers."""
        return (_family(metric, None) for metric in self._metrics.values() if metric.kind != "histogram")


def _family(metric: Metric, value: float | Mapping[str, float] | None) -> "CounterMetricFamily | GaugeMetricFamily":
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(PREFIX + metric.name, metric.text, labels=[metric.label] if metric.label else [])
    if isinstance(value, Mapping):
        for label, each in value.items():
            family.add_metric([label], each)
    elif value is not None:
        family.add_metric([], value)
    return family
