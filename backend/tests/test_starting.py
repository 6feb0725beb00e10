"""Every way of starting the service reads its settings in the same place, and refuses them in the same words."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import process
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.tokens import SECRET, bearer, make_token

TOP = Path(__file__).resolve().parents[2]
COMPLETE = {"NEON_DB_URL": "postgresql://nowhere.invalid/none", "BETTER_AUTH_SECRET": SECRET}
PYTHON = ".venv/bin/python"
UVICORN = [PYTHON, "-m", "uvicorn", "src.main:app", "--port", "0"]
MAKE = ["make", "--silent", "--directory=..", "--assume-old=backend/.venv/.installed"]
# By its name: the command, what it needs besides, and the status; None where that is another program's.
WAYS: dict[str, tuple[list[str], dict[str, str], int | None]] = {
    "python -m src": ([PYTHON, "-m", "src"], {}, 3),
    "python -m src, 2 workers": ([PYTHON, "-m", "src"], {"WEB_CONCURRENCY": "2"}, 3),
    "uvicorn": ([".venv/bin/uvicorn", "src.main:app"], {"UVICORN_PORT": "0"}, 3),
    "uvicorn --workers 3": ([".venv/bin/uvicorn", "src.main:app", "--port=0", "--workers=3"], {}, None),
    "python -m uvicorn": (UVICORN, {}, 3),
    "python -m uvicorn, 2 workers": (UVICORN, {"WEB_CONCURRENCY": "2"}, None),
    "make run": ([*MAKE, "run"], {"ENVIRONMENT": "development"}, None),
    "make run OTEL=1": ([*MAKE, "run", "OTEL=1"], {"ENVIRONMENT": "development"}, None),
    "make token": ([*MAKE, "token", "USER=alice"], {"ENVIRONMENT": "development"}, None),
    "alembic": ([PYTHON, "-m", "alembic", "current"], {}, 3),
}
FAULTS = {
    "NEON_DB_URL": ("postgresql://u:hunter2%zz@h/db", "must be a URL: percent-encode"),
    "LOG_FILE": ("/no-such-folder/hunter2.log", "must be a file that can be written to, in a folder that exists"),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what starts the service, where no `.env` of a developer is found."""
    folder = tmp_path_factory.mktemp("checkout")
    installed = process.install(folder)
    shutil.copytree(TOP / "backend/dev", installed / "dev")
    shutil.copy(TOP / "backend/pyproject.toml", installed)
    for name in ("Makefile", ".env.example"):
        shutil.copy(TOP / name, folder)
    (installed / ".venv").symlink_to(TOP / "backend/.venv")
    return installed


@pytest.fixture(autouse=True)
def _without_env_file(backend: Path) -> Iterator[None]:
    """`make` writes one where there is none."""
    yield
    (backend.parent / ".env").unlink(missing_ok=True)


