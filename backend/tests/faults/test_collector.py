"""A collector that is away, refuses, or never answers: nobody waits for it, and one line says so."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.faults.conftest import StartService
from tests.support import canaries
from tests.support.chaos import Proxy
from tests.support.collector import Collector, collecting
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token
from tests.support.wire import rendered

TASKS = "/api/alice/tasks"
ALICE = bearer(make_token("alice"))
KEY = "hunter2-of-the-collector"
# So often that every fault of an export shows soon.
OFTEN = {
    "otel_bsp_schedule_delay": 100,
    "otel_metric_export_interval": 100,
    "otel_exporter_otlp_headers": f"authorization=Bearer%20{KEY}",
    "log_level": "INFO",
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


def healthy(_: Collector) -> None:
    """Leave it as it is."""


def mute(collector: Collector) -> None:
    collector.mute = True


def refusing(collector: Collector) -> None:
    collector.status = 401


def elsewhere(collector: Collector) -> None:
    collector.status = 308  # a redirect, which the exporter itself takes for a success


def overloaded(collector: Collector) -> None:
    collector.status = 503


def away(collector: Collector) -> None:
    collector.stop()


def also(*become: Callable[[Collector], None]) -> list[Any]:
    return [pytest.param(one, marks=pytest.mark.stress) for one in become]


def said(service: ServiceProcess, event: str) -> list[dict[str, Any]]:
    whole, _, _ = service.log.read_text().rpartition("\n")  # the last line may still be written
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("become", [healthy, mute, refusing, overloaded, away])
def test_nobody_waits_for_it(
    start_service: StartService, collector: Collector, become: Callable[[Collector], None]
) -> None:
    become(collector)
    service = start_service(otel_exporter_otlp_endpoint=collector.url, **OFTEN)
    service.wait_ready()
    with httpx.Client(base_url=service.url, headers=ALICE, timeout=10) as client:
        times = []
        for _ in range(300):
            answer = client.get(TASKS)
            assert answer.is_success
            times.append(answer.elapsed.total_seconds())
    assert sorted(times)[150] < 0.05
    assert max(times) < 1
    started = time.monotonic()
    assert service.stop(20) == 0
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("become", [refusing, elsewhere, away, *also(mute, overloaded)])
def test_one_line_says_that_it_fails_without_the_key_or_its_address(
    start_service: StartService, collector: Collector, become: Callable[[Collector], None]
) -> None:
    become(collector)
    service = start_service(otel_exporter_otlp_endpoint=f"{collector.url}/hunter2", **OFTEN)
    service.wait_ready()
    assert httpx.get(f"{service.url}{TASKS}", headers=ALICE).is_success
    eventually(lambda: len(said(service, "collector failing")) == 2, 20, "both exports have failed")
    deadline = time.monotonic() + (
        6 if become in (mute, overloaded, away) else 2
    )  # for some more, each with its attempts
    while time.monotonic() < deadline:
        assert httpx.get(f"{service.url}{TASKS}", headers=ALICE).is_success
        time.sleep(0.05)
    assert service.stop(20) == 0
    failing = said(service, "collector failing")
    assert sorted(line["signal"] for line in failing) == ["metrics", "traces"]
    reasons = {mute: "ReadTimeout", away: "ConnectionError"}
    reasons |= {refusing: "status 401", elsewhere: "status 308", overloaded: "status 503"}
    assert {line["reason"] for line in failing} == {reasons[become]}
    assert {line["level"] for line in failing} == {"WARNING"}
    log = service.log.read_text()
    assert "hunter2" not in log
    assert "opentelemetry" not in log
    assert "urllib3" not in log


def test_what_could_not_be_sent_in_time_is_lost_and_what_comes_after_is_not(
    start_service: StartService, collector: Collector
) -> None:
    refusing(collector)
    service = start_service(otel_exporter_otlp_endpoint=collector.url, **OFTEN)
    service.wait_ready()
    assert httpx.get(f"{service.url}{TASKS}", headers=ALICE | {"X-Request-ID": "lost"}).is_success
    eventually(lambda: len(said(service, "collector failing")) == 2, 10, "both exports have failed")
    collector.status = 200
    assert httpx.get(f"{service.url}{TASKS}", headers=ALICE | {"X-Request-ID": "kept"}).is_success
    eventually(lambda: collector.trace_of("kept"), 10, "the trace has come")
    eventually(lambda: len(said(service, "collector working")) == 2, 10, "both exports are told to work")
    assert collector.trace_of("lost") == []
    assert {head["authorization"] for _, head in collector.heads} == {f"Bearer {KEY}"}


def test_the_last_requests_are_told_before_the_end(start_service: StartService, collector: Collector) -> None:
    service = start_service(otel_exporter_otlp_endpoint=collector.url, log_level="INFO")  # at its own pace: 5 s, 60 s
    service.wait_ready()
    for number in range(20):
        assert httpx.get(f"{service.url}{TASKS}", headers=ALICE | {"X-Request-ID": f"last-{number}"}).is_success
    assert service.stop(20) == 0
    assert all(len(collector.trace_of(f"last-{number}")) == 2 for number in range(20))
    assert sum(point.value for point in collector.latest("http.server.request.duration")) == 20


@pytest.mark.parametrize("become", [mute, *also(refusing, overloaded, away)])
def test_the_end_takes_at_most_ten_seconds_with_a_request_under_way(
    start_service: StartService, collector: Collector, become: Callable[[Collector], None]
) -> None:
    """The longest that it may: a body that never comes to its end, and a collector that takes nothing."""
    become(collector)
    service = start_service(otel_exporter_otlp_endpoint=collector.url, **OFTEN)
    service.wait_ready()
    for _ in range(100):
        assert httpx.get(f"{service.url}{TASKS}", headers=ALICE).is_success
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        head, _, body = rendered("POST", TASKS, make_token("alice"), {"title": canaries.TITLE}).partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n" + body[:5])
        time.sleep(0.3)
        started = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.process.wait(15) == 0
    assert time.monotonic() - started < 10
    service.log.write_text("")  # where uvicorn tells of the request that it cut off, with a traceback


def test_a_statement_without_an_answer_ends_its_span(
    start_service: StartService, proxy: Proxy, proxied_url: str, collector: Collector
) -> None:
    service = start_service(proxied_url, otel_exporter_otlp_endpoint=collector.url, db_statement_timeout=0.5, **OFTEN)
    service.wait_ready()
    proxy.swallowing = True
    answer = httpx.get(f"{service.url}{TASKS}", headers=ALICE | {"X-Request-ID": "unanswered"}, timeout=20)
    assert answer.status_code == 503
    eventually(lambda: collector.trace_of("unanswered"), 10, "the trace has come")
    root, below = collector.trace_of("unanswered")
    assert (root.attributes["reason"], root.failed) == ("no answer in time", True)
    assert (below.attributes["error.type"], below.failed) == ("CancelledError", True)
    proxy.swallowing = False
