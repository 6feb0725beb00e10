"""What holds for the whole service: one shape of error, CORS and ids everywhere, one statement an operation."""

import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from src.models import TaskResponse
from tests.conftest import TLS, execute
from tests.support.counting import CountingProxy
from tests.support.server import Service, serve, settings_for
from tests.support.tokens import bearer, make_token
from tests.support.wire import read_head
from tests.test_integration import JSON, create

ORIGIN = "http://localhost:3000"
METHOD = "Access-Control-Request-Method"
PREFLIGHT = {"Origin": ORIGIN, METHOD: "GET"}
KEY = {"Idempotency-Key": "k"}
EXPOSED = {
    "Accept-Encoding",
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
}
REQUEST_HEADERS = [
    *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id"),
    *("traceparent", "tracestate"),
]


@pytest.fixture
def broken(service: Service, monkeypatch: pytest.MonkeyPatch, user: str) -> Iterator[httpx.Client]:
    """A client for whom the service has a fault of its own."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret detail of the fault")

    monkeypatch.setattr("src.routes.tasks.answer_list", fail)
    headers = bearer(make_token(user))
    with httpx.Client(base_url=f"{service.url}/api/{user}", headers=headers, timeout=30, verify=TLS) as client:
        yield client


Provoke = Callable[[httpx.Client, httpx.Client], httpx.Response]
ERRORS: dict[str, tuple[int, Provoke]] = {
    "malformed JSON": (400, lambda c, _: c.post("/tasks", content="{", headers=JSON)),
    "no token": (401, lambda c, _: c.get("/tasks", headers={"Authorization": ""})),
    "another user": (403, lambda c, _: c.get(str(c.base_url).rstrip("/") + "x/tasks")),
    "unknown task": (404, lambda c, _: c.get("/tasks/1")),
    "unknown path": (404, lambda _, a: a.get("/nowhere")),
    "trailing slash": (404, lambda c, _: c.get("/tasks/")),
    "wrong method": (405, lambda c, _: c.patch("/tasks")),
    "other body": (
        409,
        lambda c, _: [c.post("/tasks", json={"title": t}, headers={"Idempotency-Key": "k"}) for t in "ab"][1],
    ),
    "stale tag": (412, lambda c, _: c.delete(f"/tasks/{create(c)['id']}", headers={"If-Match": '"x"'})),
    "large body": (413, lambda c, _: c.post("/tasks", json={"title": "x", "pad": "y" * 70_000})),
    "large stream": (413, lambda c, _: c.post("/tasks", content=(b"y" * 10_000 for _ in range(20)), headers=JSON)),
    "a form": (415, lambda c, _: c.post("/tasks", data={"title": "x"})),
    "no media type": (415, lambda c, _: c.post("/tasks", content='{"title":"x"}')),
    "broken rule": (422, lambda c, _: c.post("/tasks", json={})),
    "unknown sort": (422, lambda c, _: c.get("/tasks?sort=x")),
    "refused preflight": (
        400,
        lambda _, a: a.options("/api/a/tasks", headers={"Access-Control-Request-Method": "TRACE"}),
    ),
}


def check_problem(response: httpx.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail", "request_id"} | ({"errors"} if status == 422 else set())
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert isinstance(body["title"], str)
    assert isinstance(body["detail"], str)


def connected(service: Service) -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def from_origin() -> bytes:
    return b"Origin: %s\r\nConnection: close\r\n\r\n" % ORIGIN.encode()


def exchange(service: Service, head: bytes, pieces: int = 1) -> tuple[int, httpx.Headers, Any]:
    """Send a head as it is, in so many pieces, and return the status, the headers and the body."""
    with connected(service) as connection:
        size = -(-len(head) // pieces)
        with suppress(BrokenPipeError, ConnectionResetError):  # the service may have had enough
            for start in range(0, len(head), size):
                connection.sendall(head[start : start + size])
                time.sleep(0.01 if pieces > 1 else 0)  # so that they do not arrive as one
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    top, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = top.decode().split("\r\n")
    headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines])
    return int(status_line.split()[1]), headers, json.loads(body)


def check_cors(response: httpx.Response) -> None:
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")} == EXPOSED
    assert "Origin" in response.headers["Vary"]


class TestErrors:
    @pytest.mark.parametrize("name", ERRORS)
    def test_every_error_is_a_problem_document_that_a_browser_may_read(
        self, client: httpx.Client, anonymous: httpx.Client, name: str
    ) -> None:
        status, provoke = ERRORS[name]
        for who in (client, anonymous):
            who.headers["Origin"] = ORIGIN
        response = provoke(client, anonymous)
        check_problem(response, status)
        if name != "refused preflight":
            check_cors(response)

    def test_a_fault_of_ours_is_a_500_that_tells_nothing(self, broken: httpx.Client) -> None:
        response = broken.get("/tasks", headers={"Origin": ORIGIN})
        check_problem(response, 500)
        check_cors(response)
        assert response.json()["detail"] == "Internal server error"

    def test_a_database_out_of_reach_is_a_503(self, user: str) -> None:
        with serve(settings_for("postgresql://localhost:1/none", db_queue_timeout=0.2)) as service:
            headers = {**bearer(make_token(user)), "Origin": ORIGIN}
            for path in (f"/api/{user}/tasks", "/health/ready"):
                response = httpx.get(service.url + path, headers=headers, verify=TLS)
                check_problem(response, 503)
                check_cors(response)
                assert int(response.headers["Retry-After"]) > 0
            assert httpx.get(f"{service.url}/health", verify=TLS).json() == {"status": "ok"}

    def test_nothing_of_the_input_comes_back(self, client: httpx.Client) -> None:
        marker = "m4rk3r"
        bodies = [
            f'{{"title": {{"{marker}": "{marker}"}}}}',
            f'{{"title": "{marker * 60}"}}',
            f'"{marker}',
            f'{{"title": "\\ud83d{marker}"}}',
        ]
        answers = [client.post("/tasks", content=body, headers=JSON) for body in bodies]
        answers += [client.get(f"/tasks?{name}={marker}") for name in ("status", "sort", "limit", "cursor")]
        answers += [client.get(f"/tasks/{marker}"), client.get(f"/{marker}")]
        for answer in answers:
            assert answer.status_code in {400, 404, 422}
            assert marker not in answer.text

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff\xfe",
            b'{"title":"\xff"}',
            b'{"title":"x"}{',
            b'{"title":"x","n":NaN}',
            b'{"title":"x","n":-Infinity}',
            b"[" * 60_000,
            b'{"a":' * 10_000,
            '{"title":"x"}'.encode("utf-16"),
            b'\xef\xbb\xbf{"title":"x"}',
            b"title=x",
        ],
    )
    def test_what_is_not_json_is_a_400_and_stores_nothing(self, client: httpx.Client, body: bytes) -> None:
        check_problem(client.post("/tasks", content=body, headers=JSON), 400)
        assert client.get("/tasks").json() == []

    @pytest.mark.parametrize("number", [b"9" * 5000, b"-" + b"9" * 5000, b"9" * 5000 + b".5e3", b"1e999999"])
    def test_a_number_that_no_program_can_hold_is_json_and_ignored_like_any_other(
        self, client: httpx.Client, number: bytes
    ) -> None:
        assert client.post("/tasks", content=b'{"title":"x","n":%s}' % number, headers=JSON).status_code == 201
        check_problem(client.post("/tasks", content=b'{"title":%s}' % number, headers=JSON), 422)
        check_problem(client.patch("/tasks/1/complete", content=b'{"completed":%s}' % number, headers=JSON), 422)

    @pytest.mark.parametrize("name", ["cls", "self", "__pydantic_self__", "data", "model_fields", "__class__", ""])
    def test_a_member_that_means_nothing_is_ignored_whatever_it_is_called(
        self, client: httpx.Client, name: str
    ) -> None:
        created = client.post("/tasks", json={"title": "x", name: 1})
        assert created.status_code == 201
        path = f"/tasks/{created.json()['id']}"
        assert client.put(path, json={"description": "y", name: 1}).json()["description"] == "y"
        assert client.patch(f"{path}/complete", json={name: 1}).json()["completed"] is True
        assert client.patch(f"{path}/complete", json={"completed": True, name: None}).json()["completed"] is True

    def test_zeros_before_a_length_are_nothing(self, service: Service, user: str) -> None:
        head = f"POST /api/{user}/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {make_token(user)}\r\n"
        length = f"Content-Type: application/json\r\nContent-Length: {'0' * 5000}13\r\n\r\n"
        assert exchange(service, (head + length + '{"title":"a"}').encode())[0] == 201

    @pytest.mark.parametrize("coding", ["gzip", "GZIP", "br, gzip", "identity, gzip", "unknown"])
    @pytest.mark.parametrize("compressed", [False, True])
    def test_an_encoded_body_is_415_whether_it_is_encoded_or_not(
        self, client: httpx.Client, coding: str, compressed: bool
    ) -> None:
        body = gzip.compress(b'{"title":"x"}') if compressed else b'{"title":"x"}'
        response = client.post("/tasks", content=body, headers={**JSON, "Content-Encoding": coding, "Origin": ORIGIN})
        check_problem(response, 415)
        check_cors(response)
        assert response.headers["Accept-Encoding"] == "identity"
        assert client.get("/tasks").json() == []

    def test_no_body_has_no_coding(self, client: httpx.Client) -> None:
        task = client.post("/tasks", json={"title": "x"}).json()
        headers = {"Content-Encoding": "gzip", "Content-Length": "0"}
        assert client.patch(f"/tasks/{task['id']}/complete", headers=headers).json()["completed"] is True

    @pytest.mark.parametrize("coding", ["identity", "Identity", "identity, identity"])
    def test_a_body_that_is_said_to_be_plain_is_read(self, client: httpx.Client, coding: str) -> None:
        headers = {**JSON, "Content-Encoding": coding}
        assert client.post("/tasks", content=b'{"title":"x"}', headers=headers).status_code == 201

    @pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: a\r\n", b"Host: a\r\nhost: b\r\n"])
    def test_a_request_needs_exactly_one_host(self, service: Service, hosts: bytes) -> None:
        status, headers, body = exchange(service, b"GET /health HTTP/1.1\r\n" + hosts + from_origin())
        assert (status, body["status"]) == (400, 400)
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert body["request_id"] == headers["X-Request-ID"]

    @pytest.mark.parametrize(
        ("lines", "status"),
        [(b"", 400), (b"Host: a\r\nHost: b\r\n", 400), (b"Host: a\r\nX: %s\r\n" % (b"x" * 40_000), 431)],
    )
    def test_a_preflight_is_refused_for_its_head_like_any_request(
        self, service: Service, lines: bytes, status: int
    ) -> None:
        asked = b"Access-Control-Request-Method: PUT\r\n"
        answer, headers, body = exchange(service, b"OPTIONS /api/a/tasks HTTP/1.1\r\n" + lines + asked + from_origin())
        assert (answer, body["status"]) == (status, status)
        assert headers["Access-Control-Allow-Origin"] == ORIGIN

    def test_a_request_of_http_1_0_needs_no_host(self, service: Service) -> None:
        assert exchange(service, b"GET /health HTTP/1.0\r\n\r\n")[0] == 200

    @pytest.mark.parametrize(
        "media", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/merge-patch+json"]
    )
    def test_any_spelling_of_the_media_type_of_json_will_do(self, client: httpx.Client, media: str) -> None:
        assert client.post("/tasks", content='{"title":"x"}', headers={"Content-Type": media}).status_code == 201

    def test_a_declared_size_over_the_limit_is_refused_before_the_body_comes(self, service: Service) -> None:
        with connected(service) as connection:
            connection.sendall(b"POST /api/a/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        assert received.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in received.lower()

    def test_a_body_at_the_limit_is_read(self, client: httpx.Client) -> None:
        body = json.dumps({"title": "x", "pad": ""})
        padded = body.replace('"pad": ""', f'"pad": "{"y" * (65_536 - len(body))}"')
        assert len(padded) == 65_536
        assert client.post("/tasks", content=padded, headers=JSON).status_code == 201
        check_problem(client.post("/tasks", content=padded + " ", headers=JSON), 413)

    def test_the_limit_of_a_body_in_chunks_is_the_same(self, client: httpx.Client) -> None:
        body = json.dumps({"title": "x"}).ljust(65_536).encode()
        chunks = [body[start : start + 4096] for start in range(0, len(body), 4096)]
        assert client.post("/tasks", content=iter(chunks), headers=JSON).status_code == 201
        check_problem(client.post("/tasks", content=iter([*chunks, b" "]), headers=JSON), 413)
        assert [task["title"] for task in client.get("/tasks").json()] == ["x"]

    @pytest.mark.parametrize("pieces", [1, 2, 12])
    def test_a_browser_may_read_why_its_large_head_was_refused(self, service: Service, pieces: int) -> None:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\n" + from_origin()[:-2]
        head += b"X-Large: " + b"x" * (32 * 1024 - 40) + b"\r\n\r\n"
        status, headers, body = exchange(service, head, pieces=pieces)
        assert (status, body["status"]) == (431, 431)
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert headers["Connection"] == "close"
        assert body["request_id"] == headers["X-Request-ID"]
        assert isinstance(body["detail"], str)

    def test_what_is_not_http_is_a_400_that_a_browser_may_read(self, service: Service) -> None:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\n" + from_origin()[:-2] + b"X Bad\r\n\r\n"
        status, headers, body = exchange(service, head)
        assert (status, body["status"]) == (400, 400)
        assert headers["Access-Control-Allow-Origin"] == ORIGIN

    def test_a_large_token_in_a_large_head_is_judged(self, client_for: Callable[..., httpx.Client], user: str) -> None:
        token = make_token(user, image="x" * 23_000)
        assert 30_000 < len(token) < 32_000
        assert client_for(user, token).get("/tasks").status_code == 200
        changed = client_for(user, token[:-4] + "AAAA").get("/tasks")
        check_problem(changed, 401)

    def test_a_head_over_the_limit_is_431(self, service: Service) -> None:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: "
        with connected(service) as connection:
            connection.sendall(head.ljust(32 * 1024 + 1, b"x"))  # and it has not ended yet
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        status_line, _, rest = received.partition(b"\r\n")
        assert status_line.startswith(b"HTTP/1.1 431 ")
        assert json.loads(rest.partition(b"\r\n\r\n")[2])["status"] == 431

    def test_a_large_head_in_two_pieces_is_served(self, service: Service, anonymous: httpx.Client) -> None:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Large: ".ljust(28_000, b"x") + b"\r\n\r\n"
        with connected(service) as connection:
            for _ in range(2):
                connection.sendall(head[:27_000])
                anonymous.get("/health")  # whose answer tells that the service has read the first piece
                connection.sendall(head[27_000:])
                assert read_head(connection).startswith(b"http/1.1 200 ")

    def test_a_wrong_method_learns_all_right_ones(self, client: httpx.Client, anonymous: httpx.Client) -> None:
        assert client.patch("/tasks").headers["Allow"] == "GET, POST"
        assert client.post("/tasks/1").headers["Allow"] == "DELETE, GET, PUT"
        assert client.get("/tasks/1/complete").headers["Allow"] == "PATCH"
        assert anonymous.post("/health").headers["Allow"] == "GET, HEAD"


class TestBrowsers:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
    def test_a_preflight_allows_the_methods_and_headers_of_the_contract(
        self, anonymous: httpx.Client, method: str
    ) -> None:
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
        asked["Access-Control-Request-Headers"] = ",".join(REQUEST_HEADERS)
        response = anonymous.options("/api/a/tasks", headers=asked)
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert method in response.headers["Access-Control-Allow-Methods"]
        assert "X-Request-ID" in response.headers

    def test_a_preflight_allows_nothing_else(self, anonymous: httpx.Client) -> None:
        allowed = anonymous.options("/api/a/tasks", headers={"Origin": ORIGIN, METHOD: "GET"}).headers
        methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
        assert set(allowed["Access-Control-Allow-Methods"].split(", ")) == methods
        simple = {"accept", "accept-language", "content-language"}  # which need no leave
        headers = {name.lower() for name in allowed["Access-Control-Allow-Headers"].split(", ")} - simple
        assert headers == {name.lower() for name in REQUEST_HEADERS}
        assert "Access-Control-Allow-Credentials" not in allowed

    @pytest.mark.parametrize(
        ("method", "headers"), [("GET", "authorization,x-other"), ("HEAD", ""), ("QUERY", ""), ("*", "")]
    )
    def test_a_preflight_that_asks_for_more_is_refused(
        self, anonymous: httpx.Client, method: str, headers: str
    ) -> None:
        asked = {"Origin": ORIGIN, METHOD: method, **({"Access-Control-Request-Headers": headers} if headers else {})}
        response = anonymous.options("/api/a/tasks", headers=asked)
        check_problem(response, 400)
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://localhost:3001", "http://localhost:3000.evil"]
    )
    def test_another_origin_is_not_allowed(self, client: httpx.Client, anonymous: httpx.Client, origin: str) -> None:
        assert "Access-Control-Allow-Origin" not in client.get("/tasks", headers={"Origin": origin}).headers
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        assert "Access-Control-Allow-Origin" not in anonymous.options("/api/a/tasks", headers=asked).headers

    @pytest.mark.parametrize("origin", ["http://localhost:3000", "http://localhost"])
    def test_a_frontend_on_the_same_machine_is_allowed_by_default(
        self, client: httpx.Client, anonymous: httpx.Client, origin: str
    ) -> None:
        asked = {"Origin": origin, METHOD: "GET"}
        for response in (
            client.get("/tasks", headers={"Origin": origin}),
            anonymous.options("/api/a/tasks", headers=asked),
        ):
            assert response.status_code == 200
            assert response.headers["Access-Control-Allow-Origin"] == origin

    def test_origins_come_from_the_settings(self, database_url: str) -> None:
        with serve(settings_for(database_url, cors_origins="https://a.example/, https://b.example")) as service:
            for origin, allowed in (("https://a.example", True), ("https://b.example", True), (ORIGIN, False)):
                response = httpx.get(f"{service.url}/health", headers={"Origin": origin}, verify=TLS)
                assert (response.headers.get("Access-Control-Allow-Origin") == origin) is allowed


class TestBehindAProxy:
    def test_addresses_have_the_prefix_that_it_strips(self, database_url: str, user: str) -> None:
        with (
            serve(settings_for(database_url, root_path="/todo")) as service,
            httpx.Client(base_url=service.url, headers=bearer(make_token(user)), timeout=30, verify=TLS) as client,
        ):
            path = f"/api/{user}/tasks"
            created = [client.post(path, json={"title": title}, headers=key) for title, key in (("a", {}), ("b", KEY))]
            replayed = client.post(path, json={"title": "b"}, headers=KEY)
            for response in (*created, replayed):
                assert response.headers["Location"] == f"/todo{path}/{response.json()['id']}"
            following = client.get(path, params={"limit": 1}).links["next"]["url"]
            assert urlsplit(following).path == f"/todo{path}"
            assert client.get(following.removeprefix("/todo")).json() == [created[1].json()]


class TestRequestIds:
    @pytest.mark.parametrize("sent", ["a", "Az0-_.", "x" * 128])
    def test_a_sane_one_is_kept(self, anonymous: httpx.Client, sent: str) -> None:
        response = anonymous.get("/nowhere", headers={"X-Request-ID": sent})
        assert response.headers["X-Request-ID"] == response.json()["request_id"] == sent

    @pytest.mark.parametrize("sent", [b"", b"x" * 129, b"a b", b"a;b", b"\xc3\xa4", b"a\tb"])
    def test_another_one_is_replaced(self, anonymous: httpx.Client, sent: bytes) -> None:
        response = anonymous.get(
            "/nowhere", headers=[(b"X-Request-ID", sent if isinstance(sent, bytes) else sent.encode())]
        )
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])

    def test_each_request_has_its_own(self, anonymous: httpx.Client) -> None:
        assert len({anonymous.get("/health").headers["X-Request-ID"] for _ in range(20)}) == 20


class TestHealth:
    @pytest.mark.parametrize(("path", "body"), [("/health", {"status": "ok"}), ("/health/ready", {"status": "ready"})])
    def test_a_healthy_service_says_so(self, anonymous: httpx.Client, path: str, body: dict[str, str]) -> None:
        response = anonymous.get(path)
        assert (response.status_code, response.json()) == (200, body)

    @pytest.mark.parametrize("path", ["/health", "/health/ready", "/docs", "/openapi.json", "/"])
    def test_pages_outside_the_api_answer_head(self, anonymous: httpx.Client, path: str) -> None:
        got, head = anonymous.get(path), anonymous.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers.get("Content-Type") == got.headers.get("Content-Type")

    def test_a_visitor_lands_on_the_documentation(self, anonymous: httpx.Client) -> None:
        response = anonymous.get("/")
        assert response.is_redirect
        assert response.headers["Location"].endswith("/docs")


@pytest.fixture
def counted(database_url: str) -> Iterator[tuple[Service, CountingProxy]]:
    """A service whose every statement is on record."""
    proxy = CountingProxy(database_url)
    with serve(settings_for(proxy.url)) as service:
        wait_until_ready(service)
        yield service, proxy
    proxy.close()


def wait_until_ready(service: Service) -> None:
    assert httpx.get(f"{service.url}/health/ready", timeout=30, verify=TLS).status_code == 200


Counted = tuple[Service, CountingProxy]


class TestRoundTrips:
    def sent(self, counted: Counted, user: str, method: str, path: str, **request: Any) -> list[str]:
        service, proxy = counted
        proxy.statements.clear()
        headers = {**bearer(make_token(user)), **request.pop("headers", {})}
        response = httpx.request(
            method, f"{service.url}/api/{user}/tasks{path}", headers=headers, verify=TLS, **request
        )
        assert response.is_success or response.status_code in {404, 412}, response.text
        return list(proxy.statements)

    @pytest.mark.parametrize("rows", [10, 1000])
    def test_each_operation_is_one_statement(self, counted: Counted, database_url: str, user: str, rows: int) -> None:
        columns = "INSERT INTO tasks (user_id, title, title_key)"
        series = f"FROM generate_series(1, {rows}) n RETURNING id"
        (task_id, *_), *_ = execute(database_url, f"{columns} SELECT '{user}', 'Task ' || n, 'task ' || n {series}")
        one = f"/{task_id}"
        operations: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "", {}),
            ("GET", "?status=pending&sort=title", {}),
            ("GET", "?limit=5", {}),
            ("POST", "", {"json": {"title": "x"}}),
            ("POST", "", {"json": {"title": "x"}, "headers": {"Idempotency-Key": "k"}}),
            ("GET", one, {}),
            ("PUT", one, {"json": {"title": "y"}}),
            ("PUT", one, {"json": {"title": "z"}, "headers": {"If-Match": '"x"'}}),
            ("PATCH", f"{one}/complete", {}),
            ("PATCH", f"{one}/complete", {"headers": {"If-Match": '"x"'}}),
            ("DELETE", one, {"headers": {"If-Match": '"x"'}}),
            ("DELETE", one, {}),
            ("DELETE", one, {}),
        ]
        for method, path, request in operations:
            assert len(self.sent(counted, user, method, path, **request)) == 1, (method, path)

    def test_so_is_the_question_whether_the_service_is_ready(self, counted: Counted) -> None:
        service, proxy = counted
        proxy.statements.clear()
        assert httpx.get(f"{service.url}/health/ready", verify=TLS).status_code == 200
        assert len(proxy.statements) == 1

    def test_a_write_whose_tag_matches_is_one_statement(self, counted: Counted, user: str) -> None:
        service, _ = counted
        base, headers = f"{service.url}/api/{user}", bearer(make_token(user))
        with httpx.Client(base_url=base, headers=headers, verify=TLS) as client:
            one = f"/{create(client)['id']}"
            writes: list[tuple[str, str, Any]] = [
                ("PUT", one, {"title": "y"}),
                ("PUT", one, {}),
                ("PATCH", f"{one}/complete", None),
                ("DELETE", one, None),
            ]
            for method, path, body in writes:
                seen = {"If-Match": client.get(f"/tasks{one}").headers["ETag"]}
                sent = self.sent(counted, user, method, path, json=body, headers=seen)
                assert len(sent) == 1, (method, sent)
            assert client.get(f"/tasks{one}").status_code == 404, "all of them matched"

    def test_sixteen_clients_make_no_more(self, counted: Counted, user: str) -> None:
        service, proxy = counted
        headers = bearer(make_token(user))
        with httpx.Client(base_url=f"{service.url}/api/{user}", headers=headers, verify=TLS) as client:
            path = f"/tasks/{create(client)['id']}"
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(lambda _: client.get(path), range(64)))
                proxy.statements.clear()
                answers = list(pool.map(lambda _: client.get(path), range(160)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(proxy.statements) == 160

    def test_who_is_refused_costs_no_statement(self, counted: Counted, user: str) -> None:
        service, proxy = counted
        proxy.statements.clear()
        for token in (make_token("other"), "nonsense", make_token(user, ttl=-60)):
            response = httpx.get(f"{service.url}/api/{user}/tasks", headers=bearer(token), verify=TLS)
            assert response.status_code in {401, 403}
        assert httpx.get(f"{service.url}/health", verify=TLS).status_code == 200
        assert proxy.statements == []


class TestRendering:
    TEXTS = (
        "plain",
        'quote " and \\ backslash',
        "tab\tnewline\nreturn\r",
        "".join(map(chr, range(1, 32))) + "x",
        "\x7f\x80\u2028\u2029\ufeff",
        "Zażółć 漢字 😀 \U0010ffff",
        "</script>",
        "{}[],:null",
        "%s %(x)s %%",
    )

    def test_postgresql_renders_what_the_response_model_would(
        self, client: httpx.Client, database_url: str, user: str
    ) -> None:
        for text in self.TEXTS:
            create(client, f"t {text} t", description=text)
        create(client, "none")
        listed = client.get("/tasks").json()
        client.patch(f"/tasks/{listed[0]['id']}/complete")
        names = list(TaskResponse.model_fields)
        rows = execute(database_url, f"SELECT {', '.join(names)} FROM tasks WHERE user_id = '{user}' ORDER BY id")
        expected = [TaskResponse.model_validate(dict(zip(names, row, strict=True))) for row in rows]
        rendered = client.get("/tasks")
        assert [TaskResponse.model_validate(task) for task in rendered.json()] == expected
        assert [list(task) for task in rendered.json()] == [names] * len(expected)
        for task, model in zip(rendered.json(), expected, strict=True):
            assert client.get(f"/tasks/{task['id']}").json() == task
            assert {name: type(value) for name, value in task.items()} == {
                name: type(value) for name, value in json.loads(model.model_dump_json()).items()
            }
