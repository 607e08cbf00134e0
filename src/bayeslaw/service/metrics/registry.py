"""What a monitor can ask: counted where it happens, or read when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bayeslaw.service.metrics.planner import PlannerMetrics
from bayeslaw.service.metrics.studies import StudyMetrics
from bayeslaw.service.parts import Parts

_LATENCIES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Hold the metrics of one service, in a registry of their own.

    Args:
        parts: Of the service; its store is asked when a monitor asks, at most each 5 s.
    """

    def __init__(self, parts: Parts) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "bayeslaw_requests",
            "Requests that were answered; route is none where the gate refused or nothing was there.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "bayeslaw_request_seconds",
            "From a request's head to the end of its answer; waiting with wait_s included.",
            ["method", "route"],
            buckets=_LATENCIES_S,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "bayeslaw_requests_in_flight", "Being answered.", registry=self._registry
        )
        self.leases_expired = Counter(
            "bayeslaw_leases_expired", "That ran out.", registry=self._registry
        )
        writer = parts.writer
        self.add_gauge("bayeslaw_writes_waiting", "For their turn.", lambda: writer.n_waiting)
        self.add_counter("bayeslaw_writes", "Carried out.", lambda: writer.n_written)
        self.add_counter("bayeslaw_commits", "That they shared.", lambda: writer.n_commits)
        self.add_counter("bayeslaw_commit_seconds", "Spent on them.", lambda: writer.commit_s)
        self.add_gauge("bayeslaw_callers_waiting", "For news.", lambda: parts.watch.n_waiting)
        ProcessCollector(registry=self._registry)
        self._registry.register(PlannerMetrics(parts.planner_state))
        self._registry.register(StudyMetrics(parts.store, parts.clock))

    def add_counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a number that only rises and that somebody else counts."""
        self._registry.register(
            _Read(name, lambda: CounterMetricFamily(name, meaning, value=read()))
        )

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a number that somebody else knows."""
        self._registry.register(_Read(name, lambda: GaugeMetricFamily(name, meaning, value=read())))

    def text(self) -> bytes:
        """Return everything in Prometheus' text format; asks the store, so not on an event loop."""
        return generate_latest(self._registry)


class _Read(Collector):
    """One number, read when a monitor asks."""

    def __init__(self, name: str, family: Callable[[], Metric]) -> None:
        self._name = name
        self._family = family

    def describe(self) -> Iterable[Metric]:
        """Say its name, so that no other takes it, without reading it."""
        yield Metric(self._name, "", "gauge")

    def collect(self) -> Iterable[Metric]:
        """Read it."""
        yield self._family()
