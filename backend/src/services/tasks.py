"""What one owner may do with their tasks: each method is one statement, and the owner is in every statement.

Knows nothing of HTTP; raises the errors of `errors.py`. Each change that was made is a line in the log.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from sqlalchemy import ScalarResult
from sqlmodel import Session

from src.db import Database
from src.errors import IdempotencyConflictError, PreconditionFailedError, TaskNotFoundError
from src.models import (
    MAX_PAGE,
    TaskCompletion,
    TaskCreate,
    TaskListQuery,
    TaskRow,
    TaskSort,
    TaskStatus,
    TaskUpdate,
    Versions,
)
from src.postgres.title_order import MARK, title_key
from src.services import statements as sql
from src.services.cursors import decode, encode
from src.services.idempotency import CREATE_ONCE, fingerprint
from src.services.lists import LISTS, ORDERS, PAGES

logger = logging.getLogger(__name__)

_COMPLETED = {TaskStatus.ALL: None, TaskStatus.PENDING: False, TaskStatus.COMPLETED: True}
_BATCH = 1000

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered JSON array, and the cursor of the page after it, if there is one."""

    body: bytes
    next_cursor: str | None = None


class TaskService:
    """Everything one owner may do with their tasks."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self.owner = owner

    async def list(self, query: TaskListQuery) -> Page:
        """Return all tasks of the query at one moment, or the page of them that it asks for.

        Raises:
            InvalidParameterError: the cursor is broken, or belongs to another list.
        """
        if query.limit or query.cursor:
            return await self._page(query, query.limit or MAX_PAGE)

        parameters = {"owner": self.owner, "completed": _COMPLETED[query.status]}

        def read(session: Session) -> bytes:
            return _array(session.scalars(LISTS[query.sort], parameters))

        return Page(await self._database.run(read, repeatable=True))

    async def _page(self, query: TaskListQuery, limit: int) -> Page:
        # With the mark of the order: a place in the order of another release is none in this one.
        order = query.sort.value + (MARK if query.sort is TaskSort.TITLE else "")
        scope = (self.owner, query.status.value, order)
        columns = ORDERS[query.sort]
        after = decode(query.cursor, scope, columns) if query.cursor else {}
        keys = {f"after_{column.key}": after.get(str(column.key)) for column in columns}
        parameters = {"owner": self.owner, "completed": _COMPLETED[query.status], "limit": limit, **keys}

        def read(session: Session) -> Any:
            return session.exec(PAGES[query.sort], params=parameters).all()

        rows = await self._database.run(read, repeatable=True)
        page = rows[:limit]
        body = f"[{','.join(row[0] for row in page)}]".encode()
        return Page(body, encode(scope, page[-1][1:]) if len(rows) > limit else None)

    async def create(self, task: TaskCreate, key: str | None = None) -> tuple[TaskRow, bool]:
        """Store a new task, unless this key has done so already; then return that one as it was created.

        Returns:
            The task, and whether it is a new one.

        Raises:
            IdempotencyConflictError: the key was used for another body.
        """
        if key is None:
            created, fresh = await self._row(sql.CREATE, _columns(task)), True
        else:
            values = {**_columns(task), "key": key, "fingerprint": fingerprint(task)}
            created = await self._row(CREATE_ONCE, values)
            if not created.same:
                raise IdempotencyConflictError
            fresh = created.fresh
        if fresh:
            self._log("task created", created.id)
        return created, fresh

    async def create_all(self, tasks: Iterable[tuple[TaskCreate, bool]]) -> None:
        """Store several new tasks, each with whether it is done: all of them, or none."""
        rows = [{"owner": self.owner, **_columns(task), "completed": completed} for task, completed in tasks]

        def write(session: Session) -> Any:
            return session.exec(sql.CREATE_ALL, params=rows).scalars().all()

        for task_id in await self._database.run(write):
            self._log("task created", task_id)

    async def get(self, task_id: int) -> TaskRow:
        """Return one task.

        Raises:
            TaskNotFoundError: no such task of this owner.
        """
        return await self._row(sql.GET, {"task_id": task_id}, repeatable=True)

    async def update(self, task_id: int, changes: TaskUpdate, seen: Versions | None) -> TaskRow:
        """Change the given fields; see `_write` for `seen` and what is raised."""
        given = _columns(changes)
        columns = sql.written(TaskUpdate)
        flags = {f"has_{name}": name in given for name in columns}
        values = {name: given.get(name) for name in columns}
        task = await self._write(sql.UPDATE, sql.UPDATE_IF, task_id, seen, {**values, **flags})
        if task.changed:
            self._log("task updated", task_id)
        return task

    async def complete(self, task_id: int, target: TaskCompletion, seen: Versions | None) -> TaskRow:
        """Toggle completion, or set it to a given state; see `_write` for `seen` and what is raised."""
        completed = target.completed if "completed" in target.model_fields_set else None
        task = await self._write(sql.COMPLETE, sql.COMPLETE_IF, task_id, seen, {"completed": completed})
        if task.changed:
            self._log("task completed" if task.completed else "task reopened", task_id)
        return task

    async def delete(self, task_id: int, seen: Versions | None) -> None:
        """Remove the task for good; see `_write` for `seen` and what is raised."""
        await self._write(sql.DELETE, sql.DELETE_IF, task_id, seen, {})
        self._log("task deleted", task_id)

    def _log(self, event: str, task_id: int) -> None:
        """Say what has happened to which task; never what is in it."""
        logger.info(event, extra={"user_id": self.owner, "task_id": task_id})

    async def _write(self, plain: Any, guarded: Any, task_id: int, seen: Versions | None, values: Values) -> TaskRow:
        """Run a change of one task; with `seen`, only while the task is in a state that it allows.

        Returns:
            The task; of an update also `changed`, whether anything of it is another than before.

        Raises:
            TaskNotFoundError: no such task of this owner.
            PreconditionFailedError: it is there, but `seen` does not allow its state.
        """
        values = {"task_id": task_id, **values}
        if seen is None:
            return await self._row(plain, values)
        task = await self._row(guarded, {**values, **seen._asdict()})
        if task.id is not None:
            return task
        raise PreconditionFailedError if task.there else TaskNotFoundError

    async def _row(self, statement: Any, values: Values, *, repeatable: bool = False) -> TaskRow:
        """Run a statement of one task in a session of its own, and return its row.

        Raises:
            TaskNotFoundError: there is none.
        """
        parameters = {"owner": self.owner, **values}

        def execute(session: Session) -> Any:
            return session.exec(statement, params=parameters).one_or_none()

        task: TaskRow | None = await self._database.run(execute, repeatable=repeatable)
        if task is None:
            raise TaskNotFoundError
        return task


def _array(rows: ScalarResult[str]) -> bytes:
    """Return a JSON array of what is JSON already.

    A thousand at a time, since Python would never give the memory of 100 000 small texts back to the system; and into
    one buffer, which becomes the body without a copy.
    """
    body = BytesIO()
    for batch in rows.partitions(_BATCH):
        body.write(b"," if body.tell() else b"[")
        body.write(",".join(batch).encode())
    body.write(b"]" if body.tell() else b"[]")
    return body.getvalue()


def _columns(body: TaskCreate | TaskUpdate) -> dict[str, object]:
    """Return what a body writes, column by column; of an update, only what was sent."""
    values = body.model_dump(exclude_unset=isinstance(body, TaskUpdate))
    return {**values, "title_key": title_key(values["title"])} if "title" in values else values
