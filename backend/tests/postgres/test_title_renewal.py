"""The upgrade to this order of titles while the last release runs beside it, and writes as it is used to."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unicodedata import combining, normalize

import httpx
import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from src.postgres import schema
from src.postgres.schema import MIGRATIONS
from src.services.cursors import encode
from tests.conftest import TLS, execute
from tests.postgres.test_schema import ensure, migrate
from tests.support.polling import eventually
from tests.support.server import serve, settings_for
from tests.support.tokens import SECRET, bearer, make_token

WORDS = ["dill", "Éclair", "egg", "lampa", "Łapa", "lot", "Œuf", "ot", "ovo", "Straße", "straw", "zebra"]  # in order
INSERT = "INSERT INTO tasks (user_id, title, title_key, completed) VALUES (%s, %s, %s, false)"
UPDATE = "UPDATE tasks SET title_key = coalesce(%s, title_key), title = coalesce(%s, title) WHERE id = %s"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def former_key(title: str) -> str:
    """What the last release sorted by."""
    letters = normalize("NFD", title.casefold())
    return "".join(letter for letter in letters if not combining(letter))[:200]


def numbered(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]} {number:06}"


def place(title: str) -> tuple[int, str]:
    word, number = title.split(" ")
    return WORDS.index(word), number


@pytest.fixture
def used(new_database: Callable[[], str]) -> str:
    """A database of the last release: 3000 tasks of one owner."""
    url = new_database()
    migrate(url, "0002")
    with connected(url) as cursor:
        for number in range(3000):
            cursor.execute(INSERT, ("ann", numbered(number), former_key(numbered(number))))
    return url


@contextmanager
def connected(url: str, **options: str) -> Iterator["psycopg2.extensions.cursor"]:
    """One transaction of its own, which is committed at the end."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for name, value in options.items():
                cursor.execute(f"SET LOCAL {name} = '{value}'")  # behind a pooler there are no options for a session
            yield cursor
    finally:
        connection.close()


LIMITED = "SET LOCAL statement_timeout = 5000;"  # with the statement in one message: one transaction


class LastRelease:
    """Writes in a thread as the last release does, each statement within its five seconds, until it is stopped."""

    def __init__(self, url: str) -> None:
        self.written = 0
        self._stop = threading.Event()
        self._url = url
        self._pool = ThreadPoolExecutor(1)
        self._running = self._pool.submit(self._write)

    def _write(self) -> None:
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop.is_set():
                title, other = numbered(10_000 + self.written), numbered(500_000 + self.written)
                cursor.execute(LIMITED + INSERT, ("ann", title, former_key(title)))
                cursor.execute(LIMITED + UPDATE, (former_key(other), other, 1 + self.written * 37 % 3000))
                self.written += 1
        connection.close()

    def goes_on(self) -> None:
        """Wait until it has written a few times more."""
        target = self.written + 20
        eventually(lambda: self.written >= target or self._running.done(), 60, "the last release writes")

    def stop(self) -> None:
        self._stop.set()
        self._running.result(30)  # raises what it met
        self._pool.shutdown()


def test_lists_by_title_are_right_while_and_after_the_last_release_writes_beside(used: str) -> None:
    in_former_order = execute(used, "SELECT title FROM tasks ORDER BY title_key, title, id")
    assert sorted(in_former_order, key=lambda row: place(str(row[0]))) != in_former_order
    last = LastRelease(used)
    try:
        last.goes_on()
        with (
            serve(settings_for(used)) as service,
            httpx.Client(
                base_url=f"{service.url}/api/ann", headers=bearer(make_token("ann")), timeout=30, verify=TLS
            ) as client,
        ):
            eventually(lambda: httpx.get(f"{service.url}/health/ready", verify=TLS).is_success, 60, "ready")
            last.goes_on()
            for _ in range(3):
                assert_in_order(client)
                last.goes_on()
            last.stop()
            listed = assert_in_order(client)
            assert len(listed) == 3000 + last.written
            assert any(title.endswith(f"{500_000 + last.written - 1:06}") for title in listed)
            pages = [task["title"] for page in paged(client) for task in page]
            assert pages == listed
    finally:
        last.stop()


