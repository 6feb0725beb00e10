"""Delay mode: 20 ms to the database and back. Counts the round trips of each request, and what they cost."""

import asyncio
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit, urlunsplit

import uvloop

from benchmarks.client import send_at_once
from benchmarks.operations import NAMES, Work
from benchmarks.proxy import RoundTrips, proxy
from benchmarks.services import Kind, Running, running
from benchmarks.settings import Settings

CLIENTS = (1, 16)
_MANY = 48  # more than any service has connections


@dataclass(frozen=True)
class Delayed:
    """One operation of one service over a slow network."""

    service: str
    operation: str
    clients: int
    round_trips: float  # for each request
    p50: float  # milliseconds


def measure(kind: Kind, url: str, work: Work, settings: Settings) -> list[Delayed]:
    """Run each operation through a proxy in front of the database."""
    return uvloop.run(_measure(kind, url, work, settings))


async def _measure(kind: Kind, url: str, work: Work, settings: Settings) -> list[Delayed]:
    parts = urlsplit(url)
    target = (parts.hostname or "localhost", parts.port or 5432)
    async with proxy(target) as (trips, port):
        with_proxy = urlunsplit(parts._replace(netloc=_through(parts, port)))
        # Starting waits for the service, whose database is behind this very loop: hence the thread.
        context = running(kind, with_proxy, work)
        service = await asyncio.to_thread(context.__enter__)
        try:
            return [one async for one in _operations(service, trips, settings)]
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


def _through(parts, port: int) -> str:
    login, at, _ = parts.netloc.rpartition("@")
    return f"{login}{at}127.0.0.1:{port}"


async def _operations(service: Running, trips: RoundTrips, settings: Settings):
    await _warm_up(service)
    for operation in settings.operations or NAMES:
        for clients in CLIENTS:
            yield await _operation(service, trips, operation, clients, settings.delayed_requests)


async def _warm_up(service: Running) -> None:
    """Let every worker open the connections that it will keep: what is counted later are requests."""
    requests = [request.raw(service.host) for request in service.work.requests("get")]
    for _ in range(3):
        await send_at_once(service.port, requests[: _MANY * 4], _MANY)


async def _operation(service: Running, trips: RoundTrips, operation: str, clients: int, each: int) -> Delayed:
    raw = [request.raw(service.host) for request in service.work.requests(operation)]
    requests = [raw[number % len(raw)] for number in range(clients * each)]
    await send_at_once(service.port, requests[: clients * 4], clients)
    before = trips.count
    times = await send_at_once(service.port, requests, clients)
    return Delayed(service.name, operation, clients, (trips.count - before) / len(requests), median(times) * 1000)
