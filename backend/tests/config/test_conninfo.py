"""NEON_DB_URL, read completely: what libpq would refuse, or silently take for something else, is refused at start."""

import socket
from collections.abc import Iterator

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn, parse_dsn

from src.config.conninfo import connection_url
from tests.conftest import execute

NEON = (
    "postgresql://alice:hunter2@ep-a-b-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require"
)
CHOICES = {
    "sslmode": "disable allow prefer require verify-ca verify-full",
    "sslnegotiation": "postgres",
    "sslcertmode": "disable allow require",
    "channel_binding": "disable prefer require",
    "gssencmode": "disable prefer",
    "target_session_attrs": "any read-write read-only primary standby prefer-standby",
    "load_balance_hosts": "disable random",
    "require_auth": "scram-sha-256 password,md5 !none,!password gss,sspi",
    "ssl_min_protocol_version": "TLSv1 tlsv1.2 TLSv1.3",
    "ssl_max_protocol_version": "TLSv1.2 TLSv1.3",
    "client_encoding": "UTF8 utf-8",
    "replication": "false",
    "keepalives": "0 1",
    "keepalives_idle": "1 30 32767",
    "keepalives_interval": "1 32767",
    "keepalives_count": "1 127",
    "tcp_user_timeout": "0 10000",
    "connect_timeout": "0 5 2147483647",
    "sslsni": "0 1",
    "sslcompression": "0 1",
    "gssdelegation": "0 1",
    "sslrootcert": "system /etc/ssl/ca.pem",
    "application_name": "tasks",
    "options": "-c%20search_path%3Dpublic",
}
WRONG = ["", "verify_full", "Require", "rw", "abc", "yes", "-1", "1.5", "5s", "32768", "128", "99999999999", "TLSv1.4"]
PARAMETERS = [f"{name}={value}" for name, values in CHOICES.items() for value in values.split()]


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def complaint_of_libpq(url: str, **changes: object) -> str:
    """What libpq has against a string whose servers do not answer; empty if it went as far as asking them."""
    with pytest.raises(psycopg2.OperationalError) as refused:
        psycopg2.connect(make_dsn(url, **changes))
    text = str(refused.value)
    return "" if "Connection refused" in text or "No such file" in text else text


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (NEON, {"user": "alice", "password": "hunter2", "sslmode": "require", "channel_binding": "require"}),
        ("postgres://u:p@h/db", {"host": "h", "dbname": "db"}),
        ("postgresql+psycopg2://u:p@h:6432/db", {"host": "h", "port": "6432"}),
        ("postgresql://postgres:@/postgres?host=/path/to/socket", {"user": "postgres", "host": "/path/to/socket"}),
        ("postgresql://%2Fvar%2Frun/db", {"host": "/var/run"}),
        ("postgresql:///db", {"dbname": "db"}),
        ("postgresql://u:p%40ss%2Fw%3A%25%20x@h/db", {"password": "p@ss/w:% x"}),
        ("postgresql://u:a:b?c#d@h/d%2Fb", {"password": "a:b?c#d", "dbname": "d/b"}),
        ("postgresql://u@[2001:db8::1]:5433/db", {"host": "2001:db8::1", "port": "5433"}),
        ("postgresql://u@[fe80::1%25eth0]/db", {"host": "fe80::1%eth0"}),
        ("postgresql://u@a:1,b:2,c/db?target_session_attrs=read-write", {"host": "a,b,c", "port": "1,2,"}),
        ("postgresql://u@a,b/db?port=6432", {"host": "a,b", "port": "6432"}),
        ("postgresql://a,[::1],/db?host=x,y,/tmp", {"host": "x,y,/tmp"}),
        ("postgresql://h/db?hostaddr=10.0.0.1", {"host": "h", "hostaddr": "10.0.0.1"}),
        ("postgresql:///db?hostaddr=10.0.0.1,::1&port=1,2", {"hostaddr": "10.0.0.1,::1", "port": "1,2"}),
        ("postgresql://10.0.0.1/db", {"host": "10.0.0.1"}),
        ("postgresql://my_db.svc.cluster.local./db", {"host": "my_db.svc.cluster.local."}),
        ("postgresql://h/db?ssl=true", {"sslmode": "require"}),
        ("postgresql://h/db?sslrootcert=system", {"sslrootcert": "system"}),
        ("postgresql://h/db?sslnegotiation=direct&sslmode=require", {"sslnegotiation": "direct"}),
    ],
)
def test_what_libpq_can_use_is_taken_as_it_is(url: str, parts: dict[str, str]) -> None:
    found = parse_dsn(connection_url(url))
    assert {name: found.get(name) for name in parts} == parts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:hunter2@h/db", "start with postgresql://"),
        ("psql 'postgresql://u:hunter2@h/db'", "start with postgresql://"),
        ("host=h password=hunter2", "start with postgresql://"),
        ("POSTGRES://u:hunter2@h/db", "start with postgresql://"),
        ("postgresql://u:hunter2@h/db name", "white space"),
        ("postgresql://u:hunter2@h/db\nx", "white space"),
        ("postgresql://u:hunter2%@h/db", "%25"),
        ("postgresql://u:hunter2%zz@h/db", "%25"),
        ("postgresql://u:hunter2%00@h/db", "%25"),
        ("postgresql://u:hunter2%ff@h/db", "UTF-8"),
        ("postgresql://u:hun@ter2@h/db", "%40"),
        ("postgresql://u:hun/ter2@h/db", "%2F"),
        ("postgresql://u:123/hunter2@h/db", "%2F"),
        ("postgresql://u:hunter2@h/db/", "one /"),
        ("postgresql://u:hunter2@[::1/db", "must be a URL"),
        ("postgresql://u:hunter2@[::z]/db", "hosts"),
        ("postgresql://", "host and a database"),
        ("postgresql://:@/", "host and a database"),
        ("postgresql:///db?service=hunter2", "itself"),
        ("postgresql://h/db?password=hunter2&schema=public", "parameters of libpq"),
        ("postgresql://h/db?password=hunter2&pgbouncer", "parameters of libpq"),
        ("postgresql://h/db?password=hunter2=3", "parameters of libpq"),
        ("postgresql://*.neon.tech/db", "hosts"),
        ("postgresql://a;b/db", "hosts"),
        ("postgresql://a,,b/db", "hosts"),
        ("postgresql://${HOST}/db", "hosts"),
        ("postgresql://bücher.example/db", "hosts"),
        ("postgresql://a..b/db", "hosts"),
        (f"postgresql://{'a' * 64}.example/db", "hosts"),
        ("postgresql://256.1.1.1/db", "hosts"),
        ("postgresql://h:abc/db", "ports from 1 to 65535"),
        ("postgresql://h:0/db", "ports from 1 to 65535"),
        ("postgresql://h:65536/db", "ports from 1 to 65535"),
        ("postgresql://h/db?port=1,2", "as many as hosts"),
        ("postgresql://a,b,c/db?port=1,2", "as many as hosts"),
        ("postgresql://h/db?hostaddr=1.1.1.1,2.2.2.2", "as many hosts as hostaddr"),
        ("postgresql://h/db?hostaddr=h", "IP addresses"),
        ("postgresql://h/db?sslmode=verify_full", "as sslmode: disable, allow, prefer, require"),
        ("postgresql://h/db?sslmode=", "as sslmode"),
        ("postgresql://h/db?target_session_attrs=rw", "as target_session_attrs: any, read-write"),
        ("postgresql://h/db?sslsni=yes", "as sslsni: 0, 1"),
        ("postgresql://h/db?connect_timeout=5s", "0 to 2147483647 as connect_timeout"),
        ("postgresql://h/db?keepalives_idle=32768", "1 to 32767 as keepalives_idle"),
        ("postgresql://h/db?keepalives_idle=0", "1 to 32767 as keepalives_idle"),
        ("postgresql://h/db?keepalives_count=128", "1 to 127 as keepalives_count"),
        ("postgresql://h/db?require_auth=scram", "as require_auth"),
        ("postgresql://h/db?require_auth=md5,!none", "as require_auth"),
        ("postgresql://h/db?require_auth=md5,md5", "as require_auth"),
        ("postgresql://h/db?client_encoding=LATIN1", "UTF8 as client_encoding"),
        ("postgresql://h/db?replication=database", "as replication"),
        ("postgresql://h/db?sslmode=require&sslrootcert=system", "sslmode=verify-full with sslrootcert=system"),
        ("postgresql://h/db?sslnegotiation=direct", "with sslnegotiation=direct"),
        ("postgresql://h/db?sslmode=disable&channel_binding=require", "than disable with channel_binding=require"),
        ("postgresql://h/db?ssl_min_protocol_version=TLSv1.4", "TLSv1 to TLSv1.3"),
        ("postgresql://h/db?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "TLSv1 to TLSv1.3"),
    ],
)
def test_what_never_connects_is_refused_without_its_value(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as refused:
        connection_url(url)
    assert expected in str(refused.value)
    for part in ("hunter2", "hun", "ter2", "example", "LATIN1", "TLSv1.4", "65536,"):
        assert part not in str(refused.value)


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_value_that_libpq_knows_is_taken(parameter: str, closed_port: int) -> None:
    url = f"postgresql://u@127.0.0.1:{closed_port}/db?{parameter}"
    assert connection_url(url) == url
    assert complaint_of_libpq(url) == ""


WRONG_PARAMETERS = st.builds("{}={}".format, st.sampled_from([*CHOICES]), st.sampled_from(WRONG))


@given(st.lists(st.sampled_from(PARAMETERS) | WRONG_PARAMETERS))
def test_what_libpq_refuses_is_refused(closed_port: int, parameters: list[str]) -> None:
    url = f"postgresql://u@127.0.0.1:{closed_port}/db?{'&'.join(parameters)}"
    if complaint_of_libpq(url):
        with pytest.raises(ValueError, match=r"^must "):
            connection_url(url)


PARTS = [*"@/:?#%&=,;[]*\\'\" \né\udcff", "%2F", "%zz", "%ff", "::1", "sslmode", "h"]
FRAGMENTS = st.lists(st.sampled_from(PARTS), max_size=3).map("".join)


def refusal(url: str) -> str:
    try:
        connection_url(url)
    except ValueError as error:
        return str(error)
    return ""


@given(FRAGMENTS, FRAGMENTS, FRAGMENTS, FRAGMENTS)
def test_whatever_is_in_it_it_is_refused_without_the_password_or_works(
    closed_port: int, user: str, password: str, host: str, rest: str
) -> None:
    url = f"postgresql://u{user}:hunter2{password}@127.0.0.1{host}/db{rest}"
    if refused := refusal(url):
        assert refused.startswith("must ")
        assert "hunter2" not in refused
        return
    servers = parse_dsn(url)["host"].split(",")
    here = ",".join(["127.0.0.1"] * len(servers))  # Names are not looked up, and nobody is called.
    assert complaint_of_libpq(url, hostaddr=here, port=closed_port) == ""


def test_the_embedded_servers_url_connects(server_url: str) -> None:
    assert connection_url(server_url) == server_url
    assert execute(connection_url(server_url), "SELECT 1") == [(1,)]
