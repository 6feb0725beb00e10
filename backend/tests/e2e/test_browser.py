"""The page in `app/`, the documented example of a frontend, in a real browser on the documented origin."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import HERE, PATH, better_auth, free_port, require_port, tasks_api

pytestmark = pytest.mark.e2e


def test_a_person_uses_the_page(chromium: str, new_database: Callable[[], str], tmp_path: Path) -> None:
    """Sign up, create, list, toggle, edit, delete, and an expired token renewed; `browser.mjs` has the steps."""
    port = require_port(3000)  # the origin that the service allows without any CORS setting
    api_port = free_port()
    api_url = f"http://127.0.0.1:{api_port}"
    with (
        better_auth(port, API_URL=api_url, JWT_LIFETIME="1s") as page_url,
        tasks_api(tmp_path, new_database(), page_url, api_port),
    ):
        environment = {"CHROMIUM": chromium, "PAGE_URL": page_url, "API_URL": api_url}
        run = subprocess.run(["node", "browser.mjs"], cwd=HERE, env={**PATH, **environment}, timeout=180, check=False)
        assert run.returncode == 0
