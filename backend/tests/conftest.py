"""Fixtures: one PostgreSQL and one running service per test run, a client per user, no shared state."""

import os
import ssl
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

# Before anything imports `src.main`, which reads the environment; no test depends on these values.
os.environ["NEON_DB_URL"] = "postgresql://nowhere.invalid/none"
os.environ["BETTER_AUTH_SECRET"] = "only-for-the-import-of-the-module-src-main"

import greenlet
import httpx
import psycopg2
import pytest

from dev import postgres
from tests.support import canaries
from tests.support.polling import eventually
from tests.support.server import Service, serve, settings_for
from tests.support.tokens import bearer, make_token

# The greenlets that threads begin with. Coverage has one of each thread as a key of a WeakKeyDictionary. Where a thread
# that has ended was the last to hold it, greenlet lets it go among the interpreter's pending calls, and there Python
# code of that dictionary runs; if another thread ends meanwhile, CPython 3.11 never comes back from it while it traces.
_kept: list[greenlet.greenlet] = []


def _keep(*_: object) -> None:
    sys.setprofile(None)
    _kept.append(greenlet.getcurrent())


threading.setprofile(_keep)  # once in each thread that begins from now on
# Else greenlet looks for who holds them, among all objects, and imports a module for it in whatever code runs then.
greenlet.enable_optional_cleanup(False)

TLS = ssl.create_default_context()  # never used, but each httpx.Client would spend 50 ms on one of its own


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look through what a test, and the service in its process, has printed."""
    for name, text in report.sections:
        canaries.look(f"{report.nodeid}, {name}", text)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a secret, a token, a password or what somebody wrote has come out anywhere."""
    if canaries.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what came out where."""
    for place in canaries.found:
        terminalreporter.write_line(f"PRIVATE, AND IN AN OUTPUT: {place[:400]}", red=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server: TEST_DATABASE_URL, or one from the wheel that ends with the run."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="tasks-test-") as folder, postgres.running(Path(folder) / "data") as url:
        # Which asks for no password; so nothing but its appearance in an output can show this one.
        yield url.replace("postgres:@", f"postgres:{canaries.PASSWORD}@", 1)


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Iterator[Callable[[], str]]:
    """Make an empty database; all of them are dropped at the end."""
    names: list[str] = []

    def create() -> str:
        names.append(f"tasks_test_{uuid.uuid4().hex[:12]}")
        execute(server_url, f"CREATE DATABASE {names[-1]}")
        return with_database(server_url, names[-1])

    yield create
    for name in names:
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def service(database_url: str) -> Iterator[Service]:
    """The service under test, on a real socket."""
    with serve(settings_for(database_url)) as running:
        until_ready(running)
        yield running


@pytest.fixture
def client_for(service: Service) -> Iterator[Callable[[str], httpx.Client]]:
    """A client whose paths are relative to `/api/{user}` and who carries that user's token."""
    clients: list[httpx.Client] = []

    def create(user: str, token: str | None = None) -> httpx.Client:
        headers = bearer(token or make_token(user))
        clients.append(httpx.Client(base_url=f"{service.url}/api/{user}", headers=headers, timeout=30, verify=TLS))
        return clients[-1]

    yield create
    for client in clients:
        client.close()


@pytest.fixture
def user() -> str:
    """A user id nobody used before, shaped like Better Auth's."""
    return uuid.uuid4().hex


@pytest.fixture
def client(client_for: Callable[[str], httpx.Client], user: str) -> httpx.Client:
    return client_for(user)


@pytest.fixture
def stranger(client_for: Callable[[str], httpx.Client]) -> httpx.Client:
    """Another user, who must never see what `client` does."""
    return client_for(uuid.uuid4().hex)


@pytest.fixture
def apart(new_database: Callable[[], str]) -> Iterator[Callable[..., tuple[httpx.Client, str]]]:
    """Start a service on a database of its own, with settings of its own; return a client and the database's URL."""
    with ExitStack() as stack:

        def start(**settings: str) -> tuple[httpx.Client, str]:
            url = new_database()
            ((name,),) = execute(url, "SELECT current_database()")
            for setting, value in settings.items():
                execute(url, f"ALTER DATABASE {name} SET {setting} = '{value}'")
            running = stack.enter_context(serve(settings_for(url)))
            until_ready(running)
            base, headers = f"{running.url}/api/alice", bearer(make_token("alice"))
            return stack.enter_context(httpx.Client(base_url=base, headers=headers, timeout=30, verify=TLS)), url

        yield start


@pytest.fixture
def anonymous(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30, verify=TLS) as client:
        yield client


def until_ready(running: Service) -> None:
    """Wait for the schema; one request for readiness waits 2 s, which may be short where much else goes on."""
    ready = f"{running.url}/health/ready"
    eventually(lambda: httpx.get(ready, timeout=30, verify=TLS).is_success, 30, "a schema")


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run SQL past the service, and return the rows."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def with_database(url: str, name: str) -> str:
    """Return the server's URL with another database in it."""
    head, question, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}{question}{query}"
