"""The data layer by itself, on a real server: what each failure means, and that work cut short leaks nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from sqlalchemy import text
from sqlmodel import Session

from src.db import Database
from src.errors import DatabaseFaultError, DatabaseUnavailableError, Unavailable
from src.models import TaskCreate, TaskUpdate
from src.services.tasks import TaskService
from tests.support.chaos import Proxy
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres
from tests.support.server import settings_for

PASSING = [
    *("57P01", "57P02", "57P03", "57P05", "57014", "53300", "53100", "53200", "25006", "55P03"),
    *("08000", "08006", "08P01", "58030"),
]


class Statement:
    """One statement, and whether it may be repeated."""

    def __init__(self, sql: str, *, repeatable: bool) -> None:
        self._text = text(sql)
        self._repeatable = repeatable

    async def run(self, database: Database, **parameters: Any) -> Any:
        def work(session: Session) -> Any:
            return session.scalar(self._text, parameters)

        return await database.run(work, repeatable=self._repeatable)


def read(sql: str) -> Statement:
    return Statement(sql, repeatable=True)


PING = read("SELECT 1")
SLOW = read("SELECT 1 FROM pg_sleep(30)")
WRITE = Statement("SELECT 1 FROM pg_sleep(30)", repeatable=False)
ECHO = read("SELECT CAST(:text AS text)")


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
            places = database._places
            await test(database)
            assert await PING.run(database) == 1
            assert database.engine.sync_engine.pool.checkedout() == 0, "a connection leaked"
            assert database._places == places, "a place leaked"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def raising(code: str) -> Statement:
    return Statement(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$", repeatable=False)


@pytest.mark.parametrize("code", PASSING)
def test_conditions_that_pass_are_unavailability(postgres: Postgres, database: str, code: str) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(DatabaseUnavailableError):
            await raising(code).run(db)

    run(postgres.url(database), test)


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_was_rolled_back_is_repeated_until_its_time_is_over_on_one_connection(
    postgres: Postgres, database: str, code: str
) -> None:
    async def test(db: Database) -> None:
        pid = await db.run(lambda session: session.scalar(text("SELECT pg_backend_pid()")))
        for _ in range(10):
            with pytest.raises(DatabaseUnavailableError):
                await raising(code).run(db)
            assert await asyncio.to_thread(postgres.connections, database) == 1
            assert await db.run(lambda session: session.scalar(text("SELECT pg_backend_pid()"))) == pid

    run(postgres.url(database), test, db_pool_size=1, db_statement_timeout=0.2, db_queue_timeout=0.2)


@pytest.mark.parametrize("code", ["42P01", "42601", "42501", "22P02", "23505", "23514", "XX000", "0A000"])
def test_faults_of_ours_are_not_and_tell_only_their_code(postgres: Postgres, database: str, code: str) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(DatabaseFaultError) as caught:
            await raising(code).run(db)
        assert str(caught.value) == f"SQLSTATE {code}"
        assert caught.value.__cause__ is caught.value.__context__ is None, (
            "a log would show the text of what it came from"
        )

    run(postgres.url(database), test)


def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_its_connection_stays(
    postgres: Postgres, database: str
) -> None:
    async def test(db: Database) -> None:
        pids = [await db.run(lambda session: session.scalar(text("SELECT pg_backend_pid()")))]
        with pytest.raises(DatabaseUnavailableError):
            await SLOW.run(db)
        pids.append(await db.run(lambda session: session.scalar(text("SELECT pg_backend_pid()"))))
        assert pids[0] == pids[1]
        await gone(postgres, database)

    run(postgres.url(database), test, db_statement_timeout=0.3)


def test_a_session_of_the_server_keeps_nothing_of_what_was_done_in_it(postgres: Postgres, database: str) -> None:
    """Behind a pooler that hands on sessions, the next transaction in it is somebody else's."""
    postgres.execute(f"ALTER DATABASE {database} SET statement_timeout = '77s'")

    async def test(db: Database) -> None:
        tasks = TaskService(db, "state")
        task, _ = await tasks.create(TaskCreate(title="a"))
        assert (await tasks.update(task.id, TaskUpdate(title="b"), None)).changed
        settings = text("SELECT current_setting('statement_timeout'), current_setting('tasks.changed', true)")
        limit, noted = (await db.in_session(lambda session: session.execute(settings).all()))[0]
        assert limit == "77s"
        assert not noted

    run(postgres.url(database), test, db_pool_size=1)


