"""The page, its client's types and the service agree; when the API and the types part ways, this fails."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import BACKEND, CLIENT, HERE, free_port

pytestmark = pytest.mark.e2e

SCHEMA = "src/schema.d.ts"


def compile_page(page: Path = HERE) -> "subprocess.CompletedProcess[str]":
    """Check the page and the client that it imports by `tsc --strict`."""
    tsc = ["node", "node_modules/typescript/bin/tsc", "--project", ".", "--strict"]
    return subprocess.run(tsc, cwd=page, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the page and the client, side by side as in `backend/`."""
    for part in (HERE, CLIENT):
        ignored = shutil.ignore_patterns("node_modules", "output", "__pycache__")
        target = shutil.copytree(part, tmp_path / part.relative_to(BACKEND), ignore=ignored)
        (target / "node_modules").symlink_to(part / "node_modules")
    return tmp_path


def test_the_types_are_those_of_the_running_service(start_api: Callable[[str], str]) -> None:
    api_url = start_api(f"http://localhost:{free_port()}")
    generate = ["node", "node_modules/openapi-typescript/bin/cli.js", f"{api_url}/openapi.json"]
    run = subprocess.run([*generate, "--output", SCHEMA, "--check"], cwd=CLIENT, check=False)
    assert run.returncode == 0, "the API has changed; run `make client`"


def test_the_page_fits_the_types() -> None:
    run = compile_page()
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("now", "then", "where"),
    [
        ("completed: boolean", "done: boolean", "app/main.ts"),
        ("title: string", "name: string", "app/main.ts"),
        ("status?: components", "state?: components", "app/main.ts"),
        ('"/api/{user_id}/tasks/{task_id}/complete"', '"/api/{user_id}/tasks/{task_id}/done"', "src/client.ts"),
        ('"Idempotency-Key"?', '"Request-Key"?', "src/client.ts"),
    ],
)
def test_the_page_does_not_fit_other_types(copy: Path, now: str, then: str, where: str) -> None:
    schema = copy / CLIENT.relative_to(BACKEND) / SCHEMA
    types = schema.read_text()
    assert now in types
    schema.write_text(types.replace(now, then))
    run = compile_page(copy / HERE.relative_to(BACKEND))
    assert run.returncode != 0
    assert where in run.stdout
