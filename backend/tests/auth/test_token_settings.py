"""Issuer, audience and key set by settings of their own, and not as they follow from BETTER_AUTH_URL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.jwks import KeyServer, Signer, key_server
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

SIGNER = Signer("the-key")
ISSUER = "https://login.example/"
Sign = Callable[..., str]


@pytest.fixture(scope="module")
def auth() -> Iterator[KeyServer]:
    with key_server(SIGNER) as server:
        yield server


@contextmanager
def started(auth: KeyServer, database_url: str, folder: Path, **settings: str) -> Iterator[ServiceProcess]:
    process = ServiceProcess(database_url, folder / "log", better_auth_url=auth.url, **settings)
    try:
        process.wait_ready()
        yield process
    finally:
        process.cleanup()


@pytest.fixture(scope="module")
def of_audiences(auth: KeyServer, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("audiences")
    with started(auth, database_url, folder, better_auth_audience="tasks,https://api.example") as process:
        yield process.url


@pytest.fixture(scope="module")
def of_issuer(auth: KeyServer, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("issuer")
    with started(auth, database_url, folder, better_auth_issuer=ISSUER) as process:
        yield process.url


@pytest.fixture(params=["key", "secret"])
def sign(request: pytest.FixtureRequest, auth: KeyServer) -> Sign:
    """Make a token whose `iss` and `aud` are the auth server's origin unless it is said otherwise."""
    if request.param == "key":
        return lambda **claims: auth.token(SIGNER, **claims)
    return lambda **claims: make_token(**{"iss": auth.url, "aud": auth.url, **claims})


def status(url: str, token: str) -> int:
    return httpx.get(f"{url}/api/alice/tasks", headers=bearer(token), timeout=30).status_code


def test_the_audiences_that_are_set_are_accepted(of_audiences: str, sign: Sign) -> None:
    for audience in ("tasks", "https://api.example", ["elsewhere", "tasks"]):
        assert status(of_audiences, sign(aud=audience)) == 200


def test_the_origin_is_no_audience_beside_those_that_are_set(of_audiences: str, auth: KeyServer, sign: Sign) -> None:
    for audience in (auth.url, [auth.url], [auth.url, "elsewhere"], "tasks,https://api.example"):
        assert status(of_audiences, sign(aud=audience)) == 401


def test_setting_audiences_changes_no_issuer(of_audiences: str, sign: Sign) -> None:
    assert status(of_audiences, sign(aud="tasks", iss=ISSUER)) == 401


def test_the_issuer_that_is_set_takes_the_place_of_the_origin(of_issuer: str, auth: KeyServer, sign: Sign) -> None:
    assert status(of_issuer, sign(iss=ISSUER)) == 200
    for other in (auth.url, ISSUER.rstrip("/")):
        assert status(of_issuer, sign(iss=other)) == 401


def test_setting_an_issuer_changes_no_audience(of_issuer: str, sign: Sign) -> None:
    assert status(of_issuer, sign(iss=ISSUER, aud=ISSUER)) == 401


def test_the_keys_are_fetched_from_the_address_that_is_set(database_url: str, tmp_path: Path) -> None:
    with (
        key_server() as public,
        key_server(SIGNER) as inside,
        started(public, database_url, tmp_path, better_auth_jwks_url=f"{inside.url}/keys") as process,
    ):
        assert status(process.url, public.token(SIGNER)) == 200
        assert (public.paths, inside.paths) == ([], ["/keys"])
