"""The standard variables of OpenTelemetry that count here, as its specification has them."""

import re
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from src.config.values import BaseUrl, in_case

_COLLECTOR = "http://localhost:4318"  # where the specification has it, when an exporter is set and no endpoint
# Without quotes, commas, semicolons and backslashes, which W3C Baggage has percent-encoded.
_PAIR = re.compile(r"\s*(?P<name>[A-Za-z0-9_.-]+)\s*=\s*(?P<value>(?:[ !#$&-+\--:<-\[\]-~]|%[0-9A-Fa-f]{2})+)")


def pairs(text: str) -> dict[str, str]:
    """Read `name=value,name=value` with percent-encoded values, as the OTEL_* variables have it.

    Raises:
        ValueError: not that.
    """
    found = {}
    for pair in text.split(","):
        match = _PAIR.fullmatch(pair)
        value = unquote(match["value"]).strip() if match else ""
        if match is None or not value or not value.isprintable():
            raise ValueError("must be name=value, comma-separated, with special characters percent-encoded")
        found[match["name"]] = value
    return found


def _attributes(text: str) -> str:
    pairs(text)
    return text


def _headers(secret: SecretStr) -> SecretStr:
    if not all(value.isascii() for value in pairs(secret.get_secret_value()).values()):
        raise ValueError("must be name=value, comma-separated, with values that a header can have")
    return secret


Headers = Annotated[SecretStr, AfterValidator(_headers)]
Attributes = Annotated[str, AfterValidator(_attributes)]
Exporter = Annotated[Literal["otlp", "none"], in_case(str.lower)]
Protocol = Annotated[Literal["http/protobuf"], in_case(str.lower)]
Sampler = Annotated[
    Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ],
    in_case(str.lower),
]
Signal = Literal["traces", "metrics"]


class OpenTelemetrySettings(BaseSettings):
    """Judged like all others, and given to the SDK as arguments: what that reads for itself it only warns of."""

    otel_sdk_disabled: bool = Field(False, description="no traces and no metrics, whatever else is set")
    otel_service_name: str | None = Field(None, description="`service.name`; default: tasks-api")
    otel_resource_attributes: Attributes | None = Field(None, description="more of what describes this deployment")
    otel_traces_exporter: Exporter | None = Field(None, description="default: otlp where there is an endpoint")
    otel_metrics_exporter: Exporter | None = Field(None, description="default: otlp where there is an endpoint")
    otel_traces_sampler: Sampler = Field("parentbased_always_on", description="which requests are traced")
    otel_traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="share of them, for the ratio samplers")
    otel_exporter_otlp_endpoint: BaseUrl | None = Field(None, description="base URL of the collector")
    otel_exporter_otlp_traces_endpoint: BaseUrl | None = Field(None, description="whole URL for traces alone")
    otel_exporter_otlp_metrics_endpoint: BaseUrl | None = Field(None, description="whole URL for metrics alone")
    otel_exporter_otlp_protocol: Protocol = Field("http/protobuf", description="how the collector is spoken to")
    otel_exporter_otlp_traces_protocol: Protocol = Field("http/protobuf", description="the same for traces alone")
    otel_exporter_otlp_metrics_protocol: Protocol = Field("http/protobuf", description="the same for metrics alone")
    otel_exporter_otlp_headers: Headers | None = Field(None, description="headers for the collector: its key")
    otel_exporter_otlp_traces_headers: Headers | None = Field(None, description="headers for traces instead")
    otel_exporter_otlp_metrics_headers: Headers | None = Field(None, description="headers for metrics instead")
    otel_bsp_schedule_delay: int = Field(5000, ge=100, le=60_000, description="milliseconds between exports of spans")
    otel_metric_export_interval: int = Field(
        60_000, ge=100, le=3_600_000, description="milliseconds between exports of metrics"
    )

    def collector(self, signal: Signal) -> str | None:
        """Return the URL that a signal is sent to; None where it is off, which is the default."""
        exporter, own = {
            "traces": (self.otel_traces_exporter, self.otel_exporter_otlp_traces_endpoint),
            "metrics": (self.otel_metrics_exporter, self.otel_exporter_otlp_metrics_endpoint),
        }[signal]
        if self.otel_sdk_disabled or exporter == "none":
            return None
        base = self.otel_exporter_otlp_endpoint or (exporter and _COLLECTOR)
        return own or (f"{base.rstrip('/')}/v1/{signal}" if base else None)

    def collector_headers(self, signal: Signal) -> dict[str, str]:
        """Return the headers that go with a signal; they hold secrets."""
        own = {"traces": self.otel_exporter_otlp_traces_headers, "metrics": self.otel_exporter_otlp_metrics_headers}
        headers = own[signal] or self.otel_exporter_otlp_headers
        return {name.lower(): value for name, value in pairs(headers.get_secret_value()).items()} if headers else {}
