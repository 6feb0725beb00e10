"""The six operations on tasks. A handler gets its service, asks it one thing and wraps the answer. Rank 8."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from src.dependencies import IdempotencyKey, IfMatch, IfNoneMatch, TaskId, TaskServiceDep, UserId
from src.errors import (
    AppError,
    DatabaseUnavailableError,
    IdempotencyConflictError,
    InvalidParameterError,
    InvalidTokenError,
    PreconditionFailedError,
    TaskNotFoundError,
    UserMismatchError,
)
from src.etags import required_tags
from src.models import TaskCompletion, TaskCreate, TaskResponse, TaskUpdate
from src.problems import responses_for
from src.queries import TaskListQuery
from src.responses import json_response, location_of, next_link
from src.strict_json import StrictJSONRoute

_EVERYWHERE: tuple[type[AppError], ...] = (InvalidTokenError, UserMismatchError, DatabaseUnavailableError)

router = APIRouter(
    prefix="/api/{user_id}/tasks", tags=["tasks"], route_class=StrictJSONRoute, responses=responses_for(*_EVERYWHERE)
)


@router.get(
    "",
    operation_id="listTasks",
    summary="List tasks",
    response_model=list[TaskResponse],
    responses=responses_for(InvalidParameterError),
)
async def list_tasks(
    request: Request, tasks: TaskServiceDep, query: Annotated[TaskListQuery, Query()], if_none_match: IfNoneMatch = None
) -> Response:
    """Return the user's tasks. With `limit`, the header `Link` leads to the next page while there is one."""
    page = await tasks.list(query)
    headers = {"Link": next_link(request, page.next_cursor)} if page.next_cursor else None
    return json_response(page.body, headers=headers, if_none_match=if_none_match)


@router.post(
    "",
    operation_id="createTask",
    summary="Create a task",
    status_code=201,
    response_model=TaskResponse,
    responses=responses_for(IdempotencyConflictError, InvalidParameterError),
)
async def create_task(
    request: Request, user_id: UserId, tasks: TaskServiceDep, task: TaskCreate, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a task. The same `Idempotency-Key` and body again return the same task and create nothing."""
    created = await (tasks.create_once(task, idempotency_key) if idempotency_key else tasks.create(task))
    headers = {"Location": location_of(request, user_id, created.id)}
    if created.replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(created.body, 201, headers)


@router.get(
    "/{task_id}",
    operation_id="getTask",
    summary="Read a task",
    response_model=TaskResponse,
    responses=responses_for(TaskNotFoundError),
)
async def get_task(tasks: TaskServiceDep, task_id: TaskId, if_none_match: IfNoneMatch = None) -> Response:
    """Return one task."""
    return json_response(await tasks.get(task_id), if_none_match=if_none_match)


# Not `| None`: a body of `null` is no object, and must not toggle by accident.
_TOGGLE = TaskCompletion()

_WRITING = responses_for(TaskNotFoundError, PreconditionFailedError)


@router.put(
    "/{task_id}",
    operation_id="updateTask",
    summary="Change title or description",
    response_model=TaskResponse,
    responses=_WRITING | responses_for(InvalidParameterError),
)
async def update_task(
    tasks: TaskServiceDep, task_id: TaskId, changes: TaskUpdate, if_match: IfMatch = None
) -> Response:
    """Change the given fields; absent ones stay as they are."""
    return json_response(await tasks.update(task_id, changes, required_tags(if_match)))


@router.patch(
    "/{task_id}/complete",
    operation_id="toggleTask",
    summary="Toggle completion",
    response_model=TaskResponse,
    responses=_WRITING | responses_for(InvalidParameterError),
)
async def toggle_task(
    tasks: TaskServiceDep, task_id: TaskId, target: TaskCompletion = _TOGGLE, if_match: IfMatch = None
) -> Response:
    """Toggle `completed`, or set it to the body's value, which makes a retry harmless."""
    return json_response(await tasks.complete(task_id, target, required_tags(if_match)))


@router.delete("/{task_id}", operation_id="deleteTask", summary="Delete a task", status_code=204, responses=_WRITING)
async def delete_task(tasks: TaskServiceDep, task_id: TaskId, if_match: IfMatch = None) -> Response:
    """Delete the task for good."""
    await tasks.delete(task_id, required_tags(if_match))
    return Response(status_code=204)
