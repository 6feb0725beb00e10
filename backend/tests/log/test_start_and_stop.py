"""What the log says of the start, with every setting and no secret, and of the end, with what it broke off."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from src.config import Settings
from tests.conftest import TLS
from tests.support import canaries
from tests.support.locks import locked
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.processes import ServiceProcess
from tests.support.tokens import SECRET, bearer, make_token

MASK = "**********"
TASKS = "/api/alice/tasks"
ALICE = bearer(make_token("alice"))
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
Start = Callable[..., ServiceProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m src`, which serves; also without its database."""
    with ExitStack() as stack:

        def begin(url: str, **settings: object) -> ServiceProcess:
            service = ServiceProcess(url, tmp_path / "service.log", **{"log_level": "INFO", **settings})
            stack.callback(lambda: service.kill() if service.process.poll() is None else None)
            service.wait_alive()
            return service

        yield begin


def lines(service: ServiceProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def said(service: ServiceProcess, event: str) -> dict[str, Any]:
    """The one line of this event."""
    (line,) = [line for line in lines(service) if line["event"] == event]
    return line


KEY = "a-canary-for-the-key-of-a-collector"
SECRETS = {
    "otel_exporter_otlp_headers": f"x-key={KEY}",
    "otel_exporter_otlp_traces_headers": f"x-key={KEY}",
    "otel_exporter_otlp_metrics_headers": f"x-key={KEY}",
    "otel_exporter_otlp_endpoint": f"http://127.0.0.1:9/{KEY}",
    "otel_exporter_otlp_traces_endpoint": f"http://127.0.0.1:9/v1/{KEY}",
    "otel_exporter_otlp_metrics_endpoint": f"http://127.0.0.1:9/v1/{KEY}",
    "otel_sdk_disabled": "true",
}


def somewhere() -> tuple[str, str]:
    """The URL of a database that nobody serves, and what a log may have of it."""
    port = free_port()
    url = f"postgresql://a-canary-for-a-role:{canaries.PASSWORD}@127.0.0.1:{port}/tasks?sslmode=prefer"
    return url, f"127.0.0.1:{port}/tasks"


def test_the_start_names_every_setting_and_its_value(start: Start) -> None:
    url, shown = somewhere()
    service = start(url, db_pool_size=7, cors_origins="http://a.example,http://b.example", **SECRETS)
    assert service.stop() == 0
    line = said(service, "starting")
    assert set(Settings.model_fields) <= line.keys()
    assert (line["level"], line["logger"], line["version"]) == ("INFO", "src.main", "1.0.0")
    assert (line["db_pool_size"], line["db_queue_timeout"], line["port"]) == (7, 2.0, service.port)
    assert line["cors_origins"] == ["http://a.example", "http://b.example"]
    assert (line["environment"], line["demo_mode"], line["root_path"]) == ("production", False, "")
    assert line["neon_db_url"] == shown
    assert line["better_auth_secret"] == MASK
    assert {line[name] for name in SECRETS if name.endswith("_headers")} == {MASK}
    assert {line[name] for name in SECRETS if name.endswith("_endpoint")} == {"http://127.0.0.1:9"}


def test_what_is_not_set_is_not_masked(start: Start) -> None:
    service = start(somewhere()[0])
    assert service.stop() == 0
    assert said(service, "starting")["otel_exporter_otlp_headers"] is None
    assert said(service, "starting")["better_auth_url"] is None


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_is_in_any_line(start: Start, log_format: str) -> None:
    service = start(somewhere()[0], log_format=log_format, log_level="DEBUG", **SECRETS)
    eventually(lambda: "database unreachable" in service.log.read_text(), 10, "it has tried to connect")
    assert service.stop() == 0
    log = service.log.read_text()
    assert "starting" in log
    for secret in (SECRET, canaries.PASSWORD, KEY, "a-canary-for-a-role", "sslmode"):
        assert secret not in log


def waiting(url: str) -> int:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])


def get(service: ServiceProcess) -> httpx.Response:
    return httpx.get(service.url + TASKS, headers=ALICE, timeout=30, verify=TLS)


def test_the_end_says_how_many_requests_it_broke_off(start: Start, new_database: Callable[[], str]) -> None:
    url = new_database()
    service = start(url, db_statement_timeout=60)  # longer than requests may take after SIGTERM
    service.wait_ready()
    with ThreadPoolExecutor(3) as pool, locked(url):
        asked = [pool.submit(get, service) for _ in range(3)]
        eventually(lambda: waiting(url) == 3, 10, "three requests wait for the lock")
        assert service.stop() == 0
        answers = [answer.result() for answer in asked]
    for answer in answers:
        assert (answer.status_code, answer.headers["Connection"]) == (503, "close")  # the next of it would be begun
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert said(service, "stopping")["unfinished_requests"] == 3
    ours = check_order(service)
    assert ours.count("request") == 3  # each has its line all the same
    assert "database lost" not in ours  # it was this process that hung up


def test_the_end_waits_for_what_can_still_be_answered(start: Start, new_database: Callable[[], str]) -> None:
    url = new_database()
    service = start(url)
    service.wait_ready()
    with ThreadPoolExecutor(3) as pool, locked(url) as holder:
        asked = [pool.submit(get, service) for _ in range(3)]
        eventually(lambda: waiting(url) == 3, 10, "three requests wait for the lock")
        service.signal(signal.SIGTERM)
        holder.rollback()
        assert [answer.result().status_code for answer in asked] == [200] * 3
    assert service.process.wait(15) == 0
    assert said(service, "stopping")["unfinished_requests"] == 0
    assert len([line for line in lines(service) if line["event"] == "request"]) == 3
    check_order(service)


def check_order(service: ServiceProcess) -> list[str]:
    """`starting` comes first of our lines, `stopped` at last, after every request; return their events."""
    ours = [line["event"] for line in lines(service) if line["logger"].startswith("src")]
    assert ours[0] == "starting"
    assert ours[-1] == "stopped"
    return ours


def test_each_worker_tells_of_its_start_and_its_end(start: Start, new_database: Callable[[], str]) -> None:
    service = start(new_database(), web_concurrency=2)
    service.wait_ready()
    eventually(lambda: [line["event"] for line in lines(service)].count("database ready") == 2, 20, "both are ready")
    assert service.stop() == 0
    events = [line["event"] for line in lines(service)]
    assert [events.count(event) for event in ("starting", "stopping", "stopped")] == [2, 2, 2]
