"""How a PostgreSQL connection is opened, without blocking the event loop. Rank 1."""

import socket
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from src.blocking import Threads
from src.stepwise import completed

# Given to libpq where the URL says nothing. A pooler accepts all of these; `options` it would refuse.
_DEFAULTS: dict[str, Any] = {
    "application_name": "tasks-api",
    "connect_timeout": 5,  # seconds; for the synchronous connection that prepares the schema
    "keepalives_idle": 30,  # seconds of silence before a probe
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds that sent data may stay unacknowledged
}


def with_defaults(url: str) -> str:
    """Return a libpq connection string: the URL as given, completed with time limits for a dead network."""
    given = parse_dsn(url)
    return make_dsn(url, **{name: value for name, value in _DEFAULTS.items() if name not in given})


async def connect(dsn: str, threads: Threads) -> Any:
    """Return a new connection in asynchronous mode; cancelling this is safe at any time.

    Raises:
        psycopg2.Error: the server refused, or cannot be reached.
        OSError: its name cannot be resolved.
    """
    raw = psycopg2.connect(await _resolved(dsn, threads), async_=True)
    try:
        await completed(raw)
    except BaseException:
        raw.close()
        raise
    return raw


async def _resolved(dsn: str, threads: Threads) -> str:
    """Add the addresses of the hosts: libpq would look names up itself, with all of Python standing still."""
    given = parse_dsn(dsn)
    names = given.get("host", "").split(",")
    if "hostaddr" in given or not all(names) or all(name.startswith("/") for name in names):
        return dsn
    ports = given.get("port", "5432").split(",")
    ports = ports if len(ports) > 1 else ports * len(names)
    found = [
        (name, address, port)
        for name, port in zip(names, ports, strict=True)
        for address in await threads.run(_addresses, name)
    ]
    hosts, addresses, ports = (",".join(column) for column in zip(*found, strict=True))
    return make_dsn(dsn, host=hosts, hostaddr=addresses, port=ports)


def _addresses(name: str) -> list[str]:
    if name.startswith("/"):
        return [""]
    return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)))
