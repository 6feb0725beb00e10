"""Safe retries: one Idempotency-Key makes one task, whoever sends it again, when, and with what."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import execute
from tests.test_integration import create, titles


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
