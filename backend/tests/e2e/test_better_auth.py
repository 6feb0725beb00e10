"""The service behind a real Better Auth server: whatever it issues is accepted, and nobody needs to configure keys."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jwt
import pytest

from tests.e2e.processes import better_auth, free_port
from tests.e2e.users import SIX, User, kid_of
from tests.support.jwks import Signer

pytestmark = pytest.mark.e2e

StartApi = Callable[[str], str]
SignUp = Callable[[str, str, str], User]
SOON = 15  # seconds; a cool-down and some patience


@contextmanager
def soon() -> Iterator[Callable[[], bool]]:
    """Time to poll for something that takes some seconds at most."""
    deadline = time.monotonic() + SOON
    yield lambda: time.monotonic() < deadline and not time.sleep(0.1)


def becomes_accepted(user: User, token: str) -> bool:
    with soon() as still_time:
        while still_time():
            if user.works(token):
                return True
    return False


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_two_users_drive_all_six_operations_and_never_meet(
    algorithm: str, start_api: StartApi, sign_up: SignUp
) -> None:
    # EdDSA is the stock configuration: no option names it.
    with better_auth(free_port(), **({} if algorithm == "EdDSA" else {"JWT_ALGORITHM": algorithm})) as auth_url:
        api_url = start_api(auth_url)
        ada, bob = sign_up(auth_url, api_url, "ada"), sign_up(auth_url, api_url, "bob")
        hers, his = ada.token(), bob.token()
        assert jwt.get_unverified_header(hers)["alg"] == algorithm

        created = ada.call("create", hers)
        assert created.status_code == 201
        task = created.json()
        assert task["user_id"] == ada.id
        one = task["id"]

        # Bob: under his own path her task does not exist, under hers nothing is for him.
        for operation in set(SIX) - {"list", "create"}:
            assert bob.call(operation, his, one).json()["detail"] == "Task not found"
        for operation in SIX:
            assert bob.call(operation, his, one, owner=ada.id).json()["detail"] == "User_id mismatch"
        assert bob.call("list", his).json() == []

        assert ada.call("list", hers).json() == [task]
        assert ada.call("read", hers, one).json() == task
        updated = ada.call("update", hers, one).json()
        assert (updated["title"], updated["description"]) == ("Buy oat milk", "2 l")
        assert ada.call("toggle", hers, one).json()["completed"] is True
        assert ada.call("delete", hers, one).status_code == 204
        assert ada.call("read", hers, one).status_code == 404


def test_a_rotated_key_needs_no_restart(start_api: StartApi, sign_up: SignUp) -> None:
    with better_auth(free_port(), KEY_LIFETIME="1") as auth_url:
        user = sign_up(auth_url, start_api(auth_url), "ada")
        old = user.token()
        assert becomes_accepted(user, old)  # by then it may be the second key already
        with soon() as still_time:
            while kid_of(new := user.token()) == kid_of(old):
                assert still_time()
        assert becomes_accepted(user, new)
        assert user.works(old), "its key is still published"


def test_a_database_reset_that_reuses_key_ids_needs_no_restart(start_api: StartApi, sign_up: SignUp) -> None:
    port = free_port()
    with better_auth(port, USER_IDS="serial") as auth_url:
        api_url = start_api(auth_url)
        before = sign_up(auth_url, api_url, "ada")
        old = before.token()
        assert becomes_accepted(before, old)
    with better_auth(port, USER_IDS="serial"):
        after = sign_up(auth_url, api_url, "bob")
        new = after.token()
        assert kid_of(new) == kid_of(old)
        assert becomes_accepted(after, new)
        assert before.call("list", old).status_code == 401


def test_a_stopped_auth_server_harms_nobody_who_has_a_token(start_api: StartApi, sign_up: SignUp) -> None:
    with better_auth(free_port()) as auth_url:
        user = sign_up(auth_url, start_api(auth_url), "ada")
        known, another = user.token(), None
        with soon() as still_time:
            while (another := user.token()) == known:  # a new second makes a new token
                assert still_time()
        assert user.works(known)
    assert user.works(known)
    assert user.works(another), "a token that was never seen, by a key that was"
    for token in (Signer("unknown").token(user.id), known[:-4] + "AAAA"):
        started = time.monotonic()
        assert user.call("list", token).status_code == 401
        assert time.monotonic() - started < 3


def test_a_service_that_starts_before_the_auth_server_waits_for_it(start_api: StartApi, sign_up: SignUp) -> None:
    port = free_port()
    api_url = start_api(f"http://localhost:{port}")
    with better_auth(port) as auth_url:
        user = sign_up(auth_url, api_url, "ada")
        token = user.token()
        refused = user.call("list", token)
        if refused.status_code != 200:  # the cool-down after the failed first fetch may be over by now
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert becomes_accepted(user, token)
