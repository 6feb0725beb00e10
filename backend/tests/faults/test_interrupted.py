"""Statements that break off in the middle: which are made again, which are not, and that none keeps its place."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.faults.conftest import StartService
from tests.support.chaos import Proxy, proxy_to
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token
from tests.support.wire import read_head, rendered

TOKEN = make_token("alice")
TASKS = "/api/alice/tasks"
UNHURRIED = 30  # seconds for a statement: what ends here does not end because its time is over

READS = {
    "list": "/tasks",
    "list by title": "/tasks?sort=title",
    "page": "/tasks?limit=1",
    "page by title": "/tasks?limit=1&sort=title",
    "task": "/tasks/{id}",
}
WRITES = {
    "create": ("POST", "/tasks", {"title": "created"}, False),
    "update": ("PUT", "/tasks/{id}", {"title": "updated"}, False),
    "update if": ("PUT", "/tasks/{id}", {"title": "updated"}, True),
    "toggle": ("PATCH", "/tasks/{id}/complete", None, False),
    "toggle if": ("PATCH", "/tasks/{id}/complete", None, True),
    "delete": ("DELETE", "/tasks/{id}", None, False),
    "delete if": ("DELETE", "/tasks/{id}", None, True),
}


class Bench:
    """A service on a database of its own, with a proxy in between."""

    def __init__(self, postgres: Postgres, database: str, proxy: Proxy, service: ServiceProcess) -> None:
        self.postgres, self.database, self.proxy, self.service = postgres, database, proxy, service

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold every statement that needs the tasks; afterwards they go on."""
        with self.postgres.connected(self.database, autocommit=False) as holder:
            holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            yield
            holder("COMMIT")

    @property
    def waiting(self) -> int:
        return self.postgres.waiting(self.database)

    def under_way(self, number: int = 1) -> None:
        eventually(lambda: self.waiting == number, 10, f"{number} statements wait for the lock")

    def terminate(self) -> None:
        """Let the server end what waits, and say so."""
        those = f"pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{self.database}'"
        self.postgres.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM {those}")

    def cut(self) -> None:
        """Reset the connections; the server goes on with what waits, and does not notice that nobody listens."""
        self.proxy.cut()


Interrupt = Callable[[Bench], None]
INTERRUPTS = pytest.mark.parametrize("interrupt", [Bench.terminate, Bench.cut], ids=["by the server", "by the network"])
Ask = Callable[..., "Future[httpx.Response]"]


