"""What a worker keeps of the memory that a very long list took."""

import sys

import httpx
import pytest

from tests.faults.conftest import StartService
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.tokens import bearer, make_token

TASKS = 30_000


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps the memory, and only it is asked to give it back")
def test_a_long_list_costs_memory_only_while_it_is_sent(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    service = start_service()
    service.wait_ready()
    rows = f"SELECT 'alice', 'task ' || n FROM generate_series(1, {TASKS}) AS n"
    postgres.execute(f"INSERT INTO tasks (user_id, title) {rows}", database)
    before = service.memory()
    with httpx.Client(headers=bearer(make_token("alice")), timeout=30) as client:
        assert len(client.get(f"{service.url}/api/alice/tasks").json()) == TASKS
        eventually(lambda: service.memory() - before < 4_000_000, 10, "the memory of a list is given back")
