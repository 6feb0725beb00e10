"""Each change of a task is one line, with whose task it is and by which request; what changes nothing has none."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

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
        written = self._service.log.read_text()
        assert not any(text in written for text in BODY.values())
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


def test_a_state_that_is_already_set_has_no_line(log: Log) -> None:
    path, done = f"/{log.create()}/complete", {"json": {"completed": True}}
    assert len(log.ask("PATCH", path, 200, **done)) == 1
    assert log.ask("PATCH", path, 200, **done) == []


def test_what_is_allowed_and_changes_nothing_has_no_line(log: Log) -> None:
    path = f"/{log.create()}"
    tag = {"If-Match": log.client.get(f"/tasks{path}").headers["etag"]}
    assert log.ask("PUT", path, 200, json=BODY, headers=tag) == []
    assert log.ask("PUT", path, 200, json={}, headers=tag) == []
    assert log.ask("PATCH", f"{path}/complete", 200, json={"completed": False}, headers=tag) == []


def test_what_somebody_else_has_is_not_there(log: Log, service: ServiceProcess) -> None:
    with Log(service, "somebody else").client as others:
        task = others.post("/tasks", json=BODY).json()["id"]
        assert log.ask("PUT", f"/{task}", 404, json={"title": "x"}) == []
        assert log.ask("PATCH", f"/{task}/complete", 404) == []
        assert log.ask("DELETE", f"/{task}", 404) == []
        assert others.get(f"/tasks/{task}").json()["title"] == BODY["title"]


def test_of_many_with_one_key_at_once_one_has_a_line(log: Log) -> None:
    given = {"json": BODY, "headers": {"Idempotency-Key": "at-once"}}
    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(lambda _: log.ask("POST", "", 201, **given), range(6)))
    assert sorted(map(len, said)) == [0, 0, 0, 0, 0, 1]


RENAME = "UPDATE tasks SET title = %s, title_key = '', updated_at = clock_timestamp() + interval '1 s' WHERE id = %s"
FINISH = "UPDATE tasks SET completed = %s, updated_at = clock_timestamp() + interval '1 s' WHERE id = %s"
REMOVE = "DELETE FROM tasks WHERE title <> %s AND id = %s"
NEW: dict[str, object] = {"json": {"title": canaries.TITLE + " 2"}}
DONE: dict[str, object] = {"json": {"completed": True}}


class Meeting(NamedTuple):
    """What another writer does first, what the request then wants, and which lines that makes."""

    others: str
    value: object
    method: str
    path: str
    given: dict[str, object]
    status: int
    said: list[str]


MEETINGS = [
    Meeting(RENAME, canaries.TITLE + " 2", "PUT", "", NEW, 200, []),
    Meeting(RENAME, canaries.TITLE + " 3", "PUT", "", NEW, 200, ["task updated"]),
    # It was equal when the request came, and is not when its turn comes.
    Meeting(RENAME, canaries.TITLE + " 3", "PUT", "", {"json": BODY}, 200, ["task updated"]),
    Meeting(RENAME, canaries.TITLE + " 3", "PUT", "", {"json": {}}, 200, []),
    Meeting(FINISH, True, "PATCH", "/complete", DONE, 200, []),
    Meeting(FINISH, False, "PATCH", "/complete", DONE, 200, ["task completed"]),
    Meeting(FINISH, True, "PATCH", "/complete", {}, 200, ["task reopened"]),
    Meeting(REMOVE, "", "PUT", "", NEW, 404, []),
    Meeting(REMOVE, "", "DELETE", "", {}, 404, []),
    Meeting(RENAME, canaries.TITLE + " 3", "DELETE", "", {}, 204, ["task deleted"]),
]


@pytest.mark.parametrize("meeting", MEETINGS)
def test_after_a_wait_for_another_writer_the_line_is_about_what_was_found_then(
    log: Log, database_url: str, meeting: Meeting
) -> None:
    task = log.create()
    assert events(meet(log, database_url, task, meeting)) == [(event, task) for event in meeting.said]


def test_under_a_precondition_a_wait_for_another_writer_ends_without_a_line(log: Log, database_url: str) -> None:
    task = log.create()
    tag = {"headers": {"If-Match": log.client.get(f"/tasks/{task}").headers["etag"]}}
    meeting = Meeting(RENAME, canaries.TITLE + " 3", "PUT", "", NEW | tag, 412, [])
    assert meet(log, database_url, task, meeting) == []


def meet(log: Log, database_url: str, task: int, meeting: Meeting) -> list[dict[str, object]]:
    """Have the request wait for the other writer's row, and return the lines of its changes."""
    with (
        ThreadPoolExecutor(1) as pool,
        closing(psycopg2.connect(database_url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(meeting.others, (meeting.value, task))
        holder = connection.info.backend_pid
        lines = pool.submit(log.ask, meeting.method, f"/{task}{meeting.path}", meeting.status, **meeting.given)
        eventually(lambda: _waiting_for(holder, database_url), 10, "the request waits for the row")
        connection.commit()
        return lines.result(20)


def _waiting_for(holder: int, database_url: str) -> bool:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (holder,))
        return cursor.fetchone() == (1,)
