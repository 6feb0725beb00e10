"""One place for a column: a release whose models have more fields, beside this one, on one database.

The fields are of four kinds: a number with bounds and a default, and a text, a date and a moment that may be null.
Whatever is true of them follows from the models: `conftest.py` shows all that was written.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.conftest import TLS, execute
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token

PLAIN = {"priority": 0, "note": None, "due": None, "remind_at": None}
FULL = {
    "priority": 7,
    "note": 'a "quoted" \\ note\nof two lines: ü',
    "due": "2026-11-30",
    "remind_at": "2026-11-30T07:00:00.500000Z",
}

each_field = pytest.mark.parametrize(
    ("field", "values"),
    [
        ("priority", [7, 9, 0]),
        ("note", ["a", "", None]),
        ("due", ["2026-11-30", "0001-01-01", None]),
        ("remind_at", ["2026-11-30T07:00:00.000000Z", "9999-12-31T23:59:59.999999Z", None]),
    ],
    ids=["priority", "note", "due", "remind_at"],
)


@pytest.fixture(scope="module")
def releases(new_database: Callable[[], str], start_next: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    """The URLs of this release, of the next, and of the database where both are at work."""
    url = new_database()
    with serve(settings_for(url)) as this:
        assert httpx.get(f"{this.url}/health/ready", timeout=30, verify=TLS).is_success
        execute(url, "INSERT INTO tasks (user_id, title) VALUES ('early', 'before the column')")
        yield this.url, start_next(url), url


@pytest.fixture
def clients(releases: tuple[str, str, str], user: str) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A new user at this release and at the next."""
    headers = bearer(make_token(user))
    old, new = (httpx.Client(base_url=f"{url}/api/{user}", headers=headers, verify=TLS) for url in releases[:2])
    with old, new:
        yield old, new


