"""What a failed statement means: may it be repeated, and whose fault is it? Rank 1."""

from typing import Any

import psycopg2
from psycopg2 import errorcodes, errors

from src.errors import DatabaseUnavailableError
from src.statement import Statement

# Conditions of the server that pass; the rest of psycopg2's DatabaseErrors are faults of ours.
_PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, errors.ReadOnlySqlTransaction)
_ROLLED_BACK = (errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED)


def may_repeat(error: Exception, statement: Statement[Any], *, broken: bool, sent: bool) -> bool:
    """Whether the statement surely had no effect, or may have it twice, and a second attempt has a chance.

    Args:
        error: what the first attempt ended with.
        statement: what was run.
        broken: the connection did not survive it.
        sent: the server can have seen the statement.
    """
    if isinstance(error, psycopg2.Error) and error.pgcode in _ROLLED_BACK:
        return True
    return broken and _passing(error) and (statement.repeatable or not sent)


def translated(error: psycopg2.Error) -> Exception:
    """Return what the caller is told: 503 for a passing condition, the error itself (a 500) for a fault of ours."""
    return DatabaseUnavailableError() if _passing(error) else error


def _passing(error: Exception) -> bool:
    # A lost connection is sometimes a bare DatabaseError without a code ("SSL SYSCALL error: EOF detected").
    return isinstance(error, _PASSING) or type(error) is psycopg2.DatabaseError
