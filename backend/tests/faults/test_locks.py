"""Somebody holds the whole table."""

import asyncio
import signal
import time
from collections.abc import Callable

import httpx

from tests.faults.conftest import SHARED, StartService
from tests.support import canaries
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import POOL, ServiceProcess
from tests.support.tokens import make_token
from tests.support.wire import Wire

TOKEN = make_token("alice")
LOCKED_OUT = f"{canaries.TITLE}, locked out"  # which no other test of this database writes


async def _timed(port: int) -> tuple[int, float]:
    started = time.monotonic()
    wire = Wire(port)
    reply = await wire.request("POST", "/api/alice/tasks", TOKEN, {"title": LOCKED_OUT})
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
        assert {status for status, _ in answers} == {503}
        assert max(seconds for _, seconds in answers) < 8
        assert health < 1
        # What waited is cancelled, not left to run later: while the lock is still held, no statement waits for it.
        eventually(lambda: not postgres.waiting(SHARED), 5, "what waited is cancelled")
        settled(POOL + 1, SHARED)  # the holder's besides
    reply = httpx.get(f"{service.url}/api/alice/tasks", headers={"Authorization": f"Bearer {TOKEN}"})
    assert reply.status_code == 200
    assert not [task for task in reply.json() if task["title"] == LOCKED_OUT]


def test_deadlines_that_pass_all_at_once_leave_no_statement_behind(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    """As after a stall of the machine, or when all clients hang up together: 64 statements are given up in one turn."""
    service = start_service(db_pool_size=64, db_statement_timeout=4)
    service.wait_ready()
    with postgres.connected(database, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        asyncio.run(_stalled(service, postgres, database))
        eventually(lambda: not postgres.waiting(database), 5, "what waited is cancelled")


async def _stalled(service: ServiceProcess, postgres: Postgres, database: str) -> None:
    requests = [asyncio.ensure_future(_timed(service.port)) for _ in range(64)]
    await asyncio.to_thread(eventually, lambda: postgres.waiting(database) == 64, 3.5, "all wait for the lock", 0.01)
    service.signal(signal.SIGSTOP)
    await asyncio.sleep(4)
    service.signal(signal.SIGCONT)
    assert {status for status, _ in await asyncio.gather(*requests)} == {503}
