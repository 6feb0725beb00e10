"""What every end-to-end test needs: node's packages, Debian's browser, and a new service on a new database."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.e2e.processes import BACKEND, CLIENT, EXAMPLE, HERE, free_port, tasks_api
from tests.e2e.users import User


@pytest.fixture(scope="session", autouse=True)
def node_packages() -> None:
    """Install exactly what each package-lock.json names, unless that was done already."""
    if not shutil.which("npm"):
        pytest.fail("Node.js 20 or newer with npm is needed (Debian: apt-get install nodejs npm)")
    # `make` installs what has changed; the example's packages hold a copy of the client, which it builds first.
    folders = [f"backend/{folder.relative_to(BACKEND)}/node_modules/.installed" for folder in (HERE, CLIENT, EXAMPLE)]
    subprocess.run(["make", "--silent", *folders], cwd=BACKEND.parent, check=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's browser; installed first where that is possible without asking (root on Debian)."""
    if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.fail("Chromium is needed (Debian: apt-get install chromium)")
    return found


@pytest.fixture
def start_api(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Start the service for an auth server's URL; it runs until the test ends."""
    with ExitStack() as stack:
        yield lambda auth_url: stack.enter_context(tasks_api(tmp_path, new_database(), auth_url, free_port()))


@pytest.fixture
def sign_up() -> Iterator[Callable[[str, str, str], User]]:
    """Make a user of an auth server and a service, by name."""
    with ExitStack() as stack:
        yield lambda auth_url, api_url, name: stack.enter_context(closing(User(auth_url, api_url, name)))
