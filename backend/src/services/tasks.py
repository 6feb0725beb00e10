"""What one owner may do with their tasks: each method is one statement, and the owner is in every statement.

Bodies are JSON, rendered by PostgreSQL. Knows nothing of HTTP; raises the errors of `errors.py`. Rank 6.
"""

from dataclasses import dataclass
from hashlib import sha256

from src.cursors import decode, encode
from src.db import Database
from src.errors import IdempotencyConflictError, PreconditionFailedError, TaskNotFoundError
from src.memory import give_back_after
from src.models import TaskCompletion, TaskCreate, TaskUpdate
from src.queries import MAX_PAGE, TaskListQuery, TaskStatus
from src.services import statements as sql
from src.services.create_once import CREATE_ONCE
from src.services.lists import LISTS, ORDERS, PAGES
from src.statement import OneRow, Row, Statement, T
from src.title_order import title_key

_COMPLETED = {TaskStatus.ALL: None, TaskStatus.PENDING: False, TaskStatus.COMPLETED: True}

Etags = list[str] | None  # what If-Match allows; None where it allows everything


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered JSON array, and the cursor of the page after it, if there is one."""

    body: bytes
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A rendered new task; `replayed` when its Idempotency-Key had made it before."""

    body: bytes
    id: int
    replayed: bool = False


class TaskService:
    """Everything one owner may do with their tasks."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def list(self, query: TaskListQuery) -> Page:
        """Return all tasks of the query at one moment, or the page of them that it asks for.

        Raises:
            InvalidParameterError: the cursor is broken, or belongs to another list.
        """
        if query.limit is None and query.cursor is None:
            pieces = await self._run(LISTS[query.sort], completed=_COMPLETED[query.status])
            body = b"".join(pieces)
            give_back_after(body)
            return Page(body)
        return await self._page(query, query.limit or MAX_PAGE)

    async def _page(self, query: TaskListQuery, limit: int) -> Page:
        scope = (self._owner, query.status.value, query.sort.value)
        names = [str(column.key) for column in ORDERS[query.sort]]
        after = decode(query.cursor, scope, names) if query.cursor else dict.fromkeys(names)
        keys = {f"after_{name}": value for name, value in after.items()}
        rows = await self._run(PAGES[query.sort], completed=_COMPLETED[query.status], limit=limit, **keys)
        page = rows[:limit]
        body = f"[{','.join(row[0] for row in page)}]".encode()
        return Page(body, encode(scope, page[-1][1:]) if len(rows) > limit else None)

    async def create(self, task: TaskCreate) -> Created:
        """Store a new task."""
        body, task_id = await self._row(sql.CREATE, **_columns(task))
        return Created(bytes(body, "utf-8"), task_id)

    async def create_once(self, task: TaskCreate, key: str) -> Created:
        """Store a new task unless this key has done so already; then return that one as it was created.

        Raises:
            IdempotencyConflictError: the key was used for another title or description.
        """
        fingerprint = sha256(repr((task.title, task.description)).encode()).hexdigest()
        row = await self._row(CREATE_ONCE, **_columns(task), key=key, fingerprint=fingerprint)
        body, task_id, fresh, same = row
        if not same:
            raise IdempotencyConflictError
        return Created(bytes(body, "utf-8"), task_id, replayed=not fresh)

    async def get(self, task_id: int) -> bytes:
        """Return one task.

        Raises:
            TaskNotFoundError: no such task of this owner.
        """
        (body,) = await self._row(sql.GET, task_id=task_id)
        return bytes(body, "utf-8")

    async def update(self, task_id: int, changes: TaskUpdate, etags: Etags) -> bytes:
        """Change the given fields; see `_write` for `etags` and what is raised."""
        title = changes.title if "title" in changes.model_fields_set else None
        return await self._write(
            sql.UPDATE if etags is None else sql.UPDATE_IF,
            task_id,
            etags,
            title=title,
            title_key=title and title_key(title),
            has_description="description" in changes.model_fields_set,
            description=changes.description,
        )

    async def complete(self, task_id: int, target: TaskCompletion, etags: Etags) -> bytes:
        """Toggle completion, or set it to a given state; see `_write` for `etags` and what is raised."""
        completed = target.completed if "completed" in target.model_fields_set else None
        statement = sql.COMPLETE if etags is None else sql.COMPLETE_IF
        return await self._write(statement, task_id, etags, completed=completed)

    async def delete(self, task_id: int, etags: Etags) -> None:
        """Remove the task for good; see `_write` for `etags` and what is raised."""
        await self._write(sql.DELETE if etags is None else sql.DELETE_IF, task_id, etags)

    async def _write(self, statement: OneRow, task_id: int, etags: Etags, **values: object) -> bytes:
        """Run a change of one task; with `etags`, only while the task has one of them.

        Raises:
            TaskNotFoundError: no such task of this owner.
            PreconditionFailedError: it is there, but has none of these entity tags.
        """
        if etags is not None:
            values["etags"] = etags
        body, *there = await self._row(statement, task_id=task_id, **values)
        if body is not None:
            return bytes(body, "utf-8")
        raise PreconditionFailedError if there == [True] else TaskNotFoundError

    async def _row(self, statement: OneRow, **parameters: object) -> Row:
        row = await self._run(statement, **parameters)
        if row is None:
            raise TaskNotFoundError
        return row

    async def _run(self, statement: Statement[T], **parameters: object) -> T:
        return await self._database.fetch(statement, owner=self._owner, **parameters)


def _columns(task: TaskCreate) -> dict[str, object]:
    return {"title": task.title, "title_key": title_key(task.title), "description": task.description}
