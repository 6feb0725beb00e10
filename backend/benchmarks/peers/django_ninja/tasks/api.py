"""The six operations, by Django's ORM."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router

from tasks.auth import BearerAuth
from tasks.models import Task
from tasks.schemas import TaskChanges, TaskIn, TaskOut, TaskSort, TaskStatus

router = Router(auth=BearerAuth())
ORDER = {TaskSort.created: ("created_at", "id"), TaskSort.title: ("title", "id")}


@router.get("/{user_id}/tasks", response=list[TaskOut])
def list_tasks(
    request: HttpRequest, user_id: str, status: TaskStatus = TaskStatus.all, sort: TaskSort = TaskSort.created
):
    tasks = Task.objects.filter(user_id=user_id).order_by(*ORDER[sort])
    return tasks if status == TaskStatus.all else tasks.filter(completed=status == TaskStatus.completed)


@router.post("/{user_id}/tasks", response={201: TaskOut})
def create_task(request: HttpRequest, response: HttpResponse, user_id: str, body: TaskIn):
    task = Task.objects.create(user_id=user_id, **body.dict())
    response["Location"] = f"/api/{user_id}/tasks/{task.id}"
    return task


@router.get("/{user_id}/tasks/{task_id}", response=TaskOut)
def get_task(request: HttpRequest, user_id: str, task_id: int):
    return get_object_or_404(Task, id=task_id, user_id=user_id)


@router.put("/{user_id}/tasks/{task_id}", response=TaskOut)
def update_task(request: HttpRequest, user_id: str, task_id: int, body: TaskChanges):
    task = get_object_or_404(Task, id=task_id, user_id=user_id)
    for name, value in body.dict(exclude_unset=True).items():
        setattr(task, name, value)
    task.save()
    return task


@router.patch("/{user_id}/tasks/{task_id}/complete", response=TaskOut)
def toggle_task(request: HttpRequest, user_id: str, task_id: int):
    task = get_object_or_404(Task, id=task_id, user_id=user_id)
    task.completed = not task.completed
    task.save()
    return task


@router.delete("/{user_id}/tasks/{task_id}", response={204: None})
def delete_task(request: HttpRequest, user_id: str, task_id: int):
    get_object_or_404(Task, id=task_id, user_id=user_id).delete()
