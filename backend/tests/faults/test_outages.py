"""A database that is stopped, was never there, does not answer, or takes no writes."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.faults.conftest import SHARED, StartService
from tests.support import canaries
from tests.support.chaos import Proxy
from tests.support.crowd import crowd
from tests.support.health import HealthWatch
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import POOL, ServiceProcess
from tests.support.tokens import bearer, make_token

ORIGIN = "http://localhost:3000"
HEADERS = {**bearer(make_token("alice")), "Origin": ORIGIN}


def tasks_of(service: ServiceProcess) -> httpx.Response:
    return httpx.get(f"{service.url}/api/alice/tasks", headers=HEADERS, timeout=30)


def create(service: ServiceProcess) -> httpx.Response:
    return httpx.post(
        f"{service.url}/api/alice/tasks",
        headers=HEADERS,
        json={"title": canaries.TITLE, "description": canaries.DESCRIPTION},
        timeout=30,
    )


def assert_refused(reply: httpx.Response) -> None:
    assert reply.status_code == 503
    assert int(reply.headers["Retry-After"]) > 0
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json()["detail"] == "Database is temporarily unavailable"


def test_a_stopped_database_is_503_until_it_is_back(service: ServiceProcess, postgres: Postgres) -> None:
    assert create(service).status_code == 201
    with HealthWatch(service.port) as health:
        postgres.stop()
        for request in (tasks_of, create):
            started = time.monotonic()
            assert_refused(request(service))
            assert time.monotonic() - started < 5
        assert httpx.get(service.url + "/health/ready").status_code == 503
        postgres.start()
        eventually(lambda: tasks_of(service).is_success and create(service).is_success, 5, "full service")
        assert httpx.get(service.url + "/health/ready").status_code == 200
    assert health.slowest < 0.1


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.stress)])
def test_a_database_that_is_down_at_start_is_waited_for(
    start_service: StartService, postgres: Postgres, workers: int
) -> None:
    postgres.stop()
    service = start_service(web_concurrency=workers)
    assert_refused(tasks_of(service))
    assert httpx.get(service.url + "/health/ready").status_code == 503
    postgres.start()
    service.wait_ready(5)
    eventually(lambda: all(create(service).status_code == 201 for _ in range(6)), 5, "every worker serves")


@pytest.mark.stress
def test_a_black_hole_is_503_within_bounds_and_recovers(
    start_service: StartService, proxy: Proxy, proxied_url: str, settled: Callable[..., None]
) -> None:
    service = start_service(proxied_url)
    service.wait_ready()
    with crowd(service.port, 20):
        time.sleep(0.5)
    before = service.threads(), service.descriptors()
    proxy.swallowing = True
    with crowd(service.port, 20) as people:
        for _ in range(2):
            started = time.monotonic()
            assert_refused(create(service))
            assert time.monotonic() - started < 8
        assert service.answers("/health")
    assert people.report.statuses.keys() == {503}
    assert people.report.slowest < 8
    assert not people.report.odd
    assert service.threads() <= before[0] + 1, "threads pile up"
    proxy.swallowing = False
    eventually(lambda: create(service).is_success, 10, "recovery")
    proxy.cut()  # what the black hole still held
    eventually(lambda: service.threads() <= before[0] + 1, 15, "no thread is left behind")
    eventually(lambda: service.descriptors() <= before[1] + 2, 15, "no descriptor is left behind")
    settled(POOL)


def test_idle_connections_that_a_firewall_forgot_cost_one_time_out_at_most(
    start_service: StartService, proxy: Proxy, proxied_url: str
) -> None:
    service = start_service(proxied_url, db_statement_timeout=1)
    service.wait_ready()
    with crowd(service.port, 20):
        time.sleep(0.5)
    proxy.swallow_existing()
    assert_refused(create(service))
    assert [create(service).status_code for _ in range(POOL)] == [201] * POOL


@pytest.mark.stress
def test_a_black_hole_at_start_neither_blocks_the_stop_nor_lasts(
    start_service: StartService, proxy: Proxy, proxied_url: str
) -> None:
    proxy.swallowing = True
    service = start_service(proxied_url)
    assert_refused(tasks_of(service))
    proxy.swallowing = False
    service.wait_ready(15)
    proxy.swallowing = True
    second = start_service(proxied_url)
    time.sleep(0.5)
    started = time.monotonic()
    second.stop(10)
    assert time.monotonic() - started < 5


def test_a_server_that_stops_answering_right_after_the_login_neither_blocks_the_stop_nor_lasts(
    start_service: StartService, proxy: Proxy, proxied_url: str
) -> None:
    """SQLAlchemy asks a first connection some questions of its own, as an engine has no others."""
    proxy.swallowing_from = b"version()"
    service = start_service(proxied_url, db_statement_timeout=1)
    eventually(lambda: "no answer in time" in service.log.read_text(), 10, "the log says why it is not ready")
    time.sleep(0.5)
    started = time.monotonic()
    service.stop(10)
    assert time.monotonic() - started < 3
    second = start_service(proxied_url, db_statement_timeout=1)
    eventually(lambda: "no answer in time" in second.log.read_text(), 10, "the log says why it is not ready")
    proxy.swallowing_from = None
    second.wait_ready(15)


def test_a_read_only_database_still_reads(service: ServiceProcess, postgres: Postgres) -> None:
    assert create(service).status_code == 201
    postgres.execute(f"ALTER DATABASE {SHARED} SET default_transaction_read_only = on")
    postgres.hang_up(SHARED)
    assert_refused(create(service))
    assert tasks_of(service).is_success
    assert service.answers("/health/ready")
    postgres.execute(f"ALTER DATABASE {SHARED} RESET default_transaction_read_only")
    postgres.hang_up(SHARED)
    assert create(service).status_code == 201


@pytest.mark.stress
def test_an_empty_read_only_database_is_not_ready_until_it_takes_writes(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    service = start_service()
    assert_refused(tasks_of(service))
    postgres.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    service.wait_ready(10)
