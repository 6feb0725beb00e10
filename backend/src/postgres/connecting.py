"""How a connection is opened: names resolved beside the event loop, each address with a share of the time.

libpq resolves names by itself, with all of Python standing still, and its `connect_timeout` does not count where a
connection waits in the event loop: left to it, an address that never answers would hide every other for ever.
"""

import asyncio
import logging
import random
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy.util.concurrency import greenlet_spawn

from src.postgres.dialect import AsyncioConnection
from src.postgres.names import Names

logger = logging.getLogger(__name__)

# Given to libpq where the URL says nothing. A pooler accepts all of these; `options` it would refuse.
_DEFAULTS: dict[str, Any] = {
    "application_name": "tasks-api",
    "keepalives_idle": 30,  # seconds of silence before a probe
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds that sent data may stay unacknowledged
}
# Whatever the URL, a role or a database says: a text must arrive as it was sent.
_ALWAYS = {"client_encoding": "UTF8"}
_DEFAULT_PORT = "5432"
# What may be a list in the URL, and is one thing for each place.
_OF_A_TARGET = ("host", "hostaddr", "port", "target_session_attrs")

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, and so the images
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",  # Alpine, macOS
)


def with_defaults(url: str) -> str:
    """Return a libpq connection string: the URL as given, completed with bounds for a dead network."""
    given = parse_dsn(url)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
    return make_dsn(url, **defaults, **_ALWAYS, **_authorities(given))


def _authorities(given: dict[str, str]) -> dict[str, str]:
    """Name the system's certificate authorities by their file.

    The wheel's libpq would look for them where its OpenSSL was built. Python's own OpenSSL knows the place, or an
    operator says it (SSL_CERT_FILE); where neither does, the authorities that the HTTP client brings will do.
    """
    if given.get("sslrootcert") != "system":
        return {}
    found = (place for place in (ssl.get_default_verify_paths().cafile, *_BUNDLES) if place and Path(place).is_file())
    # `system` stands for the strictest mode, whatever else is said; a file does not.
    return {"sslrootcert": next(found, certifi.where()), "sslmode": "verify-full"}


@dataclass(frozen=True, slots=True)
class Target:
    """One place where the database may be; `address` is empty where `host` needs no resolving."""

    host: str
    address: str
    port: str
    session: str = ""  # what `target_session_attrs` asks of it


class Connector:
    """Opens connections to the hosts of one URL: first to the one that answered last, last to those that did not.

    With `load_balance_hosts=random` in the URL, in any order.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._parameters = parse_dsn(with_defaults(url))
        self._common = {name: value for name, value in self._parameters.items() if name not in _OF_A_TARGET}
        self._seconds = seconds
        self._names = Names()
        self._last: Target | None = None
        self._silent: set[Target] = set()

    async def connect(self) -> AsyncioConnection:
        """Return a new connection.

        Raises:
            psycopg2.Error: a server refused, or does not have what `target_session_attrs` asks for.
            OSError: no name could be resolved, or nobody answered in time.
        """
        deadline = asyncio.get_running_loop().time() + self._seconds
        targets = self._in_order(await self._targets())
        for number, target in enumerate(targets):
            try:
                connection = await self._open(target, deadline, len(targets) - number)
            except (OSError, psycopg2.Error) as error:
                failure: Exception = error
                if isinstance(error, TimeoutError):
                    self._silent.add(target)
            else:
                self._last = target
                self._silent.discard(target)
                return connection
        raise failure

    def _in_order(self, targets: list[Target]) -> list[Target]:
        if self._parameters.get("load_balance_hosts") == "random":
            return sorted(random.sample(targets, len(targets)), key=lambda it: it.session == "any")
        # Else each new connection would spend its share of the time on a first host that does not answer.
        return sorted(targets, key=lambda it: (it.session == "any", it in self._silent, it != self._last))

    async def _open(self, target: Target, deadline: float, candidates: int) -> AsyncioConnection:
        loop = asyncio.get_running_loop()
        own = zip(_OF_A_TARGET, (target.host, target.address, target.port, target.session), strict=True)
        dsn = make_dsn(**self._common, **{name: value for name, value in own if value})
        async with asyncio.timeout((deadline - loop.time()) / candidates):
            connection: AsyncioConnection = await greenlet_spawn(
                psycopg2.connect, dsn, connection_factory=AsyncioConnection
            )
        return connection

    async def _targets(self) -> list[Target]:
        """Every address of every host, in the order of the URL.

        Raises:
            OSError: there is none.
        """
        hosts, addresses, ports = (self._listed(name) for name in ("host", "hostaddr", "port"))
        names = hosts if len(hosts) >= len(addresses) else [""] * len(addresses)
        addresses = addresses if len(addresses) == len(names) else [""] * len(names)
        if "port" in self._parameters:
            ports = [port or _DEFAULT_PORT for port in ports]  # as libpq has it: PGPORT is for who names no port at all
        ports = ports if len(ports) == len(names) else ports * len(names)
        found = await asyncio.gather(
            *(self._resolved(*place) for place in zip(names, addresses, ports, strict=True)), return_exceptions=True
        )
        places = [place for result in found if isinstance(result, list) for place in result]
        if not places:
            raise next(result for result in found if isinstance(result, BaseException))
        return [Target(*place, session) for session in self._sessions() for place in places]

    def _listed(self, name: str) -> list[str]:
        listed: str = self._parameters.get(name, "")
        return listed.split(",")

    def _sessions(self) -> tuple[str, ...]:
        """Libpq asks all hosts for a standby first; as each host is asked alone here, so does this."""
        asked = self._parameters.get("target_session_attrs", "")
        return ("standby", "any") if asked == "prefer-standby" else (asked,)

    async def _resolved(self, name: str, address: str, port: str) -> list[tuple[str, str, str]]:
        if address or not name or name.startswith(("/", "@")):
            return [(name, address, port)]
        # Not longer than half of the time, so that a resolver that hangs for one name does not hide another host.
        async with asyncio.timeout(self._seconds / 2):
            found = await self._names.addresses(name)
        return [(name, address, port) for address in found]
