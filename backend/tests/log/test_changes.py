"""Each change of a task is one line, with whose task it is and by which request; what changes nothing has none."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import psycopg2
import pytest

from tests.support import canaries
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

BODY = {"title": canaries.TITLE, "description": canaries.DESCRIPTION}
CHANGES = ("task created", "task updated", "task completed", "task reopened", "task deleted")


class Log:
    """A client of one user, and what the log says of that user's tasks."""

    def __init__(self, service: ServiceProcess, user: str) -> None:
        self.client = httpx.Client(base_url=f"{service.url}/api/{user}", headers=bearer(make_token(user)))
        self._service, self._user = service, user

    def ask(self, method: str, path: str, status: int, **given: object) -> list[dict[str, object]]:
        """Send a request, and return the lines of the changes that it has made."""
        answer = self.client.request(method, f"/tasks{path}", timeout=30, **given)  # type: ignore[arg-type]
        assert answer.status_code == status
        return self.changes(answer.headers["x-request-id"])

    def changes(self, request_id: str) -> list[dict[str, object]]:
        def lines() -> list[dict[str, object]]:
            every = map(json.loads, self._service.log.read_text().splitlines())
            return [line for line in every if line["request_id"] == request_id]

        eventually(lambda: any(line["event"] == "request" for line in lines()), 5, "the request is in the log")
        time.sleep(0.15)  # longer than a line waits to be written
        changes = [line for line in lines() if line["event"] in CHANGES]
        assert all(
            set(line) == {"time", "level", "logger", "event", "request_id", "user_id", "task_id"} for line in changes
        )
        assert {line["user_id"] for line in changes} <= {self._user}
        return changes

    def create(self) -> int:
        return int(self.client.post("/tasks", json=BODY).json()["id"])


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("changes") / "service.log"
    process = ServiceProcess(database_url, log, log_level="INFO", log_format="json")
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


@pytest.fixture
def log(service: ServiceProcess, user: str) -> Iterator[Log]:
    log = Log(service, user)
    with log.client:
        yield log


def events(lines: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(line["event"], line["task_id"]) for line in lines]


def test_each_change_is_one_line(log: Log) -> None:
    (created,) = log.ask("POST", "", 201, json=BODY)
    assert created["event"] == "task created"
    task = created["task_id"]
    assert [one["id"] for one in log.client.get("/tasks").json()] == [task]
    path = f"/{task}"
    assert events(log.ask("PUT", path, 200, json={"title": canaries.TITLE + " 2"})) == [("task updated", task)]
    assert events(log.ask("PATCH", f"{path}/complete", 200)) == [("task completed", task)]
    assert events(log.ask("PATCH", f"{path}/complete", 200)) == [("task reopened", task)]
    assert events(log.ask("PATCH", f"{path}/complete", 200, json={"completed": True})) == [("task completed", task)]
    assert events(log.ask("DELETE", path, 204)) == [("task deleted", task)]


def test_under_a_precondition_too(log: Log) -> None:
    task = log.create()
    tag = {"If-Match": log.client.get(f"/tasks/{task}").headers["etag"]}
    assert events(log.ask("PUT", f"/{task}", 200, json={"description": None}, headers=tag)) == [("task updated", task)]
    assert log.ask("PUT", f"/{task}", 412, json={"title": "x"}, headers=tag) == []
    assert log.ask("DELETE", f"/{task}", 412, headers=tag) == []


def test_a_key_makes_one_line(log: Log) -> None:
    key = {"Idempotency-Key": "once"}
    assert len(log.ask("POST", "", 201, json=BODY, headers=key)) == 1
    assert log.ask("POST", "", 201, json=BODY, headers=key) == []
    assert log.ask("POST", "", 409, json={"title": "another"}, headers=key) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "", BODY, 200),
        ("PUT", "", {}, 200),
        ("PATCH", "/complete", {"completed": False}, 200),
        ("GET", "", None, 200),
        ("PUT", "", {"title": ""}, 422),
    ],
)
def test_what_changes_nothing_has_no_line(log: Log, method: str, path: str, body: object, status: int) -> None:
    assert log.ask(method, f"/{log.create()}{path}", status, json=body) == []


def test_a_task_that_is_not_there_has_no_line(log: Log) -> None:
    assert log.ask("PUT", "/999999999", 404, json=BODY) == []
    assert log.ask("DELETE", "/999999999", 404) == []


@pytest.mark.parametrize(("others", "changed"), [(canaries.TITLE + " 2", False), (canaries.TITLE + " 3", True)])
def test_after_a_wait_for_another_writer_the_line_is_about_what_was_found_then(
    log: Log, database_url: str, others: str, changed: bool
) -> None:
    task = log.create()
    lines: list[dict[str, object]] = []
    write = {"json": {"title": canaries.TITLE + " 2"}}
    waiting = threading.Thread(target=lambda: lines.extend(log.ask("PUT", f"/{task}", 200, **write)))
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tasks SET title = %s, title_key = '', updated_at = clock_timestamp() WHERE id = %s", (others, task)
        )
        waiting.start()
        time.sleep(0.5)
        connection.commit()
    waiting.join(10)
    assert events(lines) == [("task updated", task)] * changed
