"""The OpenAPI document: complete, committed, and true to what the service answers."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Header
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import TypeAdapter

from dev import openapi
from src.errors import DatabaseUnavailableError
from src.main import create_app
from src.models import TaskCreate
from src.openapi.document import problem_examples
from tests.support.server import Service, serve, settings_for

Document = dict[str, Any]

ALWAYS = {"401", "403", "500", "503"}
WITH_BODY = {"400", "413", "415", "422"}
STATUSES = {
    "listTasks": {"200", "304", "422"} | ALWAYS,
    "createTask": {"201", "409"} | ALWAYS | WITH_BODY,
    "getTask": {"200", "304", "404"} | ALWAYS,
    "updateTask": {"200", "404", "412"} | ALWAYS | WITH_BODY,
    "toggleTask": {"200", "404", "412"} | ALWAYS | WITH_BODY,
    "deleteTask": {"204", "404", "412"} | ALWAYS,
    "getHealth": {"200"},
    "getReadiness": {"200", "503"},
}


@pytest.fixture
def document(anonymous: httpx.Client) -> Document:
    return anonymous.get("/openapi.json").json()


def operations(document: Document) -> dict[str, Document]:
    return {entry["operationId"]: entry for path in document["paths"].values() for entry in path.values()}


def resolved(document: Document, entry: Document) -> Document:
    while "$ref" in entry:
        kind, name = entry["$ref"].split("/")[-2:]
        entry = document["components"][kind][name]
    return entry


def test_the_committed_document_is_the_served_one() -> None:
    assert openapi.TARGET.read_text(encoding="utf-8") == openapi.render(), "run `make openapi client`"


def test_every_operation_declares_what_it_can_answer(document: Document) -> None:
    declared = {name: set(operation["responses"]) for name, operation in operations(document).items()}
    assert declared == STATUSES


def test_every_error_is_a_problem_document(document: Document) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if status >= "4":
                ((media_type, content),) = resolved(document, response)["content"].items()
                schema = "ValidationProblem" if status == "422" else "Problem"
                assert media_type == "application/problem+json", name
                assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}, name


def described(app: FastAPI) -> Iterator[tuple[RouteContext, Document]]:
    """Each route that the document has, and what it says of it."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.route, APIRoute) and route.include_in_schema:
            (method,) = route.methods or ()
            yield route, app.openapi()["paths"][route.path_format][method.lower()]


def missing(app: FastAPI) -> set[str]:
    """What a reader misses: FastAPI would make up names, captions and descriptions, and no examples."""
    found = set()
    for route, operation in described(app):
        words = {name: getattr(route, name) for name in ("operation_id", "summary", "description", "tags")}
        words["response_description"] = route.response_description != "Successful Response"
        parameters = operation.get("parameters", ())
        words |= {f"description of {parameter['name']}": parameter.get("description") for parameter in parameters}
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, body in bodies.items():
            contents = resolved(app.openapi(), body).get("content", {}).values()
            words |= {f"examples of {name}": content.get("examples") for content in contents}
        found |= {f"{route.name}: {name}" for name, given in words.items() if not given}
    return found


def test_every_operation_has_its_captions_and_examples(service: Service) -> None:
    assert missing(service.app) == set()
    assert missing(create_app(settings_for("postgresql:///none", demo_mode=True))) == set()


def test_an_operation_without_captions_and_examples_is_noticed_and_does_not_break_the_document(
    database_url: str,
) -> None:
    async def bare(body: TaskCreate, task_id: int, x_new: Annotated[str, Header()]) -> TaskCreate:
        raise NotImplementedError

    bare.__doc__ = None
    responses: dict[int | str, Document] = {
        201: {"content": {"application/json": {"example": 1}}, "headers": {}},
        404: {"content": {"application/json": {"examples": {"typical": {"value": 1}}}}},
        "4xx": {"description": "any other"},
        "default": {"description": "whatever else"},
    }
    with serve(settings_for(database_url)) as running:
        running.app.post("/bare/{task_id}", status_code=201, responses=responses)(bare)
        answer = httpx.get(f"{running.url}/openapi.json")
        assert answer.status_code == 200
        body = answer.json()["paths"]["/bare/{task_id}"]["post"]["requestBody"]
        assert "examples" not in body["content"]["application/json"]
        words = ("operation_id", "summary", "description", "response_description", "tags")
        places = ("description of task_id", "description of x-new", "examples of request", "examples of 201")
        assert missing(running.app) == {f"bare: {name}" for name in (*words, *places)}


