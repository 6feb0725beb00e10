"""What the service has to reach, and whether it does. Nothing is judged that was not measured."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.scale import LENGTHS
from benchmarks.settings import CROWD

PEERS = ("sqlmodel", "asyncpg", "django", "express")
# At least so many times the requests a second of each of these, whatever the number of clients.
SPEED = {
    "list1000": (6.0, 5.0, 5.0, 1.1),
    "list20": (4.0, 2.2, 2.2, 1.2),
    "get": (4.0, 2.2, 2.2, 1.2),
    "create": (4.0, 2.0, 1.6, 1.0),
    "update": (4.5, 2.2, 2.2, 1.0),
    "toggle": (4.5, 2.2, 2.2, 1.0),
    "mixed": (4.2, 2.2, 2.2, 1.1),
}
TAIL = (1 / 3, 1.0, 1.0, 1.0)  # at most so many times each one's p99 in a crowd
DISTANT_P50 = 25  # milliseconds, with 20 ms to the database
FIRST_ANSWER = 0.8  # seconds
WORKER_RSS = 100  # MiB
LONG_LIST = 2  # what the longest list adds to the memory, in sizes of its body

_KEEPS = {"≥": operator.ge, "≤": operator.le, "=": operator.eq}


@dataclass(frozen=True)
class Target:
    """A bound and what was measured: a figure of its own, or a ratio to a peer."""

    what: str
    value: float
    sign: str
    bound: float
    unit: str = ""
    peer: str = ""

    @property
    def digits(self) -> int:
        """Decimals that count: one request in a thousand with a second round trip is one too many."""
        return 3 if self.sign == "=" else 2

    @property
    def met(self) -> bool:
        """Whether the printed value keeps the printed bound."""
        return _KEEPS[self.sign](round(self.value, self.digits), round(self.bound, self.digits))


def speed(results: Results) -> list[Target]:
    """Return the ratios of throughput: of all numbers of clients, the worst."""
    return [
        Target(TITLES[operation], min(known), "≥", bound, peer=peer)
        for operation, bounds in SPEED.items()
        for peer, bound in zip(PEERS, bounds, strict=True)
        if (known := _ratios(results, peer, operation))
    ]


def _ratios(results: Results, peer: str, operation: str) -> list[float]:
    ratios = (results.load.ratio("ours", peer, operation, clients) for clients in results.clients)
    return [ratio for ratio in ratios if ratio is not None]


def tail(results: Results) -> list[Target]:
    """Return the ratios of p99 in a crowd."""
    return [
        Target(TITLES[operation], ratio, "≤", bound, peer=peer)
        for operation in NAMES
        for peer, bound in zip(PEERS, TAIL, strict=True)
        if (ratio := results.load.ratio("ours", peer, operation, CROWD, "p99")) is not None
    ]


def others(results: Results) -> list[Target]:
    """Return what is judged without looking at a peer."""
    return [*_distant(results), *_starts(results), *_size(results)]


def _distant(results: Results) -> Iterator[Target]:
    ours = [one for one in results.delayed if one.service == "ours"]
    if trips := [one.round_trips for one in ours]:
        most_off = max(trips, key=lambda count: abs(count - 1))
        yield Target("round trips of a request, any operation, 1 and 16 clients", most_off, "=", 1)
    for operation in NAMES:
        if times := [one.p50 for one in ours if one.operation == operation]:
            what = f"{TITLES[operation]}, database 20 ms away, 1 and 16 clients: p50"
            yield Target(what, max(times), "≤", DISTANT_P50, " ms")


def _starts(results: Results) -> Iterator[Target]:
    for one in results.starts:
        if one.service == "ours":
            yield Target("first answer, existing schema", one.existing, "≤", FIRST_ANSWER, " s")
            yield Target("first answer, empty schema", one.empty, "≤", FIRST_ANSWER, " s")


def _size(results: Results) -> Iterator[Target]:
    if "ours" in results.memory:
        rss = results.memory["ours"].worker_rss
        yield Target("memory of a worker under load (RSS)", rss, "≤", WORKER_RSS, " MiB")
    for one in results.lists:
        if one.tasks == max(LENGTHS):
            what = f"memory that a list of {one.tasks} adds at most / its body"
            yield Target(what, (one.rss_peak - one.rss_before) / one.body, "≤", LONG_LIST, " x")
