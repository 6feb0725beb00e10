"""The SQL of the operations on one task: one statement each, built once, the owner in every WHERE.

Each returns the rendered JSON (see `rendering.py`) as its first value. Comments say what a reader would
otherwise "fix". Rank 3.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Update,
    and_,
    any_,
    bindparam,
    case,
    exists,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
)

from src.etags import sql_etag_of
from src.models import Task, TaskResponse
from src.rendering import constant, json_object
from src.statement import OneRow, one_row, prepared

tasks = Task.metadata.tables[str(Task.__tablename__)]

OWNED = tasks.c.user_id == bindparam("owner")
THE_TASK = and_(tasks.c.id == bindparam("task_id"), OWNED)
BODY = json_object(tasks.c, TaskResponse)

GET = prepared(select(BODY).where(THE_TASK), one_row, repeatable=True)

NEW: dict[str, ColumnElement[Any]] = {
    "user_id": bindparam("owner"),
    **{name: bindparam(name) for name in ("title", "title_key", "description")},
    "completed": false(),
}
CREATE = prepared(insert(tasks).values(**NEW).returning(BODY, tasks.c.id), one_row)

# The clock alone could stand still or step back between two changes; a task's `updated_at` must not.
_LATER = func.greatest(func.clock_timestamp(), tasks.c.updated_at + literal_column("interval '1 microsecond'"))


def _stamped(changed: ColumnElement[bool]) -> ColumnElement[Any]:
    return case((changed, _LATER), else_=tasks.c.updated_at)


def _update() -> Update:
    # A title is never null, so null stands for "absent"; a description may be, so a flag says so.
    title: ColumnElement[str] = func.coalesce(bindparam("title"), tasks.c.title)
    description = case((bindparam("has_description"), bindparam("description")), else_=tasks.c.description)
    changed = or_(title != tasks.c.title, description.is_distinct_from(tasks.c.description))
    values = {"title_key": func.coalesce(bindparam("title_key"), tasks.c.title_key), "title": title}
    return tasks.update().where(THE_TASK).values(**values, description=description, updated_at=_stamped(changed))


def _complete() -> Update:
    completed: ColumnElement[bool] = func.coalesce(bindparam("completed"), ~tasks.c.completed)
    changed = completed != tasks.c.completed
    return tasks.update().where(THE_TASK).values(completed=completed, updated_at=_stamped(changed))


def _conditional(change: Update | Delete) -> OneRow:
    """Write only if the task is still what the client saw; the second value tells whether it is there at all.

    PostgreSQL compares again after it has waited for another writer, so compare and write are one step.
    """
    unchanged = sql_etag_of(BODY) == any_(bindparam("etags"))
    written = change.where(unchanged).returning(BODY.label("body")).cte("written")
    return prepared(select(select(written.c.body).scalar_subquery(), exists().where(THE_TASK)), one_row)


UPDATE = prepared(_update().returning(BODY), one_row)
UPDATE_IF = _conditional(_update())
COMPLETE = prepared(_complete().returning(BODY), one_row)
COMPLETE_IF = _conditional(_complete())
DELETE = prepared(tasks.delete().where(THE_TASK).returning(constant("")), one_row)
DELETE_IF = _conditional(tasks.delete().where(THE_TASK))
