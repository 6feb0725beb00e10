"""What the last release left is served, by this release and by one with more fields, and it may still be at work.

`support/last_release.py` has its tables, statements, fingerprint and tags to the letter.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from src.models import TaskCreate
from tests.conftest import TLS
from tests.support import last_release
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token

# As the last release wrote them 23 hours ago; the second task has been changed since it was created with a key.
FILLED = f"""
INSERT INTO tasks (id, user_id, title, title_key, description, completed, created_at, updated_at) VALUES
    (1, 'alice', 'Éclair', 'eclair', NULL, false, now() - interval '23 hours', now() - interval '23 hours'),
    (2, 'alice', 'changed', 'changed', NULL, true, now() - interval '23 hours', now() - interval '1 hour'),
    (3, 'alice', 'apple', 'apple', E'a "b"\\n\\\\c', false, now() - interval '22 hours', now() - interval '22 hours');
INSERT INTO idempotency_keys (user_id, key, fingerprint, task_id, created_at) VALUES
    ('alice', 'plain', '{last_release.fingerprint("Éclair", None)}', 1, now() - interval '23 hours'),
    ('alice', 'described', '{last_release.fingerprint("it's", "a 'b'")}', 2, now() - interval '23 hours');
SELECT setval(pg_get_serial_sequence('tasks', 'id'), 3);
"""
BODIES = {"plain": {"title": "Éclair"}, "described": {"title": "it's", "description": "a 'b'"}}
# What this release has added since, and what the one with more fields adds to that.
ADDED = {
    name: field.get_default(call_default_factory=True)
    for name, field in TaskCreate.model_fields.items()
    if name not in ("title", "description")
}
MORE = {"priority": 0, "note": None, "due": None, "remind_at": None}

each_key = pytest.mark.parametrize("key", ["plain", "described"])


@dataclass
class Upgraded:
    """A database of the last release that a later one has taken over, and what a task has there besides."""

    database_url: str
    url: str
    more: dict[str, Any]

    def client(self, user: str) -> httpx.Client:
        headers = bearer(make_token(user))
        return httpx.Client(base_url=f"{self.url}/api/{user}", headers=headers, timeout=30, verify=TLS)

    def last(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Let the last release do something."""
        return last_release.run(self.database_url, statement, **parameters)

    def last_creates(self, user: str, key: str, title: str, description: str | None) -> tuple[Any, ...]:
        """Return its answer to a keyed create, whether the task is new, and whether the key is for this body."""
        mark = last_release.fingerprint(title, description)
        values = {"title": title, "title_key": last_release.title_key(title), "description": description}
        (row,) = self.last(last_release.CREATE_ONCE, owner=user, key=key, fingerprint=mark, **values)
        return json.loads(row[0]), *row[1:]


@pytest.fixture(scope="module", params=["this release", "one with more fields"])
def upgraded(
    request: pytest.FixtureRequest, new_database: Callable[[], str], start_next: Callable[[str], str]
) -> Iterator[Upgraded]:
    database_url = new_database()
    last_release.run(database_url, last_release.SCHEMA + FILLED)
    if request.param == "this release":
        with serve(settings_for(database_url)) as service:
            assert httpx.get(f"{service.url}/health/ready", timeout=30, verify=TLS).is_success
            yield Upgraded(database_url, service.url, ADDED)
    else:
        yield Upgraded(database_url, start_next(database_url), ADDED | MORE)


@pytest.fixture
def client(upgraded: Upgraded, user: str) -> Iterator[httpx.Client]:
    with upgraded.client(user) as client:
        yield client


def created_by_last(upgraded: Upgraded, user: str, title: str) -> dict[str, Any]:
    values = {"title": title, "title_key": last_release.title_key(title), "description": None}
    ((body,),) = upgraded.last(last_release.CREATE, owner=user, **values)
    return json.loads(body)


@each_key
def test_a_key_of_the_last_release_still_replays(upgraded: Upgraded, key: str) -> None:
    body = BODIES[key]
    before, fresh, same = upgraded.last_creates("alice", key, body["title"], body.get("description"))
    assert (fresh, same) == (False, True)
    with upgraded.client("alice") as alice:
        again = alice.post("/tasks", json=body, headers={"Idempotency-Key": key})
        assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (201, "true")
        assert again.json() == before | upgraded.more
        for other in ({"title": "other"}, {**body, "description": "other"}):
            assert alice.post("/tasks", json=other, headers={"Idempotency-Key": key}).status_code == 409
        assert len(alice.get("/tasks").json()) == 3


@each_key
def test_a_key_of_a_later_release_is_good_at_the_last(
    upgraded: Upgraded, client: httpx.Client, user: str, key: str
) -> None:
    body = BODIES[key]
    title, description = body["title"], body.get("description")
    made = client.post("/tasks", json=body, headers={"Idempotency-Key": key})
    assert made.status_code == 201
    before, fresh, same = upgraded.last_creates(user, key, title, description)
    assert (fresh, same, before | upgraded.more) == (False, True, made.json())
    assert upgraded.last_creates(user, key, title, "other")[1:] == (False, False)
    assert len(client.get("/tasks").json()) == 1


def test_tasks_of_the_last_release_are_listed_as_it_would(upgraded: Upgraded) -> None:
    with upgraded.client("alice") as alice:
        for sort, statement in (("created", last_release.BY_CREATION), ("title", last_release.BY_TITLE)):
            bodies = [body for (body,) in upgraded.last(statement, owner="alice")]
            expected = [json.loads(body) | upgraded.more for body in bodies]
            assert len(expected) == 3
            whole = alice.get("/tasks", params={"sort": sort})
            assert whole.json() == expected
            page = alice.get("/tasks", params={"sort": sort, "limit": 2})
            rest = alice.get(httpx.URL(alice.base_url).join(page.links["next"]["url"]))
            assert page.json() + rest.json() == expected
            assert [alice.get(f"/tasks/{task['id']}").json() for task in expected] == expected


def test_tasks_of_the_last_release_are_written(upgraded: Upgraded, client: httpx.Client, user: str) -> None:
    task = created_by_last(upgraded, user, "a") | upgraded.more
    path = f"/tasks/{task['id']}"
    assert client.put(path, json={"title": "a"}).json() == task
    changed = client.put(path, json={"title": "b", **({"priority": 3} if "priority" in upgraded.more else {})}).json()
    assert changed["updated_at"] > task["updated_at"]
    done = client.patch(f"{path}/complete").json()
    assert done == changed | {"completed": True, "updated_at": done["updated_at"]}
    assert client.delete(path).status_code == 204
    assert client.get("/tasks").json() == []


def test_the_last_release_writes_beside_a_later_one(upgraded: Upgraded, client: httpx.Client, user: str) -> None:
    more = {"priority": 7, "note": "kept", "due": "2026-11-30"} if "priority" in upgraded.more else {}
    mine = client.post("/tasks", json={"title": "a", **more})
    path = f"/tasks/{mine.json()['id']}"
    values = {"title": "b", "title_key": "b", "has_description": True, "description": "c"}
    ((body,),) = upgraded.last(last_release.UPDATE, owner=user, task_id=mine.json()["id"], **values)
    changed = json.loads(body) | upgraded.more | more
    assert (changed["title"], changed["description"]) == ("b", "c")
    assert changed["updated_at"] > mine.json()["updated_at"]
    assert client.get(path, headers={"If-None-Match": mine.headers["ETag"]}).json() == changed
    assert client.put(path, json={"title": "lost"}, headers={"If-Match": mine.headers["ETag"]}).status_code == 412
    theirs = created_by_last(upgraded, user, "d") | upgraded.more
    assert client.get("/tasks").json() == [changed, theirs]


def test_a_tag_of_the_last_release_names_no_task_of_a_later_one(
    upgraded: Upgraded, client: httpx.Client, user: str
) -> None:
    task = created_by_last(upgraded, user, "a")
    ((body,),) = upgraded.last(last_release.BY_CREATION, owner=user)
    etag, path = last_release.etag(body), f"/tasks/{task['id']}"
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200
    assert client.put(path, json={"title": "b"}, headers={"If-Match": etag}).status_code == 412
    assert client.delete(path, headers={"If-Match": etag}).status_code == 412
    assert client.get(path).json() == task | upgraded.more
    whole = client.get("/tasks", headers={"If-None-Match": last_release.etag(f"[{body}]")})
    assert whole.status_code == (200 if upgraded.more else 304), "equal bytes have equal tags"
