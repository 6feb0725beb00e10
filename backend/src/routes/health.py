"""Is the process alive, and can it serve? Rank 8."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from src.errors import DatabaseUnavailableError
from src.problems import responses_for

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The database answers too."""

    status: Literal["ready"] = "ready"


@router.head("/health", include_in_schema=False)
@router.get("/health", operation_id="getHealth", summary="Liveness")
async def health() -> Health:
    """Tell that the process answers. Never touches the database: a probe would keep it from going to sleep."""
    return Health()


@router.head("/health/ready", include_in_schema=False)
@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Readiness",
    responses=responses_for(DatabaseUnavailableError),
)
async def ready(request: Request, response: Response) -> Readiness:
    """Tell whether tasks can be served now, by one round trip to the database."""
    response.headers["Cache-Control"] = "no-store"
    await request.app.state.database.ping()
    return Readiness()