def start(backend: Path, way: str, changes: dict[str, str]) -> subprocess.Popen[str]:
    command, needs, _ = WAYS[way]
    environment = {"PATH": os.environ["PATH"], "PORT": "0"} | COMPLETE | needs | changes
    return subprocess.Popen(
        command,
        cwd=backend,
        env={name: value for name, value in environment.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(backend: Path, way: str, changes: dict[str, str]) -> tuple[int, str]:
    """Start it, and return its status and all that it wrote."""
    with start(backend, way, changes) as popen:
        output, _ = popen.communicate(timeout=60)
    return popen.returncode, output


def check_refusal(way: str, status: int, output: str, name: str, said: str) -> None:
    sentences = [line for line in output.splitlines() if "Configuration error" in line]
    assert len(sentences) == 1, output
    assert sentences[0].startswith(f"Configuration error: {name} {said}")
    assert "hunter2" not in output
    assert "Traceback" not in output
    assert status in ((WAYS[way][2],) if WAYS[way][2] else range(256))
    if WAYS[way][2]:
        assert output.splitlines() == sentences


@pytest.mark.parametrize(
    ("way", "name"),
    [*((way, "NEON_DB_URL") for way in WAYS), *((way, "LOG_FILE") for way in ("python -m src", "uvicorn", "make run"))],
)
def test_a_wrong_setting_is_one_sentence_however_it_is_started(backend: Path, way: str, name: str) -> None:
    value, said = FAULTS[name]
    status, output = end(backend, way, {name: value})
    check_refusal(way, status, output, name, said)


@pytest.mark.parametrize("way", ["python -m src", "python -m src, 2 workers", "uvicorn"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://user:hunter2/x@proxy.example:8080"),
        ("NO_PROXY", "localhost,[::1]"),
        ("SSL_CERT_FILE", "/hunter2/ca.pem"),
    ],
)
def test_what_keys_cannot_be_fetched_with_is_one_sentence(backend: Path, way: str, name: str, value: str) -> None:
    status, output = end(backend, way, {"BETTER_AUTH_URL": "https://auth.example.com", name: value})
    said = "HTTP_PROXY, ALL_PROXY, NO_PROXY or SSL_CERT_FILE of the environment cannot be used"
    check_refusal(way, status, output, "HTTPS_PROXY,", said)


@pytest.mark.parametrize("way", ["python -m src", "uvicorn", "make run", "make token"])
def test_a_wrong_line_of_the_env_file_is_one_too(backend: Path, way: str) -> None:
    file = backend.parent / ".env"
    file.write_text(f"BETTER_AUTH_SECRET=\"'{SECRET}hunter2'\" # with the quotes of somebody else in it\n")
    try:
        status, output = end(backend, way, {"BETTER_AUTH_SECRET": ""})
    finally:
        file.unlink()
    check_refusal(way, status, output, "BETTER_AUTH_SECRET", "must have no quotes around it")


def test_after_a_reload_the_sentence_comes_again(backend: Path, tmp_path: Path) -> None:
    """Its second process is not the second of WEB_CONCURRENCY, and waits for no first."""
    changed, log = backend / "src" / "changed.py", tmp_path / "log"
    environment = {"PATH": os.environ["PATH"], "WEB_CONCURRENCY": "64", "LOG_LEVEL": "hunter2"} | COMPLETE

    def comes_again() -> bool:
        changed.write_text(f"# {time.time()}\n")
        return log.read_text().count("Configuration error: LOG_LEVEL must be ") > 1

    with (
        log.open("w") as output,
        subprocess.Popen(
            [*UVICORN, "--reload", "--reload-dir=src"], cwd=backend, env=environment, stdout=output, stderr=output
        ) as popen,
    ):
        try:
            eventually(comes_again, 60, "the process after a change says it too", pause=3)
        finally:
            changed.unlink()
            popen.send_signal(signal.SIGTERM)
            popen.wait(process.END_SECONDS)


def test_make_token_takes_the_settings_of_the_service(backend: Path) -> None:
    changes = {"BETTER_AUTH_SECRET": f"  {SECRET}\n", "NEON_DB_URL": "", "PORT": "8123\n"}
    status, output = end(backend, "make token", changes)
    assert status == 0
    assert "http://localhost:8123/api/alice/tasks" in output


def test_an_idle_connection_lives_as_long_as_the_setting_says(backend: Path) -> None:
    with process.running(backend, COMPLETE | {"KEEP_ALIVE_SECONDS": "7"}) as server:
        eventually(lambda: _answers(f"{server.url}/health"), 30, "it answers")
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 80), timeout=60) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answered = time.monotonic()
            received = b"".join(iter(lambda: client.recv(65536), b""))  # until the service hangs up
            assert time.monotonic() - answered > 6  # uvicorn's own time is 5
        assert b'{"status":"ok"}' in received
        assert server.end() == 0


@pytest.mark.parametrize("way", ["python -m src", "uvicorn", "make run"])
def test_values_with_line_ends_serve(backend: Path, database_url: str, way: str) -> None:
    port = free_port()
    changes = {"NEON_DB_URL": f"{database_url}\n", "BETTER_AUTH_SECRET": f"{SECRET}\r\n", "LOG_LEVEL": "info\n"}
    changes |= {"PORT": f"{port}\n", "HOST": "127.0.0.1\n", "CORS_ORIGIN_REGEX": r"https://pr-\d+\.example\.com" + "\n"}
    changes |= {"UVICORN_PORT": str(port)}
    url = f"http://127.0.0.1:{port}/health/ready"
    with start(backend, way, changes) as popen:
        try:
            eventually(lambda: _answers(url), 30, "it is ready")
            answer = httpx.get(url, headers={"Origin": "https://pr-1.example.com"})
            assert answer.headers["Access-Control-Allow-Origin"] == "https://pr-1.example.com"
        finally:
            popen.send_signal(signal.SIGTERM)
            popen.communicate(timeout=30)


