"""/docs in Chromium: starts the services that `docs.test.js` visits and runs it. `make browser`."""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.support.server import serve, settings_for
from tests.support.tokens import make_token

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent
PREFIX = "/tasks-service"


def test_the_page_works_in_a_real_browser(database_url: str) -> None:
    node, chromium = shutil.which("node"), os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert node, "Node.js is needed"
    assert chromium, "Chromium is needed; CHROMIUM names another one"
    assert (FOLDER / "node_modules").is_dir(), "`make browser` installs what this needs"
    user = uuid.uuid4().hex
    common = {"database_url": database_url, "frame_ancestors": "'self',http://localhost:*"}
    with (
        serve(settings_for(**common, demo_mode=True)) as demo,
        serve(settings_for(**common)) as plain,
        serve(settings_for(**common, root_path=PREFIX)) as prefixed,
    ):
        environment = {
            "API_URL": demo.url,
            "PLAIN_URL": plain.url,
            "PREFIXED_URL": prefixed.url,
            "PREFIX": PREFIX,
            "USER_ID": user,
            "TOKEN": make_token(user),
            "EXPIRED": make_token(user, ttl=-3600),
            "CHROMIUM": chromium,
        }
        command = [node, "--test", "--test-reporter=spec", "docs.test.js"]
        run = subprocess.run(command, cwd=FOLDER, env=os.environ | environment, timeout=600, check=False)
    assert run.returncode == 0
