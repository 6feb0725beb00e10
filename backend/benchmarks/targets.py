"""What the service has to reach, and whether it does. Nothing is judged that was not measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.settings import CLIENTS

_SINGLE = ("get", "create", "update", "toggle")
# At least so many times the requests a second of the other, with the same number of clients.
SPEED = {
    "sqlmodel": {"list1000": 10.0, "list20": 6.0, **dict.fromkeys(_SINGLE, 5.0)},
    "express": {"list1000": 1.5, "list20": 0.9, **dict.fromkeys(_SINGLE, 0.9)},
    "fastify": {"list1000": 1.2, "list20": 0.6, **dict.fromkeys(_SINGLE, 0.6)},
    "pgbench": {"list1000": 0.7},
}
TAIL = {"sqlmodel": 1 / 3, "express": 1.0}  # at most so many times the other's p99 at 100 clients
LATENCY = {"list20": 100, "create": 50, "update": 50, "toggle": 50}  # milliseconds at 100 clients


@dataclass(frozen=True)
class Target:
    """One line of the table: a bound, and what was measured."""

    what: str
    value: float
    bound: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the printed value keeps the printed bound."""
        value, bound = round(self.value, 2), round(self.bound, 2)
        return value >= bound if self.at_least else value <= bound


def targets(results: Results) -> list[Target]:
    """Return all that can be judged."""
    return [
        *_speed(results),
        *_tail(results),
        *_latency(results),
        *_round_trips(results),
        *_starts(results),
        *_size(results),
    ]


def _speed(results: Results) -> Iterator[Target]:
    for peer, bounds in SPEED.items():
        for operation, bound in bounds.items():
            ratios = [results.load.ratio("ours", peer, operation, clients) for clients in CLIENTS]
            if known := [ratio for ratio in ratios if ratio is not None]:
                yield Target(f"{TITLES[operation]}: throughput / {peer}", min(known), bound, True, " x")


def _tail(results: Results) -> Iterator[Target]:
    for peer, bound in TAIL.items():
        for operation in NAMES:
            ratio = results.load.ratio("ours", peer, operation, max(CLIENTS), "p99")
            if ratio is not None:
                yield Target(f"{TITLES[operation]}, {max(CLIENTS)} clients: p99 / {peer}", ratio, bound, False, " x")


def _latency(results: Results) -> Iterator[Target]:
    for operation, bound in LATENCY.items():
        for quantile in ("p50", "p99"):
            value = results.load.median("ours", operation, max(CLIENTS), quantile)
            if value is not None:
                yield Target(f"{TITLES[operation]}, {max(CLIENTS)} clients: {quantile}", value, bound, False, " ms")
    if results.tokens:
        yield Target("verification of a new token: p99", results.tokens.new_p99, 5, False, " ms")


def _round_trips(results: Results) -> Iterator[Target]:
    if trips := [one.round_trips for one in results.delayed if one.service == "ours"]:
        yield Target("round trips to the database, the most of any operation", max(trips), 1, False)


def _starts(results: Results) -> Iterator[Target]:
    for one in results.starts:
        if one.service == "ours":
            yield Target("first answer, existing schema", one.existing, 1.0, False, " s")
            yield Target("first answer, empty schema", one.empty, 1.5, False, " s")


def _size(results: Results) -> Iterator[Target]:
    if "ours" in results.memory:
        yield Target("memory of a worker under load (RSS)", results.memory["ours"].worker_rss, 90, False, " MiB")
    if len(results.lists) > 1:
        first, last = results.lists[0], results.lists[-1]
        growth = last.p50 / last.tasks / (first.p50 / first.tasks)
        yield Target(f"cost of one listed task, list of {last.tasks} / {first.tasks}", growth, 1.5, False, " x")
    if results.crowds:
        few, many = results.crowds
        name = f"list of 20, {many.strangers} / {few.strangers} tasks of others"
        yield Target(name, many.list20 / few.list20, 1.25, False, " x")
