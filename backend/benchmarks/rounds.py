"""Load in interleaved rounds: A B C D, A B C D, so that what the machine does meanwhile meets all alike."""

import time
from collections.abc import Iterator, Sequence

import psutil

from benchmarks import load
from benchmarks.operations import NAMES
from benchmarks.pgbench import CLIENTS as PGBENCH_CLIENTS
from benchmarks.pgbench import PgBench
from benchmarks.processes import at_work, cpu_seconds
from benchmarks.services import BARE, OURS, Running
from benchmarks.settings import Settings
from benchmarks.stats import Sample

_WARM_UP_CLIENTS = 16
_LOOKS, _LOOK, _PATIENCE = 3, 0.02, 10  # times that nothing runs, seconds between them, seconds at most


class Rounds:
    """The loads of one run."""

    def __init__(self, settings: Settings, database: psutil.Process | None) -> None:
        self._settings = settings
        self._database = database

    def warm_up(self, services: Sequence[Running]) -> None:
        """Let compilers, pools and caches settle."""
        for service in services:
            wanted = self._settings.operations or ("mixed",)
            for operation in [one for one in wanted if one in service.kind.operations] or ["get"]:
                load.run(service, operation, _WARM_UP_CLIENTS, 1)

    def run(self, services: Sequence[Running], pgbench: PgBench | None) -> Iterator[Sample]:
        """Yield every sample as soon as it is there."""
        for clients in self._settings.clients:
            for operation in self._settings.operations or NAMES:
                participants = [service for service in services if operation in service.kind.operations]
                yield from self._interleaved(participants, pgbench, operation, clients)

    def _interleaved(self, participants: list[Running], pgbench, operation: str, clients: int) -> Iterator[Sample]:
        for number in range(self._settings.rounds):
            for service in participants:
                yield self._sample_or_failure(service, operation, clients, number)
            if pgbench and clients == PGBENCH_CLIENTS and operation != "mixed":
                tps = pgbench.tps(operation, self._settings.length(operation, clients))
                yield Sample(pgbench.name, operation, clients, number, tps)

    def _sample_or_failure(self, service: Running, operation: str, clients: int, number: int) -> Sample:
        """Report a peer that fails under load, and start it anew: the usual stack may stand still for minutes.

        A failure of this service is a fault, and ends the run.
        """
        try:
            return self._sample(service, operation, clients, number)
        except load.LoadError as error:
            if service.kind in (OURS, BARE):
                raise
            service.stop()
            service.start()
            return Sample(service.name, operation, clients, number, 0, failure=str(error))

    def _sample(self, service: Running, operation: str, clients: int, number: int) -> Sample:
        before, before_database = cpu_seconds(service.process), self._database_cpu()
        done = load.run(service, operation, clients, self._settings.length(operation, clients))
        cpu = (cpu_seconds(service.process) - before) * 1000 / done.requests
        database = (self._database_cpu() - before_database) * 1000 / done.requests if self._database else None
        self._let_finish(service)
        return Sample(service.name, operation, clients, number, done.rps, done.p50, done.p99, cpu, database)

    def _let_finish(self, service: Running) -> None:
        """Wait for what is still under way when the generator hangs up, or the next service would pay for it."""
        watched = [service.process, *([self._database] if self._database else [])]
        deadline, calm = time.monotonic() + _PATIENCE, 0
        while calm < _LOOKS and time.monotonic() < deadline:
            time.sleep(_LOOK)
            calm = 0 if any(map(at_work, watched)) else calm + 1

    def _database_cpu(self) -> float:
        return cpu_seconds(self._database) if self._database else 0.0