def test_a_time_that_a_role_sets_for_statements_counts_for_none(postgres: Postgres, database: str) -> None:
    postgres.execute(f"ALTER DATABASE {database} SET statement_timeout = '100ms'")

    async def test(db: Database) -> None:
        assert await read("SELECT 1 FROM pg_sleep(0.5)").run(db) == 1

    run(postgres.url(database), test)


def test_rows_that_are_written_together_have_the_same_limit(postgres: Postgres, database: str) -> None:
    """SQLAlchemy executes these on another way."""

    async def test(db: Database) -> None:
        two = [(TaskCreate(title=title), False) for title in ("a", "b")]
        with postgres.connected(database, autocommit=False) as holder:
            holder("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(DatabaseUnavailableError):
                await TaskService(db, "limit").create_all(two)
            await asyncio.to_thread(eventually, lambda: not postgres.waiting(database), 5, "the server gave up")
        await TaskService(db, "limit").create_all(two)

    run(postgres.url(database), test, db_statement_timeout=0.3)


def test_a_statement_that_nobody_awaits_any_more_is_ended_by_the_server(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        work = asyncio.ensure_future(SLOW.run(db))
        await asyncio.to_thread(eventually, lambda: running(postgres, database), 5, "it runs")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await gone(postgres, database)

    run(postgres.url(database), test, db_statement_timeout=1)


def running(postgres: Postgres, database: str) -> list[Any]:
    return postgres.execute(
        f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%pg_sleep(30)'"
        " AND state = 'active'"
    )


async def gone(postgres: Postgres, database: str) -> None:
    await asyncio.to_thread(eventually, lambda: not running(postgres, database), 5, "the server stopped working for us")


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_requests_cancelled_at_any_moment_leak_nothing(postgres: Postgres, database: str, loop: Any) -> None:
    async def test(db: Database) -> None:
        # With two places, some of these wait, some connect, some run, and some are done.
        for delay in [0, 0, 0, 0.0001, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02] * 3:
            work = [asyncio.ensure_future(statement.run(db)) for statement in (PING, SLOW, PING, WRITE, SLOW, PING)]
            await asyncio.sleep(delay)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        await gone(postgres, database)
        await asyncio.to_thread(eventually, lambda: postgres.connections(database) <= 2, 5, "two connections are left")

    run(postgres.url(database), test, loop, db_pool_size=2)


def test_the_loss_of_the_only_connection_is_said_though_it_was_the_first(
    postgres: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(db: Database) -> None:
        for times in (1, 2):
            await asyncio.to_thread(postgres.hang_up, database)
            await asyncio.sleep(0.1)
            assert await PING.run(db) == 1
            lost = [record.reason for record in caplog.records if record.message == "database lost"]  # type: ignore[attr-defined]  # an `extra`
            assert lost == times * ["closed while idle"]
            assert [record.message for record in caplog.records].count("database recovered") == times

    caplog.set_level("INFO")
    run(postgres.url(database), test, asyncio.new_event_loop, db_pool_size=1)


def test_a_flood_of_cancelled_waiters_does_not_starve_the_others(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        order: list[int] = []

        async def waiting(number: int) -> None:
            await PING.run(db)
            order.append(number)

        holder = asyncio.ensure_future(read("SELECT 1 FROM pg_sleep(0.2)").run(db))
        await asyncio.sleep(0.05)
        tasks = [asyncio.ensure_future(waiting(number)) for number in range(50)]
        await asyncio.sleep(0.05)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(holder, *tasks, return_exceptions=True)
        assert order == list(range(1, 50, 2))

    run(postgres.url(database), test, db_pool_size=1)


def test_no_newcomer_overtakes_those_who_wait(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        order: list[str] = []
        tasks: list[asyncio.Task[None]] = []

        async def come(name: str) -> None:
            await db.run(work(name))
            order.append(name)

        def work(name: str) -> Callable[[Session], None]:
            def statement(session: Session) -> None:
                session.scalar(text("SELECT 1 FROM pg_sleep(0.05)"))
                if name != "newcomer":  # it has its turn of the loop before whoever waits for this one's connection
                    tasks.append(asyncio.ensure_future(come("newcomer")))

            return statement

        await asyncio.gather(*(come(name) for name in ("first", "second", "third")))
        await asyncio.gather(*tasks)
        assert order == ["first", "second", "third"] + 3 * ["newcomer"]

    run(postgres.url(database), test, db_pool_size=1)


def test_who_waits_for_the_schema_is_counted_too(postgres: Postgres) -> None:
    async def main() -> None:
        db = Database(settings_for(postgres.url("nowhere"), db_pool_size=1, db_queue_size=1, db_queue_timeout=0.5))
        db.start()
        outcomes = await asyncio.gather(*(PING.run(db) for _ in range(3)), return_exceptions=True)
        assert [error.reason for error in outcomes if isinstance(error, DatabaseUnavailableError)] == [
            *(Unavailable.NOT_READY, Unavailable.NOT_READY, Unavailable.QUEUE_FULL)
        ]
        await db.close()

    asyncio.run(main())


def test_a_full_queue_refuses_at_once_and_a_long_wait_ends(postgres: Postgres, database: str) -> None:
    async def test(db: Database) -> None:
        holder = asyncio.ensure_future(read("SELECT 1 FROM pg_sleep(1)").run(db))
        await asyncio.sleep(0.05)
        waiters = [asyncio.ensure_future(PING.run(db)) for _ in range(3)]
        await asyncio.sleep(0)
        before = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseUnavailableError):
            await PING.run(db)
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
        assert await ECHO.run(db, text=text) == text
        results = await asyncio.gather(*(ECHO.run(db, text=text[:2_000_000]) for _ in range(3)))
        assert results == [text[:2_000_000]] * 3

    run(proxied_url, test, db_statement_timeout=30)


def test_descriptors_are_used_again_without_confusion(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        for number in range(40):
            work = [asyncio.ensure_future(ECHO.run(db, text=f"{number}-{n}")) for n in range(6)]
            await asyncio.sleep(0.001 * (number % 5))
            proxy.cut()
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            for n, outcome in enumerate(outcomes):
                assert outcome == f"{number}-{n}" or isinstance(outcome, DatabaseUnavailableError)
        await asyncio.sleep(0.1)

    run(proxied_url, test, db_pool_size=4)


def test_a_read_is_repeated_and_a_write_is_not(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        counts = []
        for statement in (
            read("SELECT 1 FROM pg_sleep(0.3)"),
            Statement("SELECT 1 FROM pg_sleep(0.3)", repeatable=False),
        ):
            before = proxy.accepted
            work = asyncio.ensure_future(statement.run(db))
            await asyncio.sleep(0.1)
            proxy.cut()
            (outcome,) = await asyncio.gather(work, return_exceptions=True)
            counts.append((type(outcome), proxy.accepted - before))
        assert counts[0] == (int, 1)
        assert counts[1][0] is DatabaseUnavailableError

    run(proxied_url, test)


def test_a_request_has_one_deadline_for_everything(proxy: Proxy, proxied_url: str) -> None:
    async def test(db: Database) -> None:
        proxy.swallowing = True
        started = asyncio.get_running_loop().time()
        work = asyncio.ensure_future(PING.run(db))
        await asyncio.sleep(0.7)
        proxy.cut()  # The repetition has to connect, into the same black hole, with what is left of its second.
        with pytest.raises(DatabaseUnavailableError):
            await work
        assert asyncio.get_running_loop().time() - started < 1.5
        proxy.swallowing = False

    run(proxied_url, test, db_statement_timeout=1)
