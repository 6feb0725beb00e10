"""Podman, as the tests of this folder use it."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.tokens import bearer, make_token

BASE_IMAGE = "docker.io/library/python:3.11-slim"
DATABASE_IMAGE = "docker.io/library/postgres:17"
HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)


@dataclass(frozen=True)
class Image:
    """An image that the verification built from this Dockerfile, under the name it gives."""

    dockerfile: str
    port: int
    user: int

    @property
    def name(self) -> str:
        return f"localhost/verify/{re.sub('[^a-z0-9]', '-', self.dockerfile.lower())}:latest"

    def inspect(self) -> dict[str, Any]:
        return json.loads(podman("image", "inspect", self.name) or "")[0]


IMAGES = (Image("backend/Dockerfile", 8000, 10001), Image("Dockerfile.spaces", 7860, 1000))


def podman(*arguments: str, check: bool = True) -> str | None:
    """Return what a podman command prints; None if it fails and need not succeed."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout if done.returncode == 0 else None


@cache
def files(image: str) -> Path:
    """Return where the image's root file system is mounted for reading."""
    return Path((podman("image", "mount", image) or "").strip())


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the awaited condition did not come true"
        time.sleep(0.02)
    return value


class Container:
    """A started container."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier

    @classmethod
    def start(cls, image: str, *options: str) -> Self:
        return cls((podman("run", "--detach", "--network=checks", *options, image) or "").strip())

    def state(self) -> dict[str, Any]:
        return json.loads(podman("inspect", self.id) or "")[0]

    @property
    def address(self) -> str:
        return str(self.state()["NetworkSettings"]["Networks"]["checks"]["IPAddress"])

    def logs(self) -> str:
        done = subprocess.run(["podman", "logs", self.id], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def wait(self) -> int:
        """Return the exit status once the container has ended."""
        return int(podman("wait", "--interval=50ms", self.id) or "")

    def remove(self) -> None:
        podman("rm", "--force", "--time=0", self.id)


@dataclass(frozen=True)
class Running:
    """A container whose service is ready, and how old its process was at that moment (see `age`)."""

    image: Image
    container: Container
    url: str
    age: float


def serve(image: Image, settings: dict[str, str], *options: str) -> Container:
    """Start the service; whoever needs it to be ready waits with `ready_url`."""
    return Container.start(image.name, *(f"--env={name}={value}" for name, value in settings.items()), *options)


def ready_url(container: Container, port: int) -> str:
    """Return the service's address once it serves tasks."""
    url = f"http://{container.address}:{port}"
    until(lambda: answer(f"{url}/health/ready"))
    return url


def answer(url: str) -> httpx.Response | None:
    """Return the answer if it is 200; None while the server is on its way."""
    try:
        response = httpx.get(url, timeout=5)
    except httpx.TransportError:
        return None
    return response if response.status_code == 200 else None


def assert_a_task_can_be_kept(url: str, secret: str) -> None:
    """Create a task and read it back, alone and in the list."""
    with httpx.Client(base_url=f"{url}/api/alice", headers=bearer(make_token("alice", key=secret))) as client:
        created = client.post("/tasks", json={"title": "Buy milk"})
        assert created.status_code == 201, created.text
        assert client.get(f"/tasks/{created.json()['id']}").json() == created.json()
        assert created.json() in client.get("/tasks").json()


def age(pid: int) -> float:
    """Return the seconds since a process started, without those in which it stood in line for a processor.

    What is taken off is the load of the machine that runs the tests; an idle machine has none.
    """
    # The 22nd field; the name before it is in parentheses and may hold anything.
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    waited = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / 100 - waited
