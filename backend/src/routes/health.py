"""Is the process alive, and can it serve: what load balancers and monitors ask."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from src.dependencies import DatabaseDep
from src.errors import DatabaseUnavailableError
from src.http.problems import responses_for
from src.openapi.operations import answers

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The database answers too."""

    status: Literal["ready"] = "ready"


@router.head("/health", include_in_schema=False)
@router.get(
    "/health",
    operation_id="getHealth",
    summary="Liveness",
    response_description="Alive",
    responses=answers(200, {"status": "ok"}),
)
async def health() -> Health:
    """Tell that the process answers. Never touches the database: a probe would keep it from going to sleep."""
    return Health()


@router.head("/health/ready", include_in_schema=False)
@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Readiness",
    response_description="Ready",
    responses=responses_for(DatabaseUnavailableError) | answers(200, {"status": "ready"}),
)
async def ready(database: DatabaseDep, response: Response) -> Readiness:
    """Tell whether tasks can be served now, by one round trip to the database."""
    response.headers["Cache-Control"] = "no-store"
    await database.ping()
    return Readiness()
