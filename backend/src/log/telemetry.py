"""Traces and metrics for a collector: OpenTelemetry's providers and exporters, their bounds, and their end.

Imported only where an OTEL_* variable switches one of them on. FastAPI fills the providers with what it knows of
requests, `postgres/spans.py` with statements, `metrics.py` with counts. What the SDK would read from the environment is
given to it here: it knows no `.env`, and of a wrong value it only warns. The exporters work in threads of their own, so
a collector that is slow or gone delays no request; what does not fit into the queue of spans is dropped.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from multiprocessing import parent_process
from threading import Thread
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import set_global_textmap
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from src.config import OpenTelemetrySettings, Signal, pairs

logger = logging.getLogger(__name__)

EXPORT_SECONDS = 5.0  # for one export, its retries included
END_SECONDS = 0.8  # for what is left at the end; requests under way had eight of the ten that platforms give
MAX_SPANS = 2048  # that wait for an export
_BATCH = 512  # spans of one export
# An exporter that encodes keeps the interpreter so long each time that the event loop wants it back. With Python's own
# 5 ms, the slowest hundredth of requests took 52 ms on two busy cores, where it now takes 13, as without telemetry.
_SWITCH_SECONDS = 0.0005
_SERVICE = "tasks-api"
_REDACTED = "REDACTED"

# Clients choose the path and some headers, so an attribute has a length. With all of them given, the SDK reads no
# OTEL_SPAN_… variable, whose wrong value would end the start with a traceback.
_LIMITS = SpanLimits(
    max_attributes=64,
    max_events=16,
    max_links=16,
    max_span_attributes=64,
    max_event_attributes=16,
    max_link_attributes=16,
    max_attribute_length=4096,
    max_span_attribute_length=4096,
)


class Telemetry:
    """What one process tells a collector."""

    def __init__(self, settings: OpenTelemetrySettings, version: str) -> None:
        self._settings = settings
        self._ends: list[Callable[[], object]] = []
        resource = _resource(settings, version)
        self.tracer_provider = TracerProvider(
            sampler=_sampler(settings), resource=resource, shutdown_on_exit=False, span_limits=_LIMITS
        )
        self.meter_provider = MeterProvider(
            resource=resource, shutdown_on_exit=False, exemplar_filter=TraceBasedExemplarFilter()
        )
        self.tracer = self.tracer_provider.get_tracer(_SERVICE, version) if settings.collector("traces") else None
        self.meter = self.meter_provider.get_meter(_SERVICE, version)

    def start(self) -> None:
        """Begin to export; nobody waits for it."""
        _forget_headers_of_the_environment()
        sys.setswitchinterval(_SWITCH_SECONDS)
        # Without the W3C's baggage, which nobody reads here.
        set_global_textmap(TraceContextTextMapPropagator())
        if url := self._settings.collector("traces"):
            self._export_traces(url)
        if url := self._settings.collector("metrics"):
            self._export_metrics(url)

    def _export_traces(self, url: str) -> None:
        processor = BatchSpanProcessor(
            OTLPSpanExporter(
                url,
                headers=self._settings.collector_headers("traces"),
                timeout=EXPORT_SECONDS,
                session=_Collector("traces"),
            ),
            max_queue_size=MAX_SPANS,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=self._settings.otel_bsp_schedule_delay,
            export_timeout_millis=EXPORT_SECONDS * 1000,
        )
        self.tracer_provider.add_span_processor(_Discretion())
        self.tracer_provider.add_span_processor(processor)
        self._ends.append(processor.shutdown)

    def _export_metrics(self, url: str) -> None:
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(
                url,
                headers=self._settings.collector_headers("metrics"),
                timeout=EXPORT_SECONDS,
                session=_Collector("metrics"),
            ),
            export_interval_millis=self._settings.otel_metric_export_interval,
            export_timeout_millis=EXPORT_SECONDS * 1000,
        )
        self.meter_provider.add_metric_reader(reader)
        self._ends.append(reader.shutdown)

    async def close(self) -> None:
        """Send what is left, and wait for that not longer than END_SECONDS.

        In threads that the end of the process does not wait for: the SDK itself would give a silent collector 30 s.
        """
        threads = [Thread(target=end, daemon=True) for end in self._ends]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(_join, threads)


def _join(threads: list[Thread]) -> None:
    deadline = time.monotonic() + END_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _resource(settings: OpenTelemetrySettings, version: str) -> Resource:
    """Describe this process; the SDK adds a `service.instance.id` of its own for each."""
    given = pairs(settings.otel_resource_attributes) if settings.otel_resource_attributes else {}
    name = settings.otel_service_name or given.get("service.name", _SERVICE)
    instance = given.get("service.instance.id")
    if instance and parent_process():  # as one of several workers, whose counts must not be taken for one another's
        given["service.instance.id"] = f"{instance}-{os.getpid()}"
    return Resource.create({"service.version": version, **given, "service.name": name})


def _forget_headers_of_the_environment() -> None:
    """Leave the exporters those that they are given: they would add these, which may be the key of another collector.

    So it would be where the environment has headers for all signals, and `.env` those for one.
    """
    for signal in ("", "TRACES_", "METRICS_"):
        os.environ.pop(f"OTEL_EXPORTER_OTLP_{signal}HEADERS", None)


def _sampler(settings: OpenTelemetrySettings) -> Sampler:
    roots: dict[str, Sampler] = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(settings.otel_traces_sampler_arg),
    }
    root = roots[settings.otel_traces_sampler.removeprefix("parentbased_")]
    return ParentBased(root) if settings.otel_traces_sampler.startswith("parentbased_") else root


class _Discretion(SpanProcessor):
    """Hides the query of an address: a cursor holds the title that a page ended with."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Overwrite what FastAPI has set; an attribute cannot be taken away."""
        if span.attributes and "url.query" in span.attributes:
            span.set_attribute("url.query", _REDACTED)


class _Collector(requests.Session):
    """The way to the collector for one signal, which says once when it fails and once when it works again.

    Exporters have no other way to tell why an export failed than a line in the log for each attempt, which
    `configure_logging` leaves out: it may hold an address with a key in it.
    """

    def __init__(self, signal: Signal) -> None:
        super().__init__()
        self._signal = signal
        self._failing = False

    def request(self, *arguments: Any, **named: Any) -> requests.Response:
        """Send, as `requests` does, and note how that went."""
        try:
            response = super().request(*arguments, **named)
        except (requests.RequestException, OSError) as error:
            self._note(type(error).__name__)
            raise
        # The exporter takes a redirect for a success, though what it sent has gone nowhere.
        self._note(f"status {response.status_code}" if response.status_code >= 300 else None)
        return response

    def _note(self, reason: str | None) -> None:
        if reason and not self._failing:
            logger.warning("collector failing", extra={"signal": self._signal, "reason": reason})
        elif self._failing and not reason:
            logger.info("collector working", extra={"signal": self._signal})
        self._failing = reason is not None
