"""`python -m src` as a supervisor sees it: exit codes, signals, and what a faulty configuration says."""

import shutil
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import process
from tests.support.tokens import SECRET, bearer, make_token

STOP_SECONDS = 5
COMPLETE = {"NEON_DB_URL": "postgresql://nowhere.invalid/none", "BETTER_AUTH_SECRET": SECRET}

FAULTS = {
    "missing secret": (
        {"BETTER_AUTH_SECRET": ""},
        "BETTER_AUTH_SECRET is missing; set it, BETTER_AUTH_URL, or both",
    ),
    "weak secret": (
        {"BETTER_AUTH_SECRET": "short"},
        "BETTER_AUTH_SECRET is weak; outside development it needs 32 random bytes or more",
    ),
    "secret of 31 bytes": (
        {"BETTER_AUTH_SECRET": "x" * 31},
        "BETTER_AUTH_SECRET is weak; outside development it needs 32 random bytes or more",
    ),
    "weak secret beside a key set": (
        {"BETTER_AUTH_SECRET": "short", "BETTER_AUTH_URL": "http://localhost:3000"},
        "BETTER_AUTH_SECRET is weak; outside development it needs 32 random bytes or more",
    ),
    "placeholder secret": (
        {"BETTER_AUTH_SECRET": "change-me-this-is-a-placeholder-for-development-only"},
        "BETTER_AUTH_SECRET is weak; outside development it needs 32 random bytes or more",
    ),
    "missing database": (
        {"NEON_DB_URL": ""},
        "NEON_DB_URL is missing; it must be set outside development",
    ),
    "missing database in development": (
        {"NEON_DB_URL": "", "ENVIRONMENT": "development"},
        "NEON_DB_URL is empty: set it, or start the service with `make run`",
    ),
}


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return process.install(tmp_path_factory.mktemp("installed"))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_with_status_0(
    backend: Path, database_url: str, workers: str, number: signal.Signals
) -> None:
    environment = COMPLETE | {"NEON_DB_URL": database_url, "WEB_CONCURRENCY": workers}
    with process.running(backend, environment) as server:
        assert _until_it_answers(f"{server.url}/health/ready").status_code == 200
        started = time.monotonic()
        assert server.end(number) == 0
        assert time.monotonic() - started < STOP_SECONDS


def test_idle_kept_alive_connections_do_not_delay_the_stop(backend: Path, database_url: str) -> None:
    with (
        process.running(backend, COMPLETE | {"NEON_DB_URL": database_url}) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert client.get("/health").status_code == 200
        started = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - started < STOP_SECONDS


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux's /proc")
def test_sigterm_while_it_is_still_importing_ends_it_with_status_0(backend: Path) -> None:
    with process.started(backend, COMPLETE) as popen:
        deadline = time.monotonic() + process.END_SECONDS
        while not _handles_sigterm(popen.pid):
            assert popen.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(process.END_SECONDS) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_configuration_ends_it_with_status_3_and_one_sentence(backend: Path, fault: str, workers: str) -> None:
    changes, sentence = FAULTS[fault]
    status, output = process.ended(backend, COMPLETE | changes | {"WEB_CONCURRENCY": workers})
    assert status == 3
    assert output == f"Configuration error: {sentence}\n"


def test_a_successor_that_cannot_start_ends_all_with_status_3(backend: Path, tmp_path: Path) -> None:
    """Supervisors start a service again that ends with a fault, and not one that ends as if it was told to."""
    folder = tmp_path / "logs"
    folder.mkdir()
    environment = COMPLETE | {"WEB_CONCURRENCY": "2", "LOG_FILE": str(folder / "log")}
    with process.running(backend, environment) as server:
        assert _until_it_answers(f"{server.url}/health").status_code == 200
        shutil.rmtree(folder)
        worker = next(
            child for child in psutil.Process(server.popen.pid).children() if "spawn_main" in str(child.cmdline())
        )
        worker.kill()
        output, _ = server.popen.communicate(timeout=30)
    assert server.popen.returncode == 3
    assert "Configuration error: LOG_FILE must be a file" in output


@pytest.mark.parametrize("secret", ["x" * 32, "ż" * 16], ids=["ASCII", "beyond"])
def test_a_secret_of_32_bytes_is_enough(backend: Path, secret: str) -> None:
    with process.running(backend, COMPLETE | {"BETTER_AUTH_SECRET": secret}) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.parametrize("name", ["BETTER_AUTH_SECRET", "NEON_DB_URL"])
def test_a_refused_value_is_not_repeated(backend: Path, name: str) -> None:
    status, output = process.ended(backend, COMPLETE | {name: "hunter2"})
    assert status == 3
    assert name in output
    assert "hunter2" not in output


def test_several_workers_serve_one_empty_database(backend: Path, new_database) -> None:
    environment = COMPLETE | {"NEON_DB_URL": new_database(), "WEB_CONCURRENCY": "2"}
    with process.running(backend, environment) as server:
        tasks = f"{server.url}/api/alice/tasks"
        assert _until_it_answers(f"{server.url}/health/ready").status_code == 200
        created = httpx.post(tasks, json={"title": "Buy milk"}, headers=bearer(make_token("alice")))
        assert created.status_code == 201
        for _ in range(10):  # Whichever worker takes the connection.
            assert httpx.get(tasks, headers=bearer(make_token("alice"))).json() == [created.json()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_ends_it_with_status_3_and_one_sentence(backend: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:  # as the sockets of several workers are
        port = str(taken.getsockname()[1])
        status, output = process.ended(backend, COMPLETE | {"PORT": port, "WEB_CONCURRENCY": workers})
    assert status == 3
    assert output == (
        f"Configuration error: PORT must be free, and {port} is in use: stop what listens there, or set another\n"
    )


def _until_it_answers(url: str) -> httpx.Response:
    deadline = time.monotonic() + 20
    while True:
        try:
            answer = httpx.get(url, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)
            continue
        if answer.status_code == 200 or time.monotonic() > deadline:
            return answer
        time.sleep(0.02)


def _handles_sigterm(pid: int) -> bool:
    """Read from the kernel whether the process has installed a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return bool(caught & 1 << (signal.SIGTERM - 1))
