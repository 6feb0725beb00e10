"""Metrics as a collector gets them: requests, connections, signing keys, remembered tokens, reasons of 503s."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext

import httpx
import psycopg2
import pytest

from src.errors import Unavailable
from tests.conftest import TLS, execute, with_database
from tests.support.collector import Collector, collecting
from tests.support.jwks import Answer, KeyServer, Signer, key_server
from tests.support.locks import locked
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token

TASKS = "/api/alice/tasks"
ALICE = bearer(make_token("alice"))
Start = Callable[..., httpx.Client]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    """A database that no other test has."""
    return new_database()


@pytest.fixture
def start(collector: Collector) -> Iterator[Start]:
    """Start a service that tells the collector its metrics, ten times a second; return a client."""
    with ExitStack() as stack:

        def begin(url: str, **changes: object) -> httpx.Client:
            endpoint = {"otel_exporter_otlp_metrics_endpoint": f"{collector.url}/v1/metrics"}
            settings = settings_for(url, otel_metric_export_interval=100, **endpoint, **changes)
            service = stack.enter_context(serve(settings))
            return stack.enter_context(httpx.Client(base_url=service.url, headers=ALICE, timeout=30, verify=TLS))

        yield begin


def value(collector: Collector, name: str, **attributes: object) -> float | None:
    """The sum of the series of a metric that have these attributes; None while there is none.

    Attributes are named by the last part of their names, which tells them apart.
    """
    found = [
        point.value
        for point in collector.latest(name)
        if attributes.items() <= {key.rpartition(".")[2]: known for key, known in point.attributes.items()}.items()
    ]
    return sum(found) if found else None


def becomes(collector: Collector, expected: float, name: str, **attributes: object) -> None:
    eventually(
        lambda: value(collector, name, **attributes) == expected,
        10,
        f"{name} {attributes} is {expected}, not {value(collector, name, **attributes)}",
    )


def ready(client: httpx.Client) -> None:
    """On an empty database, and beside other tests, a start may take longer than who asks is to wait for it."""
    eventually(lambda: client.get("/health/ready").is_success, 30, "the service is ready")


DURATION = "http.server.request.duration"
KEYS, CACHE = "tasks_api.signing_keys.fetches", "tasks_api.token_cache.lookups"


def test_requests_are_counted_by_route_and_status(start: Start, collector: Collector, database_url: str) -> None:
    client = start(database_url)
    ready(client)
    for _ in range(3):
        assert client.get(TASKS).status_code == 200
        assert client.get(f"{TASKS}/1000000").status_code == 404
    assert client.get(TASKS, headers=bearer("x")).status_code == 401
    assert client.get("/nowhere").status_code == 404
    route = "/api/{user_id}/tasks"
    becomes(collector, 3, DURATION, route=route, status_code=200)
    becomes(collector, 1, DURATION, route=route, status_code=401)
    becomes(collector, 3, DURATION, route=route + "/{task_id}", status_code=404)
    becomes(collector, 4, DURATION, status_code=404)
    series = collector.latest(DURATION)
    assert sum(point.value for point in series) == 8  # no probe
    assert all(0 < point.total < 30 for point in series)
    assert not [point for point in series if "alice" in repr(point) or "nowhere" in repr(point)]
    assert not collector.spans


def test_the_pool_tells_who_has_a_connection_who_waits_and_who_was_refused(
    start: Start, collector: Collector, url: str
) -> None:
    client = start(url, db_pool_size=2, db_queue_size=1, db_queue_timeout=3, db_statement_timeout=8)
    ready(client)
    becomes(collector, 2, "db.client.connection.max")
    becomes(collector, 0, "db.client.connection.count", state="used")
    with ThreadPoolExecutor(6) as pool, locked(url) as holder:
        asked = [pool.submit(client.get, TASKS) for _ in range(6)]
        becomes(collector, 2, "db.client.connection.count", state="used")
        becomes(collector, 1, "db.client.connection.pending_requests")
        becomes(collector, 1, "db.client.connection.timeouts")
        holder.commit()
    assert sorted(answer.result().status_code for answer in asked) == [200, 200, 503, 503, 503, 503]
    becomes(collector, 3, "tasks_api.db.queue.refusals")
    becomes(collector, 3, "tasks_api.unavailable", reason="queue full")
    becomes(collector, 1, "tasks_api.unavailable", reason="no connection free")
    becomes(collector, 0, "db.client.connection.pending_requests")
    becomes(collector, 2, "db.client.connection.count", state="idle")


def test_every_reason_of_a_503_is_there_before_it_happens(
    start: Start, collector: Collector, database_url: str
) -> None:
    start(database_url)
    becomes(collector, 0, "tasks_api.unavailable", reason="queue full")
    reasons = {point.attributes["reason"]: point.value for point in collector.latest("tasks_api.unavailable")}
    assert reasons == dict.fromkeys(Unavailable, 0)


ENDED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (Unavailable.REFUSED, "SET lock_timeout = '100ms'"),
        (Unavailable.READ_ONLY, "SET default_transaction_read_only = on"),
        (Unavailable.UNREACHABLE, "ALLOW_CONNECTIONS false"),
        (Unavailable.NO_ANSWER, "ALLOW_CONNECTIONS true"),  # as ever, so that only the lock counts
    ],
)
def test_an_answer_of_503_is_counted_by_its_reason(
    start: Start, collector: Collector, url: str, reason: str, change: str
) -> None:
    client = start(url, db_statement_timeout=0.5)
    ready(client)
    name, server = psycopg2.extensions.parse_dsn(url)["dbname"], with_database(url, "postgres")
    execute(server, ENDED.format(name))  # what is set counts for new connections
    with locked(url) if reason in (Unavailable.REFUSED, Unavailable.NO_ANSWER) else nullcontext():
        execute(server, f"ALTER DATABASE {name} {change}")
        assert client.post(TASKS, json={"title": "x"}).status_code == 503
    becomes(collector, 1, "tasks_api.unavailable", reason=reason)


def test_a_database_that_never_was_there_is_told_as_such(start: Start, collector: Collector) -> None:
    client = start(f"postgresql://postgres@127.0.0.1:{free_port()}/none", db_queue_timeout=0.2)
    assert client.get(TASKS).status_code == 503
    assert client.get("/health/ready").status_code == 503  # no probe is counted as a request, but as a 503
    becomes(collector, 2, "tasks_api.unavailable", reason="schema not ready")


SIGNER = Signer("first")


@pytest.fixture
def auth() -> Iterator[KeyServer]:
    with key_server(SIGNER) as server:
        yield server


def test_fetches_of_keys_and_remembered_tokens_are_counted(
    start: Start, collector: Collector, database_url: str, auth: KeyServer
) -> None:
    client = start(database_url, better_auth_url=auth.url)
    becomes(collector, 1, KEYS, outcome="success")
    token = auth.token(SIGNER)  # once, since it says when it was made
    for _ in range(3):
        assert client.get(TASKS, headers=bearer(token)).is_success
        assert client.get(TASKS).is_success
    becomes(collector, 0, KEYS, outcome="failure")
    becomes(collector, 2, CACHE, outcome="miss")
    becomes(collector, 4, CACHE, outcome="hit")


def test_without_keys_the_answer_is_told_and_so_are_the_attempts(
    start: Start, collector: Collector, database_url: str, auth: KeyServer
) -> None:
    auth.answer = Answer(b"<html>", 502)
    client = start(database_url, better_auth_url=auth.url)
    assert client.get(TASKS, headers=bearer(auth.token(SIGNER))).status_code == 503
    becomes(collector, 1, KEYS, outcome="failure")
    becomes(collector, 1, "tasks_api.unavailable", reason="no signing keys")


def test_where_no_keys_are_fetched_no_fetch_is_told(start: Start, collector: Collector, database_url: str) -> None:
    start(database_url)
    becomes(collector, 0, CACHE, outcome="hit")
    assert value(collector, KEYS) is None
