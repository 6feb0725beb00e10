"""What the contract offers beyond the order: pages, conditional requests, safe retries."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conftest import execute
from tests.test_integration import UNKNOWN, create, moment, titles


def pages(client: httpx.Client, **query: Any) -> list[list[dict[str, Any]]]:
    """Follow the Link headers from the first page to the last."""
    response, found = client.get("/tasks", params=query), []
    while True:
        assert response.status_code == 200, response.text
        found.append(response.json())
        if "next" not in response.links:
            return found
        response = client.get(str(response.url.join(response.links["next"]["url"])))


def insert_at_once(database_url: str, user: str, count: int) -> None:
    """Insert tasks that have the same `created_at`: those of one transaction."""
    columns = "INSERT INTO tasks (user_id, title)"
    execute(database_url, f"{columns} SELECT '{user}', 'Task ' || n FROM generate_series(1, {count}) n")


class TestPages:
    @pytest.mark.parametrize("sort", ["created", "title"])
    @pytest.mark.parametrize("limit", [1, 3, 7, 8, 1000])
    def test_they_add_up_to_the_whole_list(self, client: httpx.Client, sort: str, limit: int) -> None:
        for title in ("b", "B", "a", "É", "e", "b", "a"):
            create(client, title)
        found = pages(client, sort=sort, limit=limit)
        assert [task for page in found for task in page] == client.get("/tasks", params={"sort": sort}).json()
        assert [len(page) for page in found][:-1] == [limit] * (len(found) - 1)

    def test_the_filter_goes_along(self, client: httpx.Client) -> None:
        for number in range(6):
            task = create(client, f"{number}")
            if number % 2:
                client.patch(f"/tasks/{task['id']}/complete")
        found = pages(client, status="completed", limit=2)
        assert [[task["title"] for task in page] for page in found] == [["1", "3"], ["5"]]

    def test_the_filter_goes_along_in_the_order_of_titles_too(self, client: httpx.Client) -> None:
        for title in ("e", "b", "d", "a", "c"):
            task = create(client, title)
            if title != "b":
                client.patch(f"/tasks/{task['id']}/complete")
        found = pages(client, status="completed", sort="title", limit=2)
        assert [[task["title"] for task in page] for page in found] == [["a", "c"], ["d", "e"]]

    @pytest.mark.parametrize(
        ("tasks", "limit", "sizes"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (4, 4, [4]), (4, 3, [3, 1]), (4, 5, [4])]
    )
    def test_the_limit_goes_along_and_a_full_last_page_leads_nowhere(
        self, client: httpx.Client, tasks: int, limit: int, sizes: list[int]
    ) -> None:
        for number in range(tasks):
            create(client, f"{number}")
        for sort in ("created", "title"):
            assert [len(page) for page in pages(client, sort=sort, limit=limit)] == sizes

    def test_the_largest_page_leads_on_to_one_more(self, client: httpx.Client, database_url: str, user: str) -> None:
        insert_at_once(database_url, user, 1001)
        found = pages(client, limit=1000)
        assert [len(page) for page in found] == [1000, 1]
        assert found[1][0]["title"] == "Task 1001"

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_tasks_of_one_instant_come_by_id(
        self, client: httpx.Client, database_url: str, user: str, limit: int
    ) -> None:
        insert_at_once(database_url, user, 7)
        execute(database_url, f"UPDATE tasks SET description = 'moved' WHERE user_id = '{user}' AND title = 'Task 2'")
        found = [task for page in pages(client, limit=limit) for task in page]
        assert [task["title"] for task in found] == [f"Task {number}" for number in range(1, 8)]
        assert len({task["created_at"] for task in found}) == 1
        assert [task["id"] for task in found] == sorted(task["id"] for task in found)

    def test_a_cursor_alone_leads_on_to_all_that_is_left(self, client: httpx.Client) -> None:
        for title in "abcd":
            create(client, title)
        cursor = _query(client.get("/tasks", params={"limit": 1}))["cursor"][0]
        rest = client.get("/tasks", params={"cursor": cursor})
        assert [task["title"] for task in rest.json()] == ["b", "c", "d"]
        assert "Link" not in rest.headers

    def test_an_empty_list_is_one_empty_page(self, client: httpx.Client) -> None:
        assert pages(client, limit=5) == [[]]

    def test_tasks_that_come_and_go_move_no_other(self, client: httpx.Client) -> None:
        staying = [create(client, title)["id"] for title in ("b", "d", "f", "h")]
        going = create(client, "c")["id"]
        first = client.get("/tasks", params={"sort": "title", "limit": 2})
        client.delete(f"/tasks/{going}")
        client.delete(f"/tasks/{first.json()[0]['id']}")
        create(client, "a")
        rest = pages(client, **{name: value[0] for name, value in _query(first).items()})
        assert [task["id"] for page in rest for task in page] == staying[2:] or going in [t["id"] for t in first.json()]
        seen = [task["id"] for page in [first.json(), *rest] for task in page]
        assert [task for task in seen if task in staying] == staying

    def test_a_cursor_is_good_for_its_own_list_only(self, client: httpx.Client, stranger: httpx.Client) -> None:
        for who in (client, stranger):
            for title in "abc":
                create(who, title)
        cursor = _query(client.get("/tasks", params={"limit": 1}))["cursor"][0]
        for who, query in (
            (stranger, {}),
            (client, {"sort": "title"}),
            (client, {"status": "pending"}),
        ):
            response = who.get("/tasks", params={"limit": 1, "cursor": cursor, **query})
            assert response.status_code == 422
            assert response.json()["errors"][0]["loc"] == ["query", "cursor"]

    @pytest.mark.parametrize("cursor", ["x", "", "%00", "é", "W10", "bnVsbA", "WyJhIiwxXQ", "[" * 4000, "x" * 9000])
    def test_a_broken_cursor_is_refused(self, client: httpx.Client, cursor: str) -> None:
        assert client.get("/tasks", params={"limit": 1, "cursor": cursor}).status_code == 422

    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "1.5", "99999999999999999999"])
    def test_a_limit_out_of_bounds_is_refused(self, client: httpx.Client, limit: str) -> None:
        assert client.get("/tasks", params={"limit": limit}).status_code == 422


def _query(response: httpx.Response) -> dict[str, list[str]]:
    return parse_qs(urlsplit(response.links["next"]["url"]).query)


class TestConditionalReads:
    def test_an_unchanged_task_or_list_is_not_sent_again(self, client: httpx.Client) -> None:
        task = create(client)
        for path in (f"/tasks/{task['id']}", "/tasks", "/tasks?limit=1"):
            first = client.get(path)
            for tag in (first.headers["ETag"], f'"x", W/{first.headers["ETag"]}', "*"):
                again = client.get(path, headers={"If-None-Match": tag})
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["ETag"] == first.headers["ETag"]

    def test_a_change_brings_a_new_tag(self, client: httpx.Client) -> None:
        task = create(client)
        path = f"/tasks/{task['id']}"
        tags = [client.get(path).headers["ETag"], *(client.patch(f"{path}/complete").headers["ETag"] for _ in "12")]
        assert len(set(tags)) == 3
        assert client.get(path, headers={"If-None-Match": tags[0]}).status_code == 200
        assert client.get(path).headers["ETag"] == tags[2]

    def test_every_answer_with_the_same_task_has_the_same_tag(self, client: httpx.Client) -> None:
        created = client.post("/tasks", json={"title": "Zażółć"})
        path = f"/tasks/{created.json()['id']}"
        assert client.get(path).headers["ETag"] == created.headers["ETag"]
        assert client.put(path, json={}).headers["ETag"] == created.headers["ETag"]

    @pytest.mark.parametrize("path", ["/tasks", "/tasks?sort=title", "/tasks?limit=10"])
    def test_the_tag_of_a_list_follows_every_task_in_it(self, client: httpx.Client, path: str) -> None:
        older, old, _ = (create(client, title) for title in "abc")
        changes: list[tuple[str, str, Any]] = [
            ("PUT", f"/tasks/{old['id']}", {"title": "B"}),
            ("PUT", f"/tasks/{old['id']}", {"description": "d"}),
            ("PATCH", f"/tasks/{old['id']}/complete", None),
            ("DELETE", f"/tasks/{older['id']}", None),
        ]
        tags = [client.get(path).headers["ETag"]]
        for method, target, body in changes:
            assert client.request(method, target, json=body).is_success
            response = client.get(path, headers={"If-None-Match": tags[-1]})
            assert response.status_code == 200, (method, body)
            tags.append(response.headers["ETag"])
        assert len(set(tags)) == 5

    @pytest.mark.parametrize("sort", ["created", "title"])
    def test_a_page_that_is_not_sent_again_still_leads_on(self, client: httpx.Client, sort: str) -> None:
        for title in "ab":
            create(client, title)
        first = client.get("/tasks", params={"limit": 2, "sort": sort})
        assert "Link" not in first.headers
        create(client, "c")
        tag = {"If-None-Match": first.headers["ETag"]}
        again = client.get("/tasks", params={"limit": 2, "sort": sort}, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        rest = client.get(str(again.url.join(again.links["next"]["url"])))
        assert [task["title"] for task in rest.json()] == ["c"]


class TestConditionalWrites:
    WRITES = (("PUT", "", {"title": "x"}), ("PATCH", "/complete", None), ("DELETE", "", None))

    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    @pytest.mark.parametrize("tag", ['"stale"', 'W/"{tag}"', "nonsense", ""])
    def test_another_state_is_not_written_over(
        self, client: httpx.Client, method: str, suffix: str, body: Any, tag: str
    ) -> None:
        created = client.post("/tasks", json={"title": "Buy milk"})
        path, header = f"/tasks/{created.json()['id']}", tag.format(tag=created.headers["ETag"].strip('"'))
        response = client.request(method, path + suffix, json=body, headers={"If-Match": header})
        assert response.status_code == 412
        assert client.get(path).json() == created.json()

    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    @pytest.mark.parametrize("tag", ["{tag}", '"other", {tag}', "*"])
    def test_the_state_that_was_seen_is_written(
        self, client: httpx.Client, method: str, suffix: str, body: Any, tag: str
    ) -> None:
        created = client.post("/tasks", json={"title": "Zażółć", "description": 'a "b" \\ \n\t\u2028'})
        path, header = f"/tasks/{created.json()['id']}", tag.format(tag=created.headers["ETag"])
        response = client.request(method, path + suffix, json=body, headers={"If-Match": header})
        assert response.status_code in {200, 204}
        assert client.get(path).status_code == 404 or client.get(path).json() != created.json()

    def test_a_put_that_would_change_nothing_is_compared_too(self, client: httpx.Client) -> None:
        created = client.post("/tasks", json={"title": "x"})
        path = f"/tasks/{created.json()['id']}"
        client.put(path, json={"title": "y"})
        for body in ({}, {"title": "y"}):
            assert client.put(path, json=body, headers={"If-Match": created.headers["ETag"]}).status_code == 412

    def test_a_matching_write_of_what_is_there_changes_nothing(self, client: httpx.Client) -> None:
        created = client.post("/tasks", json={"title": "x", "description": "d"})
        path, seen = f"/tasks/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
        writes: list[tuple[str, str, Any]] = [
            ("PATCH", "/complete", {"completed": False}),
            ("PUT", "", {}),
            ("PUT", "", {"title": " x ", "description": "d"}),
        ]
        for method, suffix, body in writes:
            response = client.request(method, path + suffix, json=body, headers=seen)
            assert (response.status_code, response.json()) == (200, created.json())
            assert response.headers["ETag"] == created.headers["ETag"]
        assert client.get(path).json() == created.json()

    def test_a_matching_write_moves_updated_at_and_the_place_in_the_order(self, client: httpx.Client) -> None:
        created = client.post("/tasks", json={"title": "a"})
        create(client, "b")
        path, seen = f"/tasks/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
        changed = client.put(path, json={"title": "É"}, headers=seen)
        assert moment(changed.json()["updated_at"]) > moment(created.json()["updated_at"])
        create(client, "f")
        assert titles(client, sort="title") == ["b", "É", "f"]
        done = client.patch(f"{path}/complete", headers={"If-Match": changed.headers["ETag"]}).json()
        assert moment(done["updated_at"]) > moment(changed.json()["updated_at"])

    @pytest.mark.parametrize(("method", "suffix", "body"), WRITES)
    def test_a_missing_or_foreign_task_is_not_found(
        self, client: httpx.Client, stranger: httpx.Client, method: str, suffix: str, body: Any
    ) -> None:
        created = client.post("/tasks", json={"title": "x"})
        headers = {"If-Match": created.headers["ETag"]}
        for task_id in (created.json()["id"], UNKNOWN):
            response = stranger.request(method, f"/tasks/{task_id}{suffix}", json=body, headers=headers)
            assert response.status_code == 404

    def test_of_many_writers_with_one_tag_one_wins(self, client: httpx.Client) -> None:
        created = client.post("/tasks", json={"title": "x"})
        path, headers = f"/tasks/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
        with ThreadPoolExecutor(12) as pool:
            answers = list(
                pool.map(lambda number: client.put(path, json={"title": f"{number}"}, headers=headers), range(12))
            )
        won = [answer for answer in answers if answer.status_code == 200]
        assert [answer.status_code for answer in answers].count(412) == 11
        assert client.get(path).json() == won[0].json()


def age_keys(database_url: str, user: str, hours: int) -> None:
    past = f"now() - interval '{hours} hours'"
    execute(database_url, f"UPDATE idempotency_keys SET created_at = {past} WHERE user_id = '{user}'")


class TestSafeRetries:
    def test_a_retry_returns_the_first_answer_and_creates_nothing(self, client: httpx.Client) -> None:
        first = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        assert first.status_code == 201
        assert "Idempotency-Replayed" not in first.headers
        client.patch(f"/tasks/{first.json()['id']}/complete")
        again = client.post("/tasks", json={"title": " x "}, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers["Location"] == first.headers["Location"]
        assert again.headers["ETag"] == first.headers["ETag"]
        assert titles(client) == ["x"]

    def test_a_retry_does_not_bring_a_deleted_task_back(self, client: httpx.Client) -> None:
        first = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        client.delete(f"/tasks/{first.json()['id']}")
        again = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        assert again.json() == first.json()
        assert titles(client) == []

    def test_another_body_under_the_same_key_is_a_conflict(self, client: httpx.Client) -> None:
        client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        for body in ({"title": "y"}, {"title": "x", "description": "d"}, {"title": "x", "description": ""}):
            assert client.post("/tasks", json=body, headers={"Idempotency-Key": "k"}).status_code == 409
        assert titles(client) == ["x"]

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"title": "x"}, {"title": "x", "description": "None"}),
            ({"title": "x"}, {"title": "x", "description": "null"}),
            ({"title": "a\nb", "description": "c"}, {"title": "a", "description": "b\nc"}),
            ({"title": "a, b", "description": "c"}, {"title": "a", "description": "b, c"}),
            ({"title": "ab", "description": "c"}, {"title": "a", "description": "bc"}),
            ({"title": "x", "description": "d"}, {"title": "x", "description": " d"}),
        ],
    )
    def test_bodies_that_only_look_alike_are_others(
        self, client: httpx.Client, first: dict[str, str], second: dict[str, str]
    ) -> None:
        for number, (body, other) in enumerate(((first, second), (second, first))):
            key = {"Idempotency-Key": f"k{number}"}
            assert client.post("/tasks", json=body, headers=key).status_code == 201
            assert client.post("/tasks", json=other, headers=key).status_code == 409
        assert len(titles(client)) == 2

    def test_a_create_with_a_key_is_like_any_other(self, client: httpx.Client) -> None:
        create(client, "a")
        create(client, "f")
        body = {"title": " É ", "description": " two\r\nlines "}
        created = client.post("/tasks", json=body, headers={"Idempotency-Key": "k"})
        task = created.json()
        assert (task["title"], task["description"], task["completed"]) == ("É", " two\r\nlines ", False)
        assert task["created_at"] == task["updated_at"]
        read = client.get(f"/tasks/{task['id']}")
        assert (read.content, read.headers["ETag"]) == (created.content, created.headers["ETag"])
        assert titles(client, sort="title") == ["a", "É", "f"]

    def test_keys_are_compared_to_the_letter_and_may_be_short_or_long(self, client: httpx.Client) -> None:
        keys = ["Key", "key", "!", "~", "k" * 255, "k" * 254]
        for replayed in (None, "true"):
            for key in keys:
                answer = client.post("/tasks", json={"title": key[:9]}, headers={"Idempotency-Key": key})
                assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, replayed), key
        assert titles(client) == [key[:9] for key in keys]

    def test_a_key_belongs_to_its_user(self, client: httpx.Client, stranger: httpx.Client) -> None:
        headers = {"Idempotency-Key": "k"}
        ids = {who.post("/tasks", json={"title": "x"}, headers=headers).json()["id"] for who in (client, stranger)}
        assert len(ids) == 2

    def test_twenty_at_once_create_one_task(self, client: httpx.Client) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(
                    lambda _: client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"}), range(20)
                )
            )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 19
        assert len(titles(client)) == 1

    @pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256, "a\tb"])
    def test_a_key_of_other_characters_or_length_is_refused(self, client: httpx.Client, key: str) -> None:
        response = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": key.encode()})
        assert response.status_code == 422
        assert titles(client) == []

    def test_old_keys_make_room_for_new_ones(self, client: httpx.Client, user: str, database_url: str) -> None:
        for number in range(3):
            client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": f"old-{number}"})
        age_keys(database_url, user, 25)
        for number in range(2):
            client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": f"new-{number}"})
        left = execute(database_url, f"SELECT key FROM idempotency_keys WHERE user_id = '{user}' ORDER BY key")
        assert left == [("new-0",), ("new-1",)]

    def test_a_key_of_23_hours_is_still_good(self, client: httpx.Client, user: str, database_url: str) -> None:
        first = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        age_keys(database_url, user, 23)
        for number in range(3):
            client.post("/tasks", json={"title": "y"}, headers={"Idempotency-Key": f"new-{number}"})
        again = client.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
        assert again.headers["Idempotency-Replayed"] == "true"
        assert titles(client) == ["x", "y", "y", "y"]

    def test_forgetting_a_key_leaves_the_same_key_of_others(
        self, client: httpx.Client, stranger: httpx.Client, user: str, database_url: str
    ) -> None:
        key = {"Idempotency-Key": "k"}
        mine, theirs = (who.post("/tasks", json={"title": "x"}, headers=key).json() for who in (client, stranger))
        age_keys(database_url, user, 25)
        for number in range(3):
            client.post("/tasks", json={"title": "y"}, headers={"Idempotency-Key": f"new-{number}"})
        again = stranger.post("/tasks", json={"title": "x"}, headers=key)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == theirs
        assert titles(stranger) == ["x"]
        # Mine is forgotten: it may make another task, of another body too.
        fresh = client.post("/tasks", json={"title": "z"}, headers=key)
        assert (fresh.status_code, fresh.json()["title"]) == (201, "z")
        assert fresh.json()["id"] != mine["id"]
