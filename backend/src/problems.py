"""Problem documents (RFC 9457): the one body that every error of every layer has. Rank 4."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from src import log
from src.errors import AppError

MEDIA_TYPE = "application/problem+json"
# http.HTTPStatus of Python 3.11 still has the older names of these two (RFC 9110 renamed them).
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class FieldError(BaseModel):
    """One broken rule of a request."""

    loc: list[str | int] = Field(description="Where: `body`, `query`, `path` or `header`, then the member")
    msg: str = Field(description="What is wrong, for people")
    type: str = Field(description="What is wrong, for programs")


class Problem(BaseModel):
    """An error, in the shape of RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "Task not found",
                    "request_id": "0d5f6f0e7c3b4c0b9f0a5a8e3f1d2c4b",
                }
            ]
        }
    )

    type: str = Field(description="Always `about:blank`: the status says it all")
    title: str = Field(description="The name of the status")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="One sentence that may be shown to people")
    request_id: str = Field(description="Also in the header `X-Request-ID` and in the server's log")


class ValidationProblem(Problem):
    """A request that is understood and breaks a rule."""

    errors: list[FieldError] = Field(default_factory=list, description="Each broken rule")


def title_of(status: int) -> str:
    """Return the standard name of a status code."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, errors: list[dict[str, Any]] | None = None
) -> Response:
    """Return an error response; `detail` and `errors` must not echo what the client sent."""
    body = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "request_id": log.request_id.get(),
    }
    if errors is not None:
        body["errors"] = errors
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def responses_for(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may raise these errors."""
    return {error.status.value: _documented(error.status.value, error.detail, error.headers) for error in errors}


def _documented(status: int, detail: str, headers: Mapping[str, str]) -> dict[str, Any]:
    model = "ValidationProblem" if status == 422 else "Problem"
    example: dict[str, Any] = {"type": "about:blank", "title": title_of(status), "status": status, "detail": detail}
    content = {
        "schema": {"$ref": f"#/components/schemas/{model}"},
        "example": {**example, "request_id": "0d5f6f0e7c3b"},
    }
    documented = {name: {"description": f"`{value}`", "schema": {"type": "string"}} for name, value in headers.items()}
    return {"description": detail, "content": {MEDIA_TYPE: content}, "headers": documented}
