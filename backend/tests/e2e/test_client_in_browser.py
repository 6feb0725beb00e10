"""The TypeScript client and its hooks in a real browser, on an origin that is no secure context."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.processes import CLIENT, free_port
from tests.support.server import serve, settings_for
from tests.support.tokens import make_token

pytestmark = pytest.mark.e2e


def test_the_client_and_its_hooks_work_on_a_page_without_https(
    chromium: str, new_database: Callable[[], str], user: str
) -> None:
    """`tests/browser/` of the client has the steps."""
    port = free_port()
    with serve(settings_for(new_database(), cors_origins=(f"http://phone.test:{port}",))) as service:
        environment = {
            "API_URL": service.url,
            "USER_ID": user,
            "TOKEN": make_token(user),
            "EXPIRED_TOKEN": make_token(user, ttl=-60),
            "CHROMIUM": chromium,
            "PORT": str(port),
        }
        command = ["npm", "run", "--silent", "test:browser"]
        run = subprocess.run(command, cwd=CLIENT, env=os.environ | environment, timeout=180, check=False)
    assert run.returncode == 0
