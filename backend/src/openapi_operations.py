"""What one operation of the OpenAPI document says beyond what FastAPI derives from its route. Rank 7."""

from src import openapi_parts as parts
from src.openapi_parts import Json
from src.problems import title_of

_EXACT_IN_JAVASCRIPT = 2**53 - 1


def complete(operation: Json) -> None:
    """Add to an operation what its route does not say."""
    protected = operation.pop("security", None) is not None
    if not protected:
        operation["security"] = []
    _complete_parameters(operation)
    _complete_request(operation)
    _complete_success(operation)
    _complete_errors(operation, protected)


def _complete_parameters(operation: Json) -> None:
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = schema = _plain(parameter["schema"])
        schema.pop("description", None)
        if parameter["in"] == "header":
            parameter["name"] = next(name for name in parts.PARAMETERS if name.lower() == parameter["name"].lower())
            parameter["examples"] = {"typical": {"value": parts.PARAMETERS[parameter["name"]]}}
        schema |= parts.RULES.get(parameter["name"], {})
        if parameter["name"] == "task_id":
            # FastAPI gives a validated path parameter's limits under names that JSON Schema does not know.
            limits = {"type": "integer", "format": "int64", "minimum": 1, "maximum": _EXACT_IN_JAVASCRIPT}
            parameter["schema"] = {**limits, "examples": schema["examples"]}
    parameters.sort(key=lambda parameter: parameter["name"] == "task_id")
    parameters.sort(key=lambda parameter: parameter["in"] != "path")


def _plain(schema: Json) -> Json:
    """Return a parameter's schema without FastAPI's title, and without null, which no URL or header can say."""
    either = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in ("title", "anyOf")}
    return {**kept, **either[0]} if either else kept


def _complete_request(operation: Json) -> None:
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        content["schema"].pop("title", None)
        content["examples"] = parts.REQUESTS[operation["operationId"]]


def _complete_success(operation: Json) -> None:
    name, responses = operation["operationId"], operation["responses"]
    (status,) = (status for status in responses if status.startswith("2"))
    responses[status]["description"] = parts.SUCCESS[name]
    responses[status]["headers"] = headers_of(parts.SUCCESS_HEADERS.get(name, ()))
    if name in parts.RESPONSES:
        content = responses[status]["content"]["application/json"]
        content["schema"].pop("title", None)
        content["examples"] = {"typical": {"value": parts.RESPONSES[name]}}
    if name == "createTask":
        responses[status]["links"] = {link: {"$ref": f"#/components/links/{link}"} for link in parts.LINKS}
    if name in parts.CONDITIONAL_READS:
        responses["304"] = {"$ref": "#/components/responses/NotModified"}


def headers_of(names: tuple[str, ...]) -> Json:
    """Return the headers of a response; every response has the request's id."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-ID")}


def _complete_errors(operation: Json, protected: bool) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]  # FastAPI declares it for every parameter; ours that can fail say so themselves
    statuses = {status for status in responses if status >= "4"}
    statuses |= set(parts.BODY_ERRORS if "requestBody" in operation else ())
    statuses |= set(parts.FAULT if protected else ())
    for status in statuses:
        responses[status] = {"$ref": f"#/components/responses/{component_of(status)}"}
    operation["responses"] = dict(sorted(responses.items()))


def component_of(status: str) -> str:
    """Return the name under which a status is described, once for all operations."""
    return title_of(int(status)).title().replace(" ", "")
