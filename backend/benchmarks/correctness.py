"""Before anything is timed: every service answers the six operations rightly, with the same JSON fields."""

from datetime import datetime
from typing import Any

from benchmarks.client import Answer, ask
from benchmarks.database import Server
from benchmarks.operations import LONG_LIST, TASKS_EACH, token, user_id
from benchmarks.services import Running

# The usual services in Python take a title as it is; pydantic strips none unless it is told to.
_STRIPS_NOTHING = ("sqlmodel", "asyncpg", "django")
FIELDS = {"id", "user_id", "title", "description", "completed", "created_at", "updated_at"}
_USER = user_id("checker", 0)
_CONNECTIONS = 8  # that a service may have had and does not have any more


class WrongAnswerError(AssertionError):
    """A service does not do the work that is to be timed."""


def check(service: Running, server: Server) -> None:
    """Run through the operations as one user.

    Raises:
        WrongAnswerError: at the first answer that is not as it must be.
    """
    task = _created(service)
    _changed(service, task)
    _removed(service, task["id"])
    _lists(service)
    _strangers(service)
    _asleep(service, server)


def _ask(service: Running, method: str, path: str, body: dict[str, object] | None = None) -> Answer:
    return ask(service.port, service.work.request(method, path, _USER, body))


def _expect(service: Running, what: str, answer: Answer, status: int, **values: Any) -> Any:
    body = answer.body if isinstance(answer.body, dict) else {}
    wrong = {name: body.get(name) for name, value in values.items() if body.get(name) != value}
    if answer.status != status or wrong:
        raise WrongAnswerError(f"{service.name}, {what}: {answer.status} instead of {status}, {wrong or answer.body}")
    return answer.body


def _created(service: Running) -> dict[str, Any]:
    body: dict[str, object] = {"title": "  Buy milk ü ", "description": "Two litres"}
    answer = _ask(service, "POST", "", body)
    title = body["title"] if service.name in _STRIPS_NOTHING else "Buy milk ü"
    task = _expect(
        service, "create", answer, 201, title=title, description="Two litres", completed=False, user_id=_USER
    )
    if set(task) != FIELDS:
        raise WrongAnswerError(f"{service.name}: fields {sorted(task)}")
    for name in ("created_at", "updated_at"):
        datetime.fromisoformat(task[name])
    _expect(service, "create without a title", _ask(service, "POST", "", {"description": "x"}), 422)
    return task


def _changed(service: Running, task: dict[str, Any]) -> None:
    path = f"/{task['id']}"
    _expect(service, "get", _ask(service, "GET", path), 200, **task)
    kept = {name: task[name] for name in ("id", "description", "completed", "created_at")}
    changed = _ask(service, "PUT", path, {"title": "Buy oat milk"})
    if (
        _expect(service, "update", changed, 200, **(kept | {"title": "Buy oat milk"}))["updated_at"]
        <= task["updated_at"]
    ):
        raise WrongAnswerError(f"{service.name}: updated_at stands still")
    _expect(service, "update", _ask(service, "PUT", path, {"title": "x" * 201}), 422)
    _expect(service, "toggle", _ask(service, "PATCH", f"{path}/complete"), 200, completed=True)
    _expect(service, "toggle", _ask(service, "PATCH", f"{path}/complete"), 200, completed=False)


def _removed(service: Running, task_id: int) -> None:
    answer = _ask(service, "GET", "")
    if [task["id"] for task in _expect(service, "list", answer, 200)] != [task_id]:
        raise WrongAnswerError(f"{service.name}: list {answer.body}")
    _expect(service, "delete", _ask(service, "DELETE", f"/{task_id}"), 204)
    _expect(service, "get of a deleted task", _ask(service, "GET", f"/{task_id}"), 404)


def _lists(service: Running) -> None:
    """The seeded lists are whole and in order."""
    for kind, length in (("user", TASKS_EACH), ("long", LONG_LIST)):
        answer = ask(service.port, service.work.request("GET", "", user_id(kind, 0)))
        ids = [task["id"] for task in _expect(service, "list", answer, 200)]
        if len(ids) != length or ids != sorted(ids):
            raise WrongAnswerError(f"{service.name}: {len(ids)} tasks instead of {length}, or not in order")


def _strangers(service: Running) -> None:
    """Nobody reads what is not theirs, or with a token that is not good."""
    request = service.work.request("GET", f"/{service.work.ids[user_id('user', 0)][0]}", _USER)
    _expect(service, "somebody else's task", ask(service.port, request), 404)
    _expect(service, "bad token", ask(service.port, request, Authorization="Bearer x.y.z"), 401)
    expired = f"Bearer {token(_USER, exp=1)}"
    _expect(service, "expired token", ask(service.port, request, Authorization=expired), 401)
    other = service.work.request("GET", "", user_id("user", 0))
    _expect(service, "other user", ask(service.port, other, Authorization=f"Bearer {token(_USER)}"), 403)


def _asleep(service: Running, server: Server) -> None:
    """A database that ended idle connections, as Neon does when it goes to sleep, is nothing that a user notices."""
    server.hang_up(service.url)
    for _ in range(_CONNECTIONS):
        _expect(service, "list after the database slept", _ask(service, "GET", ""), 200)
