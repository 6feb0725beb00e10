"""The processes of an end-to-end test: Better Auth (with the page) and the service, each as a user would run it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parent
BACKEND = HERE.parents[1]
CLIENT = BACKEND / "clients/typescript"  # what the page calls the API with
START_SECONDS = 60
# Neither process sees settings of this machine.
PATH = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_port(port: int) -> int:
    """Fail with words when something else has the port that this run cannot do without."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            pytest.fail(f"port {port} is in use; end the program that listens there, then run `make e2e` again")
    return port


@contextmanager
def running(command: list[str], cwd: Path, environment: Mapping[str, str], url: str) -> Iterator[str]:
    """Run a server until the block ends; it has started when the URL answers 200."""
    process = subprocess.Popen(command, cwd=cwd, env={**PATH, **environment})
    try:
        _wait_for(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server for {url} ended at start"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer 200 within {START_SECONDS} s")


@contextmanager
def better_auth(port: int, **options: str) -> Iterator[str]:
    """Run a Better Auth server with an empty database; its options are explained in `auth-server.mjs`."""
    environment = {"PORT": str(port), "BETTER_AUTH_SECRET": secrets.token_urlsafe(48), **options}
    with running(["node", "auth-server.mjs"], HERE, environment, f"http://localhost:{port}/api/auth/ok"):
        yield f"http://localhost:{port}"


@contextmanager
def tasks_api(folder: Path, database_url: str, auth_url: str, port: int) -> Iterator[str]:
    """Run the service as in production, from what an image holds: no `.env` file, no secret, no ENVIRONMENT."""
    for part in ("src", "migrations"):
        shutil.copytree(BACKEND / part, folder / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"NEON_DB_URL": database_url, "BETTER_AUTH_URL": auth_url, "PORT": str(port), "LOG_LEVEL": "WARNING"}
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "src"], folder, environment, f"{url}/health/ready"):
        yield url
