"""Demo users (DEMO_MODE): each token is for a brand-new random user with three tasks, which are gone a day later."""

import asyncio
import logging
import secrets
import time
from datetime import UTC, datetime

import jwt
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import text
from sqlmodel import Session

from src.config import Settings
from src.db import Database
from src.errors import AppError, DatabaseFaultError
from src.models import TaskCreate

logger = logging.getLogger(__name__)

LIFETIME = 3600  # seconds that a token is good for
PREFIX = "demo-"
_RANDOM_BYTES = 12
PURGE_PAUSE = 3600.0  # seconds

# The pattern is exactly what `new_demo_token` makes, so that nobody else's tasks can match. It begins with plain text,
# so PostgreSQL finds the rows by the indexes (which are in byte order) and does not read the tasks of all users. ORDER
# BY, below, is that of the indexes: without it, LIMIT makes the planner prefer to read the whole table.
_OLD = f"WHERE user_id ~ '^{PREFIX}[0-9a-f]{{{2 * _RANDOM_BYTES}}}$' AND created_at < now() - interval '1 day'"
_BATCH = 1000  # rows of a table in one statement, which has no more time than that of a request
PURGE = text(f"""
WITH keys AS (DELETE FROM idempotency_keys WHERE (user_id, key) IN
              (SELECT user_id, key FROM idempotency_keys {_OLD} ORDER BY user_id LIMIT :batch) RETURNING 1),
     gone AS (DELETE FROM tasks WHERE id IN (SELECT id FROM tasks {_OLD} ORDER BY user_id LIMIT :batch) RETURNING 1)
SELECT ARRAY[(SELECT count(*) FROM gone), (SELECT count(*) FROM keys)]
""")  # noqa: S608  # nothing in it comes from outside

# What a demo user finds, and whether it is done; each says what to try.
EXAMPLES = (
    (TaskCreate(title="Become a demo user", description="Done: these three tasks are yours and nobody else's."), True),
    (TaskCreate(title="List my tasks by title", description="GET /api/{user_id}/tasks with sort=title."), False),
    (TaskCreate(title="Complete this task", description="PATCH …/complete with its id as task_id."), False),
)


class DemoToken(BaseModel):
    """A token for a user who did not exist before."""

    token: str = Field(description="Send it as `Authorization: Bearer …`")
    user_id: str = Field(description="Whom it is for; the `user_id` of every path")
    expires_at: AwareDatetime = Field(description="When it ends; the tasks are removed a day after they were made")


def new_demo_token(settings: Settings) -> DemoToken:
    """Return a token for a new random user, signed like those of the auth server."""
    if settings.better_auth_secret is None:
        raise ValueError("demo tokens are signed with BETTER_AUTH_SECRET")
    user, now = PREFIX + secrets.token_hex(_RANDOM_BYTES), int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + LIFETIME}
    token = jwt.encode(claims, settings.better_auth_secret.get_secret_value(), algorithm="HS256")
    return DemoToken(token=token, user_id=user, expires_at=datetime.fromtimestamp(now + LIFETIME, UTC))


async def _purge(database: Database) -> int:
    """Remove all of it, in as many statements as it takes, and return how many tasks there were."""
    total = 0
    while True:
        tasks, keys = await database.run(_remove, repeatable=True)
        total += tasks
        if max(tasks, keys) < _BATCH:
            return total


def _remove(session: Session) -> tuple[int, int]:
    tasks, keys = session.scalar(PURGE, {"batch": _BATCH})
    return tasks, keys


async def purge_hourly(database: Database) -> None:
    """Remove what demo users left more than a day ago, now and every hour; never returns."""
    while True:
        try:
            logger.info("demo purge", extra={"tasks": await _purge(database)})
        except (AppError, DatabaseFaultError) as error:
            # The next hour is another chance, and the service itself must not end for this.
            logger.warning("demo purge failed", extra={"reason": type(error).__name__})
        await asyncio.sleep(PURGE_PAUSE)