@pytest.fixture(scope="module")
def _one_bench(_one_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    database = "interrupted"
    _one_postgres.execute(f"CREATE DATABASE {database}")
    with proxy_to(_one_postgres.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"
        service = ServiceProcess(url, tmp_path_factory.mktemp("interrupted") / "log", db_statement_timeout=UNHURRIED)
        service.wait_alive()
        yield Bench(_one_postgres, database, proxy, service)
        assert service.stop() == 0
        service.cleanup()


@pytest.fixture
def bench(postgres: Postgres, _one_bench: Bench) -> Bench:
    """One that many tests share, ready and without tasks."""
    _one_bench.service.wait_ready()
    postgres.execute("TRUNCATE tasks", _one_bench.database)
    return _one_bench


@pytest.fixture
def task(bench: Bench) -> httpx.Response:
    """Whose body is a task that is there."""
    return httpx.post(bench.service.url + TASKS, json={"title": "before"}, headers=bearer(TOKEN), timeout=30)


@pytest.fixture
def ask(bench: Bench) -> Iterator[Ask]:
    """Send a request, and go on while it is under way."""
    with (
        httpx.Client(base_url=f"{bench.service.url}/api/alice", headers=bearer(TOKEN), timeout=60) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        yield lambda method, path, **named: threads.submit(client.request, method, path, **named)


@INTERRUPTS
@pytest.mark.parametrize("path", READS.values(), ids=READS)
def test_a_read_that_breaks_off_is_made_again(
    bench: Bench, task: httpx.Response, ask: Ask, interrupt: Interrupt, path: str
) -> None:
    with bench.locked():
        answer = ask("GET", path.format(id=task.json()["id"]))
        bench.under_way()
        interrupt(bench)
    assert answer.result(20).status_code == 200
    assert answer.result().json() in (task.json(), [task.json()])


@INTERRUPTS
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_breaks_off_is_503_and_not_made_again(
    bench: Bench, task: httpx.Response, ask: Ask, interrupt: Interrupt, write: tuple[str, str, object, bool]
) -> None:
    """It may have been carried out or not, and only the client knows whether twice is too often."""
    method, path, json, conditional = write
    headers = {"If-Match": task.headers["ETag"]} if conditional else {}
    with bench.locked():
        answer = ask(method, path.format(id=task.json()["id"]), json=json, headers=headers)
        bench.under_way()
        interrupt(bench)
        # Made again, it would wait for the lock again.
        eventually(answer.done, 10, "the write is answered while the lock is held")
    assert answer.result().status_code == 503
    assert int(answer.result().headers["Retry-After"]) > 0


# --- Places in the pool ---------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(start_service: StartService, postgres: Postgres, database: str, proxy: Proxy, proxied_url: str) -> Bench:
    """A service with two places, which gives up a statement after three seconds."""
    service = start_service(proxied_url, db_pool_size=2, db_statement_timeout=3, db_connect_timeout=1)
    service.wait_ready()
    return Bench(postgres, database, proxy, service)


@contextmanager
def asking(bench: Bench, number: int) -> Iterator[list[socket.socket]]:
    """Clients that have sent a request each, every other one a write."""
    requests = rendered("GET", TASKS, TOKEN), rendered("POST", TASKS, TOKEN, {"title": "asked"})
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", bench.service.port), timeout=30))
            for _ in range(number)
        ]
        for place, client in enumerate(clients):
            client.sendall(requests[place % 2])
        yield clients


def statuses(clients: list[socket.socket]) -> set[int]:
    return {int(read_head(client).split()[1]) for client in clients}


def has_both_places(bench: Bench) -> bool:
    """Whether two statements can be under way at once, and are answered."""
    with ExitStack() as stack:
        with bench.locked():
            clients = stack.enter_context(asking(bench, 2))
            bench.under_way(2)
        return statuses(clients) <= {200, 201}


def test_a_request_whose_time_is_over_leaves_its_place(narrow: Bench) -> None:
    with narrow.locked(), asking(narrow, 4) as clients:
        narrow.under_way(2)
        assert statuses(clients) == {503}
        eventually(lambda: not narrow.waiting, 10, "the server does not work on them any more")
    assert has_both_places(narrow)


def test_a_client_that_leaves_takes_no_place_along(narrow: Bench) -> None:
    with narrow.locked():
        with asking(narrow, 4):
            narrow.under_way(2)
        eventually(lambda: not narrow.waiting, 20, "the server does not work for them any more")
    assert has_both_places(narrow)


def test_a_client_that_leaves_before_its_statement_ends_takes_no_place_along(narrow: Bench) -> None:
    with narrow.locked(), asking(narrow, 4):
        narrow.under_way(2)
    assert has_both_places(narrow)


@INTERRUPTS
def test_a_statement_that_breaks_off_leaves_its_place(narrow: Bench, interrupt: Interrupt) -> None:
    for _ in range(2):
        with narrow.locked(), asking(narrow, 2):
            narrow.under_way(2)
            interrupt(narrow)
        eventually(lambda: not narrow.waiting, 10, "the server works for nobody")
    assert has_both_places(narrow)


def test_who_gets_no_connection_leaves_its_place(narrow: Bench) -> None:
    narrow.proxy.swallowing = True
    narrow.proxy.cut()  # so that everybody needs a new one
    with asking(narrow, 4) as clients:
        assert statuses(clients) == {503}
    narrow.proxy.swallowing = False
    narrow.proxy.cut()
    assert has_both_places(narrow)
