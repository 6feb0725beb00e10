"""The shapes of a task: as stored (`Task`), as sent (`TaskCreate`, `TaskUpdate`), as returned (`TaskResponse`).

Rank 0: imports nothing of ours. A table model does not validate, so rows are built only from the others.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, StrictBool, StringConstraints
from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, String, Text, false, func
from sqlmodel import Field, SQLModel
from sqlmodel._compat import SQLModelConfig

MAX_TITLE = 200
MAX_DESCRIPTION = 1000
MAX_USER_ID = 255
EXAMPLE_USER = "kK2pQ7vW9xY4zB6nM8cD1fG3hJ5lR0sT"
EXAMPLE_TASK: dict[str, Any] = {
    "id": 17,
    "user_id": EXAMPLE_USER,
    "title": "Buy milk",
    "description": "Two litres, oat",
    "completed": False,
    "created_at": "2026-11-22T06:44:44.123456Z",
    "updated_at": "2026-11-22T06:44:44.123456Z",
}


def _storable(text: str) -> str:
    """PostgreSQL text cannot hold NUL."""
    if "\0" in text:
        raise ValueError("must not contain the NUL character")
    return text


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE),
    AfterValidator(_storable),
    Field(description="1 to 200 characters after surrounding white space is stripped"),
]
Description = Annotated[
    str,
    StringConstraints(max_length=MAX_DESCRIPTION),
    AfterValidator(_storable),
    Field(description="At most 1000 characters"),
]


def _examples(*examples: dict[str, Any]) -> SQLModelConfig:
    return SQLModelConfig(json_schema_extra={"examples": list(examples)})


class TaskCreate(SQLModel):
    """A new task. Other members are ignored."""

    model_config = _examples({"title": "Buy milk", "description": "Two litres, oat"})

    title: Title
    description: Description | None = None


class TaskUpdate(SQLModel):
    """The fields to change; absent ones stay, a null description clears it."""

    model_config = _examples({"title": "Buy oat milk"})

    # Not `Title | None`: absent and null differ, and a null title is an error. The factory keeps the
    # stand-in for "absent" out of the schema; `model_fields_set` tells the two apart.
    title: Title = Field(default_factory=str)
    description: Description | None = None


class TaskCompletion(SQLModel):
    """The state to set; without it PATCH toggles."""

    model_config = _examples({"completed": True})

    # Strict: "yes" or 1 would be taken for true, and a guess is worse than a 422.
    completed: StrictBool = Field(default_factory=bool)


class TaskResponse(SQLModel):
    """A task as clients see it; PostgreSQL renders it, column by column, from this class."""

    model_config = _examples(EXAMPLE_TASK)

    id: int = Field(description="Given by the database; exact in JavaScript", ge=1)
    user_id: str = Field(description="The owner: the `sub` of the token")
    title: str = Field(min_length=1, max_length=MAX_TITLE)
    description: str | None = Field(max_length=MAX_DESCRIPTION)
    completed: bool
    created_at: datetime = Field(description="UTC; never changes")
    updated_at: datetime = Field(description="UTC; moves forward whenever a stored value changes")


def _instant() -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=False, server_default=func.now())


class Task(SQLModel, table=True):
    """One row of `tasks`; limits are repeated as constraints for whoever writes past the API."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("length(user_id) BETWEEN 1 AND 255", name="tasks_user_id_length"),
        CheckConstraint("length(title) >= 1", name="tasks_title_not_empty"),
        # Each list is read along one of these, in order, without a sort.
        Index("tasks_by_created", "user_id", "created_at", "id"),
        Index("tasks_by_completed", "user_id", "completed", "created_at", "id"),
        Index("tasks_by_title", "user_id", "title_key", "title", "id"),
    )

    id: int = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    user_id: str = Field(sa_column=Column(Text(collation="C"), nullable=False))
    title: str = Field(sa_column=Column(String(MAX_TITLE, collation="C"), nullable=False))
    # A default, so that the version before this column can still write beside this one.
    title_key: str = Field(default="", sa_column=Column(Text(collation="C"), nullable=False, server_default=""))
    description: str | None = Field(default=None, sa_column=Column(String(MAX_DESCRIPTION)))
    completed: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(default=None, sa_column=_instant())
    updated_at: datetime = Field(default=None, sa_column=_instant())


class IdempotencyKey(SQLModel, table=True):
    """A remembered `Idempotency-Key`: which task it made, of which body, and when."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_by_age", "user_id", "created_at"),)

    user_id: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    key: str = Field(sa_column=Column(String(255, collation="C"), primary_key=True))
    fingerprint: str = Field(sa_column=Column(String(64), nullable=False))
    task_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(default=None, sa_column=_instant())
