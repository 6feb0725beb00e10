"""Which processor cores a test's processes may use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.support.postgres_server import Postgres
from tests.support.processes import ServiceProcess


@contextmanager
def a_core_of_its_own(service: ServiceProcess, postgres: Postgres) -> Iterator[None]:
    """Give the service one core, and PostgreSQL and the test the others, as if those were other machines.

    Else how much of the service's core the kernel gives to PostgreSQL's processes is a good part of the result.
    """
    if sys.platform != "linux" or len(psutil.Process().cpu_affinity() or ()) < 2:
        yield  # nothing to choose from
        return
    cores = psutil.Process().cpu_affinity()

    def put(on: list[int]) -> None:
        psutil.Process().cpu_affinity(on)
        postgres.each(lambda process: process.cpu_affinity(on))

    put(cores[1:])
    service.process_info.cpu_affinity(cores[:1])
    try:
        yield
    finally:
        put(cores)
