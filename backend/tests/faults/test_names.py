"""Host names are resolved in a thread of ours: libpq would do it with all of Python standing still."""

import asyncio
import socket
import threading
import time

import pytest
from psycopg2.extensions import parse_dsn

from src.blocking import Threads
from src.connecting import _resolved, connect, with_defaults
from tests.support.postgres_server import Postgres


def resolved(dsn: str) -> dict[str, str]:
    return dict(parse_dsn(asyncio.run(_resolved(dsn, Threads(1)))))


def test_libpq_gets_addresses_and_keeps_the_name_for_tls() -> None:
    given = resolved("postgresql://a@localhost:6000/x?sslmode=verify-full")
    assert set(given["host"].split(",")) == {"localhost"}
    assert "127.0.0.1" in given["hostaddr"].split(",")
    assert set(given["port"].split(",")) == {"6000"}


def test_each_of_several_hosts_keeps_its_port() -> None:
    given = resolved("host=127.0.0.1,/tmp,127.0.0.2 port=1,2,3 dbname=x")
    assert (given["host"], given["hostaddr"], given["port"]) == (
        "127.0.0.1,/tmp,127.0.0.2",
        "127.0.0.1,,127.0.0.2",
        "1,2,3",
    )


@pytest.mark.parametrize("dsn", ["host=/tmp dbname=x", "dbname=x", "host=a.invalid hostaddr=127.0.0.1"])
def test_what_needs_no_resolving_is_left_alone(dsn: str) -> None:
    assert resolved(dsn) == parse_dsn(dsn)


def test_an_unknown_name_fails_like_an_unreachable_server() -> None:
    with pytest.raises(OSError, match=r"known|resol|Name"):
        resolved("host=nowhere.invalid dbname=x")


def test_several_addresses_of_which_one_answers(postgres: Postgres, database: str) -> None:
    async def main() -> None:
        refused = socket.socket()
        refused.bind(("127.0.0.2", 0))  # nobody listens here
        url = (
            f"host=127.0.0.2,localhost port={refused.getsockname()[1]},{postgres.port} dbname={database} user=postgres"
        )
        raw = await connect(with_defaults(url), Threads(1))
        assert raw.info.port == postgres.port
        raw.close()
        refused.close()

    asyncio.run(main())


def test_a_resolver_that_hangs_keeps_its_place_and_nobody_else() -> None:
    over = threading.Event()

    async def main() -> None:
        threads = Threads(1)
        for _ in range(2):  # the second waits for the place of the first, which still hangs
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await threads.run(over.wait)
        over.set()
        assert await threads.run(time.time) > 0

    before = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() <= before + 1
