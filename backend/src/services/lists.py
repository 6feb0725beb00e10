"""The SQL of the lists: whole, or a page by key; ordered by creation or by title. Rank 4."""

from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, or_, select, tuple_

from src.models import TaskResponse
from src.rendering import json_array, json_object, members_of
from src.services.statements import OWNED, tasks
from src.statement import Statement, prepared

NULL: ColumnElement[Any] = literal_column("NULL")
CREATED_ORDER = (tasks.c.created_at, tasks.c.id)
TITLE_ORDER = (tasks.c.title_key, tasks.c.title, tasks.c.id)

# psycopg2 writes parameters into the text, so PostgreSQL folds `NULL IS NULL OR …` away before it plans.
_IN_STATUS = or_(bindparam("completed").is_(NULL), tasks.c.completed == bindparam("completed"))


def _ordered(order: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    return select(tasks).where(OWNED, _IN_STATUS).order_by(*order)


def _whole_list(order: tuple[ColumnElement[Any], ...]) -> Statement:
    rows = _ordered(order).subquery()
    return prepared(select(json_array(members_of(json_object(rows.c, TaskResponse)))), repeatable=True)


def _page(order: tuple[ColumnElement[Any], ...]) -> Statement:
    """One row more than asked for tells whether there is a next page; then its key comes after the body."""
    after: list[ColumnElement[Any]] = [bindparam(f"after_{column.key}") for column in order]
    limit: ColumnElement[int] = bindparam("limit")
    rows = (
        _ordered(order)
        .add_columns(func.row_number().over(order_by=order).label("number"))
        .where(or_(after[-1].is_(NULL), tuple_(*order) > tuple_(*after)))
        .limit(limit + literal_column("1"))
        .subquery()
    )
    body = json_array(members_of(json_object(rows.c, TaskResponse)).filter(rows.c.number <= limit))
    last = [func.max(rows.c[str(column.key)]).filter(rows.c.number == limit) for column in order]
    return prepared(select(body, func.count() > limit, *last), repeatable=True)


LIST_BY_CREATED = _whole_list(CREATED_ORDER)
LIST_BY_TITLE = _whole_list(TITLE_ORDER)
PAGE_BY_CREATED = _page(CREATED_ORDER)
PAGE_BY_TITLE = _page(TITLE_ORDER)
