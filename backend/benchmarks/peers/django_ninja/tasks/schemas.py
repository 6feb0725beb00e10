"""Tasks as they come and go."""

from enum import StrEnum

from ninja import Field, ModelSchema, Schema

from tasks.models import Task


class TaskIn(Schema):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=1000)


class TaskChanges(Schema):
    title: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=1000)


class TaskOut(ModelSchema):
    class Meta:
        model = Task
        fields = ["id", "user_id", "title", "description", "completed", "created_at", "updated_at"]


class TaskStatus(StrEnum):
    all = "all"
    pending = "pending"
    completed = "completed"


class TaskSort(StrEnum):
    created = "created"
    title = "title"
