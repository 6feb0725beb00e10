"""The six operations through HTTP: what they do, what they refuse, and who sees what."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.conftest import execute

UNKNOWN = 2**53 - 1
JSON = {"Content-Type": "application/json"}


def create(client: httpx.Client, title: str = "Buy milk", **fields: Any) -> dict[str, Any]:
    response = client.post("/tasks", json={"title": title, **fields})
    assert response.status_code == 201, response.text
    return response.json()


def titles(client: httpx.Client, **query: Any) -> list[str]:
    response = client.get("/tasks", params=query)
    assert response.status_code == 200, response.text
    return [task["title"] for task in response.json()]


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


class TestCreate:
    def test_a_new_task_has_the_defaults_and_can_be_read_back(self, client: httpx.Client, user: str) -> None:
        response = client.post("/tasks", json={"title": "  Buy milk  "})
        task = response.json()
        assert response.status_code == 201
        assert response.headers["Location"] == f"/api/{user}/tasks/{task['id']}"
        assert task["title"] == "Buy milk"
        assert task["user_id"] == user
        assert task["description"] is None
        assert task["completed"] is False
        assert task["created_at"] == task["updated_at"]
        assert client.get(f"/tasks/{task['id']}").json() == task

    def test_the_times_are_the_databases_now_in_utc(self, client: httpx.Client) -> None:
        before = datetime.now(UTC)
        created = moment(create(client)["created_at"])
        assert abs((created - before).total_seconds()) < 60

    def test_members_that_are_not_the_clients_to_set_are_ignored(self, client: httpx.Client, user: str) -> None:
        task = create(client, id=UNKNOWN, user_id="mallory", completed=True, created_at="1999-01-01T00:00:00Z", x=1)
        assert task["id"] != UNKNOWN
        assert task["user_id"] == user
        assert task["completed"] is False
        assert not task["created_at"].startswith("1999")

    @pytest.mark.parametrize(
        "title", ["a", "x" * 200, "😀" * 200, "Zażółć gęślą jaźń", "'); DROP TABLE tasks; --", '"\\%s']
    )
    def test_any_text_within_the_limits_is_stored_as_it_is(self, client: httpx.Client, title: str) -> None:
        assert client.get(f"/tasks/{create(client, title)['id']}").json()["title"] == title

    def test_the_longest_titles_of_the_longest_owner_fit_the_indexes(
        self, client_for: Callable[..., httpx.Client]
    ) -> None:
        widest = client_for("\U0001f600" * 255)
        assert create(widest, "\U0001f600" * 200, description="\U0001f600" * 1000)["title"] == "\U0001f600" * 200
        assert create(widest, "\u0390" * 200)["title"] == "\u0390" * 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "title"),
            ({"title": None}, "title"),
            ({"title": ""}, "title"),
            ({"title": " \t\n\u2003 "}, "title"),
            ({"title": "x" * 201}, "title"),
            ({"title": 5}, "title"),
            ({"title": ["x"]}, "title"),
            ({"title": "a\0b"}, "title"),
            ({"title": "x", "description": "y" * 1001}, "description"),
            ({"title": "x", "description": "a\0b"}, "description"),
            ({"title": "x", "description": 7}, "description"),
        ],
    )
    def test_a_broken_rule_is_named_and_nothing_is_stored(
        self, client: httpx.Client, body: dict[str, Any], field: str
    ) -> None:
        response = client.post("/tasks", json=body)
        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
        assert titles(client) == []

    @pytest.mark.parametrize("blanks", ["  ", "\t\n", "\u2003"])
    def test_a_title_is_stripped_before_it_is_measured(self, client: httpx.Client, blanks: str) -> None:
        assert create(client, f"{blanks}{'x' * 200}{blanks}")["title"] == "x" * 200

    @pytest.mark.parametrize("text", ["  d  ", "\td\n", "a\r\nb\r\n", "\n", " ", "\u2003d\u2003"])
    def test_a_description_is_kept_as_it_is(self, client: httpx.Client, text: str) -> None:
        task = create(client, "x", description=text)
        assert task["description"] == text
        assert client.get(f"/tasks/{task['id']}").json() == task
        other = create(client, "y")
        assert client.put(f"/tasks/{other['id']}", json={"description": text}).json()["description"] == text

    @pytest.mark.parametrize(
        "text", ['{"title":"\\ud83d"}', '{"title":"x \\ud83d"}', '{"title":"x","description":"\\udc00"}']
    )
    def test_lone_surrogates_are_refused(self, client: httpx.Client, text: str) -> None:
        response = client.post("/tasks", content=text, headers=JSON)
        assert response.status_code == 422
        assert titles(client) == []

    @pytest.mark.parametrize("body", [[], "text", 5, None, True])
    def test_json_that_is_no_object_is_refused(self, client: httpx.Client, body: Any) -> None:
        assert client.post("/tasks", json=body).status_code == 422


class TestList:
    def test_it_shows_the_tasks_in_the_order_of_creation(self, client: httpx.Client) -> None:
        for title in ("c", "a", "b"):
            create(client, title)
        assert titles(client) == ["c", "a", "b"]
        assert titles(client, sort="created", status="all") == ["c", "a", "b"]

    def test_the_order_of_creation_is_that_of_the_times_not_of_the_ids(
        self, client: httpx.Client, database_url: str
    ) -> None:
        """Of two that are created at once, the one with the earlier time may have the later id."""
        ids = [create(client, title)["id"] for title in "abc"]
        for hours, task_id in enumerate(ids):
            execute(
                database_url,
                f"UPDATE tasks SET created_at = created_at - interval '{hours} hours' WHERE id = {task_id}",
            )
        assert titles(client) == ["c", "b", "a"]
        first = client.get("/tasks", params={"limit": 1})
        second = client.get(str(first.url.join(first.links["next"]["url"])))
        third = client.get(str(second.url.join(second.links["next"]["url"])))
        assert [page.json()[0]["title"] for page in (first, second, third)] == ["c", "b", "a"]

    def test_it_sorts_titles_as_a_person_does(self, client: httpx.Client) -> None:
        for title in ("banana", "Éclair", "apple", "zebra", "Apple", "egg", "Banana", "dill", "apple"):
            create(client, title)
        in_order = ["Apple", "apple", "apple", "Banana", "banana", "dill", "Éclair", "egg", "zebra"]
        assert titles(client, sort="title") == in_order

    @pytest.mark.parametrize(
        "in_order",
        [
            ["Straße", "straw", "z"],
            ["ά", "Ω", "\u0430", "Я"],  # the third is Cyrillic
            ["αβ", "άγ", "Ω", "Ёж", "ёлка", "ель", "Я"],
            ["dill", "Éclair", "egg", "Z", "Ω", "Я"],
            ["A", "a", "Á", "á", "B"],
        ],
    )
    def test_accents_and_other_scripts_stand_where_a_person_looks(
        self, client: httpx.Client, in_order: list[str]
    ) -> None:
        for title in reversed(in_order):
            create(client, title)
        assert titles(client, sort="title") == in_order
        changed = [create(client, "0") for _ in in_order]
        for task, title in zip(changed, in_order, strict=True):
            client.put(f"/tasks/{task['id']}", json={"title": title})
        assert titles(client, sort="title") == [title for title in in_order for _ in range(2)]

    def test_equal_titles_come_in_the_order_of_their_ids(self, client: httpx.Client) -> None:
        ids = [create(client, "same")["id"] for _ in range(5)]
        assert [task["id"] for task in client.get("/tasks", params={"sort": "title"}).json()] == ids

    def test_the_filter_and_the_order_combine(self, client: httpx.Client) -> None:
        for title in ("c", "a", "d", "b"):
            task = create(client, title)
            if title in "ab":
                client.patch(f"/tasks/{task['id']}/complete")
        assert titles(client, status="pending") == ["c", "d"]
        assert titles(client, status="completed") == ["a", "b"]
        assert titles(client, status="pending", sort="title") == ["c", "d"]
        assert titles(client, status="completed", sort="title") == ["a", "b"]
        assert titles(client, status="all", sort="title") == ["a", "b", "c", "d"]

    def test_an_order_follows_a_changed_title(self, client: httpx.Client) -> None:
        first = create(client, "a")
        create(client, "b")
        client.put(f"/tasks/{first['id']}", json={"title": "C"})
        assert titles(client, sort="title") == ["b", "C"]

    def test_more_than_a_hundred_tasks_come_whole(self, client: httpx.Client) -> None:
        with ThreadPoolExecutor(8) as pool:
            created = list(pool.map(lambda number: create(client, f"Task {number}"), range(120)))
        listed = client.get("/tasks").json()
        assert len(listed) == 120
        assert sorted(listed, key=lambda task: task["id"]) == sorted(created, key=lambda task: task["id"])

    @pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2500])  # the service reads a thousand rows at a time
    def test_a_list_of_any_length_comes_whole(
        self, client: httpx.Client, database_url: str, user: str, length: int
    ) -> None:
        columns = "INSERT INTO tasks (user_id, title)"
        execute(database_url, f"{columns} SELECT '{user}', 'Task ' || n FROM generate_series(1, {length}) n")
        assert titles(client) == [f"Task {number}" for number in range(1, length + 1)]

    @pytest.mark.parametrize(
        "query", [{"status": "done"}, {"sort": "id"}, {"status": ""}, {"sort": "TITLE"}, {"sort": "a\0"}]
    )
    def test_an_unknown_status_or_order_is_refused(self, client: httpx.Client, query: dict[str, str]) -> None:
        response = client.get("/tasks", params=query)
        assert response.status_code == 422
        assert response.json()["errors"][0]["loc"] == ["query", *query]


class TestUpdate:
    def test_absent_fields_stay(self, client: httpx.Client) -> None:
        task = create(client, "a", description="d")
        assert client.put(f"/tasks/{task['id']}", json={"title": "b"}).json()["description"] == "d"
        changed = client.put(f"/tasks/{task['id']}", json={"description": "e"}).json()
        assert (changed["title"], changed["description"]) == ("b", "e")

    def test_a_null_description_clears_it_and_a_null_title_is_refused(self, client: httpx.Client) -> None:
        task = create(client, "a", description="d")
        assert client.put(f"/tasks/{task['id']}", json={"description": None}).json()["description"] is None
        assert client.put(f"/tasks/{task['id']}", json={"title": None}).status_code == 422

    def test_updated_at_moves_only_when_a_value_does(self, client: httpx.Client) -> None:
        task = create(client, "a", description="d")
        for body in ({}, {"title": " a "}, {"description": "d"}, task):
            assert client.put(f"/tasks/{task['id']}", json=body).json() == task
        changed = client.put(f"/tasks/{task['id']}", json={"title": "b"}).json()
        assert moment(changed["updated_at"]) > moment(task["updated_at"])
        assert changed["created_at"] == task["created_at"]

    def test_no_description_and_an_empty_one_are_two_values(self, client: httpx.Client) -> None:
        task = create(client, "a", description="d")
        for text in (None, "", None, "d"):
            changed = client.put(f"/tasks/{task['id']}", json={"description": text}).json()
            assert changed["description"] == text
            assert moment(changed["updated_at"]) > moment(task["updated_at"])
            task = changed

    @pytest.mark.parametrize(
        ("method", "suffix", "body"),
        [
            ("PUT", "", {"title": "b"}),
            ("PUT", "", {"description": "d"}),
            ("PATCH", "/complete", None),
            ("PATCH", "/complete", {"completed": True}),
        ],
    )
    def test_updated_at_never_goes_backwards(
        self, client: httpx.Client, database_url: str, method: str, suffix: str, body: Any
    ) -> None:
        """The clock of the database may have been put back, or another server may have become the primary."""
        path = f"/tasks/{create(client, 'a')['id']}"
        execute(database_url, f"UPDATE tasks SET updated_at = now() + interval '1 hour' WHERE id = {path[7:]}")
        before = client.get(path).json()
        changed = client.request(method, path + suffix, json=body).json()
        assert moment(changed["updated_at"]) > moment(before["updated_at"])
        assert client.get(path).json() == changed

    @pytest.mark.parametrize(
        "body",
        [
            {"title": "a\0b"},
            {"title": "x" * 201},
            {"title": " \u2003 "},
            {"title": "b", "description": "a\0b"},
            {"description": "a\0b"},
            {"title": "b", "description": "y" * 1001},
            {"description": "y" * 1001},
        ],
    )
    def test_a_broken_rule_changes_nothing(self, client: httpx.Client, body: dict[str, str]) -> None:
        task = create(client, "a", description="d")
        response = client.put(f"/tasks/{task['id']}", json=body)
        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", [*body][-1]]]
        assert client.get(f"/tasks/{task['id']}").json() == task

    def test_the_limits_themselves_are_allowed(self, client: httpx.Client) -> None:
        task = create(client, "a")
        body = {"title": f" {'x' * 200} ", "description": "😀" * 1000}
        changed = client.put(f"/tasks/{task['id']}", json=body).json()
        assert (changed["title"], changed["description"]) == ("x" * 200, "😀" * 1000)

    def test_a_body_cannot_complete_or_give_away_a_task(self, client: httpx.Client, user: str) -> None:
        task = create(client)
        body = {"completed": True, "user_id": "mallory", "id": 1, "created_at": "1999-01-01T00:00:00Z"}
        assert client.put(f"/tasks/{task['id']}", json=body).json() == task


class TestComplete:
    def test_it_toggles(self, client: httpx.Client) -> None:
        task = create(client)
        done = client.patch(f"/tasks/{task['id']}/complete").json()
        undone = client.patch(f"/tasks/{task['id']}/complete").json()
        assert (done["completed"], undone["completed"]) == (True, False)
        assert moment(task["updated_at"]) < moment(done["updated_at"]) < moment(undone["updated_at"])

    def test_a_hundred_parallel_toggles_end_in_the_right_parity(self, client: httpx.Client) -> None:
        task = create(client)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: client.patch(f"/tasks/{task['id']}/complete"), range(101)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["updated_at"] for answer in answers}) == 101
        assert client.get(f"/tasks/{task['id']}").json()["completed"] is True

    def test_an_explicit_state_is_set_however_often(self, client: httpx.Client) -> None:
        task = create(client)
        done = client.patch(f"/tasks/{task['id']}/complete", json={"completed": True}).json()
        again = client.patch(f"/tasks/{task['id']}/complete", json={"completed": True}).json()
        assert done["completed"] is True
        assert again == done

    def test_a_state_that_is_there_already_changes_nothing(self, client: httpx.Client) -> None:
        task = create(client)
        assert client.patch(f"/tasks/{task['id']}/complete", json={"completed": False}).json() == task
        assert client.get(f"/tasks/{task['id']}").json() == task

    @pytest.mark.parametrize("body", ['{"completed": "yes"}', '{"completed": 1}', '{"completed": null}', "null", "[]"])
    def test_a_state_that_is_no_boolean_is_refused_and_toggles_nothing(self, client: httpx.Client, body: str) -> None:
        task = create(client)
        assert client.patch(f"/tasks/{task['id']}/complete", content=body, headers=JSON).status_code == 422
        assert client.get(f"/tasks/{task['id']}").json() == task


class TestDelete:
    def test_it_is_for_good(self, client: httpx.Client) -> None:
        task = create(client)
        response = client.delete(f"/tasks/{task['id']}")
        assert (response.status_code, response.content) == (204, b"")
        assert client.get(f"/tasks/{task['id']}").status_code == 404
        assert client.delete(f"/tasks/{task['id']}").status_code == 404
        assert titles(client) == []


def on_one_task(client: httpx.Client, task_id: object) -> dict[str, httpx.Response]:
    """Every operation that names a task."""
    return {
        "get": client.get(f"/tasks/{task_id}"),
        "put": client.put(f"/tasks/{task_id}", json={"title": "x"}),
        "patch": client.patch(f"/tasks/{task_id}/complete"),
        "delete": client.delete(f"/tasks/{task_id}"),
    }


class TestIsolation:
    def test_a_stranger_sees_and_changes_nothing(self, client: httpx.Client, stranger: httpx.Client) -> None:
        task = create(client)
        answers = on_one_task(stranger, task["id"])
        assert {answer.status_code for answer in answers.values()} == {404}
        assert titles(stranger) == []
        assert client.get(f"/tasks/{task['id']}").json() == task

    @pytest.mark.parametrize("completed", [True, False])
    def test_a_stranger_sets_no_state_either(
        self, client: httpx.Client, stranger: httpx.Client, completed: bool
    ) -> None:
        task = create(client)
        if not completed:
            task = client.patch(f"/tasks/{task['id']}/complete").json()
        assert stranger.patch(f"/tasks/{task['id']}/complete", json={"completed": completed}).status_code == 404
        assert client.get(f"/tasks/{task['id']}").json() == task

    def test_somebody_elses_task_and_no_task_look_the_same(self, client: httpx.Client, stranger: httpx.Client) -> None:
        task = create(client)
        headers = {"X-Request-ID": "same"}
        for method, path in (("GET", ""), ("PUT", ""), ("PATCH", "/complete"), ("DELETE", "")):
            body = {"title": "x"} if method == "PUT" else None
            foreign = stranger.request(method, f"/tasks/{task['id']}{path}", json=body, headers=headers)
            unknown = stranger.request(method, f"/tasks/{UNKNOWN}{path}", json=body, headers=headers)
            assert foreign.content == unknown.content
            assert foreign.json()["detail"] == "Task not found"
            differing = {"date"}
            assert {k: v for k, v in foreign.headers.items() if k not in differing} == {
                k: v for k, v in unknown.headers.items() if k not in differing
            }

    def test_ids_are_compared_to_the_letter(self, client_for: Callable[..., httpx.Client]) -> None:
        task = create(client_for("Alice"))
        assert client_for("alice").get(f"/tasks/{task['id']}").status_code == 404

    @pytest.mark.parametrize("owner", ["a b", "ä", "1", "x+y=z&", "user:42", "a%2Fb"])
    def test_any_id_that_fits_a_path_segment_is_an_owner(
        self, client_for: Callable[..., httpx.Client], service: Any, owner: str
    ) -> None:
        client = client_for(owner)
        path = f"{service.url}/api/{httpx.URL('http://x').copy_with(path='/' + owner).raw_path.decode()[1:]}"
        if owner == "a%2Fb":
            path = f"{service.url}/api/a%252Fb"
        response = client.post(f"{path}/tasks", json={"title": "x"})
        assert response.status_code == 201, response.text
        assert response.json()["user_id"] == owner
        assert client.get(service.url + response.headers["Location"]).json() == response.json()


class TestIds:
    @pytest.mark.parametrize(
        "task_id",
        [
            "abc",
            "-1",
            "0",
            "1.5",
            "99999999999999999999",
            "9223372036854775808",
            "+5",
            "1_0",
            "0005",
            "%205",
            "%00",
            "\u0661",
            "1e3",
            "null",
            "5%0A",
        ],
    )
    def test_what_cannot_be_an_id_names_no_task(self, client: httpx.Client, task_id: str) -> None:
        for answer in on_one_task(client, task_id).values():
            assert (answer.status_code, answer.json()["detail"]) == (404, "Task not found")

    def test_the_largest_id_of_the_column_is_looked_up(self, client: httpx.Client) -> None:
        assert client.get(f"/tasks/{2**63 - 1}").status_code == 404

    @pytest.mark.parametrize("spelling", ["0{}", "00{}", "+{}", "{}.0", "%20{}", "{}%20"])
    def test_an_id_has_one_spelling(self, client: httpx.Client, spelling: str) -> None:
        task = create(client)
        for answer in on_one_task(client, spelling.format(task["id"])).values():
            assert answer.status_code == 404
        assert client.get(f"/tasks/{task['id']}").json() == task

    def test_ids_go_on_beyond_32_bits(self, apart: Callable[..., tuple[httpx.Client, str]]) -> None:
        client, url = apart()
        execute(url, f"SELECT setval(pg_get_serial_sequence('tasks', 'id'), {2**31 - 2})")
        made = [create(client, title) for title in "abc"]
        assert [task["id"] for task in made] == [2**31 - 1, 2**31, 2**31 + 1]
        key = {"Idempotency-Key": "k"}
        keyed, again = (client.post("/tasks", json={"title": "d"}, headers=key).json() for _ in range(2))
        assert keyed == again
        for sort in ("created", "title"):
            page = client.get("/tasks", params={"limit": 3, "sort": sort})
            rest = client.get(str(page.url.join(page.links["next"]["url"])))
            assert page.json() + rest.json() == [*made, keyed]
        path = f"/tasks/{keyed['id']}"
        assert client.put(path, json={"title": "x"}).json()["title"] == "x"
        assert client.patch(f"{path}/complete").json()["completed"] is True
        assert client.delete(path).status_code == 204


class TestTimes:
    @pytest.mark.parametrize("guarded", [False, True], ids=["plain", "If-Match"])
    @pytest.mark.parametrize(
        "change", [("PUT", "", {"title": "b"}), ("PATCH", "/complete", None)], ids=["PUT", "PATCH"]
    )
    def test_a_change_has_the_time_at_which_it_was_made(
        self, client: httpx.Client, database_url: str, change: tuple[str, str, Any], guarded: bool
    ) -> None:
        method, path, body = change
        one = f"/tasks/{create(client)['id']}"
        for column in ("created_at", "updated_at"):
            execute(database_url, f"UPDATE tasks SET {column} = {column} - interval '1 year' WHERE id = {one[7:]}")
        headers = {"If-Match": client.get(one).headers["ETag"]} if guarded else {}
        task = client.request(method, one + path, json=body, headers=headers).json()
        assert abs((moment(task["updated_at"]) - datetime.now(UTC)).total_seconds()) < 60
        assert (moment(task["updated_at"]) - moment(task["created_at"])).days in (365, 366)

    def test_they_are_utc_whatever_the_database_prefers(self, apart: Callable[..., tuple[httpx.Client, str]]) -> None:
        client, _ = apart(timezone="Asia/Tokyo", datestyle="SQL, DMY")
        keyed = client.post("/tasks", json={"title": "a"}, headers={"Idempotency-Key": "k"})
        task = create(client, "b")
        for created in (keyed.json(), task):
            assert abs((moment(created["created_at"]) - datetime.now(UTC)).total_seconds()) < 60
        assert client.post("/tasks", json={"title": "a"}, headers={"Idempotency-Key": "k"}).json() == keyed.json()
        changed = client.put(f"/tasks/{task['id']}", json={"title": "c"}).json()
        assert changed["created_at"] == task["created_at"]
        assert abs((moment(changed["updated_at"]) - datetime.now(UTC)).total_seconds()) < 60
        assert client.get("/tasks").json() == [keyed.json(), changed]
        page = client.get("/tasks", params={"limit": 1})
        assert client.get(str(page.url.join(page.links["next"]["url"]))).json() == [changed]
