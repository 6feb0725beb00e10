"""Turns errors into HTTP: every status from every layer becomes one shape of body."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from src.errors import AppError, InvalidParameterError, UnavailableError
from src.http.problems import NOT_JSON, NOT_JSON_TYPE, problem, title_of
from src.log import this_request


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers; what none of them knows is `middleware.FaultBarrier`'s."""
    app.exception_handler(AppError)(_app_error)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(HTTPException)(_http_error)


async def _app_error(request: Request, error: AppError) -> Response:
    this_request().reason = error.reason
    if isinstance(error, UnavailableError):
        request.app.state.unavailable[error.reason] += 1
    errors = error.errors if isinstance(error, InvalidParameterError) else None
    return problem(error.status, error.detail, error.headers, errors)


async def _validation_error(_: Request, error: RequestValidationError) -> Response:
    """Name the broken rules; never FastAPI's own body, which echoes the input and breaks on surrogates and NaN."""
    if isinstance(error.body, bytes):
        # FastAPI hands a body over unparsed only when its Content-Type is not JSON.
        return problem(415, NOT_JSON_TYPE, {"Accept": "application/json"})
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return problem(400, NOT_JSON)
    return problem(422, "Validation failed", errors=[_rule(item) for item in error.errors()])


def _rule(item: Any) -> dict[str, Any]:
    return {"loc": list(item["loc"]), "msg": item["msg"].removeprefix("Value error, "), "type": item["type"]}


async def _http_error(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    # The one 400 that is raised like this is FastAPI's for a body, in words of its own.
    detail = NOT_JSON if error.status_code == 400 else error.detail
    return problem(error.status_code, detail or title_of(error.status_code), headers)


def _allowed(request: Request) -> list[str]:
    """Every method of the path; Starlette names only those of the first route that has it."""
    routes: list[BaseRoute] = request.app.router.routes
    methods = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
    return [
        method
        for method in methods
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
