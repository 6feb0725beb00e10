"""More clients than the service can serve."""

import statistics

import pytest

from tests.faults.conftest import StartService
from tests.support.cores import a_core_of_its_own
from tests.support.flood import Seen, flood
from tests.support.health import HealthWatch
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import POOL
from tests.support.tokens import make_token
from tests.support.wire import rendered

LIST = rendered("GET", "/api/flood/tasks", make_token("flood"))


@pytest.mark.stress
def test_twenty_times_more_clients_than_connections(start_service: StartService, postgres: Postgres) -> None:
    service = start_service()
    service.wait_ready()

    def usual() -> float:
        return flood(service.port, LIST, clients=2 * POOL, seconds=3).rate

    def flooded_beside_usual() -> tuple[Seen, float]:
        """Each flood stands between what it is compared with: a shared machine gives more at one time than another."""
        before = usual()
        seen = flood(service.port, LIST, clients=20 * POOL, seconds=10)
        return seen, seen.rate / statistics.mean((before, usual()))

    with a_core_of_its_own(service, postgres):
        flood(service.port, LIST, clients=20 * POOL, seconds=2)
        memory = service.memory()
        with HealthWatch(service.port) as health:
            floods = [flooded_beside_usual() for _ in range(3)]
        grown = service.memory() - memory
    assert statistics.median(ratio for _, ratio in floods) >= 0.8
    for seen, _ in floods:
        assert seen.statuses.keys() == {200}
        assert max(seen.waits) < 2
    assert health.slowest < 1
    assert grown < 10_000_000


def test_the_excess_is_refused_at_once(start_service: StartService) -> None:
    service = start_service(db_pool_size=1, db_queue_size=2)
    service.wait_ready()
    with HealthWatch(service.port) as health:
        flooded = flood(service.port, LIST, clients=20, seconds=2)
    assert flooded.statuses.keys() == {200, 503}
    assert statistics.median(flooded.refusals) < 0.5
    assert health.slowest < 1
    # As soon as what those clients left behind is done: three requests at most.
    eventually(lambda: flood(service.port, LIST, clients=1, seconds=0.2).statuses.keys() == {200}, 5, "full service")
