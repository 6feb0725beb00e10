"""Connections that the server ends, idle ones as Neon does and busy ones as nobody should."""

import threading
import time

import httpx
import pytest

from tests.faults.conftest import SHARED, StartService
from tests.support import canaries
from tests.support.crowd import crowd
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

USER = "/api/alice"
REQUESTS = {
    "list": ("GET", "/tasks", None),
    "read": ("GET", "/tasks/{id}", None),
    "create": ("POST", "/tasks", {"title": canaries.TITLE, "description": canaries.DESCRIPTION}),
    "create once": ("POST", "/tasks", {"title": canaries.TITLE}),
    "update": ("PUT", "/tasks/{id}", {"description": canaries.DESCRIPTION}),
    "toggle": ("PATCH", "/tasks/{id}/complete", None),
    "delete": ("DELETE", "/tasks/{id}", None),
}


def test_every_kind_of_request_succeeds_after_idle_connections_were_killed(
    service: ServiceProcess, postgres: Postgres
) -> None:
    with httpx.Client(base_url=service.url + USER, headers=bearer(make_token("alice")), timeout=30) as client:
        task = client.post("/tasks", json={"title": "a"}).json()["id"]
        for name, (method, path, json) in REQUESTS.items():
            assert postgres.hang_up(SHARED) >= 1
            headers = {"Idempotency-Key": "k"} if name == "create once" else {}
            reply = client.request(method, path.format(id=task), json=json, headers=headers)
            assert reply.is_success, (name, reply.text)


def test_a_whole_pool_of_killed_connections_costs_no_request(service: ServiceProcess, postgres: Postgres) -> None:
    with crowd(service.port, 16):
        threading.Event().wait(0.5)
    assert postgres.hang_up(SHARED) > 1
    with crowd(service.port, 16) as people:
        threading.Event().wait(0.5)
    assert not people.report.odd
    assert people.report.statuses[503] == 0


@pytest.mark.parametrize(("workers", "seconds"), [(1, 2), pytest.param(2, 10, marks=pytest.mark.stress)])
def test_killing_busy_connections_loses_nothing(
    start_service: StartService, postgres: Postgres, database: str, seconds: int, workers: int
) -> None:
    service = start_service(web_concurrency=workers)
    service.wait_ready()
    over, until = threading.Event(), time.monotonic() + seconds
    with crowd(service.port, 30) as people, postgres.connected() as run:
        while time.monotonic() < until:
            run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
            over.wait(0.1)
    statuses = people.report.statuses
    assert not people.report.odd
    assert statuses[0] == 0, "HTTP connections broke as well"
    assert statuses[200] > 20 * seconds
    assert people.report.slowest < 10
    assert people.contradictions(lambda sql: postgres.execute(sql, database)) == []
