"""How DEPLOYMENT.md says that logs are read: its queries on what a real service has written, and the rotation."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest

from tests.conftest import TLS
from tests.support import markdown
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres, running
from tests.support.processes import ServiceProcess
from tests.support.programs import program
from tests.support.tokens import bearer, make_token

DOCUMENT = (markdown.TOP / "backend/docs/DEPLOYMENT.md").read_text()
SECTION = DOCUMENT.split("\n## Logs\n")[1].split("\n## ")[0]
ID = "REQUEST-ID"  # as the document has it
LOG = "backend/logs/service.log"
QUESTIONS = (
    "What happened to one request?",
    "What is slow, and is it the database?",
    "Who was refused, and why?",
    "Since when is the database gone?",
    "Who deleted task 17?",
)


@contextmanager
def service_in(folder: Path, database_url: str) -> Iterator[ServiceProcess]:
    """Run a service that logs to the folder as one does that is installed there."""
    (folder / LOG).parent.mkdir(parents=True)
    process = ServiceProcess(database_url, folder / "stderr", log_level="INFO", log_file=folder / LOG)
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


class Caller:
    """What happens to a service at night."""

    def __init__(self, service: ServiceProcess) -> None:
        self._service = service

    def ask(self, method: str, path: str, token: str, **given: Any) -> int:
        headers = bearer(token) | given.pop("headers", {})
        url = f"{self._service.url}/api/alice/tasks{path}"
        return httpx.request(method, url, headers=headers, timeout=30, verify=TLS, **given).status_code

    def wait_behind_a_lock(self, postgres: Postgres) -> None:
        with postgres.connected(autocommit=False) as holder:
            holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            release = Timer(0.5, holder, ["COMMIT"])
            release.start()
            assert self.ask("GET", "", make_token()) == 200
            release.join()

    def find_the_database_gone(self, postgres: Postgres) -> None:
        postgres.stop()
        assert self.ask("GET", "/1", make_token()) == 503
        postgres.start()
        eventually(lambda: self.ask("GET", "/1", make_token()) == 200, 10, "the database is used again")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that had a bad night, and has ended."""
    folder = tmp_path_factory.mktemp("installed")
    # The server runs as another user where the tests are root's, whose folders are for root alone.
    data = tempfile.TemporaryDirectory(prefix="tasks-logs-", ignore_cleanup_errors=True)
    with data as name, running(Path(name) / "data") as postgres, service_in(folder, postgres.url()) as service:
        caller = Caller(service)
        assert {caller.ask("POST", "", make_token(), json={"title": "a"}) for _ in range(17)} == {201}
        assert caller.ask("GET", "", make_token("mallory")) == 403
        assert {caller.ask("GET", "", make_token(ttl=-60)) for _ in range(2)} == {401}
        caller.wait_behind_a_lock(postgres)
        assert caller.ask("DELETE", "/17", make_token(), headers={"X-Request-ID": ID}) == 204
        caller.find_the_database_gone(postgres)
        assert service.stop() == 0
    return folder


def query(question: str) -> str:
    """Return the command below a question."""
    part = SECTION.split(f"**{question}**")[1]
    return next(block.body for block in markdown.blocks(part) if block.language == "sh")


