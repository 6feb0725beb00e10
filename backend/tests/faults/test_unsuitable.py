"""Databases that cannot hold the contract, those that take no writes, and what a role sets: what each gets."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from src.postgres.schema import HEAD
from tests.faults.conftest import StartService
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

ALICE = {**bearer(make_token("alice"))}


def events(service: ServiceProcess, name: str) -> list[dict[str, str]]:
    whole, _, _ = service.log.read_text().rpartition("\n")  # the last line may still be written
    lines = [json.loads(line) for line in whole.splitlines()]
    return [line for line in lines if line["event"] == name]


def ended(service: ServiceProcess) -> None:
    """End it: then all is written that it had to say."""
    assert service.stop() == 0


def post(service: ServiceProcess, title: str) -> httpx.Response:
    return httpx.post(f"{service.url}/api/alice/tasks", headers=ALICE, json={"title": title}, timeout=30)


@pytest.fixture
def narrow(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an empty database of another encoding."""
    name = f"narrow_{uuid.uuid4().hex[:12]}"
    encoding = f"ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    postgres.execute(f"CREATE DATABASE {name} {encoding}")
    yield name
    postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize("narrow", ["SQL_ASCII", "LATIN1"], indirect=True)
def test_a_database_of_another_encoding_is_not_ready_and_the_log_says_why_once(
    start_service: StartService, postgres: Postgres, narrow: str
) -> None:
    service = start_service(postgres.url(narrow))
    eventually(lambda: events(service, "database not ready"), 10, "the log says why")
    assert httpx.get(f"{service.url}/health").status_code == 200
    assert httpx.get(f"{service.url}/health/ready", timeout=30).status_code == 503
    assert post(service, "é").status_code == 503  # two attempts to get ready have passed by now
    (said,) = events(service, "database not ready")
    assert "UTF8" in said["reason"]
    postgres.execute(f"DROP DATABASE {narrow} WITH (FORCE)")
    eventually(
        lambda: len(events(service, "database not ready")) == 2, 10, "the log says that it is another reason now"
    )
    postgres.execute(f"CREATE DATABASE {narrow}")
    service.wait_ready()
    assert post(service, "é").json()["title"] == "é"


@pytest.mark.parametrize("revision", ["4f2a9c", HEAD])
def test_tables_of_another_program_are_not_ready_whatever_their_revision_says(
    start_service: StartService, postgres: Postgres, database: str, revision: str
) -> None:
    postgres.execute("CREATE TABLE tasks (id int, title text)", database)
    postgres.execute("CREATE TABLE alembic_version (version_num text)", database)
    postgres.execute(f"INSERT INTO alembic_version VALUES ('{revision}')", database)
    service = start_service()
    eventually(lambda: events(service, "database not ready"), 10, "the log says why")
    assert "tasks" in events(service, "database not ready")[0]["reason"]
    assert httpx.get(f"{service.url}/health/ready", timeout=30).status_code == 503


def test_the_log_says_once_that_a_database_takes_no_writes_and_once_that_it_does_again(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    service = start_service(log_level="INFO")
    service.wait_ready()
    assert post(service, "a").status_code == 201
    postgres.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    postgres.hang_up(database)
    assert [post(service, "b").status_code for _ in range(4)] == [503] * 4
    assert len(httpx.get(f"{service.url}/api/alice/tasks", headers=ALICE).json()) == 1
    eventually(lambda: events(service, "database read-only"), 5, "the log says that it takes no writes")
    assert events(service, "database writable") == []
    for _ in range(2):
        time.sleep(2.2)  # so that its connections may be old ones, to a server that is no longer the primary
        assert post(service, "b").status_code == 503
    postgres.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    postgres.hang_up(database)
    assert [post(service, "c").status_code for _ in range(4)] == [201] * 4
    ended(service)
    assert len(events(service, "database read-only")) == len(events(service, "database writable")) == 1
    assert "ReadOnlySqlTransaction" not in {event["reason"] for event in events(service, "database lost")}


SETTINGS = {
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "timezone": "Asia/Tokyo",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "enable_indexscan": "off",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_role_or_a_database_sets_changes_no_answer(
    start_service: StartService, postgres: Postgres, database: str, name: str, tmp_path: Path
) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET {name} = '{SETTINGS[name]}'")
    service = start_service()
    service.wait_ready()
    title, description = "Zażółć \\n '\" 🙂", "a\\b'c\"d\ne\\"
    with httpx.Client(base_url=f"{service.url}/api/alice", headers=ALICE, timeout=30) as client:
        created = client.post("/tasks", json={"title": title, "description": description}).json()
        assert (created["title"], created["description"]) == (title, description)
        assert created["created_at"].endswith("Z")
        assert client.get("/tasks").json() == [created]
        once = [client.post("/tasks", json={"title": "k"}, headers={"Idempotency-Key": "k"}).json() for _ in range(2)]
        assert once[0] == once[1]
        path = f"/tasks/{created['id']}"
        tag = client.get(path).headers["ETag"]
        changed = client.put(path, json={"title": "\\"}, headers={"If-Match": tag})
        assert (changed.status_code, changed.json()["title"]) == (200, "\\")
        assert client.get("/tasks?sort=title&limit=1").json()[0]["title"] == "\\"
        assert client.get("/tasks?sort=title").json()[0] == client.get(path).json()
        first = client.get("/tasks?limit=1")
        rest = client.get(first.links["next"]["url"].removeprefix("/api/alice"))
        assert [task["id"] for task in (*first.json(), *rest.json())] == [created["id"], once[0]["id"]]


def test_a_time_that_a_role_sets_for_transactions_is_a_passing_condition(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    service = start_service()
    service.wait_ready()
    task = post(service, "a").json()
    postgres.execute(f"ALTER DATABASE {database} SET transaction_timeout = '300ms'")
    postgres.hang_up(database)
    with postgres.connected(database, autocommit=False) as run:
        run("SET transaction_timeout = 0")
        run("SELECT 1 FROM tasks FOR UPDATE")
        answer = httpx.put(
            f"{service.url}/api/alice/tasks/{task['id']}", headers=ALICE, json={"title": "b"}, timeout=30
        )
    assert answer.status_code == 503
