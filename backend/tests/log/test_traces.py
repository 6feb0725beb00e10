"""Traces as a collector gets them: spans of requests and statements, and nothing that is nobody's business."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.conftest import TLS, execute
from tests.support.collector import Collector, Span, collecting
from tests.support.locks import locked
from tests.support.polling import eventually
from tests.support.server import Service, serve, settings_for
from tests.support.tokens import bearer, make_token

SERVER, CLIENT = 2, 3
PROMPT = {"otel_bsp_schedule_delay": 100}
Ask = Callable[..., tuple[httpx.Response, list[Span]]]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def traced(database_url: str, collector: Collector) -> Iterator[Service]:
    with serve(
        settings_for(database_url, otel_exporter_otlp_traces_endpoint=f"{collector.url}/v1/traces", **PROMPT)
    ) as one:
        assert httpx.get(f"{one.url}/health/ready", timeout=30, verify=TLS).is_success, "no schema"
        yield one


def asking(service: Service, collector: Collector) -> Ask:
    """Ask the service as alice, and return the answer and the spans of the request."""

    def ask(method: str, path: str, token: str | None = None, **more: object) -> tuple[httpx.Response, list[Span]]:
        request_id = uuid.uuid4().hex
        headers = bearer(token or make_token("alice")) | {"X-Request-ID": request_id} | more.pop("headers", {})
        answer = httpx.request(method, service.url + path, headers=headers, timeout=30, verify=TLS, **more)
        eventually(lambda: collector.trace_of(request_id), 10, "the request's span has come")
        return answer, collector.trace_of(request_id)

    return ask


@pytest.fixture
def ask(traced: Service, collector: Collector) -> Ask:
    return asking(traced, collector)


@pytest.fixture
def alone(new_database: Callable[[], str], collector: Collector) -> Iterator[Callable[..., tuple[Ask, str]]]:
    """A service with settings and a database of its own; the latter's URL comes with it."""
    with ExitStack() as stack:

        def start(**changes: object) -> tuple[Ask, str]:
            url = new_database()
            settings = settings_for(url, otel_exporter_otlp_endpoint=collector.url, **PROMPT, **changes)
            service = stack.enter_context(serve(settings))
            assert httpx.get(f"{service.url}/health/ready", timeout=30, verify=TLS).is_success, "no schema"
            return asking(service, collector), url

        yield start


TASKS = "/api/alice/tasks"
ROUTE, ONE = "/api/{user_id}/tasks", "/api/{user_id}/tasks/{task_id}"


@pytest.mark.parametrize(
    ("method", "path", "more", "expected"),
    [
        ("GET", TASKS, {}, f"GET {ROUTE}: SELECT tasks"),
        ("GET", f"{TASKS}?limit=2&sort=title", {}, f"GET {ROUTE}: SELECT tasks"),
        ("POST", TASKS, {"json": {"title": "hunter2", "description": "hunter2"}}, f"POST {ROUTE}: INSERT tasks"),
        (
            "POST",
            TASKS,
            {"json": {"title": "hunter2"}, "headers": {"Idempotency-Key": "hunter2"}},
            f"POST {ROUTE}: INSERT idempotency_keys",
        ),
        ("GET", f"{TASKS}/1000000", {}, f"GET {ONE}: SELECT tasks"),
        ("PUT", f"{TASKS}/1000000", {"json": {"title": "hunter2"}}, f"PUT {ONE}: UPDATE tasks"),
        ("PATCH", f"{TASKS}/1000000/complete", {}, f"PATCH {ONE}/complete: UPDATE tasks"),
        ("DELETE", f"{TASKS}/1000000", {"headers": {"If-Match": '"x"'}}, f"DELETE {ONE}: DELETE tasks"),
    ],
)
def test_a_request_is_a_span_and_its_statement_one_below_it(
    ask: Ask, method: str, path: str, more: dict[str, object], expected: str
) -> None:
    name, statement = expected.split(": ")
    answer, spans = ask(method, path, **more)
    root, below = spans
    assert (root.name, root.kind, root.parent) == (name, SERVER, "")
    assert root.attributes["http.route"] == name.partition(" ")[2]
    assert root.attributes["http.response.status_code"] == answer.status_code
    assert root.attributes["request_id"] == answer.headers["x-request-id"]
    assert 0 <= below.seconds * 1000 <= root.attributes["db_ms"] <= root.seconds * 1000
    assert root.attributes["auth_ms"] > 0
    assert (below.name, below.kind, below.parent, below.trace) == (statement, CLIENT, root.id, root.trace)
    assert below.attributes["db.system.name"] == "postgresql"
    assert below.attributes["db.operation.name"] == statement.partition(" ")[0]
    assert re.match(r"(SELECT|INSERT|UPDATE|DELETE|WITH) ", below.attributes["db.query.text"])
    assert "%(owner)s" in below.attributes["db.query.text"]
    assert "statement_timeout" not in below.attributes["db.query.text"]
    assert len(below.attributes["db.query.text"]) < 4096  # where it would be cut
    assert "hunter2" not in repr(spans)
    assert not root.failed
    assert not below.failed  # also where the answer is 404: that is no fault of the service


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False)])
def test_the_callers_trace_is_continued_as_the_caller_has_decided(
    traced: Service, collector: Collector, ask: Ask, flags: str, sampled: bool
) -> None:
    trace, parent = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    headers = {**bearer(make_token("alice")), "traceparent": f"00-{trace}-{parent}-{flags}", "tracestate": "vendor=x"}
    assert httpx.get(traced.url + TASKS, headers=headers, verify=TLS).is_success
    ask("GET", TASKS)  # whose span comes behind it
    found = [span for span in collector.spans if span.trace == trace]
    assert [span.parent == parent for span in found if span.kind == SERVER] == [True] * sampled
    assert bool(found) is sampled


