"""DEMO_MODE: a token for a brand-new user and nobody else, a few per address, and nothing left a day later."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from pydantic import ValidationError

from tests.conftest import execute
from tests.support.server import Service, serve, settings_for
from tests.support.shortened import shortened
from tests.support.tokens import SECRET, bearer


@pytest.fixture
def demo(database_url: str) -> Iterator[Service]:
    """A service of its own for each test, since it counts."""
    with serve(settings_for(database_url, demo_mode=True)) as running:
        yield running


def test_a_demo_token_is_for_a_new_random_user_and_works(demo: Service) -> None:
    answer = httpx.post(f"{demo.url}/demo/token")
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    demo_user = answer.json()
    tasks = f"{demo.url}/api/{demo_user['user_id']}/tasks"
    assert httpx.post(tasks, json={"title": "a"}, headers=bearer(demo_user["token"])).status_code == 201
    assert len(httpx.get(tasks, headers=bearer(demo_user["token"])).json()) == 1
    assert httpx.post(f"{demo.url}/demo/token").json()["user_id"] != demo_user["user_id"]


def test_a_demo_token_is_nobody_elses_and_ends_within_an_hour(demo: Service) -> None:
    answer = httpx.post(f"{demo.url}/demo/token", json={"sub": "alice", "user_id": "alice"}).json()
    claims = jwt.decode(answer["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == answer["user_id"]
    assert answer["user_id"].startswith("demo-")
    assert claims["exp"] - time.time() <= 3600
    assert datetime.fromisoformat(answer["expires_at"]) == datetime.fromtimestamp(claims["exp"], UTC)
    assert httpx.get(f"{demo.url}/api/alice/tasks", headers=bearer(answer["token"])).status_code == 403


def test_an_address_gets_a_few_tokens_a_minute(demo: Service) -> None:
    answers = [httpx.post(f"{demo.url}/demo/token") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert answers[-1].headers["Content-Type"] == "application/problem+json"
    assert answers[-1].headers["Retry-After"] == "60"


def refused(service: Service) -> bool:
    return httpx.post(f"{service.url}/demo/token").status_code == 429


def test_after_a_while_an_address_gets_tokens_again(database_url: str) -> None:
    with shortened(demo_period=3), serve(settings_for(database_url, demo_mode=True)) as service:
        wait_until(lambda: refused(service))
        wait_until(lambda: not refused(service))


@pytest.mark.stress
def test_who_waits_as_long_as_the_refusal_says_gets_a_token(demo: Service) -> None:
    while not refused(demo):
        pass
    refusal = httpx.post(f"{demo.url}/demo/token")
    assert refusal.status_code == 429
    time.sleep(int(refusal.headers["Retry-After"]))
    assert not refused(demo)


def test_addresses_are_those_that_a_trusted_proxy_names(demo: Service) -> None:
    # uvicorn trusts the loopback address by default, from which the tests come.
    for address in [f"203.0.113.{number}" for number in range(8)]:
        assert httpx.post(f"{demo.url}/demo/token", headers={"X-Forwarded-For": address}).status_code == 201


def test_the_route_does_not_exist_without_demo_mode(anonymous: httpx.Client) -> None:
    assert anonymous.post("/demo/token").status_code == 404
    assert "/demo/token" not in anonymous.get("/openapi.json").json()["paths"]


def test_the_document_has_the_route_in_demo_mode(demo: Service) -> None:
    document = httpx.get(f"{demo.url}/openapi.json").json()
    assert set(document["paths"]["/demo/token"]["post"]["responses"]) == {"201", "429"}
    assert "TooManyRequests" in document["components"]["responses"]


def test_demo_mode_needs_the_shared_secret(database_url: str) -> None:
    with pytest.raises(ValidationError, match="BETTER_AUTH_SECRET is missing; DEMO_MODE"):
        settings_for(database_url, demo_mode=True, better_auth_secret=None, better_auth_url="https://auth.example.org")


OLD, RECENT = "25 hours", "23 hours"
FIRST, SECOND = "demo-" + "0" * 24, "demo-" + "f" * 24
ROWS = [
    (FIRST, OLD),
    (SECOND, OLD),
    (FIRST, RECENT),
    ("demo-account", OLD),  # a person of that name, not one of ours
    ("alice", OLD),
]


def test_only_old_rows_of_demo_users_are_removed(new_database: Callable[[], str]) -> None:
    url = new_database()
    with serve(settings_for(url)) as first:  # makes the tables
        wait_until(lambda: httpx.get(f"{first.url}/health/ready").status_code == 200)
    for user, age in ROWS:
        execute(
            url,
            "INSERT INTO tasks (user_id, title, title_key, created_at) "
            f"VALUES ('{user}', 'a', 'a', now() - interval '{age}')",
        )
        execute(
            url,
            "INSERT INTO idempotency_keys (user_id, key, fingerprint, task_id, created_at) "
            f"VALUES ('{user}', '{age}', 'f', 1, now() - interval '{age}')",
        )
    with serve(settings_for(url, demo_mode=True)):
        wait_until(lambda: len(execute(url, "SELECT 1 FROM tasks")) < len(ROWS))
    for table in ("tasks", "idempotency_keys"):
        left = {user for (user,) in execute(url, f"SELECT user_id FROM {table}")}
        assert left == {FIRST, "demo-account", "alice"}, table


def test_a_demo_service_without_a_database_still_answers() -> None:
    settings = settings_for("postgresql://127.0.0.1:1/none", demo_mode=True, db_queue_timeout=0.1)
    with serve(settings) as service:
        assert httpx.get(f"{service.url}/health").status_code == 200
        assert httpx.post(f"{service.url}/demo/token").status_code == 201


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
