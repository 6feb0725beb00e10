"""`make token USER=…`: whom it takes, and that what it prints works when it is pasted."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.copies import copied
from tests.support.server import Service
from tests.support.tokens import SECRET, bearer

MAKE = ["make", "--silent", "--assume-old=backend/.venv/.installed", "token"]
# What a shell, make, a URL, curl or a parser of arguments would read something into.
USERS = [
    *("alice", 'it\'s "a b"', "$HOME $$ ${PATH} $(id) $b", "$(shell echo gone)", "`id` a\\b\\", "100% %41", "é日本🙂"),
    *("hey! !!", "a?b#c&d;e|f=g<h>", "[a]{b,c}*~", "--bare", "-x", "...", "a\nb\t "),
]


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("copy") / "repository")


def token(top: Path, *arguments: str | bytes, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "USER": "root", "BETTER_AUTH_SECRET": SECRET, **changes}
    return subprocess.run(
        [*MAKE, *arguments], cwd=top, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("user", USERS)
def test_what_it_prints_works_as_it_is_pasted(top: Path, service: Service, user: str) -> None:
    port = str(httpx.URL(service.url).port)
    printed = token(top, f"USER={user}", PORT=port).stdout
    _, _, request = printed.partition("\n\n")
    assert request.startswith("curl ")
    answer = subprocess.run(["sh", "-c", request], capture_output=True, timeout=30, check=True).stdout
    task = json.loads(answer)
    assert (task["user_id"], task["title"]) == (user, "Buy milk")
    # Pasted into a shell that a person types into, `!` would be the history.
    assert "!" not in request


def test_its_token_is_a_variable_for_further_requests(top: Path, service: Service) -> None:
    printed = token(top, "USER=it's", PORT="1").stdout.partition("\n\n")[0]
    value = subprocess.run(
        ["sh", "-c", f'{printed}\nprintf %s "$TOKEN"'], capture_output=True, text=True, check=True
    ).stdout
    assert token(top, "USER=it's", "BARE=1").stdout.count(".") == 2
    assert httpx.get(f"{service.url}/api/it's/tasks", headers=bearer(value)).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "USER is missing"),
        (["USER="], "USER is missing"),
        (["--environment-overrides"], "USER is missing"),
        (["USER=a/b"], "USER must be something that a path can hold, without a / and not . or .."),
        (["USER=."], "USER must be something that a path can hold, without a / and not . or .."),
        (["USER=.."], "USER must be something that a path can hold, without a / and not . or .."),
        ([b"USER=\xff"], "USER must be text in UTF-8"),
    ],
)
def test_nobody_and_who_cannot_be_addressed_get_a_sentence(
    top: Path, arguments: list[str | bytes], sentence: str
) -> None:
    """The login's user, `root` here, is nobody: `make` is given it by every shell."""
    (top / ".env").unlink(missing_ok=True)
    answer = token(top, *arguments)
    assert answer.returncode != 0
    assert answer.stdout == ""
    said, *of_make = answer.stderr.splitlines()
    assert said == f"{sentence}: make token USER=alice"
    assert all(line.startswith("make: ***") for line in of_make)