@pytest.fixture
def old(clients: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    return clients[0]


@pytest.fixture
def new(clients: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    return clients[1]


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/tasks", json={"title": "a", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_new_task_has_the_field_or_its_default(new: httpx.Client) -> None:
    plain, full = create(new), create(new, **FULL)
    assert {name: plain[name] for name in PLAIN} == PLAIN
    assert {name: full[name] for name in FULL} == FULL
    assert [new.get(f"/tasks/{task['id']}").json() for task in (plain, full)] == [plain, full]


@pytest.mark.parametrize(
    "wrong", [{"priority": 10}, {"priority": -1}, {"priority": None}, {"note": "x" * 1001}, {"due": "2026-02-30"}]
)
def test_the_rules_of_the_field_hold_for_new_and_for_changed_tasks(new: httpx.Client, wrong: dict[str, Any]) -> None:
    task = create(new, **FULL)
    answers = new.post("/tasks", json={"title": "a", **wrong}), new.put(f"/tasks/{task['id']}", json=wrong)
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [error["loc"] for answer in answers for error in answer.json()["errors"]] == [["body", *wrong]] * 2
    assert new.get("/tasks").json() == [task]


@each_field
def test_a_key_belongs_to_the_value_of_the_field(new: httpx.Client, field: str, values: list[Any]) -> None:
    def keyed(value: Any) -> httpx.Response:
        return new.post("/tasks", json={"title": "a", field: value}, headers={"Idempotency-Key": "k"})

    first = keyed(values[0])
    assert (first.status_code, first.json()[field]) == (201, values[0])
    new.put(f"/tasks/{first.json()['id']}", json={field: values[1]})
    again = keyed(values[0])
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert [keyed(value).status_code for value in values[1:]] == [409, 409]
    assert new.post("/tasks", json={"title": "a"}, headers={"Idempotency-Key": "k"}).status_code == 409
    assert len(new.get("/tasks").json()) == 1


@each_field
def test_a_key_without_the_field_is_one_with_its_default(new: httpx.Client, field: str, values: list[Any]) -> None:
    headers = {"Idempotency-Key": "k"}
    first = new.post("/tasks", json={"title": "a"}, headers=headers)
    again = new.post("/tasks", json={"title": "a", field: PLAIN[field]}, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert new.post("/tasks", json={"title": "a", field: values[0]}, headers=headers).status_code == 409


@each_field
def test_a_change_of_the_field_alone_moves_the_version(new: httpx.Client, field: str, values: list[Any]) -> None:
    task = create(new)
    path = f"/tasks/{task['id']}"
    for value in values:
        changed = new.put(path, json={field: value})
        assert changed.status_code == 200
        assert changed.json()["updated_at"] > task["updated_at"]
        assert changed.json() == task | {field: value, "updated_at": changed.json()["updated_at"]}
        same = new.put(path, json={field: value})
        assert (same.content, same.headers["ETag"]) == (changed.content, changed.headers["ETag"])
        task = new.get(path).json()
        assert task == changed.json()


def test_what_a_change_does_not_name_stays(new: httpx.Client) -> None:
    task = create(new, **FULL)
    path = f"/tasks/{task['id']}"
    for change in ({"title": "b"}, {"description": "c"}, {"due": None}, {}):
        changed = new.put(path, json=change).json()
        assert changed == task | change | {"updated_at": changed["updated_at"]}
        task = changed
    done = new.patch(f"{path}/complete").json()
    assert done == task | {"completed": True, "updated_at": done["updated_at"]}


@pytest.mark.parametrize("sort", ["created", "title"])
def test_a_list_renders_the_field_as_a_single_task_does(new: httpx.Client, sort: str) -> None:
    for fields in (FULL, {}, {"priority": 9}, {"note": ""}, {"due": "0001-01-01"}, {"due": "9999-12-31"}):
        create(new, **fields)
    whole = new.get("/tasks", params={"sort": sort}).json()
    single = [new.get(f"/tasks/{task['id']}").json() for task in whole]
    assert json.dumps(whole) == json.dumps(single), "members, their order and the types of their values"
    assert len(whole) == 6
    pages = [new.get("/tasks", params={"sort": sort, "limit": 4})]
    pages.append(new.get(httpx.URL(new.base_url).join(pages[0].links["next"]["url"])))
    assert [task for page in pages for task in page.json()] == whole


@each_field
def test_the_tags_of_the_task_and_of_the_list_change_with_the_field(
    new: httpx.Client, field: str, values: list[Any]
) -> None:
    path = f"/tasks/{create(new)['id']}"
    for value in values:
        seen = {place: new.get(place).headers["ETag"] for place in ("/tasks", path)}
        for place, etag in seen.items():
            assert new.get(place, headers={"If-None-Match": etag}).status_code == 304
        assert new.put(path, json={field: value}, headers={"If-Match": seen[path]}).status_code == 200
        for place, etag in seen.items():
            assert new.get(place, headers={"If-None-Match": etag}).status_code == 200
        assert new.put(path, json={field: value}, headers={"If-Match": seen[path]}).status_code == 412


def test_a_tag_of_the_other_release_is_none_of_a_task_as_this_one_shows_it(
    old: httpx.Client, new: httpx.Client
) -> None:
    path = f"/tasks/{create(old)['id']}"
    for here, there in ((old, new), (new, old)):
        for place in (path, "/tasks"):
            etag = here.get(place).headers["ETag"]
            assert here.get(place, headers={"If-None-Match": etag}).status_code == 304
            assert there.get(place, headers={"If-None-Match": etag}).status_code == 200
        etag = here.get(path).headers["ETag"]
        for change in (
            there.put(path, json={"title": "b"}, headers={"If-Match": etag}),
            there.delete(path, headers={"If-Match": etag}),
        ):
            assert change.status_code == 412
    assert old.get(path).json()["title"] == "a"


def test_a_key_is_good_in_whichever_release_the_retry_arrives(old: httpx.Client, new: httpx.Client) -> None:
    body = {"title": "a", "description": "b"}
    for first, second in ((old, new), (new, old)):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        made = first.post("/tasks", json=body, headers=headers).json()
        again = second.post("/tasks", json=body, headers=headers)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert again.json() | PLAIN == made | PLAIN
        assert second.post("/tasks", json={"title": "b"}, headers=headers).status_code == 409
    assert len(new.get("/tasks").json()) == 2


def test_both_releases_write_side_by_side(old: httpx.Client, new: httpx.Client) -> None:
    task = create(new, **FULL)
    path = f"/tasks/{task['id']}"
    versions = [task["updated_at"]]
    for client, change in ((old, {"title": "b"}), (new, {"priority": 3}), (old, {"description": "c"})):
        changed = client.put(path, json=change).json()
        versions.append(changed["updated_at"])
        task = task | change | {"updated_at": changed["updated_at"]}
        assert new.get(path).json() == task
    assert all(earlier < later for earlier, later in pairwise(versions))
    made = create(old)
    assert new.get("/tasks").json() == [task, made | PLAIN]


def test_a_task_from_before_the_column_has_its_default(releases: tuple[str, str, str]) -> None:
    headers = bearer(make_token("early"))
    (task,) = httpx.get(f"{releases[1]}/api/early/tasks", headers=headers, verify=TLS).json()
    assert {name: task[name] for name in ("title", *PLAIN)} == {"title": "before the column", **PLAIN}
