"""Problem documents (RFC 9457): the one body that every error of every layer has."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from src.errors import AppError
from src.log import this_request

MEDIA_TYPE = "application/problem+json"
EXAMPLE_REQUEST_ID = "0d5f6f0e7c3b4c0b9f0a5a8e3f1d2c4b"
# What more than one layer says.
NOT_JSON = "Request body is not valid JSON"
NOT_JSON_TYPE = "Content-Type must be application/json"
FAULT_DETAIL = "Internal server error"
# A browser must not guess a type; a problem that was taken for HTML could be made to run.
NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
# http.HTTPStatus of Python 3.11 still has the older names of these two (RFC 9110 renamed them).
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class FieldError(BaseModel):
    """One broken rule of a request."""

    loc: list[str | int] = Field(description="Where: `body`, `query`, `path` or `header`, then the member")
    msg: str = Field(description="What is wrong, for people")
    type: str = Field(description="What is wrong, for programs")


class Problem(BaseModel):
    """An error, in the shape of RFC 9457."""

    type: str = Field(description="Always `about:blank`: the status says it all")
    title: str = Field(description="The name of the status")
    status: int = Field(description="The HTTP status", ge=400, le=599)
    detail: str = Field(description="One sentence that may be shown to people")
    request_id: str = Field(description="Also in the header `X-Request-ID` and in the server's log")


class ValidationProblem(Problem):
    """A request that is understood and breaks a rule."""

    errors: list[FieldError] = Field(description="Each broken rule")


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
        "request_id": this_request().id,
    }
    if errors is not None:
        body["errors"] = errors
    return Response(json.dumps(body), status, {**NO_SNIFFING, **(headers or {})}, MEDIA_TYPE)


def responses_for(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may raise these errors; `openapi/document.py` fills in their bodies."""
    return {error.status.value: {"description": error.detail} for error in errors}
