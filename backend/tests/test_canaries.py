"""The fixture that looks for secrets in every output finds them; else it would show nothing."""

from pathlib import Path

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
def test_a_secret_is_found_in_an_output_and_in_a_log(found: list[str], tmp_path: Path, value: str) -> None:
    canaries.look("here", f"something {value} else")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "service.log").write_text(f"a line\nanother {value}\n")
    canaries.look_at_logs(tmp_path)
    assert [place.partition(": ")[0] for place in found] == ["here", str(tmp_path / "deep" / "service.log")]
    (tmp_path / "deep" / "service.log").write_text("")  # the fixture of this run looks here as well


def test_what_is_no_secret_is_not_found(found: list[str]) -> None:
    canaries.look("here", '{"event": "request", "route": "/api/{user_id}/tasks", "request_id": "eyJhbGciOiJIUzI1NiJ9"}')
    assert found == []
