"""Fixtures for real containers; only `make images` provides what they need, so `make test` leaves this folder out."""

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.images.containers import (
    DATABASE_IMAGE,
    IMAGES,
    Container,
    Image,
    Running,
    age,
    podman,
    ready_url,
    serve,
    until,
)

if "IMAGES" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[str]:
    podman("network", "create", "checks")
    yield "checks"
    podman("rm", "--force", "--all", "--time", "0")
    podman("volume", "prune", "--force")


@pytest.fixture(scope="session")
def database(network: str) -> str:
    """A PostgreSQL container; returns its URL as other containers reach it."""
    settings = [f"--env=POSTGRES_{name}=app" for name in ("USER", "PASSWORD", "DB")]
    container = Container.start(DATABASE_IMAGE, *settings)
    until(lambda: podman("exec", container.id, "pg_isready", "-q", "-h", "127.0.0.1", check=False) is not None)
    return f"postgresql://app:app@{container.address}:5432/app"


@pytest.fixture(scope="session")
def secret() -> str:
    return secrets.token_urlsafe(48)


@pytest.fixture(scope="session")
def settings(database: str, secret: str) -> dict[str, str]:
    """The least that a deployment sets."""
    return {"NEON_DB_URL": database, "BETTER_AUTH_SECRET": secret}


@pytest.fixture(params=IMAGES, ids=lambda image: image.dockerfile)
def image(request: pytest.FixtureRequest) -> Image:
    return request.param


@pytest.fixture(scope="module", params=IMAGES, ids=lambda image: image.dockerfile)
def running(request: pytest.FixtureRequest, settings: dict[str, str]) -> Iterator[Running]:
    """The service in this image, ready, with the settings that every deployment has."""
    container = serve(request.param, settings)
    pid = container.state()["State"]["Pid"]
    url = ready_url(container, request.param.port)
    yield Running(request.param, container, url, age(pid))
    container.remove()


@pytest.fixture
def containers() -> Iterator[list[Container]]:
    """Containers that a test started; they are removed after it."""
    started: list[Container] = []
    yield started
    for container in started:
        container.remove()
