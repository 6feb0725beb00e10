"""SQL built once: SQLAlchemy writes it at import, psycopg2 runs the text as it is. Rank 0: imports nothing of ours."""

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = PGDialect_psycopg2()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it without types


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with `%(name)s` parameters, and whether running it twice equals running it once."""

    sql: str
    repeatable: bool


def prepared(expression: ClauseElement, *, repeatable: bool = False) -> Statement:
    """Compile a SQLAlchemy statement once, at import; every value in it must be a named parameter."""
    return Statement(str(expression.compile(dialect=_DIALECT)), repeatable)
