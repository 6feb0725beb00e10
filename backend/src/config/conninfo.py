"""Connection strings, read completely: what libpq cannot parse, or would refuse at every connection, is refused here.

libpq's own complaints quote the string, and with it the password; those of this module never do.
"""

import ipaddress
import re

import psycopg2
from psycopg2.extensions import parse_dsn

_SCHEME = re.compile(r"(?:postgres|postgresql|postgresql\+psycopg2)://")
# As libpq reads it: what comes before an `@` is user and password, unless a `/` comes first.
_PATH = re.compile(r"(?:[^@/]*@)?[^/?]*(?:/(?P<path>[^?]*))?")
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_ENCODE = "percent-encode special characters of user, password and database (@ is %40, / is %2F, % is %25)"

_SWITCH = ("0", "1")
# What libpq compares letter by letter, some of it only when it connects, some not at all: then the value means "off".
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "sslcertmode": ("disable", "allow", "require"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "gsslib": ("gssapi", "sspi"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
    "replication": ("false", "off", "no", "0"),  # a replication connection takes no ordinary statement
    **dict.fromkeys(("keepalives", "sslcompression", "sslsni", "gssdelegation"), _SWITCH),
}
# The smallest and the largest that libpq, or the kernel behind it, takes.
_NUMBERS = {
    "connect_timeout": (0, 2**31 - 1),
    "tcp_user_timeout": (0, 2**31 - 1),
    "keepalives_idle": (1, 32767),
    "keepalives_interval": (1, 32767),
    "keepalives_count": (1, 127),
}
_PROTOCOLS = ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")  # in any case
_METHODS = {"password", "md5", "gss", "sspi", "scram-sha-256", "none"}
_ENCRYPTED = ("require", "verify-ca", "verify-full")


def connection_url(url: str) -> str:
    """Return the URL as libpq reads it; its parameters stay as they were given.

    Raises:
        ValueError: it could never connect. The message says what is expected, and nothing of the value.
    """
    scheme = _SCHEME.match(url)
    if not scheme:
        raise ValueError("must start with postgresql:// or postgres://")
    rest = url[scheme.end() :]
    if re.search(r"\s", rest):
        raise ValueError("must have no white space in it: percent-encode it as %20")
    path = _PATH.match(rest)
    if path and re.search(r"[/@]", path["path"] or ""):
        raise ValueError(f"must have one / and no @ behind its host: {_ENCODE}")
    given = _parsed(f"postgresql://{rest}")
    _check_servers(given)
    _check_values(given)
    _check_encryption(given)
    return f"postgresql://{rest}"


def without_credentials(url: str) -> str:
    """Return the servers and the database that a connection URL names, and nothing else of it: `host:5432/tasks`."""
    given = _parsed(url)
    hosts = (given.get("host") or given.get("hostaddr") or "").split(",")
    ports = given.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    servers = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))
    return f"{','.join(servers)}/{given.get('dbname', '')}"


def _parsed(url: str) -> dict[str, str]:
    try:
        given: dict[str, str] = parse_dsn(url)
    except psycopg2.Error as error:
        if "query parameter" in str(error):  # the rest of that text is the value's
            raise ValueError("must have only parameters of libpq, as name=value") from None
        raise ValueError(f"must be a URL: {_ENCODE}") from None
    except UnicodeError:
        raise ValueError("must be UTF-8, also where it is percent-encoded") from None
    return given


def _check_servers(given: dict[str, str]) -> None:
    if "service" in given or not any(given.get(name) for name in ("host", "hostaddr", "dbname")):
        raise ValueError("must name a host and a database itself")
    hosts, addresses = given.get("host", "").split(","), given.get("hostaddr", "").split(",")
    if not all(map(_is_host, hosts)) or (len(hosts) > 1 and not all(hosts)):
        raise ValueError(f"must have names, addresses or folders of sockets as hosts, comma-separated; {_ENCODE}")
    if not all(address == "" or _is_address(address) for address in addresses):
        raise ValueError("must have IP addresses as hostaddr, comma-separated")
    if given.get("host") and given.get("hostaddr") and len(hosts) != len(addresses):
        raise ValueError("must have as many hosts as hostaddr")
    _check_ports(given.get("port", "").split(","), servers=max(len(hosts), len(addresses)))


def _check_ports(ports: list[str], servers: int) -> None:
    if not all(port == "" or _is_number(port, 1, 65535) for port in ports):
        raise ValueError(f"must have ports from 1 to 65535; {_ENCODE}")
    if len(ports) not in (1, servers):
        raise ValueError("must have one port, or as many as hosts")


def _is_host(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")):  # the default; a folder with a socket; an abstract socket
        return True
    if ":" in host or re.fullmatch(r"(?:.*\.)?[0-9]+\.?", host):  # No name ends in a number.
        return _is_address(host)
    return _NAME.fullmatch(host) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_number(text: str, smallest: int, largest: int) -> bool:
    return re.fullmatch(r"[0-9]{1,10}", text) is not None and smallest <= int(text) <= largest


def _check_values(given: dict[str, str]) -> None:
    for name, value in given.items():
        if value not in _CHOICES.get(name, (value,)):
            raise ValueError(f"must have one of these as {name}: {', '.join(_CHOICES[name])}")
        if name in _NUMBERS and not _is_number(value, *_NUMBERS[name]):
            raise ValueError("must have a whole number from {} to {} as {}".format(*_NUMBERS[name], name))
    if "require_auth" in given:
        _check_methods(given["require_auth"].split(","))
    if re.sub(r"[^a-z0-9]", "", given.get("client_encoding", "utf8").lower()) not in ("utf8", "unicode"):
        raise ValueError("must have UTF8 as client_encoding, or none")


def _check_methods(methods: list[str]) -> None:
    names = {method.removeprefix("!") for method in methods}
    negative = sum(method.startswith("!") for method in methods)
    if methods != [""] and (names - _METHODS or len(names) < len(methods) or negative not in (0, len(methods))):
        raise ValueError(f"must have some of these as require_auth, all with ! or none: {', '.join(sorted(_METHODS))}")


def _check_encryption(given: dict[str, str]) -> None:
    system = given.get("sslrootcert") == "system"
    mode = given.get("sslmode", "verify-full" if system else "prefer")
    if system and mode != "verify-full":
        raise ValueError("must have sslmode=verify-full with sslrootcert=system")
    if given.get("sslnegotiation") == "direct" and mode not in _ENCRYPTED:
        raise ValueError(f"must have one of these as sslmode with sslnegotiation=direct: {', '.join(_ENCRYPTED)}")
    if given.get("channel_binding") == "require" and mode == "disable":
        raise ValueError("must have another sslmode than disable with channel_binding=require")
    versions = [given.get(name, "").lower() for name in ("ssl_min_protocol_version", "ssl_max_protocol_version")]
    if not all(version in ("", *_PROTOCOLS) for version in versions) or (all(versions) and versions > sorted(versions)):
        raise ValueError("must have a range from TLSv1 to TLSv1.3 as ssl_min_ and ssl_max_protocol_version")
