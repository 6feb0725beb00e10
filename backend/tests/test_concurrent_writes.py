"""Writes that meet: somebody holds the row, requests wait for it, and what they do once it is free.

Who waits is asked of PostgreSQL, so the order is the same in every run.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from tests.conftest import execute
from tests.support.polling import eventually
from tests.support.postgres_server import WAITING
from tests.test_integration import create, moment

WRITES = (("PUT", "", {"title": "second"}), ("PATCH", "/complete", None), ("DELETE", "", None))
ROLLS_BACK_ONCE = """
    CREATE SEQUENCE attempts;
    CREATE FUNCTION roll_back_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('attempts') = 1 THEN RAISE SQLSTATE '{}'; END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER roll_back_once BEFORE INSERT OR UPDATE OR DELETE ON tasks
        FOR EACH ROW EXECUTE FUNCTION roll_back_once()
"""


class Holder:
    """A transaction that has a lock, and the requests that wait for it."""

    def __init__(self, url: str, statement: str, pool: ThreadPoolExecutor) -> None:
        self._url = url
        self._pool = pool
        self._queued = 0
        self._connection = psycopg2.connect(url)
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def queue(self, client: httpx.Client, method: str, path: str, **request: Any) -> Future[httpx.Response]:
        """Send a request and return as soon as it waits for the lock, behind those before it."""
        answer = self._pool.submit(client.request, method, path, **request)
        self._queued += 1
        waiting = WAITING.format(parse_dsn(self._url)["dbname"])
        eventually(lambda: execute(self._url, waiting) == [(self._queued,)], 5, f"{method} waits", 0.01)
        return answer

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def holding(url: str, statement: str) -> Iterator[Holder]:
    """Run a statement and keep its locks; whatever fails, they are gone before anybody waits for the requests."""
    with ThreadPoolExecutor(4) as pool:
        holder = Holder(url, statement, pool)
        try:
            yield holder
        finally:
            holder.close()


def locked(task: dict[str, Any]) -> str:
    return f"SELECT FROM tasks WHERE id = {task['id']} FOR UPDATE"


def changed(task: dict[str, Any], assignments: str) -> str:
    return f"UPDATE tasks SET {assignments} WHERE id = {task['id']}"


def edited(task: dict[str, Any], assignments: str) -> str:
    """As every writer of the service does it: the version moves along."""
    return changed(task, f"{assignments}, updated_at = clock_timestamp()")


class TestOneRow:
    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    def test_of_two_that_saw_the_same_state_the_second_is_refused(
        self, client: httpx.Client, database_url: str, method: str, suffix: str, body: Any
    ) -> None:
        created = client.post("/tasks", json={"title": "x"})
        path, seen = f"/tasks/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
        with holding(database_url, locked(created.json())) as holder:
            first = holder.queue(client, "PUT", path, json={"title": "first"}, headers=seen)
            second = holder.queue(client, method, path + suffix, json=body, headers=seen)
            holder.commit()
            assert [first.result().status_code, second.result().status_code] == [200, 412]
        task = client.get(path).json()
        assert (task["title"], task["completed"]) == ("first", False)
        assert task == first.result().json()

    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    def test_what_changed_meanwhile_is_not_what_the_client_saw(
        self, client: httpx.Client, database_url: str, method: str, suffix: str, body: Any
    ) -> None:
        created = client.post("/tasks", json={"title": "x"})
        path, seen = f"/tasks/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
        with holding(database_url, edited(created.json(), "description = 'theirs'")) as holder:
            answer = holder.queue(client, method, path + suffix, json=body, headers=seen)
            holder.commit()
            assert answer.result().status_code == 412
        task = client.get(path).json()
        assert task == created.json() | {"description": "theirs", "updated_at": task["updated_at"]}

    @pytest.mark.parametrize(
        ("write", "theirs"),
        [
            (("PUT", "", {"title": "mine"}), {"description": "theirs"}),
            (("PUT", "", {"description": "mine"}), {"title": "theirs"}),
            (("PATCH", "/complete", {"completed": True}), {"title": "theirs", "description": "theirs"}),
        ],
    )
    def test_what_a_write_does_not_name_stays_as_the_one_before_left_it(
        self, client: httpx.Client, database_url: str, write: tuple[str, str, Any], theirs: dict[str, str]
    ) -> None:
        task, (method, suffix, body) = create(client, "x", description="d"), write
        assignments = ", ".join(f"{name} = '{value}'" for name, value in theirs.items())
        with holding(database_url, changed(task, assignments)) as holder:
            waiting = holder.queue(client, method, f"/tasks/{task['id']}{suffix}", json=body)
            holder.commit()
            answer = waiting.result()
        expected = task | theirs | body
        assert answer.status_code == 200
        assert answer.json() == expected | {"updated_at": answer.json()["updated_at"]}
        assert client.get(f"/tasks/{task['id']}").json() == answer.json()

    def test_updated_at_is_later_than_what_the_one_before_left(self, client: httpx.Client, database_url: str) -> None:
        task = create(client, "x")
        with holding(database_url, changed(task, "updated_at = now() + interval '1 hour'")) as holder:
            waiting = holder.queue(client, "PUT", f"/tasks/{task['id']}", json={"title": "y"})
            holder.commit()
            answer = waiting.result().json()
        assert (moment(answer["updated_at"]) - moment(task["updated_at"])).total_seconds() > 3600

    def test_two_toggles_undo_each_other(self, client: httpx.Client, database_url: str) -> None:
        task = create(client)
        with holding(database_url, locked(task)) as holder:
            toggles = [holder.queue(client, "PATCH", f"/tasks/{task['id']}/complete") for _ in range(2)]
            holder.commit()
            assert [toggle.result().json()["completed"] for toggle in toggles] == [True, False]

    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    def test_what_is_deleted_meanwhile_is_not_found(
        self, client: httpx.Client, database_url: str, method: str, suffix: str, body: Any
    ) -> None:
        task = create(client)
        with holding(database_url, f"DELETE FROM tasks WHERE id = {task['id']}") as holder:
            answer = holder.queue(client, method, f"/tasks/{task['id']}{suffix}", json=body)
            holder.commit()
            assert answer.result().status_code == 404


class TestRolledBack:
    @pytest.mark.parametrize("level", ["repeatable read", "serializable"])
    def test_a_stricter_isolation_changes_no_answer(
        self, apart: Callable[..., tuple[httpx.Client, str]], level: str
    ) -> None:
        client, url = apart(default_transaction_isolation=level)
        task = create(client, "x")
        path = f"/tasks/{task['id']}"
        with holding(url, edited(task, "description = 'theirs'")) as holder:
            waiting = holder.queue(client, "PATCH", f"{path}/complete")
            holder.commit()
            toggled = waiting.result()
        assert toggled.status_code == 200
        assert (toggled.json()["completed"], toggled.json()["description"]) == (True, "theirs")
        with holding(url, edited(task, "description = 'theirs again'")) as holder:
            seen = {"If-Match": toggled.headers["ETag"]}
            waiting = holder.queue(client, "PUT", path, json={"title": "y"}, headers=seen)
            holder.commit()
            assert waiting.result().status_code == 412
        left = client.get(path).json()
        assert left == toggled.json() | {"description": "theirs again", "updated_at": left["updated_at"]}

    @pytest.mark.parametrize("code", ["40001", "40P01"])
    def test_what_the_server_rolled_back_is_done_again(
        self, apart: Callable[..., tuple[httpx.Client, str]], code: str
    ) -> None:
        client, url = apart()
        path = f"/tasks/{create(client, 'x')['id']}"
        execute(url, ROLLS_BACK_ONCE.format(code))
        writes: list[tuple[str, str, dict[str, Any], int]] = [
            ("POST", "/tasks", {"json": {"title": "y"}}, 201),
            ("POST", "/tasks", {"json": {"title": "z"}, "headers": {"Idempotency-Key": "k"}}, 201),
            ("PUT", path, {"json": {"title": "a"}}, 200),
            ("PUT", path, {"json": {"title": "b"}, "headers": {"If-Match": "*"}}, 200),
            ("PATCH", f"{path}/complete", {}, 200),
        ]
        for method, target, request, status in writes:
            execute(url, "ALTER SEQUENCE attempts RESTART")
            answer = client.request(method, target, **request)
            assert answer.status_code == status, (method, answer.text)
            assert "Idempotency-Replayed" not in answer.headers
        listed = [(task["title"], task["completed"]) for task in client.get("/tasks").json()]
        assert listed == [("b", True), ("y", False), ("z", False)]
        execute(url, "ALTER SEQUENCE attempts RESTART")
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
