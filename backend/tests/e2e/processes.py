"""The processes of an end-to-end test: Better Auth, the example and the service, each as a user would run it."""

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
CLIENT = BACKEND / "clients/typescript"
EXAMPLE = BACKEND / "examples/nextjs"
START_SECONDS = 60
BUILD_SECONDS = 600  # some 30 on an idle machine
# Neither process sees settings of this machine.
PATH = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

SECRET = {"BETTER_AUTH_SECRET": secrets.token_urlsafe(48)}


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
        wait_for(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def copy_of(project: Path, target: Path) -> Path:
    """Copy what a person has written of a Node project, and link what was installed; an earlier build stays."""
    made = ("node_modules", "output", "dist", ".next", ".env.local", "*.tsbuildinfo", "__pycache__")
    for path in target.iterdir() if target.exists() else ():
        if path.name != ".next":
            path.unlink() if path.is_file() else shutil.rmtree(path)
    shutil.copytree(project, target, ignore=shutil.ignore_patterns(*made), dirs_exist_ok=True)
    # Hard links where possible: Next.js follows no symbolic link out of its project. Nothing writes to these files.
    shutil.copytree(project / "node_modules", target / "node_modules", symlinks=True, copy_function=_link)
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until a URL answers 200; the process must not end meanwhile."""
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
    environment = {"PORT": str(port), **SECRET, **options}
    with running(["node", "auth-server.mjs"], HERE, environment, f"http://localhost:{port}/api/auth/ok"):
        yield f"http://localhost:{port}"


@contextmanager
def example(folder: Path, port: int, database_url: str, api_url: str) -> Iterator[str]:
    """Build a copy of the example as for production, and run it; it makes Better Auth's tables itself."""
    url = f"http://localhost:{port}"
    environment = {
        "DATABASE_URL": database_url,
        "BETTER_AUTH_URL": url,
        "NEXT_PUBLIC_API_URL": api_url,
        "NEXT_TELEMETRY_DISABLED": "1",
        **SECRET,
    }
    next_js = ["node", "node_modules/next/dist/bin/next"]
    subprocess.run([*next_js, "build"], cwd=folder, env={**PATH, **environment}, check=True, timeout=BUILD_SECONDS)
    start = [*next_js, "start", "--hostname", "127.0.0.1", "--port", str(port)]
    with running(start, folder, environment, f"{url}/api/auth/ok"):
        yield url


@contextmanager
def tasks_api(folder: Path, database_url: str, auth_url: str, port: int) -> Iterator[str]:
    """Run the service as in production, from what an image holds: no `.env` file, no secret, no ENVIRONMENT."""
    for part in ("src", "migrations"):
        shutil.copytree(BACKEND / part, folder / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"NEON_DB_URL": database_url, "BETTER_AUTH_URL": auth_url, "PORT": str(port), "LOG_LEVEL": "WARNING"}
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "src"], folder, environment, f"{url}/health/ready"):
        yield url
