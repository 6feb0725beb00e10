"""Entity tags and preconditions: what is not sent again, and what is not written over."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.test_integration import UNKNOWN, create, moment, titles


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
