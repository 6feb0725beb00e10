"""The services under comparison: how each is started, and when it is ready."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from benchmarks.client import answers
from benchmarks.database import Server, free_port
from benchmarks.operations import NAMES, SECRET, Work
from benchmarks.seed import seed
from benchmarks.settings import ASYNCPG_VENV, BACKEND, BESIDE, DJANGO_VENV, OUTPUT, PEERS, VENV, WORKERS

START_SECONDS = 20


@dataclass(frozen=True)
class Kind:
    """One implementation; the same for a URL and a port each time."""

    name: str
    title: str
    folder: Path
    command: tuple[str, ...]
    port_option: bool = False
    variables: tuple[tuple[str, str], ...] = ()  # of the environment, beside those that all have
    operations: tuple[str, ...] = NAMES  # what it is asked for under load

    def start(self, url: str, port: int, workers: int = WORKERS) -> subprocess.Popen[bytes]:
        """Start it; its log goes to /dev/null, or to output/ with BENCH_LOGS=1."""
        extra = ("--port", str(port), "--workers", str(workers)) if self.port_option else ()
        log = (OUTPUT / f"{self.name}.log").open("ab") if os.environ.get("BENCH_LOGS") else subprocess.DEVNULL
        return subprocess.Popen(
            [*self.command, *extra],
            cwd=self.folder,
            env=_environment(url, port, workers) | dict(self.variables),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _environment(url: str, port: int, workers: int) -> dict[str, str]:
    """Return what every service reads, under the names that it reads it by; nothing of the caller's leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    theirs = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "NODE_ENV": "production"}
    ours = {"NEON_DB_URL": url, "BETTER_AUTH_SECRET": SECRET, "ENVIRONMENT": "production"}
    log = os.environ.get("BENCH_PEER_LOG", "on")
    return {**kept, **theirs, **ours, "PORT": str(port), "WEB_CONCURRENCY": str(workers), "ACCESS_LOG": log}


def _python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def _uvicorn(venv: Path, *arguments: str) -> tuple[str, ...]:
    return (_python(venv), "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", *arguments)


def _first_on_path(venv: Path) -> tuple[tuple[str, str], ...]:
    return (("PATH", f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"),)


_SERVICE, _NODE = (_python(VENV), "-m", "src"), ("node", "main.js")
_OF_THE_IMAGE = (("MALLOC_MMAP_THRESHOLD_", "1048576"),)
OURS = Kind("ours", "this service", BACKEND, _SERVICE, variables=_OF_THE_IMAGE)
USUAL = Kind("sqlmodel", "FastAPI + SQLModel", PEERS / "fastapi_sqlmodel", _uvicorn(VENV, "main:app"), port_option=True)
ASYNCPG = Kind(
    "asyncpg", "FastAPI + asyncpg", PEERS / "fastapi_asyncpg", _uvicorn(ASYNCPG_VENV, "main:app"), port_option=True
)
DJANGO = Kind(
    "django", "Django Ninja", PEERS / "django_ninja", ("sh", "start.sh"), variables=_first_on_path(DJANGO_VENV)
)
EXPRESS = Kind("express", "Express + pg", PEERS / "express_pg", _NODE)
FASTIFY = Kind("fastify", "Fastify + pg", PEERS / "fastify_pg", _NODE)
_BESIDE = (Kind("beside", "this service, elsewhere", Path(BESIDE), _SERVICE),) if BESIDE else ()
KINDS = (OURS, *_BESIDE, USUAL, ASYNCPG, DJANGO, EXPRESS, FASTIFY)


def _variant(kind: Kind, suffix: str, *operations: str, **variables: str) -> Kind:
    """Return a peer that does one thing otherwise; it works on the peer's own database."""
    name, title = f"{kind.name}_{suffix}", f"{kind.title}, {suffix.replace('_', ' ')}"
    return replace(kind, name=name, title=title, variables=(*kind.variables, *variables.items()), operations=operations)


# For comparison, in a few operations: what the server could do, what Express could, and what a ping costs.
BARE = Kind(
    "bare",
    "bare ASGI",
    BACKEND,
    _uvicorn(VENV, "--no-access-log", "benchmarks.bare:app"),
    port_option=True,
    operations=("get",),
)
KEY_ONCE = _variant(EXPRESS, "key_once", "get", JWT_KEY="once")
TRUSTING = {kind: _variant(kind, "trusting", "get", "toggle", PING="off") for kind in (USUAL, ASYNCPG, DJANGO)}
VARIANTS = ((EXPRESS, KEY_ONCE), *TRUSTING.items())


@dataclass
class Running:
    """A service that is started, and can be started anew."""

    kind: Kind
    url: str
    work: Work
    workers: int = WORKERS
    port: int = field(default_factory=free_port)

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._popen.pid)

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._popen = self.kind.start(self.url, self.port, self.workers)
        try:
            self._wait_until_ready()
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        stop(self._popen)

    def _wait_until_ready(self) -> None:
        probe = self.work.request("GET", "", "f" * 32).raw(self.host)
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.port, probe):
            if self.process.status() == psutil.STATUS_ZOMBIE or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not answer; see output/{self.name}.log after BENCH_LOGS=1")
            time.sleep(0.005)


@contextmanager
def running(kind: Kind, url: str, work: Work | None = None, workers: int = WORKERS) -> Iterator[Running]:
    """Run a service as long as the block does; it is ready at the start of the block."""
    service = Running(kind, url, work or Work({}), workers)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def prepared(kind: Kind, server: Server, name: str) -> tuple[str, Work]:
    """Make a database with the service's own schema and the tasks of the work; return its URL and the work."""
    url = server.empty(name)
    with running(kind, url):
        return url, seed(url)


def stop(popen: subprocess.Popen[bytes]) -> None:
    """End the service's own session of processes, politely first."""
    popen.terminate()
    with suppress(subprocess.TimeoutExpired):
        popen.wait(2)
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
