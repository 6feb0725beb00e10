"""If-None-Match on writes, and preconditions that come in several lines (RFC 9110, sections 5.3 and 13.1)."""

from typing import Any

import httpx
import pytest

Write = tuple[str, str, Any]
WRITES: tuple[Write, ...] = (("PUT", "", {"title": "y"}), ("PATCH", "/complete", None), ("DELETE", "", None))
OTHER = '"1.1.00000000"'

pytestmark = pytest.mark.parametrize("to", WRITES, ids=["PUT", "PATCH", "DELETE"])


@pytest.fixture
def created(client: httpx.Client) -> httpx.Response:
    return client.post("/tasks", json={"title": "x"})


def write(client: httpx.Client, created: httpx.Response, to: Write, *headers: tuple[str, str]) -> int:
    """Return the status, having seen that a refused write changed nothing and another one did something."""
    method, suffix, body = to
    path = f"/tasks/{created.json()['id']}"
    response = client.request(method, path + suffix, json=body, headers=list(headers))
    after = client.get(path)
    assert (after.status_code == 200 and after.json() == created.json()) is (response.status_code == 412)
    return response.status_code


def test_none_match_refuses_the_current_state(client: httpx.Client, created: httpx.Response, to: Write) -> None:
    tag = created.headers["ETag"]
    for header in (tag, f"W/{tag}", f"{OTHER}, {tag}", "*"):
        assert write(client, created, to, ("If-None-Match", header)) == 412, header


@pytest.mark.parametrize("header", [OTHER, f"W/{OTHER}", "nonsense", ""])
def test_none_match_allows_any_other_state(
    client: httpx.Client, created: httpx.Response, to: Write, header: str
) -> None:
    assert write(client, created, to, ("If-None-Match", header)) in {200, 204}


def test_a_missing_or_foreign_task_is_not_found_whatever_is_asked_of_it(
    client: httpx.Client, stranger: httpx.Client, created: httpx.Response, to: Write
) -> None:
    path = f"/tasks/{created.json()['id']}{to[1]}"
    for header in ("*", created.headers["ETag"]):
        assert stranger.request(to[0], path, json=to[2], headers={"If-None-Match": header}).status_code == 404
        missing = client.request(to[0], f"/tasks/9{to[1]}", json=to[2], headers={"If-None-Match": header})
        assert missing.status_code == 404


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_several_lines_are_one_list(client: httpx.Client, created: httpx.Response, to: Write, name: str) -> None:
    lines = [(name, OTHER), (name, created.headers["ETag"]), (name, OTHER)]
    expected = {200, 204} if name == "If-Match" else {412}
    assert write(client, created, to, *lines) in expected


def test_both_are_asked(client: httpx.Client, created: httpx.Response, to: Write) -> None:
    tag = created.headers["ETag"]
    assert write(client, created, to, ("If-Match", tag), ("If-None-Match", tag)) == 412
    assert write(client, created, to, ("If-Match", "*"), ("If-None-Match", "*")) == 412
    assert write(client, created, to, ("If-Match", OTHER), ("If-None-Match", OTHER)) == 412
    assert write(client, created, to, ("If-Match", tag), ("If-None-Match", OTHER)) in {200, 204}


def test_a_tag_of_another_task_is_none_of_this_one(client: httpx.Client, created: httpx.Response, to: Write) -> None:
    other = client.post("/tasks", json={"title": "x"}).headers["ETag"]
    assert write(client, created, to, ("If-Match", other)) == 412
    assert write(client, created, to, ("If-None-Match", other)) in {200, 204}


@pytest.mark.parametrize("written", ["+{}", "0{}", "{}_0", " {}", "{}.0"])
def test_a_tag_is_compared_by_its_characters(
    client: httpx.Client, created: httpx.Response, to: Write, written: str
) -> None:
    """Python reads these numbers as the same, or as one."""
    number, version, fields = created.headers["ETag"].split(".")
    like = ".".join([number, written.format(version), fields])
    assert write(client, created, to, ("If-Match", like)) == 412
    assert write(client, created, to, ("If-None-Match", like)) in {200, 204}


@pytest.mark.parametrize("path", ["/tasks", "/tasks/{id}", "/tasks?limit=1"])
def test_a_read_takes_several_lines_too(client: httpx.Client, created: httpx.Response, to: Write, path: str) -> None:
    target = path.format(id=created.json()["id"])
    tag = client.get(target).headers["ETag"]
    lines = [("If-None-Match", OTHER), ("If-None-Match", tag)]
    assert client.get(target, headers=lines).status_code == 304
    assert client.get(target, headers=[("If-None-Match", OTHER)]).status_code == 200
