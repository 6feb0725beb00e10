"""The fixture that looks for secrets in every output finds them; else it would show nothing."""

import pytest

from tests.support import canaries
from tests.support.tokens import SECRET, make_token


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(canaries, "found", [])
    return canaries.found


@pytest.mark.parametrize(
    "value",
    [SECRET, canaries.TITLE, canaries.DESCRIPTION, canaries.PASSWORD, make_token("bob")],
    ids=["secret", "title", "description", "password", "token"],
)
def test_a_secret_is_found_in_an_output(found: list[str], value: str) -> None:
    canaries.look("here", f"something {value} else")
    assert [place.partition(": ")[0] for place in found] == ["here"]


def test_what_is_no_secret_is_not_found(found: list[str]) -> None:
    canaries.look("here", '{"event": "request", "route": "/api/{user_id}/tasks", "request_id": "eyJhbGciOiJIUzI1NiJ9"}')
    assert found == []
