"""A refused token is one line, its request's, with the exact reason; the token is in no line."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from src.errors import TokenFault
from tests.support.jwks import KeyServer, Signer, forged, key_server
from tests.support.locks import locked
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

SIGNER, STRANGER = Signer("the-key"), Signer("the-key", name="of somebody else")
LONGEST = 700  # bytes of a line
PIECE = 12  # characters of a token that no line may have
Token = Callable[[KeyServer], str]


@pytest.fixture(scope="module")
def auth() -> Iterator[KeyServer]:
    with key_server(SIGNER) as server:
        yield server


@contextmanager
def running(
    auth: KeyServer, database_url: str, log: Path, log_format: str, **others: object
) -> Iterator[ServiceProcess]:
    settings = {"better_auth_url": auth.url, "log_level": "INFO", "log_format": log_format, "forwarded_allow_ips": "*"}
    process = ServiceProcess(database_url, log, **settings, **others)
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


@pytest.fixture(scope="module")
def service(auth: KeyServer, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running(auth, database_url, tmp_path_factory.mktemp("reasons") / "service.log", "json") as process:
        yield process


def lines_of(service: ServiceProcess, request_id: str) -> list[str]:
    """Return the lines of a request, once the one that ends it is there, and a moment later."""

    def lines() -> list[str]:
        own = [line for line in service.log.read_text().splitlines() if request_id in line]
        # A fetch of keys, at most one in 5 s, is a line of its own, by whichever request it was caused.
        return [line for line in own if '"src.auth.key_set"' not in line]

    eventually(lines, 5, "the request is in the log")
    time.sleep(0.2)  # longer than a line waits to be written
    return lines()


def pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


def refused(service: ServiceProcess, token: str, status: int = 401, user: str = "alice") -> dict[str, object]:
    """Send a token, and return the request's one line."""
    answer = httpx.get(f"{service.url}/api/{user}/tasks", headers=bearer(token), timeout=30)
    assert answer.status_code == status
    (line,) = lines_of(service, answer.headers["x-request-id"])
    assert len(line.encode()) < LONGEST
    everything = service.log.read_text()
    assert token not in everything
    assert pieces(token).isdisjoint(pieces(everything))
    said: dict[str, object] = json.loads(line)
    assert (said["event"], said["status"]) == ("request", status)
    return said


LONG = "".join(f"{number:06}" for number in range(3700))  # which makes a token of some 30 KB

OF_THE_KEY: dict[str, tuple[Token, str]] = {
    "expired": (lambda auth: auth.token(SIGNER, exp=time.time() - 60), "expired"),
    "not yet": (lambda auth: auth.token(SIGNER, nbf=time.time() + 600), "not yet valid"),
    "signature": (lambda auth: auth.token(STRANGER), "bad signature"),
    "unknown kid": (lambda auth: auth.token(Signer("another")), "unknown kid"),
    "issuer": (lambda auth: auth.token(SIGNER, iss="https://evil.example"), "issuer"),
    "audience": (lambda auth: auth.token(SIGNER, aud="https://evil.example"), "audience"),
    "no sub": (lambda auth: auth.token(SIGNER, sub=None), "missing sub"),
    "no exp": (lambda auth: auth.token(SIGNER, exp=None), "missing exp"),
    "no kid": (lambda auth: auth.token(SIGNER, headers={"kid": ""}), "unknown kid"),
    "algorithm of another key": (lambda auth: auth.token(Signer("the-key", "ES256")), "algorithm"),
    "no time": (lambda auth: auth.token(SIGNER, nbf="soon"), "malformed"),
    "long and expired": (lambda auth: auth.token(SIGNER, ttl=-60, image=LONG), "expired"),
}
OF_THE_SECRET: dict[str, tuple[Token, str]] = {
    "expired, by secret": (lambda _: make_token(ttl=-60), "expired"),
    "not yet, by secret": (lambda _: make_token(nbf=time.time() + 600), "not yet valid"),
    "signature, by secret": (lambda _: make_token(key="another-secret-of-more-than-32-bytes"), "bad signature"),
    "issuer, by secret": (lambda _: make_token(iss="https://evil.example"), "issuer"),
    "audience, by secret": (lambda _: make_token(aud="https://evil.example"), "audience"),
    "no sub, by secret": (lambda _: make_token(sub=None), "missing sub"),
    "empty sub": (lambda _: make_token(sub=""), "missing sub"),
    "no exp, by secret": (lambda _: make_token(exp=None), "missing exp"),
    "another algorithm": (lambda _: make_token(alg="HS512", key="k" * 64), "algorithm"),
    "unsigned": (lambda _: forged({"alg": "none"}, {"sub": "alice", "exp": time.time() + 60}), "algorithm"),
    "no time, by secret": (lambda _: make_token(nbf="soon"), "malformed"),
    "another kind": (lambda _: make_token(headers={"typ": "secevent+jwt"}), "malformed"),
    "long, by secret": (lambda _: make_token(key="another-secret-of-more-than-32-bytes", image=LONG), "bad signature"),
    "no token at all": (lambda _: "not.a.token", "malformed"),
    "long": (lambda _: "x" * 30_000, "malformed"),
}
TOKENS = OF_THE_KEY | OF_THE_SECRET


