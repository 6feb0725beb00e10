"""What a client may ask of a list. Rank 0: imports nothing of ours."""

from enum import StrEnum

from pydantic import BaseModel, Field

MAX_PAGE = 1000
MAX_CURSOR = 8192  # characters; the longest title, folded and escaped, fits


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
    limit: int | None = Field(None, description="Page size; without it the whole list comes", ge=1, le=MAX_PAGE)
    cursor: str | None = Field(
        None, description="From the `Link` of the page before", min_length=1, max_length=MAX_CURSOR
    )
