"""A PostgreSQL that may be stopped, a proxy before it, and real server processes."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chaos import Proxy, proxy_to
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres, running
from tests.support.processes import ServiceProcess

StartService = Callable[..., ServiceProcess]
SHARED = "shared"


@pytest.fixture(scope="session")
def _one_postgres() -> Iterator[Postgres]:
    folder = tempfile.TemporaryDirectory(prefix="tasks-faults-", ignore_cleanup_errors=True)
    with folder as name, running(Path(name) / "data") as server:
        yield server


@pytest.fixture
def postgres(_one_postgres: Postgres) -> Iterator[Postgres]:
    """The server, which is up again afterwards."""
    yield _one_postgres
    if not _one_postgres.up:
        _one_postgres.start()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of an empty database."""
    name = f"faults_{uuid.uuid4().hex[:12]}"
    postgres.execute(f"CREATE DATABASE {name}")
    yield name
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with proxy_to(postgres.port) as between:
        yield between


@pytest.fixture
def start_service(tmp_path: Path, postgres: Postgres, database: str) -> Iterator[StartService]:
    """Start `python -m src` on the test's database; no server may log a traceback."""
    started: list[ServiceProcess] = []

    def start(url: str | None = None, **settings: object) -> ServiceProcess:
        started.append(ServiceProcess(url or postgres.url(database), tmp_path / f"{len(started)}.log", **settings))
        started[-1].wait_alive()
        return started[-1]

    yield start
    for service in started:
        service.cleanup()


@pytest.fixture(scope="session")
def _one_service(_one_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    _one_postgres.execute(f"CREATE DATABASE {SHARED}")
    process = ServiceProcess(_one_postgres.url(SHARED), tmp_path_factory.mktemp("service") / "log")
    process.wait_alive()
    yield process
    assert process.stop() == 0
    process.cleanup()


@pytest.fixture
def service(postgres: Postgres, _one_service: ServiceProcess) -> ServiceProcess:
    """A process with one worker that many tests share, ready; its database is `SHARED`."""
    _one_service.wait_ready()
    return _one_service


@pytest.fixture
def proxied_url(proxy: Proxy, database: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"


@pytest.fixture
def settled(postgres: Postgres, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Wait until a database has at most so many connections."""

    def wait(most: int, database: str | None = None) -> None:
        name = database or request.getfixturevalue("database")
        eventually(lambda: postgres.connections(name) <= most, 15, f"at most {most} connections")

    return wait
