"""What the routes ask for: the caller, proven and compared with the path, and that caller's task service.

All `async def` and free of I/O (but for a fetch of unknown signing keys). FastAPI solves these before it looks at
the rest of a request, so a caller without a valid token learns nothing about ids, queries or fields. Rank 7.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from pydantic import BeforeValidator

from src.errors import NotAuthenticatedError, TaskNotFoundError, UserMismatchError
from src.models import EXAMPLE_USER
from src.services.tasks import TaskService

MAX_ID = 2**63 - 1
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)

UserId = Annotated[str, Path(description="The owner: the `sub` of the token", examples=[EXAMPLE_USER])]


async def get_current_user(request: Request, user_id: str) -> str:
    """Return the user who asks, proven by a bearer token, who is the user of the path.

    Raises:
        NotAuthenticatedError: no bearer token.
        InvalidTokenError: a token that cannot be accepted.
        UserMismatchError: it belongs to somebody else.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticatedError
    user: str = await request.app.state.verifier.user_of(token.strip())
    if user != user_id:
        raise UserMismatchError
    return user


class OwnTasks(SecurityBase):
    """The caller's task service, which can see and touch that user's tasks only.

    One dependency that calls `get_current_user`, not three on top of each other with FastAPI's HTTPBearer below:
    each level that FastAPI solves costs about 5 % of a request. This class says what HTTPBearer would to OpenAPI.
    """

    def __init__(self) -> None:
        self.scheme_name = "bearerAuth"
        self.model = HTTPBearerModel(
            bearerFormat="JWT",
            description=(
                "A JWT of your Better Auth server: `(await authClient.token()).data.token` in the browser, or "
                "`GET /api/auth/token` with the session cookie.\n\nOn a development machine: `make token USER=alice`."
            ),
        )

    async def __call__(self, request: Request, user_id: UserId) -> TaskService:
        """Authenticate, then return the service."""
        return TaskService(request.app.state.database, await get_current_user(request, user_id))


TaskServiceDep = Annotated[TaskService, Depends(OwnTasks())]


def _task_id(text: object) -> int:
    """Read a task id; what cannot be one names no task, so it is a 404 and never a 422."""
    if not isinstance(text, str) or not _ID.fullmatch(text) or int(text) > MAX_ID:
        raise TaskNotFoundError
    return int(text)


TaskId = Annotated[
    int,
    BeforeValidator(_task_id),
    # The bounds are for readers of the document only; 2**53 - 1 is the last integer that JavaScript has exactly.
    Path(description="The task's `id`", examples=[17], json_schema_extra={"minimum": 1, "maximum": 2**53 - 1}),
]

IfNoneMatch = Annotated[str | None, Header(description="Entity tags the client has: 304 if one is current")]
IfMatch = Annotated[str | None, Header(description="Entity tags: 412 unless one is current (RFC 9110)")]
IdempotencyKey = Annotated[
    str | None,
    Header(description="1 to 255 visible ASCII characters that make a retry harmless", pattern=r"^[\x21-\x7e]{1,255}$"),
]
