"""The TypeScript client on its generated types against the running service. `make client-test`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import Service
from tests.support.tokens import make_token

pytestmark = pytest.mark.node

CLIENT = Path(__file__).resolve().parents[1] / "clients" / "typescript"


def npm(*arguments: str, **environment: str) -> None:
    command = shutil.which("npm")
    assert command, "Node.js is needed"
    assert (CLIENT / "node_modules").is_dir(), "`make client-test` installs what this needs"
    subprocess.run([command, "--silent", *arguments], cwd=CLIENT, env=os.environ | environment, check=True, timeout=120)


def test_the_committed_types_are_those_of_the_document() -> None:
    npm("run", "generate", "--", "--check")


def test_every_operation_works_through_the_typed_client(service: Service, user: str) -> None:
    """And tokens are renewed, problems reported; `e2e.ts` has the steps."""
    tokens = {"TOKEN": make_token(user), "EXPIRED_TOKEN": make_token(user, ttl=-60)}
    npm("run", "e2e", API_URL=service.url, USER_ID=user, **tokens)
