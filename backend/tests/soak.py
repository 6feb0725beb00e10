"""`make soak`: mixed load with a fault now and then, for SOAK_MINUTES; reports memory, leaks and consistency.

Ends with status 1 when an answer was wrong, something acknowledged was lost, or something leaked.
"""

import itertools
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from dev import postgres as _wheel  # noqa: F401  # first, because it imports the wheel without its warning
from tests.support.chaos import Proxy, proxy_to
from tests.support.crowd import Crowd
from tests.support.postgres_server import Postgres, running
from tests.support.processes import POOL, ServiceProcess

CLIENTS = POOL * 3 // 2  # so that some always wait
PAUSE = float(os.environ.get("SOAK_PAUSE", "0.05"))  # seconds that a client rests between two requests
SECONDS = float(os.environ.get("SOAK_MINUTES", "10")) * 60
FAULT_EVERY = 15.0
MIB = 1024 * 1024


@dataclass
class Soak:
    """The state of one run."""

    postgres: Postgres
    proxy: Proxy
    service: ServiceProcess
    people: Crowd
    memory: list[float] = field(default_factory=list)  # MiB, one a second

    def terminate(self) -> None:
        """As Neon does when it goes to sleep."""
        self.postgres.hang_up("postgres")

    def cut(self) -> None:
        """As a network does that fails."""
        self.proxy.cut()

    def swallow(self) -> None:
        """As a firewall does that forgot."""
        self.proxy.swallowing = True
        time.sleep(3)
        self.proxy.swallowing = False
        self.proxy.cut()

    def restart(self) -> None:
        """As an upgrade of the database does."""
        self.postgres.restart()

    def lock(self) -> None:
        """As a careless migration does."""
        with self.postgres.connected(autocommit=False) as run:
            run("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            time.sleep(6)

    def run(self) -> None:
        """Load and faults until the time is over; memory is read once a second."""
        started = time.monotonic()
        faults = itertools.cycle((self.terminate, self.cut, self.swallow, self.restart, self.lock))
        due = FAULT_EVERY
        while (now := time.monotonic() - started) < SECONDS:
            self.memory.append(self.service.memory() / MIB)
            if len(self.memory) % 30 == 0:
                self.say(now)
            if now > due:
                next(faults)()
                due = time.monotonic() - started + FAULT_EVERY
            time.sleep(1)

    def say(self, now: float) -> None:
        """One line of progress."""
        report = self.people.report
        print(
            f"{now:5.0f} s  {self.memory[-1]:6.1f} MiB  {self.service.threads()} threads  "
            f"{self.service.descriptors()} descriptors  {self.postgres.connections('postgres') - 1} connections  "
            f"{dict(report.statuses)}  slowest {report.slowest:.2f} s",
            flush=True,
        )

    def verdict(self) -> list[str]:
        """Return what went wrong."""
        self.people.finish()
        self.service.wait_ready()
        time.sleep(6)  # for the requests to cancel that a black hole swallowed
        wrong = [*self.people.report.odd[:10], *self.people.contradictions(self.postgres.execute)]
        early, late = self._average(2, 3), self._average(-1, None)
        connections, threads = self.postgres.connections("postgres") - 1, self.service.threads()
        print(f"memory: third minute {early:.1f} MiB, last minute {late:.1f} MiB ({late / early - 1:+.1%})")
        print(f"at the end: {connections} connections, {threads} threads, {self.service.descriptors()} descriptors")
        if len(self.memory) > 240 and late > 1.1 * early:
            wrong.append("memory grew")
        if connections > POOL or threads > self.threads_before + 2:
            wrong.append("connections or threads leaked")
        return wrong

    def _average(self, first: int, last: int | None) -> float:
        minute = min(60, len(self.memory) // 4)
        part = self.memory[first * minute : None if last is None else last * minute]
        return sum(part) / len(part)

    threads_before: int = 0


def main() -> int:
    """Run the soak on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="tasks-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running(folder / "data") as database, proxy_to(database.port) as proxy:
            url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
            service = ServiceProcess(url, folder / "log", log_level="ERROR")
            try:
                return _soak(Soak(database, proxy, service, Crowd(service.port, CLIENTS, PAUSE)))
            finally:
                service.cleanup()


def _soak(soak: Soak) -> int:
    soak.service.wait_ready()
    soak.threads_before = soak.service.threads()
    soak.people.start()
    soak.run()
    wrong = soak.verdict()
    operations = sum(soak.people.report.statuses.values())
    print(f"{operations} requests: {dict(soak.people.report.statuses)}, slowest {soak.people.report.slowest:.2f} s")
    print("\n".join(wrong) or "consistent: every acknowledged operation is in the database, exactly once")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
