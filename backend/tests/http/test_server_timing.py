"""Server-Timing: what an answer took, for pages of the origins that may call the API; off unless it is asked for."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import TLS
from tests.support.collector import Collector, collecting
from tests.support.polling import eventually
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token

ORIGIN = "https://app.example"
TASKS = "/api/alice/tasks"
TIMES = re.compile(
    r'auth;dur=(\d+\.\d\d), db;dur=(\d+\.\d\d), total;dur=(\d+\.\d\d)(?:, traceparent;desc="([0-9a-f-]+)")?'
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def timed(database_url: str, collector: Collector) -> Iterator[httpx.Client]:
    """A service that tells its times, and traces; a client of an origin that may call it."""
    endpoint = {"otel_exporter_otlp_endpoint": collector.url, "otel_bsp_schedule_delay": 100}
    settings = settings_for(database_url, server_timing="true", cors_origins=ORIGIN, **endpoint)
    headers = bearer(make_token("alice")) | {"Origin": ORIGIN}
    with serve(settings) as one, httpx.Client(base_url=one.url, headers=headers, timeout=30, verify=TLS) as client:
        assert client.get("/health/ready").is_success, "no schema"
        yield client


def times(answer: httpx.Response) -> tuple[float, float, float]:
    """What the header says, in milliseconds: for the token, for the database, for all."""
    found = TIMES.fullmatch(answer.headers["server-timing"])
    assert found, answer.headers["server-timing"]
    return float(found[1]), float(found[2]), float(found[3])


def test_an_answer_says_what_it_took(timed: httpx.Client) -> None:
    answer = timed.get(TASKS)
    auth, database, total = times(answer)
    assert auth > 0
    assert database > 0
    assert auth + database <= total <= answer.elapsed.total_seconds() * 1000


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", TASKS, {"json": {}}, 422),
        ("POST", TASKS, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("GET", f"{TASKS}/1000000", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("DELETE", TASKS, {}, 405),
        ("GET", "/api/bob/tasks", {}, 403),
        ("GET", TASKS, {"headers": {"Authorization": "Bearer x"}}, 401),
        ("POST", TASKS, {"content": b"x" * 70_000}, 413),
        ("GET", "/x?" + "a" * 33_000, {}, 431),
    ],
)
def test_an_error_says_it_too(timed: httpx.Client, method: str, path: str, more: dict, status: int) -> None:
    answer = timed.request(method, path, **more)
    assert answer.status_code == status
    auth, database, total = times(answer)
    assert auth + database <= total
    assert (database > 0) is path.endswith("1000000")
    assert answer.headers["timing-allow-origin"] == ORIGIN


def test_a_fault_of_ours_says_it_too(timed: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what went wrong")

    monkeypatch.setattr("src.routes.tasks.answer_list", fail)
    answer = timed.get(TASKS)
    assert answer.status_code == 500
    assert times(answer)[1] > 0


def test_pages_of_allowed_origins_alone_may_read_it(timed: httpx.Client) -> None:
    answer = timed.get(TASKS)
    assert answer.headers["timing-allow-origin"] == answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Server-Timing" in answer.headers["access-control-expose-headers"].split(", ")
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example"):
        assert "timing-allow-origin" not in timed.get(TASKS, headers={"Origin": origin}).headers


def test_it_names_the_span_of_the_request(timed: httpx.Client, collector: Collector) -> None:
    answer = timed.get(TASKS, headers={"X-Request-ID": "the-timed-one"})
    found = TIMES.fullmatch(answer.headers["server-timing"])
    assert found
    eventually(lambda: collector.trace_of("the-timed-one"), 10, "the span has come")
    span = collector.trace_of("the-timed-one")[0]
    assert found[4] == f"00-{span.trace}-{span.id}-03"  # sampled, and its number is random


def test_where_nothing_is_traced_no_trace_is_named(timed: httpx.Client) -> None:
    found = TIMES.fullmatch(timed.get("/health").headers["server-timing"])
    assert found
    assert found[4] is None


def test_it_is_off_unless_it_is_asked_for(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/health", headers={"Origin": "http://localhost:3000"})
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "server-timing" not in answer.headers
    assert "timing-allow-origin" not in answer.headers
    assert "Server-Timing" not in answer.headers["access-control-expose-headers"]
