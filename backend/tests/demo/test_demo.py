"""DEMO_MODE: a token for a brand-new user and nobody else, with three tasks, and nothing left a day later."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jwt
import pytest
from pydantic import ValidationError

from src.demo import users
from src.errors import DatabaseUnavailableError
from tests.conftest import TLS, execute
from tests.support.counting import CountingProxy
from tests.support.server import Service, serve, settings_for
from tests.support.shortened import shortened
from tests.support.tokens import SECRET, bearer


@pytest.fixture
def demo(database_url: str) -> Iterator[Service]:
    """A service of its own for each test, since it counts."""
    with serve(settings_for(database_url, demo_mode=True)) as running:
        wait_until_ready(running)
        yield running


def wait_until_ready(service: Service) -> None:
    assert httpx.get(f"{service.url}/health/ready", timeout=30, verify=TLS).status_code == 200


def become(service: Service) -> httpx.Client:
    """A new demo user's client."""
    answer = httpx.post(f"{service.url}/demo/token", verify=TLS)
    assert answer.status_code == 201, answer.text
    user = answer.json()
    base = f"{service.url}/api/{user['user_id']}"
    return httpx.Client(base_url=base, headers=bearer(user["token"]), verify=TLS)


def test_a_demo_token_is_for_a_new_random_user_and_works(demo: Service) -> None:
    answer = httpx.post(f"{demo.url}/demo/token")
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    demo_user = answer.json()
    tasks = f"{demo.url}/api/{demo_user['user_id']}/tasks"
    assert httpx.post(tasks, json={"title": "a"}, headers=bearer(demo_user["token"])).status_code == 201
    assert len(httpx.get(tasks, headers=bearer(demo_user["token"])).json()) == 4  # beside the three examples
    assert httpx.post(f"{demo.url}/demo/token").json()["user_id"] != demo_user["user_id"]


