"""A collector of OpenTelemetry on a real socket: it understands OTLP over HTTP, or behaves badly on request."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import canaries

Attributes = dict[str, Any]


def _read(items: Any) -> Attributes:
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in items}


@dataclass(frozen=True)
class Span:
    name: str
    id: str
    parent: str
    trace: str
    kind: int
    start: int  # nanoseconds
    seconds: float
    failed: bool
    message: str
    events: int
    attributes: Attributes
    resource: Attributes


@dataclass(frozen=True)
class Point:
    """One series of a metric: its last value, or of a histogram the number of measurements and their sum."""

    name: str
    value: float
    total: float
    attributes: Attributes
    resource: Attributes


class Collector(ThreadingHTTPServer):
    """`spans` and `points` are what was understood, `bodies` and `heads` what came, for who looks for secrets."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.mute = False  # accepts, reads, and never answers
        self.release = threading.Event()
        self.spans: list[Span] = []
        self.points: list[Point] = []
        self.bodies: list[bytes] = []
        self.heads: list[tuple[str, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def trace_of(self, request_id: str) -> list[Span]:
        """The spans of a request, its own first; complete when that is there, since it ends last."""
        spans = list(self.spans)
        traces = {span.trace for span in spans if span.attributes.get("request_id") == request_id}
        return sorted((span for span in spans if span.trace in traces), key=lambda span: span.start)

    def latest(self, name: str) -> list[Point]:
        """The last value of each series of a metric."""
        series = {}
        for point in list(self.points):
            if point.name == name:
                key = (point.resource["service.instance.id"], repr(sorted(point.attributes.items())))
                series[key] = point
        return list(series.values())

    def take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path.endswith("/v1/traces"):
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        elif path.endswith("/v1/metrics"):
            self.points += _points(ExportMetricsServiceRequest.FromString(body))

    def stop(self) -> None:
        """From now on connections are refused."""
        self.release.set()
        self.shutdown()
        self.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield Span(
                span.name,
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.trace_id.hex(),
                span.kind,
                span.start_time_unix_nano,
                (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                span.status.code == 2,
                span.status.message,
                len(span.events),
                _read(span.attributes),
                _read(resource.resource.attributes),
            )


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource in request.resource_metrics:
        described = _read(resource.resource.attributes)
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                histogram = metric.WhichOneof("data") == "histogram"
                value = point.count if histogram else getattr(point, point.WhichOneof("value"))
                total = point.sum if histogram else value
                yield Point(metric.name, value, total, _read(point.attributes), described)


class _Handler(BaseHTTPRequestHandler):
    server: Collector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heads.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.server.mute:
            self.server.release.wait(60)
            self.close_connection = True
            return
        if self.server.status == 200:
            sent = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            canaries.look(f"a collector, {self.path}", sent.decode(errors="replace"))
            self.server.take(self.path, sent)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.stop()
