"""What a failure of the database means: for the connection, for a second attempt, for the caller."""

import asyncio
from typing import Any

import psycopg2
from psycopg2 import errorcodes, errors
from sqlalchemy import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError

from src.errors import DatabaseFaultError, DatabaseUnavailableError, ReadOnlyDatabaseError, Unavailable

_FRESH_SECONDS = 2.0  # a younger connection that refuses writes tells of its server, not of a server that it has left

# Conditions of the server that pass; the rest of psycopg2's DatabaseErrors are faults of ours.
_PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, errors.lookup("25P04"))  # transaction_timeout
_ROLLED_BACK = (errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED)
_LAST_WORDS = ("FATAL", "PANIC")  # of a server that hangs up, though the end of the stream may come later


def sqlstate(error: Any) -> str | None:
    """Return what PostgreSQL calls an error of the driver, or of SQLAlchemy; None where it has not said anything."""
    code: str | None = getattr(getattr(error, "orig", error), "pgcode", None)
    return code


def opened_at(connection: Connection) -> float:
    """Return when a connection was opened, in the event loop's time.

    Not from its `info`: while SQLAlchemy sets up an engine's first connection, that raises NotImplementedError, for
    which it would take the failure, the end of the process included, for a query that the server does not know.
    """
    driver: Any = connection.connection.dbapi_connection
    return float(driver.opened)


def mark_disconnects(context: ExceptionContext) -> None:
    """Tell SQLAlchemy which failures say that a connection, and those opened before this moment, are of no more use."""
    error = context.original_exception
    if isinstance(error, asyncio.CancelledError):
        # No answer in time: a firewall that forgot this connection may have forgotten the others to the same address.
        context.invalidate_pool_on_disconnect = True
    elif isinstance(error, psycopg2.Error):
        context.is_disconnect |= error.diag.severity_nonlocalized in _LAST_WORDS or _left_behind(error, context)


def _left_behind(error: psycopg2.Error, context: ExceptionContext) -> bool:
    """Whether the connection may be to a primary that was demoted, while another serves new connections."""
    if error.pgcode != errorcodes.READ_ONLY_SQL_TRANSACTION or context.connection is None:
        return False
    return asyncio.get_running_loop().time() - opened_at(context.connection) > _FRESH_SECONDS


def had_no_effect(error: DBAPIError) -> bool:
    """Whether the server surely did nothing, and a second attempt has a chance."""
    code = sqlstate(error)
    return code in _ROLLED_BACK or (code == errorcodes.READ_ONLY_SQL_TRANSACTION and error.connection_invalidated)


def translated(error: Exception) -> Exception:
    """Return what the caller is told: 503 for a passing condition, a 500 with the SQLSTATE for a fault of ours."""
    original = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(original, errors.ReadOnlySqlTransaction):
        return ReadOnlyDatabaseError()
    # A lost connection is sometimes a bare DatabaseError without a code ("SSL SYSCALL error: EOF detected").
    if original is None or isinstance(original, _PASSING) or type(original) is psycopg2.DatabaseError:
        return DatabaseUnavailableError(_reason(error))
    return DatabaseFaultError(sqlstate(error) or type(original).__name__)


def _reason(error: Exception) -> Unavailable:
    original = getattr(error, "orig", None)
    if isinstance(error, TimeoutError) or isinstance(original, errors.QueryCanceled):
        return Unavailable.NO_ANSWER
    # Without a code nobody has answered, or who did has hung up in the middle.
    return Unavailable.REFUSED if sqlstate(error) else Unavailable.UNREACHABLE
