"""Traces and metrics of real processes: which of them speaks, what switches them on, and what must never leave."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from src.log.telemetry import Telemetry
from tests.conftest import TLS, execute
from tests.support import process
from tests.support.collector import Collector, collecting
from tests.support.polling import eventually
from tests.support.processes import BACKEND, ServiceProcess
from tests.support.server import settings_for
from tests.support.tokens import SECRET, bearer, make_token

TASKS = "/api/alice/tasks"
ALICE = bearer(make_token("alice"))
OFTEN = {"otel_bsp_schedule_delay": 100, "otel_metric_export_interval": 100}
Start = Callable[..., ServiceProcess]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture
def start(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Start]:
    """Start `python -m src`, ready, on a database of its own unless one is given."""
    with ExitStack() as stack:

        def begin(url: str = "", **settings: object) -> ServiceProcess:
            service = ServiceProcess(url or new_database(), tmp_path / "log", **{"log_level": "INFO", **settings})
            stack.callback(lambda: service.kill() if service.process.poll() is None else None)
            service.wait_ready()
            return service

        yield begin


def resource_of(**settings: object) -> dict[str, object]:
    found = Telemetry(settings_for("postgresql://h/db", **settings), "1.2.3").tracer_provider.resource
    return {name: value for name, value in found.attributes.items() if name.startswith(("service.", "team"))}


def test_two_workers_are_told_apart(start: Start, collector: Collector) -> None:
    service = start(web_concurrency=2, otel_exporter_otlp_endpoint=collector.url, **OFTEN)

    def instances() -> set[str]:
        for _ in range(10):
            assert httpx.get(f"{service.url}{TASKS}", headers=ALICE, verify=TLS).is_success
        return {span.resource["service.instance.id"] for span in list(collector.spans)}

    eventually(lambda: len(instances()) == 2, 20, "both workers have answered, and said so")
    told = collector.latest("tasks_api.token_cache.lookups")
    assert {point.resource["service.instance.id"] for point in told} == instances()
    assert {span.resource["service.name"] for span in collector.spans} == {"tasks-api"}


def test_workers_with_a_given_identity_are_told_apart_too(start: Start, collector: Collector) -> None:
    given = "service.instance.id=pod-7,service.namespace=shop"
    start(web_concurrency=2, otel_exporter_otlp_endpoint=collector.url, otel_resource_attributes=given, **OFTEN)
    name = "db.client.connection.max"
    eventually(lambda: len(collector.latest(name)) == 2, 20, "both workers have told of themselves")
    resources = [point.resource for point in collector.latest(name)]
    assert all(str(resource["service.instance.id"]).startswith("pod-7-") for resource in resources)
    assert {resource["service.namespace"] for resource in resources} == {"shop"}


def test_a_process_describes_itself_as_its_settings_say() -> None:
    plain = resource_of()
    assert plain.pop("service.instance.id")
    assert plain == {"service.name": "tasks-api", "service.version": "1.2.3"}
    given = resource_of(otel_resource_attributes="service.name=b,service.version=7,service.instance.id=i,team=a%2Cb")
    assert given == {"service.name": "b", "service.version": "7", "service.instance.id": "i", "team": "a,b"}
    assert resource_of(otel_resource_attributes="service.name=b", otel_service_name="c")["service.name"] == "c"


MODULES = """
import json, sys
import src.main
large = ("opentelemetry.sdk", "opentelemetry.exporter", "requests", "google.protobuf")
print(json.dumps([name for name in sys.modules if name.startswith(large)]))
"""


@pytest.mark.parametrize(
    ("settings", "imported"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_SERVICE_NAME": "x"}, False),
        ({"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_PROPAGATORS": "b3"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_where_it_is_off_nothing_of_it_is_imported(tmp_path: Path, settings: dict[str, str], imported: bool) -> None:
    needed = {"NEON_DB_URL": "postgresql://h/db", "BETTER_AUTH_SECRET": SECRET, "PYTHONPATH": str(BACKEND)}
    run = subprocess.run(
        [sys.executable, "-c", MODULES],
        env={"PATH": os.environ["PATH"]} | needed | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert bool(json.loads(run.stdout)) is imported


# What the SDK or FastAPI would read from the environment by themselves, and stumble over.
STRANGE = {
    "OTEL_PROPAGATORS": "hunter2",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "hunter2",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "-2",
    "OTEL_BSP_MAX_QUEUE_SIZE": "1",
    "OTEL_BSP_EXPORT_TIMEOUT": "hunter2",
    "OTEL_METRICS_EXEMPLAR_FILTER": "hunter2",
    "OTEL_METRIC_EXPORT_TIMEOUT": "hunter2",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "hunter2",
    "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    "OTEL_LOGS_EXPORTER": "otlp",
}


def test_a_variable_that_is_not_read_here_can_do_no_harm(start: Start, collector: Collector) -> None:
    service = start(otel_exporter_otlp_endpoint=collector.url, **OFTEN, **{n.lower(): v for n, v in STRANGE.items()})
    headers = ALICE | {"X-Request-ID": "the-one"}
    assert httpx.get(f"{service.url}{TASKS}", headers=headers, verify=TLS).is_success
    eventually(lambda: collector.trace_of("the-one"), 10, "the trace has come")
    assert service.stop() == 0
    assert "hunter2" not in service.log.read_text()
    assert "Traceback" not in service.log.read_text()
    assert {path for path, _ in collector.heads} == {"/v1/traces", "/v1/metrics"}  # no logs


def test_the_key_of_one_collector_is_not_sent_to_another(
    tmp_path: Path, collector: Collector, database_url: str
) -> None:
    """Though the exporter would add what the environment has to what it is given, which here comes from `.env`."""
    backend = process.install(tmp_path)
    own = {"ENDPOINT": f"{collector.url}/v1/traces", "HEADERS": "x-own=b"}
    lines = [f"OTEL_EXPORTER_OTLP_TRACES_{name}={value}" for name, value in own.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "OTEL_BSP_SCHEDULE_DELAY=100"]))
    environment = {
        "NEON_DB_URL": database_url,
        "BETTER_AUTH_SECRET": SECRET,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2",
    }
    with process.running(backend, environment) as server:
        assert httpx.get(f"{server.url}/openapi.json").is_success
        eventually(lambda: collector.heads, 10, "the trace has come")
        assert server.end() == 0
    assert {head["x-own"] for _, head in collector.heads} == {"b"}
    assert not any("api-key" in head for _, head in collector.heads)


def test_a_line_of_the_log_names_the_trace(start: Start, collector: Collector) -> None:
    service = start(otel_exporter_otlp_endpoint=collector.url, **OFTEN)
    headers = ALICE | {"X-Request-ID": "the-one"}
    assert httpx.get(f"{service.url}{TASKS}", headers=headers, verify=TLS).is_success
    eventually(lambda: collector.trace_of("the-one"), 10, "the trace has come")
    assert service.stop() == 0
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "request" and line["request_id"] == "the-one"]
    assert line["trace_id"] == collector.trace_of("the-one")[0].trace


def test_without_traces_no_line_names_one(start: Start) -> None:
    service = start()
    assert httpx.get(f"{service.url}{TASKS}", headers=ALICE, verify=TLS).is_success
    assert service.stop() == 0
    assert "trace_id" not in service.log.read_text()


PASSWORD, TITLE, DESCRIPTION = "hunter2-password", "hunter2-title", "hunter2-description"
KEY, IDEMPOTENCY = "hunter2-collector-key", "hunter2-idempotency-key"


def test_nothing_private_reaches_the_collector_or_the_log(
    start: Start, collector: Collector, new_database: Callable[[], str]
) -> None:
    url = new_database()
    service = start(
        f"{url}&password={PASSWORD}",
        otel_exporter_otlp_endpoint=collector.url,
        otel_exporter_otlp_headers=f"authorization=Bearer%20{KEY}",
        log_level="DEBUG",
        db_statement_timeout=1,
        **OFTEN,
    )
    task = {"title": TITLE, "description": DESCRIPTION}
    tokens = [make_token("alice"), make_token("alice", ttl=-100), make_token("alice", key="x" * 40), "hunter2.a.b"]
    with httpx.Client(base_url=service.url, headers=bearer(tokens[0]), timeout=30, verify=TLS) as client:
        for number in range(3):
            assert client.post(TASKS, json=task, headers={"Idempotency-Key": f"{IDEMPOTENCY}{number}"}).is_success
        assert client.get(f"{TASKS}?sort=title&limit=1").is_success
        assert client.get(client.get(f"{TASKS}?sort=title&limit=1").links["next"]["url"]).is_success
        assert client.put(f"{TASKS}/1", json=task).is_success
        assert client.get(TASKS, headers={"If-None-Match": f'"{TITLE}"'}).is_success
        for wrong in (b'{"title": "hunter2-title', json.dumps({"title": TITLE * 50}).encode(), b'"hunter2-title"'):
            answer = client.post(TASKS, content=wrong, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422)
        assert client.get(f"{TASKS}?status={TITLE}").status_code == 422
        assert client.get(f"/nowhere?title={TITLE}").status_code == 404
        for token in tokens[1:]:
            assert client.get(TASKS, headers=bearer(token)).status_code == 401
        execute(url, f"ALTER TABLE tasks ADD CONSTRAINT c CHECK (title <> '{TITLE}') NOT VALID")
        assert client.post(TASKS, json=task).status_code == 500
        execute(url, "DROP TABLE tasks")
        last = client.put(f"{TASKS}/1", json=task, headers={"X-Request-ID": "the-last"})
        assert last.status_code == 500
    eventually(lambda: collector.trace_of("the-last"), 10, "the last trace has come")
    assert service.stop() == 0
    assert len(collector.bodies) > 2
    told = b"".join(collector.bodies) + repr([path for path, _ in collector.heads]).encode()
    secrets = [
        PASSWORD,
        TITLE,
        DESCRIPTION,
        KEY,
        IDEMPOTENCY,
        SECRET,
        *tokens,
        *(t.rpartition(".")[2] for t in tokens[:3]),
    ]
    for secret in secrets:
        for form in (secret.encode(), base64.urlsafe_b64encode(secret.encode())[:-4]):
            assert form not in told, secret
            assert form not in service.log.read_bytes(), secret


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be 'http/protobuf'"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:4317", "must be an absolute http:// or https:// URL"),
        ("OTEL_TRACES_EXPORTER", "hunter2", "must be 'otlp' or 'none'"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "must be name=value, comma-separated"),
    ],
)
def test_a_wrong_value_ends_the_start(tmp_path: Path, name: str, value: str, said: str) -> None:
    service = ServiceProcess("postgresql://h/db", tmp_path / "log", **{name.lower(): value})
    assert service.process.wait(20) == 3
    (line,) = service.log.read_text().splitlines()
    assert line.startswith(f"Configuration error: {name} {said}")
    assert "hunter2" not in line
