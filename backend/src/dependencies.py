"""What the routes ask for: the caller, proven and compared with the path, and that caller's task service.

All `async def` and free of I/O (but for a fetch of unknown signing keys). FastAPI solves these before it looks at
the rest of a request, so a caller without a valid token learns nothing about ids, queries or fields. Rank 5.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator

from src.errors import InvalidParameterError, NotAuthenticatedError, TaskNotFoundError, UserMismatchError
from src.etags import ANY, strong_tags
from src.models import EXAMPLE_USER
from src.services.tasks import TaskService

MAX_ID = 2**63 - 1
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

bearer = HTTPBearer(
    auto_error=False,  # our own 401 does not depend on FastAPI's version
    bearerFormat="JWT",
    description=(
        "A JWT of your Better Auth server: `(await authClient.token()).data.token` in the browser, or `GET "
        "/api/auth/token` with the session cookie.\n\nOn a development machine: `make token USER=alice`."
    ),
)

UserId = Annotated[str, Path(description="The owner: the `sub` of the token", examples=[EXAMPLE_USER])]


async def get_current_user(
    request: Request,
    user_id: UserId,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> str:
    """Return the user who asks, who is the user of the path.

    Raises:
        NotAuthenticatedError: no bearer token.
        InvalidTokenError: a token that cannot be accepted.
        UserMismatchError: it belongs to somebody else.
    """
    if credentials is None:
        raise NotAuthenticatedError
    user: str = await request.app.state.verifier.user_of(credentials.credentials)
    if user != user_id:
        raise UserMismatchError
    return user


CurrentUser = Annotated[str, Depends(get_current_user)]


async def get_task_service(request: Request, user: CurrentUser) -> TaskService:
    """Return the service that can see and touch this user's tasks only."""
    return TaskService(request.app.state.database, user)


TaskServiceDep = Annotated[TaskService, Depends(get_task_service)]


def _task_id(text: object) -> int:
    """Read a task id; what cannot be one names no task, so it is a 404 and never a 422."""
    if not isinstance(text, str) or not _ID.fullmatch(text) or int(text) > MAX_ID:
        raise TaskNotFoundError
    return int(text)


TaskId = Annotated[int, BeforeValidator(_task_id), Path(description="The task's `id`", ge=1, le=MAX_ID, examples=[17])]

IfNoneMatch = Annotated[str | None, Header(description="Entity tags the client has: 304 if one is current")]


async def _if_match(
    if_match: Annotated[str | None, Header(description="Entity tags; 412 unless one is current (RFC 9110)")] = None,
) -> list[str] | None:
    return None if if_match is None or if_match.strip() == ANY else strong_tags(if_match)


IfMatch = Annotated[list[str] | None, Depends(_if_match)]


async def _idempotency_key(
    idempotency_key: Annotated[
        str | None, Header(description="1 to 255 visible ASCII characters that make a retry harmless")
    ] = None,
) -> str | None:
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise InvalidParameterError("header", "Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
