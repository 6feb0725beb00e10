"""The data layer by itself, on a real server: what each failure means, and that work cut short leaks nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import psycopg2
import pytest
import uvloop

from src import cancelling
from src.db import PING, Database
from src.errors import DatabaseUnavailableError
from src.statement import Statement, one_row
from tests.support.chaos import Proxy
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.server import settings_for

SLOW = Statement("SELECT pg_sleep(30)", one_row, repeatable=True)
WRITE = Statement("SELECT pg_sleep(30)", one_row, repeatable=False)
PASSING = [
    *("57P01", "57P02", "57P03", "57P05", "57014", "53300", "53100", "53200", "25006", "40001", "40P01", "55P03"),
    *("08000", "08006", "08P01", "58030"),
]
ECHO = Statement("SELECT %(text)s", one_row, repeatable=True)


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Database]:
    database = Database(settings_for(url, **settings))
    database.start()
    try:
        while True:
            try:
                await database.ping()
                break
            except DatabaseUnavailableError:
                await asyncio.sleep(0.05)
        yield database
    finally:
        await database.close()


def run(
    url: str, test: Callable[[Database], Awaitable[None]], loop: Any = uvloop.new_event_loop, **settings: Any
) -> None:
    async def main() -> None:
        async with opened(url, **settings) as database:
            await test(database)
            assert await database.fetch(PING) == (1,)
            assert database._pool.free == settings_for(url, **settings).db_pool_size, "a place leaked"
            assert not any((database._pool._waiting, database._pool._running, database._pool._opening))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def raising(code: str) -> Statement:
    return Statement(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$", one_row, repeatable=False)


@pytest.mark.parametrize("code", PASSING)
def test_conditions_that_pass_are_unavailability(postgres: Postgres, database: str, code: str) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(DatabaseUnavailableError):
            await db.fetch(raising(code))

    run(postgres.url(database), test)


def test_repeating_what_was_rolled_back_opens_no_further_connections(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        for _ in range(5):
            with pytest.raises(DatabaseUnavailableError):
                await db.fetch(raising("40001"))
        assert await asyncio.to_thread(postgres.connections, database) == 1

    run(postgres.url(database), test, db_pool_size=1)


@pytest.mark.parametrize("code", ["42P01", "42601", "42501", "22P02", "23505", "23514", "XX000", "0A000"])
def test_faults_of_ours_are_not(postgres: Postgres, database: str, code: str) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(psycopg2.Error) as caught:
            await db.fetch(raising(code))
        assert caught.value.pgcode == code

    run(postgres.url(database), test)


def test_a_statement_that_takes_too_long_is_cancelled_at_the_server(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(DatabaseUnavailableError):
            await db.fetch(SLOW)
        await gone(postgres, database)

    run(postgres.url(database), test, db_statement_timeout=0.3)


def test_a_request_to_cancel_that_is_refused_is_made_again(
    postgres: Postgres, database: str, proxy: Proxy, proxied_url: str
) -> None:
    async def test(db: Database) -> None:
        proxy.refusing = True
        with pytest.raises(DatabaseUnavailableError):
            await db.fetch(SLOW)
        refused = proxy.accepted
        await asyncio.to_thread(eventually, lambda: proxy.accepted > refused, 5, "another request to cancel")
        proxy.refusing = False
        await gone(postgres, database)

    run(proxied_url, test, db_statement_timeout=0.3)


def test_a_request_to_cancel_that_gets_no_answer_ends(
    proxy: Proxy, proxied_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cancelling, "_SECONDS", 0.5)

    async def test(db: Database) -> None:
        proxy.swallowing = True
        with pytest.raises(DatabaseUnavailableError):
            await db.fetch(SLOW)
        await asyncio.to_thread(eventually, lambda: "statement not cancelled" in caplog.messages, 5, "it gives up")
        await asyncio.to_thread(eventually, lambda: not connected_to(proxy.port), 5, "its connections are closed")
        proxy.swallowing = False
        proxy.cut()

    run(proxied_url, test, db_statement_timeout=0.3)


def test_a_process_that_ends_takes_its_statements_along(
    postgres: Postgres, database: str, proxy: Proxy, proxied_url: str
) -> None:
    async def main() -> None:
        async with opened(proxied_url) as db:
            work = asyncio.ensure_future(db.fetch(SLOW))
            await asyncio.sleep(0.2)
            proxy.delay = 0.1
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    asyncio.run(main())
    asyncio.run(gone(postgres, database))


def connected_to(port: int) -> bool:
    """Whether this process is a client of that port."""
    return any(held.raddr and held.raddr.port == port for held in psutil.Process().net_connections())


async def gone(postgres: Postgres, database: str) -> None:
    active = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(30)'"
    await asyncio.to_thread(eventually, lambda: not postgres.execute(active), 5, "the server stopped working for us")


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_requests_cancelled_at_any_moment_leak_nothing(postgres: Postgres, database: str, loop: Any) -> None:
    async def test(db: Database) -> None:
        # With two places, some of these wait, some connect, some run, and some are done.
        for delay in [0, 0, 0, 0.0001, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02] * 3:
            work = [asyncio.ensure_future(db.fetch(statement)) for statement in (PING, SLOW, PING, WRITE, SLOW, PING)]
            await asyncio.sleep(delay)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        await gone(postgres, database)
        await asyncio.to_thread(eventually, lambda: postgres.connections(database) <= 2, 5, "two connections are left")

    run(postgres.url(database), test, loop, db_pool_size=2)


def test_a_connection_attempt_that_somebody_cancels_is_no_empty_answer(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        proxy.swallowing = True
        db._pool._idle.hang_up()
        work = asyncio.ensure_future(db.fetch(PING))
        await asyncio.sleep(0.1)
        next(iter(db._pool._opening.values())).cancel()
        with pytest.raises(DatabaseUnavailableError):
            await work
        proxy.swallowing = False
        proxy.cut()

    run(proxied_url, test)


def test_a_flood_of_cancelled_waiters_does_not_starve_the_others(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        order: list[int] = []

        async def waiting(number: int) -> None:
            await db.fetch(PING)
            order.append(number)

        holder = asyncio.ensure_future(db.fetch(Statement("SELECT pg_sleep(0.2)", one_row, repeatable=True)))
        await asyncio.sleep(0.05)
        tasks = [asyncio.ensure_future(waiting(number)) for number in range(50)]
        await asyncio.sleep(0.05)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(holder, *tasks, return_exceptions=True)
        assert order == list(range(1, 50, 2))

    run(postgres.url(database), test, db_pool_size=1)


def test_a_full_queue_refuses_at_once_and_a_long_wait_ends(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        holder = asyncio.ensure_future(db.fetch(Statement("SELECT pg_sleep(1)", one_row, repeatable=True)))
        await asyncio.sleep(0.05)
        waiters = [asyncio.ensure_future(db.fetch(PING)) for _ in range(3)]
        await asyncio.sleep(0)
        before = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseUnavailableError):
            await db.fetch(PING)
        assert asyncio.get_running_loop().time() - before < 0.1
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailableError] * 3
        assert not holder.done()
        await holder

    run(postgres.url(database), test, db_pool_size=1, db_queue_size=3, db_queue_timeout=0.3)


def test_statements_larger_than_the_socket_takes_at_once(proxy: Proxy, proxied_url: str) -> None:
    text = "x" * 8_000_000

    async def test(db: Database) -> None:
        proxy.delay = 0.002  # so that the kernel's buffers fill, and libpq asks to be told when it may write
        assert await db.fetch(ECHO, text=text) == (text,)
        results = await asyncio.gather(*(db.fetch(ECHO, text=text[:2_000_000]) for _ in range(3)))
        assert results == [(text[:2_000_000],)] * 3

    run(proxied_url, test, db_statement_timeout=30)


def test_descriptors_are_used_again_without_confusion(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        for number in range(40):
            work = [asyncio.ensure_future(db.fetch(ECHO, text=f"{number}-{n}")) for n in range(6)]
            await asyncio.sleep(0.001 * (number % 5))
            proxy.cut()
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            for n, outcome in enumerate(outcomes):
                assert outcome == (f"{number}-{n}",) or isinstance(outcome, DatabaseUnavailableError)
        await asyncio.sleep(0.1)

    run(proxied_url, test, db_pool_size=4)


def test_a_read_is_repeated_and_a_write_is_not(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        counts = []
        for statement in (
            Statement("SELECT pg_sleep(0.3)", one_row, repeatable=True),
            Statement("SELECT pg_sleep(0.3)", one_row, repeatable=False),
        ):
            before = proxy.accepted
            work = asyncio.ensure_future(db.fetch(statement))
            await asyncio.sleep(0.1)
            proxy.cut()
            (outcome,) = await asyncio.gather(work, return_exceptions=True)
            counts.append((type(outcome), proxy.accepted - before))
        assert counts[0] == (tuple, 1)
        assert counts[1][0] is DatabaseUnavailableError

    run(proxied_url, test)


def test_a_request_has_one_deadline_for_everything(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        proxy.swallowing = True
        started = asyncio.get_running_loop().time()
        work = asyncio.ensure_future(db.fetch(PING))
        await asyncio.sleep(0.7)
        proxy.cut()  # The repetition has to connect, into the same black hole, with what is left of its second.
        with pytest.raises(DatabaseUnavailableError):
            await work
        assert asyncio.get_running_loop().time() - started < 1.5
        proxy.swallowing = False

    run(proxied_url, test, db_statement_timeout=1)
