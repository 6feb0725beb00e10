"""What one operation of the OpenAPI document says: what its route gives besides types, and what is tidied in it."""

from typing import Any

from fastapi.routing import RouteContext

from src.http import body_limit
from src.http.problems import FAULT_DETAIL, NOT_JSON, NOT_JSON_TYPE, title_of
from src.openapi import words

Json = dict[str, Any]
Responses = dict[int | str, Json]

_EXACT_IN_JAVASCRIPT = 2**53 - 1

# Refusals that no route raises: the layers around them do.
BODY_ERRORS = {
    "400": NOT_JSON,
    "413": body_limit.DETAIL,
    "415": NOT_JSON_TYPE,
}
FAULT = {"500": FAULT_DETAIL}

# What a created task leads to.
_CREATED = {"user_id": "$request.path.user_id", "task_id": "$response.body#/id"}
LINKS: dict[str, Json] = {
    operation: {
        "operationId": operation,
        "parameters": _CREATED,
        "description": f"`id` is the `task_id` of {operation}",
    }
    for operation in ("getTask", "updateTask", "toggleTask", "deleteTask")
}
CREATED_LINKS = {link: {"$ref": f"#/components/links/{link}"} for link in LINKS}


def answers(
    status: int,
    example: Any = None,
    *,
    headers: tuple[str, ...] = (),
    links: Json | None = None,
    conditional: bool = False,
) -> Responses:
    """Return the `responses=` of a route for its success: an example, the headers, what it leads to, and 304."""
    success: Json = {"headers": headers_of(headers)}
    if example is not None:
        success["content"] = {"application/json": {"examples": {"typical": {"value": example}}}}
    if links:
        success["links"] = links
    return {status: success, **({304: {"description": "The client has it already"}} if conditional else {})}


def examples(**named: tuple[str, Json]) -> dict[str, Any]:
    """Return the `openapi_examples` of a body, given a caption and a value each."""
    return {name: {"summary": summary, "value": value} for name, (summary, value) in named.items()}


def headers_of(names: tuple[str, ...]) -> Json:
    """Return the headers of a response; every response has the request's id."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-ID")}


def component_of(status: str) -> str:
    """Return the name under which a status is described, once for all operations."""
    return title_of(int(status)).title().replace(" ", "")


def complete(operation: Json) -> None:
    """Add to an operation what its route does not say, and drop what FastAPI says too much."""
    protected = operation.pop("security", None) is not None
    if not protected:
        operation["security"] = []
    _tidy_parameters(operation)
    for content in _contents(operation):
        content["schema"].pop("title", None)
    _complete_errors(operation, protected)


def restore_examples(operation: Json, route: RouteContext) -> None:
    """Put a route's examples in again: FastAPI drops every null of the document, which means something in these."""
    for status, response in route.responses.items():
        for media, content in operation["responses"].get(str(status), {}).get("content", {}).items():
            _give(content, response.get("content", {}).get(media, {}).get("examples"))
    if route.body_field:
        for content in operation["requestBody"]["content"].values():
            _give(content, route.body_field.field_info.openapi_examples)


def _give(content: Json, named: Json | None) -> None:
    # Without examples the document is poorer, and a test fails; it is served all the same.
    if named:
        content["examples"] = named


def _contents(operation: Json) -> list[Json]:
    sides = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [content for side in sides for content in side.get("content", {}).values() if "schema" in content]


def _tidy_parameters(operation: Json) -> None:
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = schema = _plain(parameter["schema"])
        schema.pop("description", None)
        if parameter["in"] == "header":
            _name_header(parameter)
        schema |= words.RULES.get(parameter["name"], {})
        if parameter["name"] == "task_id":
            # For readers only: what is no such id is a 404, which a limit of FastAPI's would make a 422.
            limits = {"type": "integer", "format": "int64", "minimum": 1, "maximum": _EXACT_IN_JAVASCRIPT}
            parameter["schema"] = {**limits, "examples": schema.get("examples", [])}
    parameters.sort(key=lambda parameter: parameter["name"] == "task_id")
    parameters.sort(key=lambda parameter: parameter["in"] != "path")


def _name_header(parameter: Json) -> None:
    """Write the name as people do, which FastAPI derives from Python's, and give the example."""
    for name, example in words.PARAMETERS.items():
        if name.lower() == parameter["name"].lower():
            parameter.update(name=name, examples={"typical": {"value": example}})


def _plain(schema: Json) -> Json:
    """Return a parameter's schema without FastAPI's title, and without null, which no URL or header can say."""
    either = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in ("title", "anyOf")}
    plain = {**kept, **either[0]} if either else kept
    # Several lines of a header are one list with commas (RFC 9110, section 5.3), which is one text to a client.
    return {"type": "string"} if plain.get("type") == "array" else plain


def _complete_errors(operation: Json, protected: bool) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]  # FastAPI declares it for every parameter; ours that can fail say so themselves
    statuses = {status for status in responses if status.isdecimal() and status >= "4"}
    statuses |= set(BODY_ERRORS if "requestBody" in operation else ())
    statuses |= set(FAULT if protected else ())
    for status in statuses:
        responses[status] = {"$ref": f"#/components/responses/{component_of(status)}"}
    if "304" in responses:
        responses["304"] = {"$ref": "#/components/responses/NotModified"}
    operation["responses"] = dict(sorted(responses.items()))
