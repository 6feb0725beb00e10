"""What the routes ask for: the caller, proven and compared with the path, and that caller's task service.

All `async def` and free of I/O (but for a fetch of unknown signing keys). FastAPI solves these before the parameters
of a handler, so a caller without a valid token learns nothing about ids, queries or fields.
"""

import re
import time
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator

from src.auth.tokens import TokenVerifier
from src.db import Database
from src.errors import NotAuthenticatedError, TaskNotFoundError, UserMismatchError
from src.log import this_request
from src.models import EXAMPLE_USER, MAX_ID
from src.services.tasks import TaskService

_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)

UserId = Annotated[str, Path(description="The owner: the `sub` of the token", examples=[EXAMPLE_USER])]


async def get_database(request: Request) -> Database:
    """Return the process's database."""
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]

# Not `auto_error`: its 401 depends on FastAPI's version, and ours is a problem document.
bearer = HTTPBearer(
    scheme_name="bearerAuth",
    bearerFormat="JWT",
    description=(
        "A JWT of your Better Auth server: `(await authClient.token()).data.token` in the browser, or "
        "`GET /api/auth/token` with the session cookie.\n\nOn a development machine: `make token USER=alice`."
    ),
    auto_error=False,
)


async def get_current_user(
    request: Request, user_id: UserId, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> str:
    """Return the user who asks, proven by a bearer token, who is the user of the path.

    Raises:
        NotAuthenticatedError: no bearer token.
        InvalidTokenError: a token that cannot be accepted.
        UserMismatchError: it belongs to somebody else.
    """
    token = credentials.credentials.strip() if credentials else ""
    if not token:
        raise NotAuthenticatedError
    verifier: TokenVerifier = request.app.state.verifier
    record, started = this_request(), time.perf_counter()
    try:
        record.user_id = await verifier.user_of(token)
    finally:
        record.auth_seconds = time.perf_counter() - started
    if record.user_id != user_id:
        raise UserMismatchError
    return user_id


CurrentUser = Annotated[str, Depends(get_current_user)]


async def get_task_service(request: Request, user: CurrentUser) -> TaskService:
    """Return the caller's task service, which can see and touch that user's tasks only."""
    # Not by `DatabaseDep`: each dependency more is some eighty calls of FastAPI's for every request.
    return TaskService(request.app.state.database, user)


TaskServiceDep = Annotated[TaskService, Depends(get_task_service)]


def _task_id(text: object) -> int:
    """Read a task id; what cannot be one names no task, so it is a 404 and never a 422.

    pydantic makes a validation error of a ValueError only; this error passes through it to our handler.
    """
    if not isinstance(text, str) or not _ID.fullmatch(text) or int(text) > MAX_ID:
        raise TaskNotFoundError
    return int(text)


TaskId = Annotated[
    int,
    BeforeValidator(_task_id),
    Path(description="The task's `id`", examples=[17]),
]


IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        description="1 to 255 visible ASCII characters that make a retry harmless, for 24 hours",
        pattern=r"^[\x21-\x7e]{1,255}$",
    ),
]
