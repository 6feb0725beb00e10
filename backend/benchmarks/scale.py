"""How this service grows: lists up to 100 000 tasks, and a table full of other people's tasks."""

import asyncio
from dataclasses import dataclass
from statistics import median

import psutil

from benchmarks.client import body_length, send_in_turn
from benchmarks.database import Server
from benchmarks.operations import Work, user_id
from benchmarks.processes import memory
from benchmarks.seed import add_tasks
from benchmarks.services import OURS, Running, prepared, running
from benchmarks.settings import Settings

LENGTHS = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class ListCost:
    """A whole list of one length, one client; milliseconds, MiB of the body and of the worker."""

    tasks: int
    p50: float
    body: float
    rss_before: float
    rss_after: float
    rss_peak: float


@dataclass(frozen=True)
class Crowd:
    """The same requests with so many tasks of others in the table; p50 in milliseconds."""

    strangers: int
    list20: float
    list1000: float
    get: float
    create: float


def list_costs(server: Server, settings: Settings) -> list[ListCost]:
    """Read lists of growing length, from one worker, started anew for each length."""
    url, work = prepared(OURS, server, "tasks_bench_lists")
    lengths = [length for length in LENGTHS if length <= settings.longest_list]
    for length in lengths:
        add_tasks(url, f"list{length}-", 1, length)
    return [_list_cost(url, work, length) for length in lengths]


def _list_cost(url: str, work: Work, length: int) -> ListCost:
    with running(OURS, url, work, workers=1) as service:
        _times(service, [work.request("GET", "", user_id("user", 0))] * 50)
        before = memory(service.process).worker_rss
        whole = work.request("GET", "", user_id(f"list{length}-", 0))
        times = _times(service, [whole] * 15)
        after, peak = memory(service.process).worker_rss, _peak(service.process)
        body = asyncio.run(body_length(service.port, whole.raw(service.host))) / 2**20
        return ListCost(length, median(times) * 1000, body, before, after, peak)


def _peak(process: psutil.Process) -> float:
    """Return the largest RSS that a process ever had, in MiB."""
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def _times(service: Running, requests) -> list[float]:
    return asyncio.run(send_in_turn(service.port, [request.raw(service.host) for request in requests]))


def crowds(server: Server, settings: Settings) -> list[Crowd]:
    """Measure with ten thousand tasks of others, then with very many."""
    url, work = prepared(OURS, server, "tasks_bench_crowd")
    few, many = 10_000, settings.strangers
    add_tasks(url, "few", few // 20, 20)
    first = _crowd(url, work, few)
    add_tasks(url, "many", (many - few) // 20, 20)
    return [first, _crowd(url, work, many)]


def _crowd(url: str, work: Work, strangers: int) -> Crowd:
    with running(OURS, url, work, workers=1) as service:
        return Crowd(strangers, *(_p50(service, name) for name in ("list20", "list1000", "get", "create")))


def _p50(service: Running, operation: str) -> float:
    requests = service.work.requests(operation)
    _times(service, requests[:50])
    return median(_times(service, (requests * 100)[:300])) * 1000
