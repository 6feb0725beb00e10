"""Clients that remember what they were told, and the comparison of that with the database afterwards.

An operation answered with 2xx happened, exactly once. One answered with 503, or cut, may have happened or not, but
not twice. A client touches a task no more once it does not know its state.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from tests.support import canaries
from tests.support.tokens import make_token
from tests.support.wire import ORIGIN, CutError, Reply, Wire

Row = tuple[int, str, bool]  # id, title, completed


@dataclass
class Known:
    """A task as the client was told it is; `None` where it cannot know."""

    title: str | None
    completed: bool | None = False
    exists: bool | None = True


@dataclass
class Report:
    statuses: Counter[int] = field(default_factory=Counter)  # 0: cut or refused
    slowest: float = 0.0
    odd: list[str] = field(default_factory=list)

    def note(self, reply: Reply, seconds: float) -> None:
        self.statuses[reply.status] += 1
        self.slowest = max(self.slowest, seconds)
        if reply.status == 503 and not _proper_refusal(reply):
            self.odd.append(f"503 without its headers or body: {reply}")
        elif reply.status != 503 and not 200 <= reply.status < 300:
            self.odd.append(str(reply))


def _proper_refusal(reply: Reply) -> bool:
    return (
        "retry-after" in reply.headers
        and reply.headers.get("access-control-allow-origin") == ORIGIN
        and reply.headers.get("content-type") == "application/problem+json"
        and reply.json()["status"] == 503
    )


class Client:
    """One user with one connection, who does one thing after the other."""

    def __init__(self, port: int, report: Report) -> None:
        self.user = uuid.uuid4().hex
        self._wire = Wire(port)
        self._token = make_token(self.user, ttl=7200)
        self._report = report
        self.tasks: dict[int, Known] = {}
        self.maybe: set[str] = set()  # titles of creates of unknown outcome
        self._random = random.Random(self.user)

    async def run(self, stop: asyncio.Event, pause: float = 0.0) -> None:
        while not stop.is_set():
            await self.step()
            await asyncio.sleep(pause)
        await self._wire.close()

    async def step(self) -> None:
        certain = [
            task for task, known in self.tasks.items() if None not in (known.exists, known.title, known.completed)
        ]
        alive = [task for task in certain if self.tasks[task].exists]
        operations = [self._create, self._list]
        if alive:
            operations += [self._toggle, self._toggle, self._read, self._retitle]
        if len(alive) > 20:
            operations = [self._delete]
        await self._random.choice(operations)(self._random.choice(alive) if alive else 0)

    async def _send(self, method: str, path: str, json: object = None, **extra: str) -> Reply | None:
        started = time.monotonic()
        try:
            reply = await self._wire.request(method, f"/api/{self.user}/tasks{path}", self._token, json, **extra)
        except (CutError, ConnectionError):
            self._report.statuses[0] += 1
            await asyncio.sleep(0.05)  # as a client does before it tries again
            return None
        self._report.note(reply, time.monotonic() - started)
        return reply if reply.status < 300 else None

    async def _create(self, _: int) -> None:
        title = f"{canaries.TITLE} {uuid.uuid4().hex}"
        key = {"Idempotency_Key": title.rpartition(" ")[2]} if self._random.random() < 0.3 else {}
        reply = await self._send("POST", "", {"title": title}, **key)
        if reply is None and key:
            reply = await self._send("POST", "", {"title": title}, **key)
        if reply is None:
            self.maybe.add(title)
        else:
            self.tasks[reply.json()["id"]] = Known(title)

    async def _list(self, _: int) -> None:
        await self._send("GET", "")

    async def _read(self, task: int) -> None:
        if reply := await self._send("GET", f"/{task}"):
            known = self.tasks[task]
            if (reply.json()["title"], reply.json()["completed"]) != (known.title, known.completed):
                self._report.odd.append(f"read {reply.body!r}, expected {known}")

    async def _toggle(self, task: int) -> None:
        reply = await self._send("PATCH", f"/{task}/complete")
        known = self.tasks[task]
        expected = not known.completed
        known.completed = expected if reply else None
        if reply and reply.json()["completed"] != expected:
            self._report.odd.append(f"toggled to {reply.body!r}, expected {expected}")

    async def _retitle(self, task: int) -> None:
        title = uuid.uuid4().hex
        reply = await self._send("PUT", f"/{task}", {"title": title})
        self.tasks[task].title = title if reply else None

    async def _delete(self, task: int) -> None:
        self.tasks[task].exists = False if await self._send("DELETE", f"/{task}") else None

    def contradictions(self, rows: list[Row]) -> list[str]:
        """Return every way in which the database is not what this client was told."""
        stored = {task: (title, completed) for task, title, completed in rows}
        wrong = [complaint for task, known in self.tasks.items() if (complaint := _compared(task, known, stored))]
        surplus = Counter(stored[task][0] for task in stored.keys() - self.tasks.keys())
        return wrong + [f"unexpected: {title} x{n}" for title, n in surplus.items() if n > 1 or title not in self.maybe]


def _compared(task: int, known: Known, stored: dict[int, tuple[str, bool]]) -> str | None:
    if known.exists is not None and known.exists != (task in stored):
        return f"task {task}: {known}, stored: {stored.get(task)}"
    if task not in stored:
        return None
    title, completed = stored[task]
    same = known.title in (None, title) and known.completed in (None, completed)
    return None if same else f"task {task}: {known}, stored: {stored[task]}"
