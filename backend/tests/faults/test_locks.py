"""Point 6: somebody holds the whole table."""

import asyncio
import time
from collections.abc import Callable

import httpx

from tests.faults.conftest import SHARED
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import make_token
from tests.support.wire import Wire

TOKEN = make_token("alice", ttl=3600)


async def _timed(port: int) -> tuple[int, float]:
    started = time.monotonic()
    wire = Wire(port)
    reply = await wire.request("POST", "/api/alice/tasks", TOKEN, {"title": "locked out"})
    await wire.close()
    return reply.status, time.monotonic() - started


async def _health(port: int, over: asyncio.Event) -> float:
    wire, slowest = Wire(port), 0.0
    while not over.is_set():
        started = time.monotonic()
        assert (await wire.request("GET", "/health")).status == 200
        slowest = max(slowest, time.monotonic() - started)
        await asyncio.sleep(0.02)
    await wire.close()
    return slowest


async def _two_hundred(port: int) -> tuple[list[tuple[int, float]], float]:
    over = asyncio.Event()
    health = asyncio.ensure_future(_health(port, over))
    answers = await asyncio.gather(*(_timed(port) for _ in range(200)))
    over.set()
    return answers, await health


def test_a_locked_table_is_503_and_leaves_no_statement_behind(
    service: ServiceProcess, postgres: Postgres, settled: Callable[..., None]
) -> None:
    with postgres.connected(SHARED, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        answers, health = asyncio.run(_two_hundred(service.port))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'shared'"
        assert {status for status, _ in answers} == {503}
        assert max(seconds for _, seconds in answers) < 8
        assert health < 1
        settled(2, SHARED)  # the holder's, and at most one new one: what waited was cancelled, not left to run later
        assert postgres.execute(waiting) == [(0,)]
    reply = httpx.get(f"{service.url}/api/alice/tasks", headers={"Authorization": f"Bearer {TOKEN}"})
    assert reply.status_code == 200
    assert not [task for task in reply.json() if task["title"] == "locked out"]