def test_the_examples_are_in_the_log_like_other_tasks(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    settings = settings_for(database_url, demo_mode=True, log_level="INFO", log_format="json", log_file=log)
    with serve(settings) as service, become(service) as client:
        tasks = {(task["user_id"], task["id"]) for task in client.get("/tasks").json()}
    lines = map(json.loads, log.read_text().splitlines())
    created = [(line["user_id"], line["task_id"]) for line in lines if line["event"] == "task created"]
    assert len(created) == 3
    assert set(created) == tasks


def test_a_demo_token_is_nobody_elses_and_ends_within_an_hour(demo: Service) -> None:
    answer = httpx.post(f"{demo.url}/demo/token", json={"sub": "alice", "user_id": "alice"}).json()
    claims = jwt.decode(answer["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == answer["user_id"]
    assert answer["user_id"].startswith("demo-")
    assert claims["exp"] - time.time() <= 3600
    assert datetime.fromisoformat(answer["expires_at"]) == datetime.fromtimestamp(claims["exp"], UTC)
    assert httpx.get(f"{demo.url}/api/alice/tasks", headers=bearer(answer["token"])).status_code == 403


def test_a_demo_user_finds_three_tasks_of_which_one_is_done(demo: Service) -> None:
    with become(demo) as mine, become(demo) as anothers:
        tasks = mine.get("/tasks").json()
        assert [task["completed"] for task in tasks] == [True, False, False]
        assert {task["user_id"] for task in tasks} == {str(mine.base_url).rstrip("/").rpartition("/")[2]}
        assert {task["id"] for task in tasks}.isdisjoint(task["id"] for task in anothers.get("/tasks").json())
        assert mine.get("/tasks?status=completed").json() == tasks[:1]
        by_title = sorted(tasks, key=lambda task: task["title"])
        assert mine.get("/tasks?sort=title").json() == by_title != tasks
        done = mine.patch(f"/tasks/{tasks[2]['id']}/complete")
        assert (done.status_code, done.json()["completed"]) == (200, True)


def test_a_demo_user_is_one_statement_and_who_is_refused_none(database_url: str) -> None:
    proxy = CountingProxy(database_url)
    with serve(settings_for(proxy.url, demo_mode=True)) as service:
        wait_until_ready(service)
        wait_until(lambda: any("DELETE FROM tasks" in statement for statement in proxy.statements))  # the purge
        proxy.statements.clear()
        with become(service) as client:
            (statement,) = proxy.statements
            owners = re.findall(r"'(demo-[0-9a-f]{24})'", statement)
            assert owners == [str(client.base_url).rstrip("/").rpartition("/")[2]] * 3
        wait_until(lambda: refused(service))
        proxy.statements.clear()
        assert refused(service)
        assert proxy.statements == []
    proxy.close()


def test_an_address_gets_a_few_tokens_a_minute(demo: Service) -> None:
    answers = [httpx.post(f"{demo.url}/demo/token") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert answers[-1].headers["Content-Type"] == "application/problem+json"
    assert answers[-1].headers["Retry-After"] == "60"


def refused(service: Service) -> bool:
    return httpx.post(f"{service.url}/demo/token").status_code == 429


def test_after_a_while_an_address_gets_tokens_again(database_url: str) -> None:
    with shortened(demo_period=3), serve(settings_for(database_url, demo_mode=True)) as service:
        wait_until_ready(service)
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
    assert set(document["paths"]["/demo/token"]["post"]["responses"]) == {"201", "429", "503"}
    assert "TooManyRequests" in document["components"]["responses"]


def test_the_introduction_mentions_the_button_where_there_is_one(demo: Service, anonymous: httpx.Client) -> None:
    button = re.search(r'id="demo-button">([^<]+)<', anonymous.get("/docs").text)
    assert button
    assert button[1] in httpx.get(f"{demo.url}/openapi.json").json()["info"]["description"]
    assert "demo" not in anonymous.get("/openapi.json").json()["info"]["description"]


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
TABLES = ("tasks", "idempotency_keys")


@pytest.mark.parametrize("batch", [1, 1000])
def test_only_old_rows_of_demo_users_are_removed(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(users, "_BATCH", batch)
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
        wait_until(lambda: all(len(execute(url, f"SELECT 1 FROM {table}")) == 3 for table in TABLES))
    for table in TABLES:
        left = {user for (user,) in execute(url, f"SELECT user_id FROM {table}")}
        assert left == {FIRST, "demo-account", "alice"}, table


def test_the_purge_reads_along_the_indexes_also_where_most_rows_are_to_go(new_database: Callable[[], str]) -> None:
    url = new_database()
    with serve(settings_for(url)) as first:
        wait_until(lambda: httpx.get(f"{first.url}/health/ready").status_code == 200)
    for user in ("'demo-' || lpad(to_hex(n), 24, '0')", "'person-' || n"):
        execute(
            url,
            "INSERT INTO tasks (user_id, title, title_key, created_at) "
            f"SELECT {user}, 'a', 'a', now() - interval '2 days' FROM generate_series(1, 20000) n",
        )
    execute(url, "VACUUM ANALYZE tasks")
    plan = "\n".join(str(row[0]) for row in execute(url, f"EXPLAIN {str(users.PURGE).replace(':batch', '1000')}"))
    # `tasks_1` is where it looks for what is old; the rows of a small table may be found by reading it, by their ids.
    assert re.search(r"Index (Only )?Scan using tasks_by_\w+ on tasks tasks_1", plan), plan


def test_the_tasks_that_a_demo_user_found_are_removed_with_the_others(new_database: Callable[[], str]) -> None:
    url = new_database()
    with serve(settings_for(url, demo_mode=True)) as service:
        wait_until_ready(service)
        with become(service) as client:
            client.post("/tasks", json={"title": "a"})
    execute(url, "UPDATE tasks SET created_at = created_at - interval '25 hours'")
    assert len(execute(url, "SELECT 1 FROM tasks")) == 4
    with serve(settings_for(url, demo_mode=True)):
        wait_until(lambda: not execute(url, "SELECT 1 FROM tasks"))


def test_a_demo_service_without_a_database_still_answers() -> None:
    settings = settings_for("postgresql://127.0.0.1:1/none", demo_mode=True, db_queue_timeout=0.1)
    with serve(settings) as service:
        assert httpx.get(f"{service.url}/health").status_code == 200
        answers = [httpx.post(f"{service.url}/demo/token") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [503] * 5 + [429]
        assert answers[0].headers["Retry-After"] == "1"
        assert answers[0].headers["Content-Type"] == "application/problem+json"
        assert answers[0].json()["detail"] == DatabaseUnavailableError.detail


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