def test_a_browser_may_send_its_trace(traced: Service) -> None:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    headers["Access-Control-Request-Headers"] = "authorization,traceparent,tracestate"
    assert httpx.options(traced.url + TASKS, headers=headers, verify=TLS).status_code == 200


@pytest.mark.parametrize("header", ["00-zz", "hunter2" * 1000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_trace_that_is_none_is_not_continued(ask: Ask, header: str) -> None:
    answer, spans = ask("GET", TASKS, headers={"traceparent": header})
    assert answer.is_success
    assert spans[0].parent == ""
    assert "hunter2" not in repr(spans)


def test_what_is_asked_in_an_address_is_hidden_since_a_cursor_holds_a_title(ask: Ask) -> None:
    for number in range(2):
        ask("POST", TASKS, json={"title": f"hunter2 {number}"})
    answer, _ = ask("GET", f"{TASKS}?limit=1&sort=title")
    following = answer.links["next"]["url"]
    answer, spans = ask("GET", following)
    assert answer.is_success
    assert spans[0].attributes["url.query"] == "REDACTED"
    assert spans[0].attributes["url.path"] == TASKS


def test_probes_and_what_no_request_asked_for_are_not_traced(traced: Service, collector: Collector, ask: Ask) -> None:
    for path in ("/health", "/health/ready"):
        assert httpx.get(traced.url + path, verify=TLS).is_success
    ask("GET", TASKS)
    assert not [span for span in collector.spans if "/health" in span.name or "SELECT 1" in repr(span.attributes)]
    known = {span.id for span in collector.spans}
    assert all(span.parent in known for span in collector.spans if span.kind == CLIENT)


def test_a_refused_token_is_told_by_its_reason(ask: Ask) -> None:
    answer, spans = ask("GET", TASKS, make_token("alice", ttl=-100))
    assert answer.status_code == 401
    (root,) = spans
    assert root.attributes["reason"] == "expired"
    assert not root.failed


def test_a_long_path_is_cut(ask: Ask) -> None:
    answer, (root,) = ask("GET", "/" + "a" * 20_000)
    assert answer.status_code == 404
    assert len(root.attributes["url.path"]) == 4096
    assert root.name == "GET"


def test_a_fault_of_a_statement_is_told_by_its_code_alone(alone: Callable[..., tuple[Ask, str]]) -> None:
    ask, url = alone()
    execute(url, "ALTER TABLE tasks ADD CONSTRAINT no_hunter2 CHECK (title <> 'hunter2')")
    answer, (root, below) = ask("POST", TASKS, json={"title": "hunter2", "description": "hunter2"})
    assert answer.status_code == 500
    assert below.failed
    assert below.attributes["db.response.status_code"] == below.attributes["error.type"] == "23514"
    assert root.failed
    assert root.attributes["error.type"] == "500"
    for span in (below, root):
        assert (span.message, span.events) == ("", 0)
        assert "hunter2" not in repr(span)


def test_a_statement_that_is_broken_off_ends_its_span(
    alone: Callable[..., tuple[Ask, str]], collector: Collector
) -> None:
    ask, url = alone(db_statement_timeout=0.3)
    with locked(url):
        answer, (root, below) = ask("GET", TASKS)
    assert answer.status_code == 503
    assert (below.attributes["error.type"], below.failed) == ("57014", True)
    assert root.attributes["reason"] == "no answer in time"
    assert root.attributes["error.type"] == "503"
    # The connection is used again, and with it what it had of the last span.
    answer, spans = ask("GET", TASKS)
    assert answer.is_success
    assert len(spans) == 2


@pytest.mark.parametrize(
    ("sampler", "traced"),
    [("always_on", 20), ("always_off", 0), ("traceidratio", 10), ("parentbased_traceidratio", 10)],
)
def test_a_sampler_decides_which_requests_are_traced(database_url: str, sampler: str, traced: int) -> None:
    with collecting() as own:
        endpoint = {"otel_exporter_otlp_endpoint": own.url, "otel_metrics_exporter": "none"}
        settings = settings_for(database_url, otel_traces_sampler=sampler, otel_traces_sampler_arg=0.5, **endpoint)
        with serve(settings) as service, httpx.Client(base_url=service.url, verify=TLS) as client:
            for number in range(20):
                parent = {"traceparent": f"00-{number * 2**64 // 20 + 1:032x}-{1:016x}-01"}
                assert client.get("/nowhere", headers={} if "parent" in sampler else parent).status_code == 404
    # The ratio goes by the trace's id, which is the client's here; of those that the service makes, some.
    assert len(own.spans) == traced if "parent" not in sampler else 0 < len(own.spans) < 20
