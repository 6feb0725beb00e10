"""The usual FastAPI + SQLModel service: `def` endpoints, a session per request, entities, `response_model`."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import DateTime, Index, text
from sqlmodel import Field, Session, SQLModel, col, create_engine, select

# Neon ends idle connections when it goes to sleep; without a ping each of them would be a 500.
engine = create_engine(
    os.environ["DATABASE_URL"].replace("://", "+psycopg2://", 1), pool_pre_ping=os.environ.get("PING") != "off"
)
bearer = HTTPBearer()


def now() -> datetime:
    return datetime.now(UTC)


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)


class TaskCreate(TaskBase):
    pass


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)


class Task(TaskBase, table=True):
    __tablename__ = "tasks"
    __table_args__ = (Index("tasks_by_created", "user_id", "created_at", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    user_id: str
    completed: bool = False
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))


class TaskPublic(TaskBase):
    id: int
    user_id: str
    completed: bool
    created_at: datetime
    updated_at: datetime


class TaskStatus(StrEnum):
    all = "all"
    pending = "pending"
    completed = "completed"


class TaskSort(StrEnum):
    created = "created"
    title = "title"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with Session(engine) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(1)"))  # two workers start at once
        SQLModel.metadata.create_all(session.connection())
        session.commit()
    yield


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def get_current_user(user_id: str, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    try:
        claims = jwt.decode(credentials.credentials, os.environ["JWT_SECRET"], algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401, "Invalid token") from None
    if claims["sub"] != user_id:
        raise HTTPException(403, "User_id mismatch")
    return claims["sub"]


SessionDep = Annotated[Session, Depends(get_session)]
CurrentUser = Annotated[str, Depends(get_current_user)]

app = FastAPI(lifespan=lifespan)


def get_owned_task(task_id: int, session: SessionDep, user: CurrentUser) -> Task:
    task = session.get(Task, task_id)
    if task is None or task.user_id != user:
        raise HTTPException(404, "Task not found")
    return task


OwnedTask = Annotated[Task, Depends(get_owned_task)]


def save(session: Session, task: Task) -> Task:
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


@app.get("/api/{user_id}/tasks", response_model=list[TaskPublic])
def list_tasks(
    session: SessionDep, user: CurrentUser, status: TaskStatus = TaskStatus.all, sort: TaskSort = TaskSort.created
):
    statement = select(Task).where(Task.user_id == user)
    if status != TaskStatus.all:
        statement = statement.where(Task.completed == (status == TaskStatus.completed))
    order = (col(Task.title), col(Task.id)) if sort == TaskSort.title else (col(Task.created_at), col(Task.id))
    return session.exec(statement.order_by(*order)).all()


@app.post("/api/{user_id}/tasks", response_model=TaskPublic, status_code=201)
def create_task(response: Response, session: SessionDep, user: CurrentUser, body: TaskCreate):
    task = save(session, Task.model_validate(body, update={"user_id": user}))
    response.headers["Location"] = f"/api/{user}/tasks/{task.id}"
    return task


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def get_task(task: OwnedTask):
    return task


@app.put("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def update_task(session: SessionDep, task: OwnedTask, body: TaskUpdate):
    task.sqlmodel_update(body.model_dump(exclude_unset=True))
    task.updated_at = now()
    return save(session, task)


@app.patch("/api/{user_id}/tasks/{task_id}/complete", response_model=TaskPublic)
def toggle_task(session: SessionDep, task: OwnedTask):
    task.completed = not task.completed
    task.updated_at = now()
    return save(session, task)


@app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
def delete_task(session: SessionDep, task: OwnedTask):
    session.delete(task)
    session.commit()
