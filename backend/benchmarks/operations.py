"""The work: which requests each operation sends."""

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import md5

import jwt

SECRET = "a-secret-of-the-benchmark-that-is-long-enough"
USERS, TASKS_EACH = 64, 20
LONG_USERS, LONG_LIST = 4, 1000

READS = ("list1000", "list20", "get")
WRITES = ("create", "update", "toggle")
NAMES = (*READS, *WRITES, "mixed")
TITLES = {
    "list1000": "list of 1000",
    "list20": "list of 20",
    "get": "get",
    "create": "create",
    "update": "update",
    "toggle": "toggle",
    "mixed": "mixed",
}
_MIX = {"get": 45, "list20": 25, "create": 10, "update": 10, "toggle": 10}
NOTE = "Ask for the price first; he was here in March and knows where the stopcock is."


def user_id(kind: str, number: int) -> str:
    """Return an id shaped like Better Auth's: 32 letters and digits."""
    return md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()


def token(user: str, **claims: object) -> str:
    """Return a token that lives as long as a benchmark may run."""
    payload = {"sub": user, "iat": int(time.time()), "exp": int(time.time()) + 6 * 3600, **claims}
    return jwt.encode(payload, SECRET, algorithm="HS256")


@dataclass(frozen=True)
class Request:
    """One HTTP request of one user."""

    method: str
    path: str  # below /api/{user}/tasks
    user: str
    token: str
    body: dict[str, object] | None = None

    @property
    def target(self) -> str:
        return f"/api/{self.user}/tasks{self.path}"

    @property
    def content(self) -> str:
        return json.dumps(self.body) if self.body else ""

    @property
    def headers(self) -> dict[str, str]:
        typed = {"Content-Type": "application/json", "Content-Length": str(len(self.content))} if self.body else {}
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **typed}

    def raw(self, host: str) -> bytes:
        """Return the bytes on the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", self.content]).encode()


@dataclass(frozen=True)
class Work:
    """The requests of every operation, for the tasks of one database."""

    ids: dict[str, list[int]]
    tokens: dict[str, str] = field(default_factory=dict)

    def requests(self, operation: str) -> list[Request]:
        """Return the requests to send in turn, always in the same, mixed-up order."""
        requests = list(getattr(self, f"_{operation}")())
        random.Random(operation).shuffle(requests)  # an order, not a secret
        return requests

    def request(self, method: str, path: str, user: str, body: dict[str, object] | None = None) -> Request:
        """Return a request with the user's token; each user has one token for the whole run."""
        signed = self.tokens.setdefault(user, token(user))
        return Request(method, path, user, signed, body)

    def _owned(self) -> Iterable[tuple[str, int]]:
        return ((user, task) for user, tasks in self.ids.items() for task in tasks)

    def _list1000(self) -> Iterator[Request]:
        return (self.request("GET", "", user_id("long", number)) for number in range(LONG_USERS))

    def _list20(self) -> Iterator[Request]:
        return (self.request("GET", "", user_id("user", number)) for number in range(USERS))

    def _get(self) -> Iterator[Request]:
        return (self.request("GET", f"/{task}", user) for user, task in self._owned())

    def _create(self) -> Iterator[Request]:
        for number in range(USERS * TASKS_EACH):
            body = {"title": f"Call the plumber {number}", "description": NOTE}
            yield self.request("POST", "", user_id("writer", number % USERS), body)

    def _update(self) -> Iterator[Request]:
        # Two titles for each task, so that an update is always a change.
        for word in ("Call", "Write to"):
            for user, task in self._owned():
                yield self.request("PUT", f"/{task}", user, {"title": f"{word} the plumber {task}"})

    def _toggle(self) -> Iterator[Request]:
        return (self.request("PATCH", f"/{task}/complete", user) for user, task in self._owned())

    def _mixed(self) -> Iterator[Request]:
        for operation, share in _MIX.items():
            requests = self.requests(operation)
            yield from (requests[number % len(requests)] for number in range(20 * share))
