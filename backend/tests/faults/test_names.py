"""Host names are resolved beside the event loop, not by libpq, and each address of a host has a share of the time."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
import uvloop

from src.postgres.connecting import Connector, Target
from src.postgres.names import Names
from tests.faults.conftest import StartService
from tests.support.chaos import Proxy
from tests.support.postgres_server import Postgres, connected_port
from tests.support.resolver import hanging_resolver, no_thread_left


def targets(dsn: str) -> list[Target]:
    return asyncio.run(Connector(dsn, 5)._targets())


def test_libpq_gets_addresses_and_keeps_the_name_for_tls() -> None:
    found = targets("postgresql://a@localhost:6000/x?sslmode=verify-full")
    assert {(target.host, target.port) for target in found} == {("localhost", "6000")}
    assert "127.0.0.1" in {target.address for target in found}


def test_each_of_several_hosts_keeps_its_port() -> None:
    found = targets("host=127.0.0.1,/tmp,127.0.0.2 port=1,2,3 dbname=x")
    assert [(target.host, target.address, target.port) for target in found] == [
        ("127.0.0.1", "127.0.0.1", "1"),
        ("/tmp", "", "2"),
        ("127.0.0.2", "127.0.0.2", "3"),
    ]


@pytest.mark.parametrize(
    ("dsn", "host", "address"),
    [
        ("host=/tmp dbname=x", "/tmp", ""),
        ("host=@pg dbname=x", "@pg", ""),
        ("dbname=x", "", ""),
        ("host=a.invalid hostaddr=127.0.0.1", "a.invalid", "127.0.0.1"),
    ],
)
def test_what_needs_no_resolving_is_left_alone(dsn: str, host: str, address: str) -> None:
    assert [(target.host, target.address) for target in targets(dsn)] == [(host, address)]


def test_a_resolver_that_hangs_is_asked_once_at_a_time_and_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        connector = Connector("host=slow.example dbname=x", 0.4)
        for _ in range(2):
            ends = await asyncio.gather(*(connector.connect() for _ in range(20)), return_exceptions=True)
            assert {type(end) for end in ends} == {TimeoutError}

    started = time.monotonic()
    with hanging_resolver(monkeypatch) as asked:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        assert time.monotonic() - started < 5, "the end waited for the resolver"
        assert asked == ["slow.example"]


def test_a_name_is_looked_up_again_after_the_system_had_no_thread_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[str]:
        names = Names()
        with no_thread_left(monkeypatch), pytest.raises(OSError, match="thread"):
            await names.addresses("localhost")
        async with asyncio.timeout(5):
            return await names.addresses("localhost")

    assert "127.0.0.1" in asyncio.run(main())


def test_an_unknown_name_fails_like_an_unreachable_server() -> None:
    with pytest.raises(OSError, match=r"known|resol|Name"):
        targets("host=nowhere.invalid dbname=x")


def test_an_unknown_name_hides_no_other() -> None:
    assert [target.host for target in targets("host=nowhere.invalid,127.0.0.1 dbname=x")] == ["127.0.0.1"]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word, as one that was stopped does."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        yield listening


def two_hosts(first: Any, postgres: Postgres, database: str) -> str:
    return f"host=127.0.0.2,127.0.0.1 port={first},{postgres.port} dbname={database} user=postgres"


def test_an_address_that_refuses_hides_no_other(postgres: Postgres, database: str) -> None:
    with closing(socket.socket()) as refused:
        refused.bind(("127.0.0.2", 0))  # nobody listens here
        url = two_hosts(refused.getsockname()[1], postgres, database)
        assert connected_port(Connector(url, 5)) == postgres.port


def test_an_address_that_never_answers_hides_no_other_and_is_asked_last_from_then_on(
    silent: socket.socket, postgres: Postgres, database: str
) -> None:
    connector = Connector(two_hosts(silent.getsockname()[1], postgres, database), 2)
    assert connected_port(connector) == postgres.port
    silent.settimeout(5)
    silent.accept()[0].close()
    assert connected_port(connector) == postgres.port
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.accept()


def test_each_address_of_one_name_is_asked(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One name for a server that never answers and one that does, in either order; only the resolver is replaced."""
    with socket.create_server(("127.0.0.2", postgres.port)):
        for addresses in (["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]):
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, postgres.port)) for address in addresses]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
            url = f"host=two.example port={postgres.port} dbname={database} user=postgres"
            assert connected_port(Connector(url, 3)) == postgres.port


def test_an_address_that_never_answers_hides_no_other_from_statements_of_a_second(
    silent: socket.socket, postgres: Postgres, database: str, start_service: StartService
) -> None:
    """Half of DB_CONNECT_TIMEOUT is longer: who is cut off by the statement's time would never ask the other one."""
    hosts = f"127.0.0.2:{silent.getsockname()[1]},127.0.0.1:{postgres.port}"
    service = start_service(f"postgresql://postgres@{hosts}/{database}", db_statement_timeout=1)
    service.wait_ready()


def test_a_host_without_a_port_beside_one_that_has_one_has_the_usual_one() -> None:
    url = "postgresql://127.0.0.2,127.0.0.1:1/x?connect_timeout=2"
    assert [(target.host, target.port) for target in targets(url)] == [("127.0.0.2", "5432"), ("127.0.0.1", "1")]
    with pytest.raises(psycopg2.OperationalError) as last:  # if anybody listens there, then without such a database
        connected_port(Connector("postgresql://127.0.0.1:1,127.0.0.1/x", 5))
    assert "could not match" not in str(last.value)


def test_a_standby_is_not_taken_for_the_primary(postgres: Postgres, database: str) -> None:
    """Each host is asked alone, so that libpq cannot choose among them: what they are asked must still hold."""
    with pytest.raises(psycopg2.OperationalError, match="standby"):
        connected_port(Connector(f"{postgres.url(database)}?target_session_attrs=standby", 5))
    for attributes in ("prefer-standby", "read-write", "primary", "any"):
        url = f"{postgres.url(database)}?target_session_attrs={attributes}"
        assert connected_port(Connector(url, 5)) == postgres.port


def test_the_event_loop_does_not_wait_for_a_connection(silent: socket.socket) -> None:
    async def main() -> float:
        slowest, before = 0.0, time.monotonic()
        work = asyncio.ensure_future(
            Connector(f"host=127.0.0.2 port={silent.getsockname()[1]} dbname=x", 0.5).connect()
        )
        while not work.done():
            await asyncio.sleep(0.01)
            slowest, before = max(slowest, time.monotonic() - before), time.monotonic()
        assert isinstance(work.exception(), TimeoutError)
        return slowest

    assert asyncio.run(main()) < 0.4, "all of the time was spent in one turn"


def test_a_database_behind_a_black_hole_is_given_up_in_time(proxy: Proxy, proxied_url: str) -> None:
    proxy.swallowing = True
    with pytest.raises(TimeoutError):
        connected_port(Connector(proxied_url, 0.3))