def test_every_example_is_what_the_service_takes_or_sends(service: Service) -> None:
    seen = 0
    for route, operation in described(service.app):
        bodies = [(route.response_model, body) for status, body in operation["responses"].items() if status < "3"]
        if route.body_field:
            bodies.append((route.body_field.field_info.annotation, operation["requestBody"]))
        for shape, body in bodies:
            for content in body.get("content", {}).values():
                for example in content["examples"].values():
                    value = TypeAdapter(shape).validate_python(example["value"])
                    rendered = TypeAdapter(shape).dump_python(value, mode="json", exclude_unset=True)
                    assert rendered == example["value"], f"{route.name}: {example}"
                    seen += 1
    assert seen >= 12


def test_every_reference_leads_somewhere(service: Service) -> None:
    document = service.app.openapi()
    names = set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(document)))
    assert len(names) > 20
    assert [name for kind, name in names if name not in document["components"][kind]] == []


def test_every_response_declares_the_request_id(document: Document) -> None:
    for operation in operations(document).values():
        for response in operation["responses"].values():
            assert "X-Request-ID" in resolved(document, response)["headers"]


def test_only_operations_on_tasks_need_a_token(document: Document) -> None:
    assert document["security"] == [{"bearerAuth": []}]
    assert document["components"]["securitySchemes"]["bearerAuth"]["bearerFormat"] == "JWT"
    public = {name for name, operation in operations(document).items() if operation.get("security") == []}
    assert public == {"getHealth", "getReadiness"}


def test_enums_have_names_and_fastapis_own_error_shape_is_gone(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["TaskStatus"]["enum"] == ["all", "pending", "completed"]
    assert schemas["TaskSort"]["enum"] == ["created", "title"]
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


def test_declared_headers_are_sent(document: Document, client: httpx.Client) -> None:
    task = client.post("/tasks", json={"title": "a"})
    path = f"/tasks/{task.json()['id']}"
    answers = {
        ("createTask", "201"): task,
        ("listTasks", "200"): client.get("/tasks"),
        ("getTask", "200"): client.get(path),
        ("getTask", "304"): client.get(path, headers={"If-None-Match": task.headers["ETag"]}),
        ("updateTask", "200"): client.put(path, json={}),
        ("toggleTask", "200"): client.patch(f"{path}/complete"),
        ("deleteTask", "204"): client.delete(path),
        ("getTask", "404"): client.get(path),
        ("getTask", "401"): httpx.get(f"{client.base_url}{path.lstrip('/')}"),
    }
    for (name, status), answer in answers.items():
        assert str(answer.status_code) == status
        declared = resolved(document, operations(document)[name]["responses"][status])["headers"]
        required = {header for header, entry in declared.items() if resolved(document, entry).get("required")}
        assert [header for header in required if header not in answer.headers] == [], name


def refused(client: httpx.Client, status: str) -> httpx.Response:
    json = {"Content-Type": "application/json"}
    match status:
        case "400":
            return client.post("/tasks", content="{", headers=json)
        case "409":
            client.post("/tasks", json={"title": "a"}, headers={"Idempotency-Key": "k"})
            return client.post("/tasks", json={"title": "b"}, headers={"Idempotency-Key": "k"})
        case "412":
            path = f"/tasks/{client.post('/tasks', json={'title': 'a'}).json()['id']}"
            return client.delete(path, headers={"If-Match": '"other"'})
        case "413":
            return client.post("/tasks", content=" " * 70_000, headers=json)
        case "415":
            return client.post("/tasks", content="title=a")
        case _:
            return client.post("/tasks", json={})


@pytest.mark.parametrize("status", ["400", "409", "412", "413", "415", "422"])
def test_an_example_of_a_refusal_is_the_refusal(client: httpx.Client, status: str) -> None:
    answer = refused(client, status).json()
    (example,) = problem_examples()[status].values()
    assert {**answer, "request_id": ""} == {**example["value"], "request_id": ""}


def test_examples_cover_the_error_classes() -> None:
    assert problem_examples()["503"]["DatabaseUnavailable"]["value"]["detail"] == DatabaseUnavailableError.detail
    assert set(problem_examples()["401"]) == {"NotAuthenticated", "InvalidToken", "ExpiredToken"}


def test_the_document_names_the_prefix_that_a_proxy_strips(database_url: str) -> None:
    app = create_app(settings_for(database_url, root_path="/tasks-service"))
    assert app.openapi()["servers"] == [{"url": "/tasks-service", "description": "This server"}]