@pytest.mark.parametrize("kind", TOKENS)
def test_the_line_of_the_request_has_the_reason(service: ServiceProcess, auth: KeyServer, kind: str) -> None:
    make, reason = TOKENS[kind]
    line = refused(service, make(auth))
    assert line["reason"] == reason
    assert line["user_id"] is None


def test_without_a_token_there_is_no_reason(service: ServiceProcess) -> None:
    answer = httpx.get(f"{service.url}/api/alice/tasks", timeout=30)
    (line,) = lines_of(service, answer.headers["x-request-id"])
    assert "reason" not in json.loads(line)


def test_who_asks_for_somebody_elses_tasks_is_named(service: ServiceProcess, auth: KeyServer) -> None:
    line = refused(service, auth.token(SIGNER, sub="mallory"), 403)
    assert line["user_id"] == "mallory"


def test_every_reason_was_produced() -> None:
    assert {reason for _, reason in TOKENS.values()} == {str(fault) for fault in TokenFault}


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("letter", ["a", "\xe9", "\N{SNOWMAN}", "\N{CJK UNIFIED IDEOGRAPH-20000}", "\u2028"])
def test_the_longest_names_make_no_long_line(
    auth: KeyServer, database_url: str, tmp_path: Path, log_format: str, letter: str
) -> None:
    """In bytes: readable text has letters as they are, and one of them may be four."""
    with running(auth, database_url, tmp_path / "service.log", log_format) as service:
        for length in (60, 120, 255):
            for token in (auth.token(SIGNER, sub=letter * length), auth.token(STRANGER, sub=letter * length)):
                known = f"{length}".rjust(128, "-")
                headers = {**bearer(token), "X-Request-ID": known, "X-Forwarded-For": letter * length}
                raw = [(name.encode(), value.encode()) for name, value in headers.items()]
                path = quote("\N{SNOWMAN}" * 500)
                answer = httpx.get(f"{service.url}/api/{path}/tasks", headers=raw, timeout=30)
                assert answer.headers["x-request-id"] == known
        eventually(lambda: service.log.read_text().count("---") >= 6, 5, "the requests are in the log")
        time.sleep(0.2)
        lines = [line for line in service.log.read_bytes().split(b"\n") if b"-" * 120 in line]
    assert len(lines) == 6
    assert max(map(len, lines)) < LONGEST


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_line_with_every_rare_field_is_not_long_either(
    auth: KeyServer, new_database: Callable[[], str], tmp_path: Path, log_format: str
) -> None:
    url, user, known = new_database(), "a" * 255, "-" * 128
    traced = {"otel_traces_exporter": "otlp", "otel_exporter_otlp_endpoint": f"http://127.0.0.1:{free_port()}"}
    with (
        running(auth, url, tmp_path / "service.log", log_format, db_statement_timeout=0.3, **traced) as service,
        locked(url),
    ):
        headers = {**bearer(auth.token(SIGNER, sub=user)), "X-Request-ID": known, "X-Forwarded-For": "b" * 255}
        answer = httpx.patch(f"{service.url}/api/{user}/tasks/1/complete", headers=headers, timeout=30)
        assert answer.status_code == 503
        (line,) = lines_of(service, known)
    for part in ("trace_id", "57014", "no answer in time", "bbbb...", "aaaa...", known):
        assert part in line
    assert len(line.encode()) < LONGEST
