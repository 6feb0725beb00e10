"""Errors that the service raises on purpose; only `http/error_handlers.py` turns them into HTTP.

AppError
├── NotAuthenticatedError     401  no bearer token was sent
├── InvalidTokenError         401  one was sent and is not acceptable
│   └── ExpiredTokenError     401  … and its age is the only fault
├── UserMismatchError         403  the path names another user
├── TaskNotFoundError         404  no such task of this user
├── IdempotencyConflictError  409  an Idempotency-Key came back with another body
├── PreconditionFailedError   412  the task is not in a state that If-Match or If-None-Match allows
├── InvalidParameterError     422  a value that only we can judge, as a cursor
├── TooManyRequestsError      429  a limit of the demonstration
└── UnavailableError          503  try again later
    ├── DatabaseUnavailableError   the database cannot be reached, or is at its limit
    │   └── ReadOnlyDatabaseError  … or takes no writes
    └── KeysUnavailableError       no signing key was ever fetched

DatabaseFaultError, which nobody planned for and is a 500, and UnsuitableDatabaseError, which keeps the service from
being ready, are no AppErrors.
"""

from enum import StrEnum
from http import HTTPStatus
from typing import Any, ClassVar


class AppError(Exception):
    """Base of all of them: a status, a sentence for people, headers; and for who runs the service a reason, if any."""

    status: ClassVar[HTTPStatus]
    detail: ClassVar[str]
    reason: str | None = None
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__(self.detail)


class NotAuthenticatedError(AppError):
    """No bearer token; the challenge has no error code then (RFC 6750, section 3.1)."""

    status = HTTPStatus.UNAUTHORIZED
    detail = "Not authenticated"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class TokenFault(StrEnum):
    """Why a token is refused, for who runs the service: logs and traces say it, the answer does not."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    SIGNATURE = "bad signature"
    KID = "unknown kid"
    ALGORITHM = "algorithm"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    NO_SUB = "missing sub"
    NO_EXP = "missing exp"
    MALFORMED = "malformed"


class InvalidTokenError(AppError):
    """A token that is malformed, forged, meant for somebody else or not yet valid."""

    status = HTTPStatus.UNAUTHORIZED
    detail = "Invalid token"
    headers: ClassVar = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

    def __init__(self, reason: TokenFault) -> None:
        super().__init__()
        self.reason = reason


class ExpiredTokenError(InvalidTokenError):
    """A token that was good: the client should fetch a new one and repeat the request."""

    detail = "Token has expired"

    def __init__(self) -> None:
        super().__init__(TokenFault.EXPIRED)


class UserMismatchError(AppError):
    """The token's user asks under the path of another user."""

    status = HTTPStatus.FORBIDDEN
    detail = "User_id mismatch"


class TaskNotFoundError(AppError):
    """Unknown, deleted, somebody else's or no id at all: the answer never tells which."""

    status = HTTPStatus.NOT_FOUND
    detail = "Task not found"


class IdempotencyConflictError(AppError):
    """The same Idempotency-Key was used for another body before."""

    status = HTTPStatus.CONFLICT
    detail = "Idempotency-Key was already used with a different body"


class PreconditionFailedError(AppError):
    """The task is not in a state that If-Match or If-None-Match allows (RFC 9110, section 13.1)."""

    status = HTTPStatus.PRECONDITION_FAILED
    detail = "Task is not as the request expects it; read it again"


class InvalidParameterError(AppError):
    """A header or query value that passed its schema and still means nothing."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "Validation failed"

    def __init__(self, place: str, name: str, message: str) -> None:
        super().__init__()
        self.errors: list[dict[str, Any]] = [{"loc": [place, name], "msg": message, "type": "value_error"}]


class TooManyRequestsError(AppError):
    """An address asks for demo tokens too often."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    detail = "Too many demo users from this address; try again in a minute"
    headers: ClassVar = {"Retry-After": "60"}


class Unavailable(StrEnum):
    """Why an answer is 503, for who runs the service: logs, traces and metrics say it, the answer does not."""

    NOT_READY = "schema not ready"
    QUEUE_FULL = "queue full"
    QUEUE_TIMEOUT = "no connection free"
    UNREACHABLE = "database unreachable"
    NO_ANSWER = "no answer in time"
    REFUSED = "database refused"
    READ_ONLY = "database read-only"
    NO_KEYS = "no signing keys"


class UnavailableError(AppError):
    """A passing condition; the client may repeat the request after `Retry-After` seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar = {"Retry-After": "1"}

    def __init__(self, reason: Unavailable) -> None:
        super().__init__()
        self.reason = reason


class DatabaseUnavailableError(UnavailableError):
    """The database is unreachable, too slow or at its limit; a write may or may not have happened."""

    detail = "Database is temporarily unavailable"


class ReadOnlyDatabaseError(DatabaseUnavailableError):
    """The database takes no writes at the moment; reads are served."""

    def __init__(self) -> None:
        super().__init__(Unavailable.READ_ONLY)


class KeysUnavailableError(UnavailableError):
    """The auth server never gave us its keys, so a token can be neither accepted nor refused."""

    detail = "Signing keys are temporarily unavailable"
    headers: ClassVar = {"Retry-After": "5"}

    def __init__(self) -> None:
        super().__init__(Unavailable.NO_KEYS)


class UnsuitableDatabaseError(RuntimeError):
    """The database cannot hold the contract: tables of our names, not made by us, or an encoding other than UTF8."""


class DatabaseFaultError(RuntimeError):
    """The database refused a statement for a reason that is our fault; only the SQLSTATE tells which.

    The text of PostgreSQL and of SQLAlchemy quotes values, so it goes no further than `db.py`.
    """

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(f"SQLSTATE {sqlstate}")
