"""Signing keys that come, change and go at the auth server: what that means for who holds a token.

Through HTTP, against a real key endpoint; `test_key_set.py` has what the key set does by itself.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, pairwise

import httpx
import pytest

from tests.support.jwks import PATH, Answer, KeyServer, Signer, key_server, key_set
from tests.support.polling import eventually
from tests.support.server import serve, settings_for
from tests.support.shortened import shortened
from tests.support.tokens import bearer

FIRST, SECOND = Signer("first"), Signer("second")
COOL_DOWN = 5  # seconds
Status = Callable[[str], int]


@pytest.fixture
def auth() -> Iterator[KeyServer]:
    with key_server(FIRST) as server:
        yield server


@contextmanager
def trusting(auth: KeyServer, database_url: str) -> Iterator[Status]:
    """A service that accepts this auth server's keys alone; what it says to Alice with a given token."""
    settings = settings_for(database_url, better_auth_url=auth.url, better_auth_secret=None)
    with serve(settings) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        yield lambda token: client.get("/api/alice/tasks", headers=bearer(token)).status_code


@pytest.fixture
def status(auth: KeyServer, database_url: str) -> Iterator[Status]:
    """Without a cool-down, for what is not about it; the first key is known."""
    with shortened(cool_down=0), trusting(auth, database_url) as ask:
        assert ask(auth.token(FIRST)) == 200
        yield ask


# --- Keys that change -----------------------------------------------------------------------------------------------


def test_a_key_that_is_rotated_in_is_fetched_and_the_old_one_stays(auth: KeyServer, status: Status) -> None:
    auth.answer = key_set(FIRST, SECOND)
    assert status(auth.token(SECOND)) == 200
    assert status(auth.token(FIRST)) == 200


def test_a_withdrawn_key_makes_no_token_good_any_more_not_even_one_that_was(auth: KeyServer, status: Status) -> None:
    remembered = auth.token(FIRST)
    assert [status(remembered), status(remembered)] == [200, 200]
    auth.answer = key_set(SECOND)
    assert status(auth.token(SECOND)) == 200
    assert status(remembered) == 401
    assert status(auth.token(FIRST, jti="another")) == 401


@pytest.mark.parametrize("returned", [Signer("first", name="anew"), Signer("first", "ES256"), Signer("first", "RS256")])
def test_a_kid_that_returns_with_another_key_is_followed(auth: KeyServer, status: Status, returned: Signer) -> None:
    """With serial ids that is what a reset of the auth server's database does."""
    remembered = auth.token(FIRST)
    assert status(remembered) == 200
    auth.answer = key_set(returned)
    assert status(auth.token(returned)) == 200
    assert status(remembered) == 401
    assert status(auth.token(FIRST, jti="another")) == 401


def test_a_set_in_use_is_fetched_again_when_it_is_old(auth: KeyServer, database_url: str) -> None:
    """So that a withdrawn key goes although nobody sends a token of another."""
    remembered = auth.token(FIRST)
    with shortened(cool_down=0, max_age=0), trusting(auth, database_url) as status:
        assert status(remembered) == 200
        auth.answer = key_set(SECOND)
        eventually(lambda: status(remembered) == 401, 10, "the withdrawn key is gone")


# --- An auth server that fails or lies ------------------------------------------------------------------------------

USELESS = {
    "429": Answer(b"{}", 429),
    "404": Answer(b"", 404),
    "500 with a set": Answer(key_set(SECOND).body, 500),
    "HTML": Answer(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "nothing": Answer(b""),
    "broken JSON": Answer(key_set(SECOND).body[:-20]),
    "no keys": Answer(b"{}"),
    "empty set": key_set(),
    "unusable keys only": key_set(None, 5, {"kid": "k"}, {"kty": "OKP"}),
}


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
def test_a_fetch_that_fails_takes_no_key_away(auth: KeyServer, status: Status, answer: Answer) -> None:
    remembered, fetches = auth.token(FIRST), auth.fetches
    assert status(remembered) == 200
    auth.answer = answer
    assert status(auth.token(SECOND)) == 401
    assert auth.fetches > fetches
    assert status(remembered) == 200
    assert status(auth.token(FIRST, jti="another")) == 200
    auth.answer = key_set(FIRST, SECOND)
    assert status(auth.token(SECOND)) == 200


def test_an_auth_server_that_is_gone_takes_no_key_away(auth: KeyServer, status: Status) -> None:
    remembered = auth.token(FIRST)
    assert status(remembered) == 200
    auth.stop()
    assert status(auth.token(SECOND)) == 401
    assert status(remembered) == 200
    assert status(auth.token(FIRST, jti="another")) == 200


@pytest.mark.parametrize("redirect", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(auth: KeyServer, status: Status, redirect: int) -> None:
    with key_server(SECOND) as elsewhere:
        auth.answer = Answer(b"", redirect, {"Location": elsewhere.url + PATH})
        assert status(auth.token(SECOND)) == 401
        assert auth.fetches > 1
        assert elsewhere.fetches == 0
    assert status(auth.token(FIRST)) == 200


# --- How often it is asked ------------------------------------------------------------------------------------------

_numbers = count()


def demanding(auth: KeyServer) -> list[str]:
    """Tokens that each give a reason to fetch the keys: of unknown ones, and of others than the known `kid` stands for.

    The same never come twice.
    """
    unknown = [auth.token(SECOND, headers={"kid": f"random {next(_numbers)}"}) for _ in range(5)]
    others = [Signer("first", name="forged"), Signer("first", "ES256"), Signer("first", "RS256")]
    return [*unknown, *(auth.token(other, jti=str(next(_numbers))) for other in others)]


def are_apart(auth: KeyServer) -> bool:
    """Whether a cool-down lies between any two fetches, less two seconds that one of them may take to arrive."""
    return all(later - earlier > COOL_DOWN - 2 for earlier, later in pairwise(auth.times))


def test_a_rotated_key_is_good_within_seconds_and_callers_cause_one_fetch_for_it(
    auth: KeyServer, database_url: str
) -> None:
    with trusting(auth, database_url) as status:
        assert status(auth.token(FIRST)) == 200
        auth.answer = key_set(FIRST, SECOND)

        def rotated() -> bool:
            assert {status(token) for token in demanding(auth)} == {401}
            return status(auth.token(SECOND)) == 200

        eventually(rotated, 20, "the new key is good")
    assert auth.fetches > 1
    assert are_apart(auth)


@pytest.mark.parametrize("answer", [*USELESS.values(), key_set(FIRST)], ids=[*USELESS, "a good set"])
def test_many_callers_at_once_cause_one_fetch_whatever_comes_of_it(
    auth: KeyServer, database_url: str, answer: Answer
) -> None:
    auth.answer = answer
    with trusting(auth, database_url) as status, ThreadPoolExecutor(16) as callers:
        tokens = [token for _ in range(8) for token in demanding(auth)]
        assert set(callers.map(status, tokens)) <= {401, 503}
    assert auth.fetches > 0
    assert are_apart(auth)
