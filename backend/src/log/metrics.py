"""What is counted besides requests: connections, signing keys, remembered tokens, and why an answer was 503.

Everything is read from plain attributes when metrics are exported, in the exporter's thread; where they are off,
nothing is read. Names are those of the semantic conventions, where these have one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from opentelemetry.metrics import CallbackOptions, Meter, Observation

_POOL = {"db.client.connection.pool.name": "postgresql"}
_STATE = "db.client.connection.state"

Callback = Callable[[CallbackOptions], Iterable[Observation]]


class Connections(NamedTuple):
    """The connections of a worker, and the requests that wait for one."""

    used: int
    idle: int
    most: int
    waiting: int


class Pool(Protocol):
    """Who has connections; `refused` found the queue full, `timed_out` waited in vain."""

    refused: int
    timed_out: int

    @property
    def connections(self) -> Connections:
        """What there is at this moment."""


class Tokens(Protocol):
    """Who verifies tokens; those remembered, the `hits`, cost no signature."""

    hits: int
    misses: int


class Keys(Protocol):
    """Who fetches signing keys."""

    fetched: int
    failed: int


def observe(meter: Meter, pool: Pool, tokens: Tokens, keys: Keys | None, unavailable: Mapping[str, int]) -> None:
    """Have all of it read with each export; `unavailable` has its reasons from the start."""
    _observe_pool(meter, pool)
    meter.create_observable_counter(
        "tasks_api.token_cache.lookups",
        [_each(lambda: {"hit": tokens.hits, "miss": tokens.misses}, "outcome")],
        "{lookup}",
        "Tokens that were remembered, and those that were not",
    )
    meter.create_observable_counter(
        "tasks_api.unavailable",
        [_each(lambda: unavailable, "reason")],
        "{answer}",
        "Answers of 503, by their reason",
    )
    if keys:
        meter.create_observable_counter(
            "tasks_api.signing_keys.fetches",
            [_each(lambda: {"success": keys.fetched, "failure": keys.failed}, "outcome")],
            "{fetch}",
            "Attempts to fetch the auth server's key set",
        )


def _observe_pool(meter: Meter, pool: Pool) -> None:
    meter.create_observable_up_down_counter(
        "db.client.connection.count",
        [_each(lambda: {"used": pool.connections.used, "idle": pool.connections.idle}, _STATE, _POOL)],
        "{connection}",
        "Connections to the database",
    )
    meter.create_observable_up_down_counter(
        "db.client.connection.max", [_one(lambda: pool.connections.most)], "{connection}", "Most connections allowed"
    )
    meter.create_observable_up_down_counter(
        "db.client.connection.pending_requests",
        [_one(lambda: pool.connections.waiting)],
        "{request}",
        "Requests that wait for a connection",
    )
    meter.create_observable_counter(
        "db.client.connection.timeouts", [_one(lambda: pool.timed_out)], "{timeout}", "Requests that waited in vain"
    )
    meter.create_observable_counter(
        "tasks_api.db.queue.refusals", [_one(lambda: pool.refused)], "{request}", "Requests that found the queue full"
    )


def _one(read: Callable[[], int]) -> Callback:
    return lambda _: [Observation(read(), _POOL)]


def _each(read: Callable[[], Mapping[str, int]], name: str, others: Mapping[str, str] | None = None) -> Callback:
    return lambda _: [Observation(count, {**(others or {}), name: value}) for value, count in read().items()]
