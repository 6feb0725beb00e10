"""The operations on tasks. A handler gets its service, asks it one thing and says how the answer looks."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from src.dependencies import IdempotencyKeyHeader, TaskId, TaskServiceDep
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
from src.http.bodies import StrictJSONRoute
from src.http.conditions import (
    IfMatch,
    IfNoneMatch,
    IfNoneMatchToWrite,
    answer_list,
    answer_task,
    tagged,
    versions,
)
from src.http.problems import responses_for
from src.http.urls import location_of, next_link
from src.models import EXAMPLE_TASK, TaskCompletion, TaskCreate, TaskListQuery, TaskResponse, TaskRow, TaskUpdate
from src.openapi.operations import CREATED_LINKS, answers, examples

_EVERYWHERE: tuple[type[AppError], ...] = (InvalidTokenError, UserMismatchError, DatabaseUnavailableError)
_INVALID = responses_for(InvalidParameterError)  # every 422 reads like it, those of FastAPI's own validation too

router = APIRouter(
    prefix="/api/{user_id}/tasks", tags=["tasks"], route_class=StrictJSONRoute, responses=responses_for(*_EVERYWHERE)
)


@router.get(
    "",
    operation_id="listTasks",
    summary="List tasks",
    response_model=list[TaskResponse],
    response_description="The tasks, or one page of them",
    responses=_INVALID
    | answers(
        200,
        [EXAMPLE_TASK, {**EXAMPLE_TASK, "id": 18, "title": "Call the dentist", "description": None}],
        headers=("ETag", "Cache-Control", "Link"),
        conditional=True,
    ),
)
async def list_tasks(
    request: Request,
    tasks: TaskServiceDep,
    query: Annotated[TaskListQuery, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the user's tasks. With `limit`, the header `Link` leads to the next page while there is one."""
    page = await tasks.list(query)
    link = {"Link": next_link(request, tasks.owner, page.next_cursor)} if page.next_cursor else {}
    # Rendered by PostgreSQL; `response_model` is for the document.
    return answer_list(page.body, link, if_none_match)


@router.post(
    "",
    operation_id="createTask",
    summary="Create a task",
    status_code=201,
    response_model=TaskResponse,
    response_description="The new task, or with `Idempotency-Replayed` the one that the key made before",
    responses=_INVALID
    | responses_for(IdempotencyConflictError)
    | answers(
        201,
        EXAMPLE_TASK,
        headers=("ETag", "Cache-Control", "Location", "Idempotency-Replayed"),
        links=CREATED_LINKS,
    ),
)
async def create_task(
    request: Request,
    response: Response,
    tasks: TaskServiceDep,
    task: Annotated[
        TaskCreate,
        Body(
            openapi_examples=examples(
                full=("With a description", {"title": "Buy milk", "description": "Two litres, oat"}),
                short=("A title is enough", {"title": "Call the dentist"}),
            )
        ),
    ],
    idempotency_key: IdempotencyKeyHeader = None,
) -> TaskRow:
    """Create a task. The same `Idempotency-Key` and body again return the same task and create nothing."""
    created, fresh = await tasks.create(task, idempotency_key)
    response.headers["Location"] = location_of(request, tasks.owner, created.id)
    if not fresh:
        response.headers["Idempotency-Replayed"] = "true"
    return tagged(response, created)


@router.get(
    "/{task_id}",
    operation_id="getTask",
    summary="Read a task",
    response_model=TaskResponse,
    response_description="The task",
    responses=responses_for(TaskNotFoundError)
    | answers(200, EXAMPLE_TASK, headers=("ETag", "Cache-Control"), conditional=True),
)
async def get_task(
    response: Response, tasks: TaskServiceDep, task_id: TaskId, if_none_match: IfNoneMatch = None
) -> TaskRow | Response:
    """Return one task."""
    return answer_task(response, await tasks.get(task_id), if_none_match)


# Not `| None`: a body of `null` is no object, and must not toggle by accident.
_TOGGLE = TaskCompletion()

_WRITING: dict[int | str, dict[str, Any]] = responses_for(TaskNotFoundError, PreconditionFailedError)


@router.put(
    "/{task_id}",
    operation_id="updateTask",
    summary="Change title or description",
    response_model=TaskResponse,
    response_description="The task as it is now",
    responses=_WRITING
    | _INVALID
    | answers(
        200,
        {**EXAMPLE_TASK, "title": "Buy oat milk", "updated_at": "2026-11-22T07:10:02.654321Z"},
        headers=("ETag", "Cache-Control"),
    ),
)
async def update_task(
    response: Response,
    tasks: TaskServiceDep,
    task_id: TaskId,
    changes: Annotated[
        TaskUpdate,
        Body(
            openapi_examples=examples(
                rename=("Change the title", {"title": "Buy oat milk"}),
                clear=("Clear the description", {"description": None}),
            )
        ),
    ],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatchToWrite = None,
) -> TaskRow:
    """Change the given fields; absent ones stay as they are."""
    return tagged(response, await tasks.update(task_id, changes, versions(task_id, if_match, if_none_match)))


@router.patch(
    "/{task_id}/complete",
    operation_id="toggleTask",
    summary="Toggle completion",
    response_model=TaskResponse,
    response_description="The task as it is now",
    responses=_WRITING
    | _INVALID
    | answers(
        200,
        {**EXAMPLE_TASK, "completed": True, "updated_at": "2026-11-22T07:12:31.000042Z"},
        headers=("ETag", "Cache-Control"),
    ),
)
async def toggle_task(
    response: Response,
    tasks: TaskServiceDep,
    task_id: TaskId,
    target: Annotated[
        TaskCompletion,
        Body(
            openapi_examples=examples(
                toggle=("Toggle (no body does the same)", {}),
                complete=("Set it, however often this arrives", {"completed": True}),
            )
        ),
    ] = _TOGGLE,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatchToWrite = None,
) -> TaskRow:
    """Toggle `completed`, or set it to the body's value, which makes a retry harmless."""
    return tagged(response, await tasks.complete(task_id, target, versions(task_id, if_match, if_none_match)))


@router.delete(
    "/{task_id}",
    operation_id="deleteTask",
    summary="Delete a task",
    status_code=204,
    response_description="It is gone",
    responses=_WRITING | answers(204),
)
async def delete_task(
    tasks: TaskServiceDep, task_id: TaskId, if_match: IfMatch = None, if_none_match: IfNoneMatchToWrite = None
) -> None:
    """Delete the task for good."""
    await tasks.delete(task_id, versions(task_id, if_match, if_none_match))
