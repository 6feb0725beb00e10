"""The example, the documented frontend, in a real browser on the documented origin."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import EXAMPLE, HERE, PATH, copy_of, example, free_port, require_port, tasks_api

pytestmark = pytest.mark.e2e

BUILT = HERE / "output/example"
STOCK, SHORT_LIVED = "plugins: [jwt()]", 'plugins: [jwt({ jwt: { expirationTime: "1s" } })]'


def test_a_person_uses_the_example(chromium: str, new_database: Callable[[], str], tmp_path: Path) -> None:
    """The whole journey, a key rotation, an outage and a second tab's conflict; `example.test.mjs` has the steps."""
    port = require_port(3000)  # the origin that the service allows without any CORS setting
    api_port, seen_port = free_port(), free_port()
    seen_url = f"http://127.0.0.1:{seen_port}"  # a network in front of the API, which the test can take down
    copy_of(EXAMPLE, BUILT)
    auth = BUILT / "lib/auth.ts"
    assert STOCK in auth.read_text()
    auth.write_text(auth.read_text().replace(STOCK, SHORT_LIVED))
    auth_database = new_database()
    with (
        example(BUILT, port, auth_database, seen_url) as page_url,
        tasks_api(tmp_path, new_database(), page_url, api_port) as api_url,
    ):
        environment = {
            "CHROMIUM": chromium,
            "PAGE_URL": page_url,
            "API_URL": seen_url,
            "API_TARGET": api_url,
            "EXAMPLE": str(BUILT),
            "AUTH_DATABASE_URL": auth_database,
        }
        command = ["node", "--test", "--test-reporter=spec", "example.test.mjs"]
        run = subprocess.run(command, cwd=HERE, env={**PATH, **environment}, timeout=300, check=False)
    assert run.returncode == 0
