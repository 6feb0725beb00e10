"""The SQL of the lists: whole, or a page by key; ordered by creation or by title.

Each task is a row of its own, already JSON. `string_agg` would join them there, but copies the growing text again and
again: a list of 1000 takes a quarter more.
"""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, literal_column, or_, tuple_
from sqlmodel import select

from src.models import TaskResponse, TaskSort
from src.services.rendering import json_object
from src.services.statements import OWNED, tasks

BODY = json_object(tasks.c, TaskResponse)
NULL: ColumnElement[Any] = literal_column("NULL")
Order = tuple[ColumnElement[Any], ...]
ORDERS: dict[TaskSort, Order] = {
    TaskSort.CREATED: (tasks.c.created_at, tasks.c.id),
    TaskSort.TITLE: (tasks.c.title_key, tasks.c.title, tasks.c.id),
}

# psycopg2 writes parameters into the text, so PostgreSQL folds `NULL IS NULL OR …` away before it plans.
_IN_STATUS = or_(bindparam("completed").is_(NULL), tasks.c.completed == bindparam("completed"))


def _listed(order: Order, *columns: ColumnElement[Any]) -> Any:
    return select(BODY, *columns).where(OWNED, _IN_STATUS).order_by(*order)


def _page(order: Order) -> Any:
    """Beside each task its key, as text; one row more than asked for tells whether there is a next page."""
    after: list[ColumnElement[Any]] = [bindparam(f"after_{column.key}") for column in order]
    rows = _listed(order, *(cast(column, Text) for column in order))
    rows = rows.where(or_(after[-1].is_(NULL), tuple_(*order) > tuple_(*after)))
    return rows.limit(bindparam("limit") + literal_column("1"))


LISTS = {sort: _listed(order) for sort, order in ORDERS.items()}
PAGES = {sort: _page(order) for sort, order in ORDERS.items()}
