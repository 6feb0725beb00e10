"""The shapes of a task: as stored (`Task`), as sent (`TaskCreate`, `TaskUpdate`), as returned (`TaskResponse`).

A field is written here, in each of these that has it, and in a migration. The statements, the fingerprint of an
`Idempotency-Key`, what counts as a change, the entity tags and the rendering of lists follow from these classes.
A table model does not validate, so rows are built only from the others.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Identity, Index, Row, String, Text, false, func
from sqlmodel import Field, SQLModel

MAX_ID = 2**63 - 1
MAX_TITLE = 200
MAX_DESCRIPTION = 1000
MAX_USER_ID = 255
MAX_PAGE = 1000
MAX_CURSOR = 8192  # characters; the longest title, folded and escaped, fits
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


# Unicode's White_Space, and the byte order mark, which JavaScript's `trim` takes too.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# Controls, format characters, lone surrogates, white space, and marks, which need a letter to stand on.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"})
# Letters and symbols that are blank: the Hangul fillers, the empty Braille cell, the head of no note, and the gaps of
# hieroglyphs. And what is not assigned but never to be shown (Default_Ignorable_Code_Point). Whatever else is private
# or not assigned counts as seen: it may be an emoji that this Python does not know yet.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442\u2065") | frozenset(
    map(chr, (*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)))
)


def trimmed(text: object) -> object:
    """Strip surrounding white space from what is text."""
    return text.strip(WHITE_SPACE) if isinstance(text, str) else text


def visible(text: str) -> str:
    """Refuse a text of which a person would see nothing."""
    if not all(map(_unseen, text)):
        return text
    raise ValueError("must have a visible character")


def _unseen(character: str) -> bool:
    return category(character) in _UNSEEN or character in _BLANK


def _storable(text: str) -> str:
    """PostgreSQL text cannot hold NUL."""
    if "\0" in text:
        raise ValueError("must not contain the NUL character")
    return text


Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TITLE),
    BeforeValidator(trimmed),
    AfterValidator(_storable),
    AfterValidator(visible),
    Field(description="1 to 200 characters after surrounding white space is stripped, one of them visible at least"),
]
Description = Annotated[
    str,
    StringConstraints(max_length=MAX_DESCRIPTION),
    AfterValidator(_storable),
    Field(description="At most 1000 characters"),
]


def _rendered(instant: datetime) -> str:
    """Six digits always, as PostgreSQL renders lists; whatever time zone the database's session has."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Instant = Annotated[
    datetime,
    PlainSerializer(_rendered, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def _examples(*examples: dict[str, Any]) -> Any:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class Received(SQLModel):
    """A body. What it has no field for is dropped first: SQLModel takes members as keywords, and trips over a `cls`."""

    @model_validator(mode="wrap")
    @classmethod
    def _known(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, dict):
            return build(given)
        return build({name: given[name] for name in cls.model_fields if name in given})


class TaskBase(Received):
    """What a client may write.

    A default is what a new task gets where the field is absent. One that is not null comes from a factory, which keeps
    it out of the schema: a field that a change leaves out stays as it is.
    """

    title: Title
    description: Description | None = None


class TaskCreate(TaskBase):
    """A new task. Other members are ignored."""

    model_config = _examples({"title": "Buy milk", "description": "Two litres, oat"})


class TaskUpdate(TaskBase):
    """The fields to change; absent ones stay, a null description clears it."""

    model_config = _examples({"title": "Buy oat milk"})

    # Not `Title | None`: absent and null differ, and a null title is an error. The default only stands in for
    # "absent"; `model_fields_set` tells the two apart.
    title: Title = Field(default_factory=str)


class TaskCompletion(Received):
    """The state to set; without it PATCH toggles."""

    model_config = _examples({"completed": True})

    # Strict: "yes" or 1 would be taken for true, and a guess is worse than a 422. A factory keeps the default out of
    # the schema: where the member is absent, the task is toggled, and not set to false.
    completed: StrictBool = Field(default_factory=bool)


class TaskResponse(SQLModel):
    """A task as clients see it; single ones are rendered by this class, lists by PostgreSQL from its fields."""

    model_config = _examples(EXAMPLE_TASK)

    id: int = Field(description="Given by the database; exact in JavaScript", ge=1)
    user_id: str = Field(description="The owner: the `sub` of the token")
    title: str = Field(min_length=1, max_length=MAX_TITLE)
    description: str | None = Field(max_length=MAX_DESCRIPTION)
    completed: bool
    created_at: Instant = Field(description="UTC; never changes")
    updated_at: Instant = Field(description="UTC; moves forward whenever a stored value changes")


class TaskStatus(StrEnum):
    """Which tasks a list shows."""

    ALL = "all"
    PENDING = "pending"
    COMPLETED = "completed"


class TaskSort(StrEnum):
    """The order of a list."""

    CREATED = "created"
    TITLE = "title"


class TaskListQuery(BaseModel):
    """Which tasks, in which order, and which part of the list."""

    status: TaskStatus = Field(TaskStatus.ALL, description="Which tasks")
    sort: TaskSort = Field(TaskSort.CREATED, description="In which order: of creation, or alphabetical")
    limit: int | None = Field(
        None, description="Page size; without it and without `cursor` the whole list comes", ge=1, le=MAX_PAGE
    )
    cursor: str | None = Field(
        None, description="From the `Link` of the page before", min_length=1, max_length=MAX_CURSOR
    )


class Versions(NamedTuple):
    """The states in which a client allows a task to be written, as values of `updated_at`."""

    wanted: list[datetime] | None  # the task must have one of these; None: any will do
    unwanted: list[datetime] | None  # and none of these; None: it must not have any, that is, not exist


# One row of `tasks` as a statement returned it: the columns are its attributes, as they would be those of a `Task`, and
# so is what the statement labels besides (`changed`, `fresh`, `same`, `there` in `services/`).
TaskRow = Row[Any]


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

    # Typed as they are read: the database gives what defaults to None here.
    id: int = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    user_id: str = Field(sa_column=Column(Text(collation="C"), nullable=False))
    title: str = Field(sa_column=Column(String(MAX_TITLE, collation="C"), nullable=False))
    # A default, so that the version before this column can still write beside this one; see `title_trigger.py`.
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