@pytest.mark.parametrize("way", ["python -m src", "uvicorn", "make run"])
@pytest.mark.parametrize("prefix", ["/todo", "/api"])  # as our own paths begin, too
def test_addresses_have_the_prefix_that_a_proxy_strips(backend: Path, database_url: str, way: str, prefix: str) -> None:
    port = free_port()
    changes = {"NEON_DB_URL": database_url, "PORT": str(port), "UVICORN_PORT": str(port), "ROOT_PATH": prefix}
    with start(backend, way, changes) as popen:
        try:
            base = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(f"{base}/health/ready"), 30, "it is ready")
            assert httpx.get(base).headers["Location"] == f"{prefix}/docs"
            made = httpx.post(
                f"{base}/api/alice/tasks", headers=bearer(make_token("alice")), json={"title": "a"}, timeout=30
            )
            assert made.headers["Location"] == f"{prefix}/api/alice/tasks/{made.json()['id']}"
            assert httpx.get(f"{base}/openapi.json").json()["servers"][0]["url"] == prefix
        finally:
            popen.send_signal(signal.SIGTERM)
            popen.communicate(timeout=30)


def test_make_run_shows_the_trace_of_a_request(backend: Path, database_url: str) -> None:
    port = free_port()
    changes = {"NEON_DB_URL": database_url, "PORT": str(port)}
    headers = bearer(make_token("alice")) | {"X-Request-ID": "the-one"}
    with start(backend, "make run OTEL=1", changes) as popen:
        try:
            eventually(lambda: _answers(f"http://127.0.0.1:{port}/health/ready"), 30, "it is ready")
            assert httpx.get(f"http://127.0.0.1:{port}/api/alice/tasks", headers=headers).is_success
        finally:
            popen.send_signal(signal.SIGTERM)
            output, _ = popen.communicate(timeout=30)
    lines = iter(output.splitlines())
    root = next(line for line in lines if "request the-one" in line)
    assert re.match(r"GET /api/\{user_id\}/tasks 200 +\d+\.\d\d ms  request the-one, trace [0-9a-f]{32}$", root)
    assert re.match(r"  SELECT tasks +\d+\.\d\d ms at \d+\.\d\d$", next(lines))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_a_port_in_use_is_said_before_anything_is_started(backend: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = end(backend, "make run", {"NEON_DB_URL": "", "PORT": str(port)})
    sentence = f"PORT must be free, and {port} is in use: PORT={port + 1} make run takes another"
    check_refusal("make run", status, output, *sentence.split(" ", 1))
    check_nothing_was_started(backend, status, output)


def test_an_address_of_another_machine_is_too(backend: Path) -> None:
    status, output = end(backend, "make run", {"NEON_DB_URL": "", "HOST": "192.0.2.1"})
    check_refusal("make run", status, output, "HOST", "must be an address or a name of this machine: 127.0.0.1, ")
    check_nothing_was_started(backend, status, output)


def check_nothing_was_started(backend: Path, status: int, output: str) -> None:
    assert status != 0
    assert "Tasks API" not in output
    assert not (backend.parent / ".postgres").exists()


def test_the_port_of_the_environment_is_taken_before_that_of_the_env_file(backend: Path, database_url: str) -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (backend.parent / ".env").write_text(f"PORT={taken.getsockname()[1]}\n")
        with start(backend, "make run", {"NEON_DB_URL": database_url, "PORT": str(free)}) as popen:
            try:
                eventually(lambda: _answers(f"http://127.0.0.1:{free}/health/ready"), 30, "it is ready")
            finally:
                popen.send_signal(signal.SIGTERM)
                output, _ = popen.communicate(timeout=30)
    assert f"http://localhost:{free}/docs" in output
    assert f" PORT={free} make token USER=alice" in output
