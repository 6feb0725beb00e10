"""The OpenAPI document: what FastAPI derives from the routes, completed and tidied for people and generators.

FastAPI knows types and paths, the routes say what their operations answer. What belongs to no single operation is added
here: problem documents, headers, links, and what the layers around the routes refuse.
"""

from collections.abc import Iterator
from functools import partial

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic.json_schema import models_json_schema

from src.errors import AppError
from src.http.problems import EXAMPLE_REQUEST_ID, MEDIA_TYPE, Problem, ValidationProblem, title_of
from src.openapi import words
from src.openapi.operations import BODY_ERRORS, FAULT, LINKS, Json, complete, component_of, headers_of, restore_examples

_REF = "#/components/schemas/{model}"
_SCHEME = "bearerAuth"
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def add_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` return our document; built once, at its first use."""
    app.openapi = partial(_cached, app)  # type: ignore[method-assign]  # FastAPI's documented way


def _cached(app: FastAPI) -> Json:
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> Json:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=words.SUMMARY,
        description="\n\n".join(_introduction(app)),
        routes=app.routes,
        servers=[{"url": app.state.settings.root_path or "/", "description": "This server"}],
    )
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    used = {tag for operation in operations for tag in operation.get("tags", ())}
    document["tags"] = [tag for tag in words.TAGS if tag["name"] in used]
    document["security"] = [{_SCHEME: []}]
    routes = {
        route.operation_id or route.unique_id: route
        for route in iter_route_contexts(app.routes)
        if isinstance(route.route, APIRoute)
    }
    for operation in operations:
        complete(operation)
        restore_examples(operation, routes[operation["operationId"]])
    document["components"] = _components(document["components"], operations)
    return document


def _introduction(app: FastAPI) -> Iterator[str]:
    yield words.INTRODUCTION
    if app.state.settings.demo_mode:
        yield words.DEMO
    yield words.DESCRIPTION


def _components(derived: Json, operations: list[Json]) -> Json:
    used = {status for operation in operations for status in operation["responses"] if status >= "4"}
    problems = models_json_schema([(Problem, "serialization"), (ValidationProblem, "serialization")], ref_template=_REF)
    schemas = derived["schemas"] | problems[1]["$defs"]
    kept = {name: _described(name, schema) for name, schema in sorted(schemas.items()) if name not in _FASTAPIS_OWN}
    responses = {component_of(status): _error(status, examples) for status, examples in _used(used)}
    not_modified = {"description": "The client has it already", "headers": headers_of(("ETag", "Cache-Control"))}
    return {
        "schemas": kept,
        "responses": {"NotModified": not_modified, **responses},
        "headers": words.HEADERS,
        "links": LINKS,
        "securitySchemes": {_SCHEME: derived["securitySchemes"][_SCHEME]},
    }


def _used(statuses: set[str]) -> Iterator[tuple[str, Json]]:
    return ((status, examples) for status, examples in sorted(problem_examples().items()) if status in statuses)


def _error(status: str, examples: Json) -> Json:
    model = "ValidationProblem" if status == "422" else "Problem"
    return {
        "description": title_of(int(status)),
        "headers": headers_of(words.ERROR_HEADERS.get(status, ())),
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=model)}, "examples": examples}},
    }


def _described(name: str, schema: Json) -> Json:
    """Drop pydantic's titles ("User Id"): names and descriptions say more."""
    schema.pop("title", None)
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
    if name in words.SCHEMAS:
        schema["description"] = words.SCHEMAS[name]
    return schema


def problem_examples() -> dict[str, dict[str, Json]]:
    """Return by status, then by name, what every error of the service looks like."""
    found: dict[str, dict[str, Json]] = {}
    for error in _descendants(AppError):
        if hasattr(error, "status") and hasattr(error, "detail"):
            name = error.__name__.removesuffix("Error")
            found.setdefault(str(error.status.value), {})[name] = _example(error.status.value, error.detail)
    for status, detail in {**BODY_ERRORS, **FAULT}.items():
        found[status] = {component_of(status): _example(int(status), detail)}
    found["422"]["InvalidParameter"]["value"]["errors"] = [
        {"loc": ["body", "title"], "msg": "Field required", "type": "missing"}
    ]
    return found


def _example(status: int, detail: str) -> Json:
    value = {"type": "about:blank", "title": title_of(status), "status": status, "detail": detail}
    return {"summary": detail, "value": {**value, "request_id": EXAMPLE_REQUEST_ID}}


def _descendants(error: type[AppError]) -> list[type[AppError]]:
    return [found for child in error.__subclasses__() for found in (child, *_descendants(child))]
