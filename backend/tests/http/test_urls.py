"""URLs in answers: they lead where they should, followed exactly as they are written, whatever an owner is called."""

import http.client
import json
import re
import subprocess
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TLS
from tests.support.server import Service
from tests.support.tokens import bearer, make_token

OWNERS = [
    *("a b", "ü", "日本", "🙂", "a?b", "a#b", "a%b", "%41", "a%2Fb", "%", "a;b", 'a"b', "a<b>", "a\\b", "a|b", "a&b=c"),
    *(
        "a:b",
        "a@b",
        "..a",
        "a..",
        "...",
        "a,b",
        "it's",
        "a+b",
        "~",
        "a\tb",
        "a\nb",
        "\x7f",
        "\x01",
        "[a]",
        "{a}",
        "a^b",
    ),
    *("`", "=", "$", "!", "*", "(a)", "-", "_", "\u200b", "\ufeff", "é"),
]

Follow = Callable[[Service, str, str], Any]


def by_python(service: Service, target: str, token: str) -> Any:
    """`http.client` sends a target as it is, or refuses it."""
    address = urlsplit(service.url)
    with closing(http.client.HTTPConnection(str(address.hostname), address.port or 80, timeout=30)) as connection:
        connection.request("GET", target, headers=bearer(token))
        response = connection.getresponse()
        assert response.status == 200
        return json.loads(response.read()), response.headers["Link"]


def by_curl(service: Service, target: str, token: str) -> Any:
    """As a person pastes it, but for `-g`: curl has a syntax of its own for brackets, which are never in a target."""
    command = ["curl", "-sS", "-i", "-H", f"Authorization: Bearer {token}", service.url + target]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    link = re.search("^link: (.*)\r?$", head, re.IGNORECASE | re.MULTILINE)
    return json.loads(body), link[1].strip() if link else None


def target_of(link: str) -> str:
    found = re.fullmatch(r'<([!-~]+)>; rel="next"', link)
    assert found, "not a link of RFC 8288"
    assert not set(found[1]) & set('<>"\\^`{|}'), "not a URI of RFC 3986"
    return found[1]


@pytest.mark.parametrize("follow", [by_python, by_curl])
@pytest.mark.parametrize("owner", OWNERS)
def test_links_and_locations_lead_where_they_should(service: Service, owner: str, follow: Follow) -> None:
    owner += uuid.uuid4().hex[:8] + owner
    token = make_token(owner)
    with httpx.Client(base_url=service.url, headers=bearer(token), timeout=30) as client:
        path = f"/api/{quote(owner, safe='')}/tasks"
        created = [client.post(path, json={"title": title}) for title in "abc"]
        page = client.get(f"{path}?limit=1&sort=title&status=pending")
    for answer in created:
        assert follow(service, answer.headers["Location"], token)[0] == answer.json()
    titles, link = [page.json()[0]["title"]], page.headers["Link"]
    while link:
        tasks, link = follow(service, target_of(link), token)
        titles += [task["title"] for task in tasks]
    assert titles == ["a", "b", "c"]


@given(owner=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_owner_that_fits_a_path_segment(service: Service, owner: str) -> None:
    if owner in {".", ".."}:  # which no client leaves in a path
        return
    token = make_token(owner)
    with httpx.Client(base_url=service.url, headers=bearer(token), timeout=30) as client:
        path = f"/api/{quote(owner, safe='')}/tasks"
        for title in "ab":
            location = client.post(path, json={"title": title}).headers["Location"]
            assert by_python(service, location, token)[0]["user_id"] == owner
        assert by_python(service, target_of(client.get(f"{path}?limit=1").headers["Link"]), token)[0]


def test_an_owner_with_a_slash_cannot_be_addressed(service: Service) -> None:
    for segment in ("a%2Fb", "a/b"):
        answer = httpx.get(f"{service.url}/api/{segment}/tasks", headers=bearer(make_token("a/b")), timeout=30)
        assert answer.status_code == 404


@pytest.mark.parametrize("end", ["%0A", "%0a"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/tasks"), ("GET", "/tasks"), ("PATCH", "/tasks/{id}/complete"), ("GET", "/tasks/{id}")],
)
def test_a_line_end_behind_a_path_makes_it_unknown(client: httpx.Client, method: str, path: str, end: str) -> None:
    """Python's `$` also matches before it."""
    task = client.post("/tasks", json={"title": "x"}).json()
    answer = client.request(method, path.format(id=task["id"]) + end, json={"title": "y"} if method == "POST" else None)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert client.get("/tasks").json() == [task]


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_an_encoded_slash_is_no_separator(
    client_for: Callable[..., httpx.Client], service: Service, slash: str
) -> None:
    """An id that has one cannot be addressed; and no path is another one's alias."""
    user = uuid.uuid4().hex
    assert client_for(f"{user}{slash}tasks", make_token(f"{user}/tasks")).get("/tasks").status_code == 404
    plain = client_for(user)
    assert plain.get("/tasks").status_code == 200
    for path in (f"/api{slash}{user}/tasks", f"/api/{user}{slash}tasks"):
        assert httpx.get(f"{service.url}{path}", headers=plain.headers, verify=TLS).status_code == 404
