"""A refused token is one line, its request's, with the exact reason; the token is in no line."""

import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.jwks import KeyServer, Signer, key_server
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

SIGNER, STRANGER = Signer("the-key"), Signer("the-key", name="of somebody else")
LONGEST = 700  # characters of a line
Token = Callable[[KeyServer], str]


@pytest.fixture(scope="module")
def auth() -> Iterator[KeyServer]:
    with key_server(SIGNER) as server:
        yield server


@pytest.fixture(scope="module")
def service(auth: KeyServer, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    log = tmp_path_factory.mktemp("reasons") / "service.log"
    process = ServiceProcess(database_url, log, better_auth_url=auth.url, log_level="INFO", log_format="json")
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


def lines_of(service: ServiceProcess, request_id: str) -> list[str]:
    """Return the lines of a request, once the one that ends it is there, and a moment later."""

    def lines() -> list[str]:
        own = [line for line in service.log.read_text().splitlines() if f'"{request_id}"' in line]
        # A fetch of keys, at most one in 5 s, is a line of its own, by whichever request it was caused.
        return [line for line in own if '"src.auth.key_set"' not in line]

    eventually(lines, 5, "the request is in the log")
    time.sleep(0.2)  # longer than a line waits to be written
    return lines()


def refused(service: ServiceProcess, token: str, status: int = 401, user: str = "alice") -> dict[str, object]:
    """Send a token, and return the request's one line."""
    answer = httpx.get(f"{service.url}/api/{user}/tasks", headers=bearer(token), timeout=30)
    assert answer.status_code == status
    (line,) = lines_of(service, answer.headers["x-request-id"])
    assert len(line) < LONGEST
    assert all(part not in line for part in token.split(".") if len(part) > 20)
    said: dict[str, object] = json.loads(line)
    assert (said["event"], said["status"]) == ("request", status)
    return said


OF_THE_KEY: dict[str, tuple[Token, str]] = {
    "expired": (lambda auth: auth.token(SIGNER, exp=time.time() - 60), "expired"),
    "not yet": (lambda auth: auth.token(SIGNER, nbf=time.time() + 600), "not yet valid"),
    "signature": (lambda auth: auth.token(STRANGER), "bad signature"),
    "unknown kid": (lambda auth: auth.token(Signer("another")), "unknown kid"),
    "issuer": (lambda auth: auth.token(SIGNER, iss="https://evil.example"), "issuer"),
    "audience": (lambda auth: auth.token(SIGNER, aud="https://evil.example"), "audience"),
    "no sub": (lambda auth: auth.token(SIGNER, sub=None), "missing sub"),
    "no exp": (lambda auth: auth.token(SIGNER, exp=None), "missing exp"),
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


def test_the_longest_names_make_no_long_line(service: ServiceProcess, auth: KeyServer) -> None:
    line = refused(service, auth.token(SIGNER, sub="é" * 255), 403, "\N{SNOWMAN}" * 500)
    assert str(line["user_id"]).startswith("é")
