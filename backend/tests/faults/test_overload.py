"""Point 7: more clients than the service can serve."""

import asyncio
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.faults.conftest import StartService
from tests.support.processes import ServiceProcess
from tests.support.tokens import make_token
from tests.support.wire import Reply, Wire

POOL = 8


@dataclass
class Load:
    """What a closed loop of clients saw: each sends its next request when it has the answer to the last."""

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)
    slowest: float = 0.0
    health: float = 0.0
    seconds: float = 0.0

    def note(self, reply: Reply, seconds: float) -> None:
        self.statuses[reply.status] += 1
        self.slowest = max(self.slowest, seconds)
        if reply.status == 503:
            assert reply.headers["retry-after"]
            self.refusals.append(seconds)

    @property
    def rate(self) -> float:
        return self.statuses[200] / self.seconds


async def _client(port: int, load: Load, until: float) -> None:
    wire, token = Wire(port), make_token("flood", ttl=3600)
    while time.monotonic() < until:
        started = time.monotonic()
        reply = await wire.request("GET", "/api/flood/tasks", token)
        load.note(reply, time.monotonic() - started)
        if reply.status == 503:  # a client does what Retry-After says
            await asyncio.sleep(int(reply.headers["retry-after"]))
    await wire.close()


async def _health(port: int, load: Load, until: float) -> None:
    wire = Wire(port)
    while time.monotonic() < until:
        started = time.monotonic()
        assert (await wire.request("GET", "/health")).status == 200
        load.health = max(load.health, time.monotonic() - started)
        await asyncio.sleep(0.05)
    await wire.close()


def loaded(service: ServiceProcess, clients: int, seconds: float) -> Load:
    async def run(load: Load) -> Load:
        started = time.monotonic()
        until = started + seconds
        await asyncio.gather(
            _health(service.port, load, until), *(_client(service.port, load, until) for _ in range(clients))
        )
        load.seconds = time.monotonic() - started
        return load

    return asyncio.run(run(Load()))


@pytest.mark.stress
def test_twenty_times_more_clients_than_connections(start_service: StartService) -> None:
    service = start_service(db_pool_size=POOL)
    service.wait_ready()
    loaded(service, 20 * POOL, 2)
    memory = service.memory()
    # In turns, because the machine may have other work, now more and now less.
    turns = [(loaded(service, 2 * POOL, 3), loaded(service, 20 * POOL, 6)) for _ in range(5)]
    ratio = statistics.median(flood.rate / usual.rate for usual, flood in turns)
    assert ratio >= 0.8, [(round(usual.rate), round(flood.rate)) for usual, flood in turns]
    for _, flood in turns:
        assert flood.statuses.keys() <= {200, 503}
        assert flood.slowest < 5
        assert flood.health < 1
    assert service.memory() - memory < 30_000_000


def test_the_excess_is_refused_at_once(start_service: StartService) -> None:
    service = start_service(db_pool_size=1, db_queue_size=2)
    service.wait_ready()
    flood = loaded(service, 20, 2)
    assert flood.statuses.keys() == {200, 503}
    assert sorted(flood.refusals)[len(flood.refusals) // 2] < 0.5
    assert flood.health < 1
    assert loaded(service, 1, 0.5).statuses.keys() == {200}