def assert_in_order(client: httpx.Client) -> list[str]:
    listed = [task["title"] for task in client.get("/tasks", params={"sort": "title"}).json()]
    assert sorted(listed, key=place) == listed
    return listed


def paged(client: httpx.Client) -> Iterator[list[dict[str, str]]]:
    reply = client.get("/tasks", params={"sort": "title", "limit": 1000})
    yield reply.json()
    while link := reply.links.get("next"):
        reply = client.get(httpx.URL(str(reply.url)).join(link["url"]))
        yield reply.json()


def by_hand(url: str) -> None:
    """What an owner does whose service may not change the schema."""
    settings = {"NEON_DB_URL": url, "BETTER_AUTH_SECRET": SECRET}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=MIGRATIONS.parent,
        env=os.environ | settings,
        check=True,
    )


@pytest.mark.parametrize("upgrade", [ensure, by_hand])
def test_a_row_that_somebody_holds_keeps_nobody_from_the_others(used: str, upgrade: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with connected(used) as holder:
            holder.execute("SELECT FROM tasks WHERE id = 2500 FOR UPDATE")
            renewing = pool.submit(upgrade, used)
            eventually(lambda: execute(used, WAITING) == [(1,)] or renewing.done(), 30, "the renewal waits for the row")
            with connected(used, lock_timeout="2s") as cursor:
                for number in (1, 1500):
                    cursor.execute(UPDATE, (former_key(f"Łapa {number}"), f"Łapa {number}", number))
                cursor.execute(INSERT, ("ann", "Łapa 2", former_key("Łapa 2")))
            assert not renewing.done()
        renewing.result(30)
    titles = execute(used, "SELECT title FROM tasks ORDER BY title_key, title, id")
    assert sorted(titles, key=lambda row: place(str(row[0]))) == titles


def test_a_writer_that_does_not_end_makes_the_upgrade_give_up_before_others_time_out(used: str) -> None:
    with ThreadPoolExecutor(1) as pool, connected(used) as holder:
        holder.execute(UPDATE, (None, None, 1))
        with pytest.raises(OperationalError, match="lock timeout"):
            pool.submit(ensure, used).result(30)
    ensure(used)
    assert execute(used, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]


def test_an_upgrade_that_was_broken_off_is_finished_by_the_next(used: str) -> None:
    with connected(used) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT FROM tasks WHERE id = 2500 FOR UPDATE")
        renewing = pool.submit(ensure, used)
        eventually(lambda: execute(used, WAITING) == [(1,)], 30, "the renewal waits for the row")
        execute(used, f"{WAITING.replace('count(*)', 'pg_terminate_backend(pid)')}")
        with pytest.raises(OperationalError):
            renewing.result(30)
        assert execute(used, "SELECT version_num FROM alembic_version") == [("0002",)]
    ensure(used)
    titles = execute(used, "SELECT title FROM tasks ORDER BY title_key, title, id")
    assert sorted(titles, key=lambda row: place(str(row[0]))) == titles


def test_several_processes_may_upgrade_at_once(used: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure(used), range(4)))
    titles = execute(used, "SELECT title FROM tasks ORDER BY title_key, title, id")
    assert sorted(titles, key=lambda row: place(str(row[0]))) == titles


def test_a_cursor_of_the_last_release_is_refused_not_misread(client: httpx.Client, user: str) -> None:
    title = "Łapa 1"
    cursor = encode((user, "all", "title"), [former_key(title), title, "1"])
    reply = client.get("/tasks", params={"sort": "title", "limit": 2, "cursor": cursor})
    assert (reply.status_code, reply.json()["errors"][0]["loc"]) == (422, ["query", "cursor"])


def test_going_back_gives_the_keys_of_the_last_release(used: str) -> None:
    before = execute(used, "SELECT id, title_key FROM tasks ORDER BY id")
    ensure(used)
    assert execute(used, "SELECT id, title_key FROM tasks ORDER BY id") != before
    migrate(used, "0002", down=True)
    assert execute(used, "SELECT id, title_key FROM tasks ORDER BY id") == before
