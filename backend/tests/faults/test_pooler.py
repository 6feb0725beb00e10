"""Through PgBouncer in transaction mode. `make test-pooler` runs the other tests through it as well."""

import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import StartService
from tests.faults.test_outages import assert_refused, create
from tests.support.crowd import crowd
from tests.support.polling import eventually
from tests.support.pooler import pooler
from tests.support.postgres_server import Postgres
from tests.support.programs import program

pytestmark = pytest.mark.stress


@pytest.fixture
def pooled_url(postgres: Postgres, database: str) -> Iterator[str]:
    executable = program("pgbouncer")
    if executable is None:
        pytest.skip("PgBouncer is not installed, and cannot be (that takes root and apt-get)")
    with pooler(executable, postgres) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/{database}"


def test_several_workers_start_on_an_empty_database_and_lose_nothing(
    start_service: StartService, postgres: Postgres, database: str, pooled_url: str
) -> None:
    services = [start_service(pooled_url, web_concurrency=2) for _ in range(2)]
    for service in services:
        service.wait_ready()
    with crowd(services[0].port, 20) as one, crowd(services[1].port, 20) as two, postgres.connected() as run:
        for _ in range(10):
            time.sleep(0.3)
            run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    for people in (one, two):
        assert not people.report.odd
        assert people.report.statuses[0] == 0
        assert people.contradictions(lambda sql: postgres.execute(sql, database)) == []
    assert [service.stop() for service in services] == [0, 0]


def test_a_statement_given_up_is_cancelled_behind_the_pooler(
    start_service: StartService, postgres: Postgres, database: str, pooled_url: str
) -> None:
    service = start_service(pooled_url, db_statement_timeout=1)
    service.wait_ready()
    with postgres.connected(database, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert_refused(create(service))
        eventually(lambda: not postgres.waiting(database), 5, "nothing waits for the lock any more")
    assert create(service).is_success
    assert postgres.execute("SELECT count(*) FROM tasks", database) == [(1,)]
