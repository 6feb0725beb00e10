"""The OpenAPI document: complete, committed, and true to what the service answers."""

from typing import Any

import httpx
import pytest

from dev import openapi
from src.errors import DatabaseUnavailableError
from src.main import create_app
from src.openapi import problem_examples
from tests.support.server import Service, settings_for

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


def test_every_body_has_an_example(document: Document) -> None:
    for operation in operations(document).values():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [resolved(document, response) for response in operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                assert content["examples"], operation["operationId"]


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


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/favicon.ico", "/openapi.json"])
def test_the_page_and_its_parts_can_be_kept_and_asked_about(anonymous: httpx.Client, path: str) -> None:
    whole = anonymous.get(path)
    assert whole.status_code == 200
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    kept = anonymous.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    head = anonymous.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_a_visitor_lands_on_the_page(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")


def test_the_page_allows_no_other_host_and_only_the_configured_frames(service: Service) -> None:
    policy = httpx.get(f"{service.url}/docs").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    ancestors = " ".join(service.app.state.settings.frame_ancestors)
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )


def test_assets_are_sent_compressed_to_whoever_can_read_that(anonymous: httpx.Client) -> None:
    script = "/docs/swagger-ui/swagger-ui-bundle.js"
    packed = anonymous.get(script)
    plain = anonymous.get(script, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) * 3 < int(plain.headers["Content-Length"])
    assert packed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("name", ["docs.html", "nothing.js", "../config.py", "..%2fconfig.py", "swagger-ui/"])
def test_only_the_parts_of_the_page_are_served(anonymous: httpx.Client, name: str) -> None:
    answer = anonymous.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"])
def test_the_licence_of_swagger_ui_comes_with_it(anonymous: httpx.Client, name: str) -> None:
    assert anonymous.get(f"/docs/swagger-ui/{name}").text


def test_redoc_is_not_served(anonymous: httpx.Client) -> None:
    assert anonymous.get("/redoc").status_code == 404
