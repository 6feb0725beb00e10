"""Random sequences of operations by several users, compared step by step with a model of a few lines."""

import json
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from src.postgres.title_order import title_key

USERS = st.sampled_from(["ann", "bob", "cat"])
# Few letters, so that titles collide and sort next to each other; some that folding or JSON treat specially.
TITLES = st.text(alphabet='aAbBéÉß "\\\u2028😀', min_size=1, max_size=6).filter(str.strip)
DESCRIPTIONS = st.none() | st.text(alphabet="xy\n\t'é", max_size=5)
CHANGES: st.SearchStrategy[dict[str, str | None]] = st.fixed_dictionaries(
    {}, optional={"title": TITLES, "description": DESCRIPTIONS}
)

Task = dict[str, Any]


class Model(RuleBasedStateMachine):
    """What the service should do; each subclass names the service."""

    client_for: ClassVar[Callable[[str], httpx.Client]]

    ids = Bundle("ids")  # (owner, id) of every task ever made

    def __init__(self) -> None:
        super().__init__()
        run = uuid.uuid4().hex[:12]
        self.clients = {user: type(self).client_for(f"{user}-{run}") for user in ("ann", "bob", "cat")}
        self.tasks: dict[str, dict[int, Task]] = {user: {} for user in self.clients}

    def teardown(self) -> None:
        for client in self.clients.values():
            client.close()

    @rule(target=ids, user=USERS, title=TITLES, description=DESCRIPTIONS)
    def create(self, user: str, title: str, description: str | None) -> tuple[str, int]:
        reply = self.clients[user].post("/tasks", json={"title": title, "description": description})
        assert reply.status_code == 201
        task = reply.json()
        assert task["title"] == title.strip()
        assert (task["description"], task["completed"]) == (description, False)
        assert task["created_at"] == task["updated_at"]
        assert all(task["created_at"] >= other["created_at"] for other in self.tasks[user].values())
        self.tasks[user][task["id"]] = task
        return user, task["id"]

    @rule(user=USERS, title=TITLES, key=st.sampled_from(["k1", "k2"]))
    def create_twice_with_a_key(self, user: str, title: str, key: str) -> None:
        headers = {"Idempotency-Key": f"{key}-{uuid.uuid4().hex}"}
        first, second = (self.clients[user].post("/tasks", json={"title": title}, headers=headers) for _ in range(2))
        assert first.json() == second.json()
        assert second.headers["Idempotency-Replayed"] == "true"
        self.tasks[user][first.json()["id"]] = first.json()

    @rule(user=USERS, task=ids)
    def read(self, user: str, task: tuple[str, int]) -> None:
        self._expect(user, task[1], self.clients[user].get(f"/tasks/{task[1]}"))

    @rule(
        user=USERS,
        task=ids,
        changes=CHANGES,
    )
    def update(self, user: str, task: tuple[str, int], changes: Task) -> None:
        stripped = changes | ({"title": changes["title"].strip()} if "title" in changes else {})
        self._change(user, task[1], self.clients[user].put(f"/tasks/{task[1]}", json=changes), stripped)

    @rule(user=USERS, task=ids, wanted=st.none() | st.booleans())
    def complete(self, user: str, task: tuple[str, int], wanted: bool | None) -> None:
        body = {} if wanted is None else {"json": {"completed": wanted}}
        reply = self.clients[user].patch(f"/tasks/{task[1]}/complete", **body)
        known = self.tasks[user].get(task[1])
        completed = wanted if wanted is not None else not (known or {"completed": True})["completed"]
        self._change(user, task[1], reply, {"completed": completed})

    @rule(user=USERS, task=ids)
    def change_what_was_seen_before(self, user: str, task: tuple[str, int]) -> None:
        seen = self.clients[user].get(f"/tasks/{task[1]}")
        headers = {"If-Match": seen.headers.get("ETag", '"gone"')}
        reply = self.clients[user].put(f"/tasks/{task[1]}", json={"title": "matched"}, headers=headers)
        self._change(user, task[1], reply, {"title": "matched"})
        if reply.is_success and seen.json()["title"] != "matched":
            again = self.clients[user].delete(f"/tasks/{task[1]}", headers=headers)
            assert again.status_code == 412

    @rule(user=USERS, task=consumes(ids))
    def delete(self, user: str, task: tuple[str, int]) -> None:
        reply = self.clients[user].delete(f"/tasks/{task[1]}")
        assert reply.status_code == (204 if self.tasks[user].pop(task[1], None) else 404)

    @invariant()
    def lists_agree(self) -> None:
        for user, client in self.clients.items():
            mine = sorted(self.tasks[user].values(), key=lambda task: (task["created_at"], task["id"]))
            assert client.get("/tasks").json() == mine
            by_title = sorted(mine, key=lambda task: (title_key(task["title"]), task["title"], task["id"]))
            assert client.get("/tasks", params={"sort": "title"}).json() == by_title
            done = [task for task in mine if task["completed"]]
            assert client.get("/tasks", params={"status": "completed"}).json() == done

    @rule(user=USERS, limit=st.integers(1, 3), sort=st.sampled_from(["created", "title"]))
    def pages_make_up_the_list(self, user: str, limit: int, sort: str) -> None:
        client = self.clients[user]
        reply = client.get("/tasks", params={"limit": limit, "sort": sort})
        pages = reply.json()
        while link := reply.links.get("next"):
            reply = client.get(httpx.URL(client.base_url).join(link["url"]))
            pages += reply.json()
        assert pages == client.get("/tasks", params={"sort": sort}).json()

    def _change(self, user: str, task: int, reply: httpx.Response, changes: Task) -> None:
        before = self.tasks[user].get(task)
        if before is not None and reply.is_success:
            after = reply.json()
            changed = {name for name, value in changes.items() if before[name] != value}
            assert (after["updated_at"] > before["updated_at"]) == bool(changed)
            self.tasks[user][task] = before | changes | {"updated_at": after["updated_at"]}
        self._expect(user, task, reply)

    def _expect(self, user: str, task: int, reply: httpx.Response) -> None:
        known = self.tasks[user].get(task)
        assert reply.status_code == (200 if known else 404)
        if known:
            assert json.loads(reply.content) == known


def test_the_service_behaves_like_its_model(client_for: Callable[[str], httpx.Client]) -> None:
    _check(client_for, examples=8, steps=20)


@pytest.mark.stress
def test_the_service_behaves_like_its_model_for_long(client_for: Callable[[str], httpx.Client]) -> None:
    _check(client_for, examples=25, steps=40)


def _check(client_for: Callable[[str], httpx.Client], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        type("ModelOfThisRun", (Model,), {"client_for": staticmethod(client_for)}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,  # the machine may be busy with something else
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
