"""SQL built once, and what is made of its rows: SQLAlchemy writes the text at import, psycopg2 runs it as it is.

Rank 0: imports nothing of ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = PGDialect_psycopg2()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types
_BATCH = 1000

T = TypeVar("T")
Row = tuple[Any, ...]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Statement(Generic[T]):
    """SQL text with `%(name)s` parameters, whether running it twice equals running it once, and how to read it."""

    sql: str
    read: Callable[[Any], T]  # from psycopg2's cursor
    repeatable: bool


OneRow = Statement[Row | None]


def prepared(expression: ClauseElement, read: Callable[[Any], T], *, repeatable: bool = False) -> Statement[T]:
    """Compile a SQLAlchemy statement once, at import; every value in it must be a named parameter."""
    return Statement(str(expression.compile(dialect=_DIALECT)), read, repeatable)


def one_row(cursor: Any) -> Row | None:
    """Return the only row, None where there is none."""
    row: Row | None = cursor.fetchone()
    return row


def all_rows(cursor: Any) -> Rows:
    """Return the rows as they are; for a page at most, since the event loop waits meanwhile."""
    rows: Rows = cursor.fetchall()
    return rows


def json_array(cursor: Any) -> list[bytes]:
    """Return the pieces of a JSON array, whose items are the first values of the rows.

    A thousand rows at a time: Python would never give the memory of 100 000 small texts back to the system. Not joined:
    psycopg2 holds the rows as long as the cursor lives.
    """
    pieces: list[bytes] = []
    while rows := cursor.fetchmany(_BATCH):
        pieces += (b",", ",".join([row[0] for row in rows]).encode())
    return [b"[", *pieces[1:], b"]"]