def answer(question: str, folder: Path) -> str:
    if program("jq") is None:
        pytest.skip("jq is not installed, and cannot be (that takes root and apt-get)")
    command = ["bash", "-euo", "pipefail", "-c", query(question)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def answers(question: str, folder: Path) -> list[Any]:
    return [json.loads(line) for line in answer(question, folder).splitlines()]


def test_these_are_the_questions() -> None:
    assert tuple(re.findall(r"^\*\*(.+\?)\*\*", SECTION, re.MULTILINE)) == QUESTIONS
    assert sum(block.language == "sh" for block in markdown.blocks(SECTION)) == len(QUESTIONS)


def test_what_happened_to_one_request(installed: Path) -> None:
    deleted, request = answers(QUESTIONS[0], installed)
    assert (deleted["event"], request["event"]) == ("task deleted", "request")
    assert (request["method"], request["route"]) == ("DELETE", "/api/{user_id}/tasks/{task_id}")
    assert (request["status"], request["user_id"], request["request_id"]) == (204, "alice", ID)


def test_what_is_slow_and_whether_it_is_the_database(installed: Path) -> None:
    routes = answers(QUESTIONS[1], installed)
    by_name = {line["route"]: line for line in routes}
    assert by_name["POST /api/{user_id}/tasks"]["requests"] == 17
    locked = by_name["GET /api/{user_id}/tasks"]
    assert locked["p95_ms"] > 300
    assert locked["db_percent"] > 90
    assert [line["p95_ms"] for line in routes] == sorted((line["p95_ms"] for line in routes), reverse=True)


def test_who_was_refused_and_why(installed: Path) -> None:
    expired, mismatch = answers(QUESTIONS[2], installed)
    assert (expired["requests"], expired["status"], expired["reason"]) == (2, 401, "expired")
    assert (mismatch["requests"], mismatch["status"], mismatch["user_id"]) == (1, 403, "mallory")
    assert expired["client"] == mismatch["client"] == "127.0.0.1"
    assert expired["last"].endswith("Z")


def test_since_when_the_database_is_gone(installed: Path) -> None:
    events = [line.split(" ", 1) for line in answer(QUESTIONS[3], installed).splitlines()]
    times = [when for when, _ in events]
    assert times == sorted(times)
    said = [event for _, event in events]
    assert said[:2] == ["database connected", "database ready"]
    assert said[2].startswith(("database lost", "database unreachable"))
    assert said[-1].startswith("database recovered")


def test_who_deleted_a_task(installed: Path) -> None:
    (deleted,) = answers(QUESTIONS[4], installed)
    assert (deleted["user_id"], deleted["request_id"]) == ("alice", ID)


def test_every_field_of_a_line_and_every_event_is_in_the_document(installed: Path) -> None:
    lines = [json.loads(line) for line in (installed / LOG).read_text().splitlines()]
    fields = {name for line in lines if line["event"] == "request" for name in line}
    told = set(re.findall("`([^`\n]+)`", SECTION))
    assert fields <= told
    assert {line["event"] for line in lines if line["logger"].startswith("src.")} <= told


def test_every_event_of_the_source_is_in_the_document() -> None:
    source = "\n".join(path.read_text() for path in (markdown.TOP / "backend/src").rglob("*.py"))
    said = set(re.findall(r"""logger\.(?:info|warning|error|exception)\(\s*"([^"]+)""", source))
    assert len(said) > 10
    assert {event for event in said if f"`{event}`" not in SECTION} == set()


def written(log: Path, path: str) -> bool:
    return log.exists() and f'"{path}"' in log.read_text()  # after a rotation, there is no file until the next line


def test_logrotate_as_documented_loses_no_line(tmp_path: Path, database_url: str) -> None:
    logrotate = program("logrotate")
    if logrotate is None:
        pytest.skip("logrotate is not installed, and cannot be (that takes root and apt-get)")
    configuration = next(block.body for block in markdown.blocks(SECTION) if "rotate 14" in block.body)
    (tmp_path / "configuration").write_text(configuration.replace("/PATH/TO", str(tmp_path)))
    with service_in(tmp_path, database_url) as service:
        for number in range(3):
            httpx.get(f"{service.url}/{number}", verify=TLS)
            eventually(partial(written, tmp_path / LOG, f"/{number}"), 5, "the line is written")
            command = [logrotate, "--force", "--state", tmp_path / "state", tmp_path / "configuration"]
            subprocess.run(command, check=True, timeout=30)
        httpx.get(f"{service.url}/3", verify=TLS)
        assert service.stop() == 0
    files = sorted((tmp_path / LOG).parent.iterdir())
    assert [file.name for file in files] == ["service.log", *(f"service.log.{end}" for end in ("1", "2.gz", "3.gz"))]
    lines = subprocess.run(["zcat", "--force", *files], capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(line["path"] for line in map(json.loads, lines) if line["event"] == "request") == [
        f"/{number}" for number in range(4)
    ]
