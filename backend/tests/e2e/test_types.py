"""The example, its client's types and the service agree; when the API and the types part ways, this fails."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import BACKEND, CLIENT, EXAMPLE, copy_of, free_port

pytestmark = pytest.mark.e2e

SCHEMA = "src/schema.d.ts"


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["node", *command], cwd=folder, capture_output=True, text=True, check=False)


def tsc(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, "node_modules/typescript/bin/tsc", "--strict", *options)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example and the client, side by side as in `backend/`."""
    tmp_path = tmp_path_factory.mktemp("types")
    for part in (CLIENT, EXAMPLE):
        copy_of(part, tmp_path / part.relative_to(BACKEND))
    generated = run(tmp_path / EXAMPLE.relative_to(BACKEND), "node_modules/next/dist/bin/next", "typegen")
    assert generated.returncode == 0, generated.stderr
    return tmp_path


def compile_example(copy: Path) -> tuple[int, str]:
    """Build the client, faults and all, put it where the example has it installed, and check both."""
    client, example = (copy / part.relative_to(BACKEND) for part in (CLIENT, EXAMPLE))
    installed = example / "node_modules/tasks-api-client/dist"
    if installed.exists():
        shutil.rmtree(installed)  # not written over: these are links to the files of the real one
    built = tsc(client, "--project", "tsconfig.build.json", "--outDir", str(installed))
    (installed / "schema.d.ts").write_text((client / SCHEMA).read_text())
    checked = tsc(example, "--noEmit")
    return built.returncode or checked.returncode, built.stdout + checked.stdout


def test_the_types_are_those_of_the_running_service(start_api: Callable[[str], str]) -> None:
    api_url = start_api(f"http://localhost:{free_port()}")
    generate = ["node_modules/openapi-typescript/bin/cli.js", f"{api_url}/openapi.json", "--output", SCHEMA, "--check"]
    assert run(CLIENT, *generate).returncode == 0, "the API has changed; run `make client`"


def test_the_example_fits_the_types(copy: Path) -> None:
    status, output = compile_example(copy)
    assert status == 0, output


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        (
            "app/",
            {
                "completed: boolean": "done: boolean",
                "title: string": "name: string",
                "status?: components": "state?: components",
            },
        ),
        (
            "src/client.ts",
            {
                '"/api/{user_id}/tasks/{task_id}/complete"': '"/api/{user_id}/tasks/{task_id}/done"',
                '"Idempotency-Key"?': '"Request-Key"?',
            },
        ),
    ],
)
def test_the_example_does_not_fit_other_types(copy: Path, where: str, changes: dict[str, str]) -> None:
    """Each change is noticed there."""
    schema = copy / CLIENT.relative_to(BACKEND) / SCHEMA
    types = changed = schema.read_text()
    for now, then in changes.items():
        assert now in types
        changed = changed.replace(now, then)
    schema.write_text(changed)
    try:
        status, output = compile_example(copy)
    finally:
        schema.write_text(types)
    assert status != 0
    complaints = re.findall(rf"^{re.escape(where)}.*(?:\n .*)*", output, re.MULTILINE)
    for now in changes:
        name = re.sub(r'["?]|: .*', "", now)
        assert any(name in complaint for complaint in complaints), name
