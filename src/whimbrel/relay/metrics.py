"""Numbers for Prometheus, on a port of its own on loopback, in a thread of its own; off unless asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from .server import Relay


class RelayCollector(Collector):
    """Reads the relay's counts when asked. Nothing in them belongs to a log, a session or an address."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        counts = self._relay.counts
        watching = self._relay.watching
        for name, value, meaning in (
            ("connections", counts.connections, "Connections open now"),
            ("streams", counts.streams, "Streams open now"),
            ("held", len(self._relay.held), "Exchanges held now"),
            ("watch_sets", watching.sets, "Watch sets in memory"),
            ("watch_items", watching.items, "Logs in watch sets"),
            ("data_bytes", self._relay.storage.file_bytes(), "Bytes of the data file"),
        ):
            yield GaugeMetricFamily(f"whimbrel_relay_{name}", meaning, value=value)
        for name, value, meaning in (
            ("operations", counts.operations, "Operations decided"),
            ("records", counts.records, "Records appended"),
            ("commits", counts.commits, "Groups committed"),
            ("failures", counts.failures, "Groups that the disk refused"),
            ("letters", counts.letters, "Single letters"),
            ("pages", counts.pages, "Answers of the web site"),
            ("cut_off", counts.cut_off, "Clients cut off for being slow or silent"),
        ):
            yield CounterMetricFamily(f"whimbrel_relay_{name}", meaning, value=value)


class MetricsPort:
    """A small server for one relay."""

    def __init__(self, relay: Relay, port: int) -> None:
        registry = CollectorRegistry()
        registry.register(RelayCollector(relay))
        self._server, self._thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        self.port = int(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
