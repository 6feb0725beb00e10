"""What the log says of a database that is there, lost and back: each change once; and of the errors of requests."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.faults.conftest import StartService
from tests.support import canaries
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

ALICE = bearer(make_token("alice"))
TASKS = "/api/alice/tasks"
CHANGES = ("database connected", "database unreachable", "database lost", "database recovered")


def lines(service: ServiceProcess) -> list[dict[str, Any]]:
    whole, _, _ = service.log.read_text().rpartition("\n")  # the last line may still be written
    return [json.loads(line) for line in whole.splitlines()]


def changes(service: ServiceProcess) -> list[str]:
    return [line["event"] for line in lines(service) if line["event"] in CHANGES]


def said(service: ServiceProcess, event: str) -> dict[str, Any]:
    """The one line of this event."""
    (line,) = [line for line in lines(service) if line["event"] == event]
    return line


def list_tasks(service: ServiceProcess) -> int:
    return httpx.get(service.url + TASKS, headers=ALICE, timeout=30).status_code


def together(service: ServiceProcess, count: int) -> Counter[int]:
    """The statuses of so many requests at once."""
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(lambda _: list_tasks(service), range(count)))


def answered(service: ServiceProcess, count: int) -> None:
    """Wait for the lines of so many requests: then those of what happened before are written too."""
    eventually(lambda: len([1 for line in lines(service) if line["event"] == "request"]) == count, 5, "all are logged")


def test_an_outage_is_three_lines_whatever_the_number_of_requests(
    start_service: StartService, postgres: Postgres
) -> None:
    service = start_service(log_level="INFO")
    service.wait_ready()
    assert together(service, 12) == {200: 12}
    answered(service, 12)
    assert changes(service) == ["database connected"]
    postgres.stop()
    assert together(service, 20) == {503: 20}
    assert [list_tasks(service) for _ in range(5)] == [503] * 5
    answered(service, 37)
    assert changes(service) == ["database connected", "database lost", "database unreachable"]
    postgres.start()
    assert together(service, 20) == {200: 20}
    answered(service, 57)
    assert changes(service) == [*("database connected", "database lost"), "database unreachable", "database recovered"]
    recovered = said(service, "database recovered")
    assert 0.05 < recovered["seconds"] < 30
    assert recovered["level"] == "INFO"
    unreachable = said(service, "database unreachable")
    assert (unreachable["level"], unreachable["reason"]) == ("WARNING", "OperationalError")


def test_a_database_that_comes_after_the_service_was_unreachable_and_is_connected(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    postgres.stop()
    service = start_service(log_level="INFO", db_queue_timeout=0.3)
    assert together(service, 5) == {503: 5}
    answered(service, 5)
    assert changes(service) == ["database unreachable"]
    postgres.start()
    service.wait_ready()
    eventually(lambda: len(changes(service)) > 1, 5, "the log says that it is there")
    assert together(service, 5) == {200: 5}
    answered(service, 10)
    assert changes(service) == ["database unreachable", "database connected"]


def test_connections_that_end_in_the_middle_of_statements_are_one_loss(
    start_service: StartService, postgres: Postgres, database: str
) -> None:
    service = start_service(log_level="INFO")
    service.wait_ready()
    with (
        postgres.connected(database, autocommit=False) as holder,
        ThreadPoolExecutor(10) as pool,
    ):
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        asked = [pool.submit(list_tasks, service) for _ in range(10)]
        eventually(lambda: postgres.waiting(database) == 10, 10, "all wait for the lock")
        ended = f"pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
        assert len(postgres.execute(f"SELECT pg_terminate_backend(pid) FROM {ended}")) == 10
        eventually(lambda: postgres.waiting(database) == 10, 10, "all have asked again")
        holder("ROLLBACK")
        assert Counter(answer.result() for answer in asked) == {200: 10}
    answered(service, 10)
    assert changes(service) == ["database connected", "database lost", "database recovered"]
    lost = said(service, "database lost")
    assert lost["level"] == "WARNING"
    # What the server says at last may come before the end of the connection is noticed, or be lost with it.
    assert (lost["sqlstate"], lost["reason"]) in {("57P01", "AdminShutdown"), (None, "OperationalError")}


RAISING = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no: %', NEW.title USING ERRCODE = '{}', DETAIL = NEW.description; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()
"""


def create(service: ServiceProcess) -> httpx.Response:
    headers = ALICE | {"X-Request-ID": "the-one"}
    body = {"title": canaries.TITLE, "description": canaries.DESCRIPTION}
    return httpx.post(service.url + TASKS, headers=headers, json=body, timeout=30)


def check_line(service: ServiceProcess, status: int, sqlstate: str) -> None:
    """The request's line has the code; and no line has what was sent, nor PostgreSQL's text, which quotes it."""
    answered(service, 1)
    line = said(service, "request")
    assert (line["request_id"], line["status"], line["sqlstate"]) == ("the-one", status, sqlstate)
    log = service.log.read_text()
    assert canaries.TITLE not in log
    assert canaries.DESCRIPTION not in log
    assert "INSERT" not in log


@pytest.mark.parametrize(
    ("code", "status"), [("22023", 500), ("22P02", 500), ("23514", 500), ("53100", 503), ("55P03", 503)]
)
def test_an_error_of_the_database_is_a_code_in_the_line_of_its_request(
    start_service: StartService, postgres: Postgres, database: str, code: str, status: int
) -> None:
    service = start_service(log_level="INFO")
    service.wait_ready()
    postgres.execute(RAISING.format(code), database)
    assert create(service).status_code == status
    check_line(service, status, code)
    assert changes(service) == ["database connected"]
    service.stop()
    service.log.write_text("")  # a fault of ours has a traceback there


@pytest.mark.parametrize(("code", "setting"), [("55P03", "lock_timeout"), ("57014", "statement_timeout")])
def test_a_locked_table_is_a_code_in_the_line_of_the_request(
    start_service: StartService, postgres: Postgres, database: str, code: str, setting: str
) -> None:
    if setting == "lock_timeout":
        postgres.execute(f"ALTER DATABASE {database} SET lock_timeout = '100ms'")
    service = start_service(log_level="INFO", db_statement_timeout=0.5)
    service.wait_ready()
    with postgres.connected(database, autocommit=False) as holder:
        holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert create(service).status_code == 503
    check_line(service, 503, code)
