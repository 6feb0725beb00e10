"""Logs: one line a request, in a form for machines or for people, with its id and without secrets."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from src.log import configure_logging
from tests.conftest import TLS
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "service.log"
    for handler in list(logging.root.handlers):
        if isinstance(handler, logging.FileHandler):
            logging.root.removeHandler(handler)
            handler.close()


def test_a_request_is_one_json_line_without_the_token_or_the_title(
    database_url: str, log_file: Path, user: str
) -> None:
    token = make_token(user)
    with serve(settings_for(database_url, log_level="INFO", log_format="json", log_file=log_file)) as service:
        headers = bearer(token) | {"X-Request-ID": "the-id"}
        httpx.post(f"{service.url}/api/{user}/tasks", json={"title": "private"}, headers=headers, verify=TLS)
        httpx.get(f"{service.url}/health", verify=TLS)
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) == 1
    line = requests[0]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/{user_id}/tasks", 201)
    assert (line["level"], line["request_id"]) == ("INFO", "the-id")
    assert line["ms"] > 0
    for private in (token, "private", database_url):
        assert private not in log_file.read_text()


def test_a_fault_is_logged_with_its_trace_and_the_id_that_the_client_has(
    database_url: str, log_file: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what went wrong")

    monkeypatch.setattr("src.routes.tasks.answer_list", fail)
    with serve(settings_for(database_url, log_format="json", log_file=log_file)) as service:
        answer = httpx.get(f"{service.url}/api/{user}/tasks", headers=bearer(make_token(user)), verify=TLS)
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    (fault,) = [line for line in lines if line["event"] == "unhandled error"]
    assert fault["request_id"] == answer.json()["request_id"]
    assert "RuntimeError: what went wrong" in fault["exception"]


def test_text_is_for_people(tmp_path: Path, log_file: Path) -> None:
    configure_logging(settings_for("postgresql://h/db", log_format="text", log_file=log_file))
    logging.getLogger("src.x").warning("an event", extra={"count": 3})
    for handler in logging.root.handlers:
        handler.flush()
    assert "WARNING an event count=3" in log_file.read_text()


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_path_without_a_route_is_named_bounded_and_cannot_forge_a_line(
    database_url: str, log_file: Path, log_format: str
) -> None:
    with serve(settings_for(database_url, log_level="INFO", log_format=log_format, log_file=log_file)) as service:
        httpx.get(f"{service.url}/wp-login.php", verify=TLS)
        httpx.get(f"{service.url}/a%0Ab%0D%1B%5B31m%00%E2%80%A8c", verify=TLS)
        httpx.get(f"{service.url}/{'x' * 5000}", verify=TLS)
    lines = [line for line in log_file.read_text().splitlines() if re.search(r'status(=|": )404', line)]
    assert len(lines) == 3
    assert "/wp-login.php" in lines[0]
    assert "/a?b??[31m??c" in lines[1]
    assert "x" * 150 in lines[2]
    assert len(lines[2]) < 700
