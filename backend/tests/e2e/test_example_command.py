"""`make example`: one command, three servers, and nothing left of them afterwards."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import BACKEND, EXAMPLE, PATH, START_SECONDS, copy_of, free_port, wait_for
from tests.e2e.users import User
from tests.support.polling import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the command needs of the repository: it writes settings and a database there."""
    for part in ("src", "migrations", "dev", "examples"):
        ignored = shutil.ignore_patterns("__pycache__", "nextjs")
        shutil.copytree(BACKEND / part, tmp_path / "backend" / part, ignore=ignored)
    copy_of(EXAMPLE, tmp_path / "backend" / EXAMPLE.relative_to(BACKEND))
    shutil.copy(BACKEND.parent / ".env.example", tmp_path)
    return tmp_path


def command(copy: Path, **settings: str) -> "subprocess.Popen[bytes]":
    module = [sys.executable, "-m", "examples"]
    with (copy / "log").open("wb") as log:
        return subprocess.Popen(module, cwd=copy / "backend", env={**PATH, **settings}, stdout=log, stderr=log)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_serves_a_new_user_and_ends_with_ctrl_c(copy: Path, sign_up: Callable[[str, str, str], User]) -> None:
    ports = free_port(), free_port()
    auth_url, api_url = (f"http://localhost:{port}" for port in ports)
    process = command(copy, FRONTEND_PORT=str(ports[0]), PORT=str(ports[1]))
    try:
        wait_for(process, f"{auth_url}/api/auth/ok")
        wait_for(process, f"{api_url}/health/ready")
        user = sign_up(auth_url, api_url, "ada")
        token = user.token()
        # The API asks for the keys at its start, when the frontend may be too slow for it, and again 5 s later.
        eventually(lambda: user.works(token), 10, "the API knows the signing keys")
        assert user.call("create", token).status_code == 201
        page = httpx.get(auth_url, cookies=dict(user.auth.cookies), timeout=START_SECONDS)
        assert "Buy milk" in page.text
        preflight = {"Origin": auth_url, "Access-Control-Request-Method": "GET"}
        allowed = httpx.options(f"{api_url}/api/{user.id}/tasks", headers=preflight).headers
        assert allowed["Access-Control-Allow-Origin"] == auth_url
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(START_SECONDS)
    assert status == 0, (copy / "log").read_text()
    assert not any(listens(port) for port in ports)
    assert not (copy / ".postgres/postmaster.pid").exists()
    secrets = (copy / "backend/examples/nextjs/.env.local").stat()
    assert secrets.st_mode & 0o777 == 0o600


def test_a_port_that_is_taken_is_named_before_anything_starts(copy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = command(copy, PORT=str(free_port()), FRONTEND_PORT=str(port))
        assert process.wait(START_SECONDS) == 1
    said = (copy / "log").read_text()
    assert said == f"Port {port} is in use; for another: FRONTEND_PORT={port + 1} make example\n"
    assert not (copy / ".postgres").exists()
