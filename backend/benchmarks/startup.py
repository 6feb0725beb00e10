"""From the start of a process to its first answer, and what one more worker costs."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks import load
from benchmarks.client import answers
from benchmarks.database import Server, free_port
from benchmarks.operations import Work
from benchmarks.processes import memory
from benchmarks.services import START_SECONDS, Kind, running, stop
from benchmarks.settings import Settings

_POLL = 0.005  # seconds between attempts to be answered


@dataclass(frozen=True)
class Start:
    """Seconds until the first task was answered; one process, as each service is configured by default."""

    service: str
    existing: float
    empty: float


def measure(kind: Kind, server: Server, existing_url: str, work: Work, settings: Settings) -> Start:
    """Start several times on a database with tasks, and on a new one each time."""
    user, tasks = next(iter(work.ids.items()))
    get = work.request("GET", f"/{tasks[0]}", user)
    create = work.request("POST", "", user, {"title": "The first task"})
    existing = [_seconds(kind, existing_url, get) for _ in range(settings.starts)]
    empty = [_seconds(kind, server.empty("tasks_bench_empty"), create) for _ in range(settings.starts)]
    server.drop("tasks_bench_empty")
    return Start(kind.name, median(existing), median(empty))


def _seconds(kind: Kind, url: str, request) -> float:
    port = free_port()
    raw = request.raw(f"127.0.0.1:{port}")
    started = time.perf_counter()
    popen = kind.start(url, port, workers=1)
    try:
        while not answers(port, raw):
            if time.perf_counter() - started > START_SECONDS:
                raise RuntimeError(f"{kind.name} did not answer")
            time.sleep(_POLL)
        return time.perf_counter() - started
    finally:
        stop(popen)


def one_more_worker(kind: Kind, url: str, work: Work) -> float:
    """Return the MiB (PSS) by which a third worker enlarges the service, after some load."""
    two, three = (_total(kind, url, work, workers) for workers in (2, 3))
    return three - two


def _total(kind: Kind, url: str, work: Work, workers: int) -> float:
    with running(kind, url, work, workers) as service:
        load.run(service, "mixed", 48, 2)
        return memory(service.process).total_pss
