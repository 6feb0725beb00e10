"""`make run OTEL=1`: receives the service's traces and prints each in the terminal, as a tree with milliseconds."""

import gzip
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TextIO

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"
DELAY = "300"  # milliseconds between exports, since somebody is looking
_NAMES = 48  # characters
_MOST = 1000  # traces whose request has not ended

Attributes = dict[str, str]


def attributes_of(span: Span) -> Attributes:
    """Return a span's attributes as text."""
    return {item.key: str(getattr(item.value, item.value.WhichOneof("value"))) for item in span.attributes}


def tree(root: Span, spans: list[Span]) -> Iterator[str]:
    """Render a request and what it was made of: when each part began and how long it took, in milliseconds."""
    known = attributes_of(root)
    title = f"{root.name} {known.get('http.response.status_code', '')}"
    names = f"request {known.get('request_id', '-')}, trace {root.trace_id.hex()}"
    yield f"{title:<{_NAMES}}{_ms(root, root)}  {names}"
    yield from _below(root, root, sorted(spans, key=lambda span: span.start_time_unix_nano), "  ")


def _below(parent: Span, root: Span, spans: list[Span], indent: str) -> Iterator[str]:
    for span in spans:
        if span.parent_span_id == parent.span_id:
            failed = f"  failed: {attributes_of(span).get('error.type', '')}" if span.status.code else ""
            yield f"{indent + span.name:<{_NAMES}}{_ms(span, root)}{failed}"
            yield from _below(span, root, spans, indent + "  ")


def _ms(span: Span, root: Span) -> str:
    begun = (span.start_time_unix_nano - root.start_time_unix_nano) / 1e6
    taken = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    return f"{taken:9.2f} ms" + (f" at {begun:.2f}" if span is not root else "")


class Traces:
    """Keeps the spans of each trace until its request has ended, which is the last to come."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._open: dict[bytes, list[Span]] = {}

    def take(self, body: bytes) -> None:
        """Read an export, and print what is complete."""
        found = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for span in (s for resource in found.resource_spans for scope in resource.scope_spans for s in scope.spans):
                if span.kind == Span.SPAN_KIND_SERVER:
                    lines = tree(span, self._open.pop(span.trace_id, []))
                    print("", *lines, sep="\n", file=self._out, flush=True)
                else:
                    self._open.setdefault(span.trace_id, []).append(span)
            while len(self._open) > _MOST:
                del self._open[next(iter(self._open))]


def _handler(traces: Traces) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            traces.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Leave the terminal to the traces."""

    return Handler


@contextmanager
def shown(out: TextIO = sys.stdout) -> Iterator[dict[str, str]]:
    """Print every trace that arrives meanwhile; yield the settings that send them here."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(Traces(out))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{server.server_port}{PATH}",
            "OTEL_BSP_SCHEDULE_DELAY": DELAY,
        }
        server.shutdown()
