"""The recipes of backend/README.md are followed to the letter, each in a copy of the repository, and lead to the end.

A step names a file and what of it the code goes behind, or a new file; the code is the block below it. The last step
is `make client`, of which the Python half runs here: the other one needs Node.js.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src.postgres.schema import HEAD
from tests.support import markdown
from tests.support.copies import copied, insert_after
from tests.support.markdown import TOP

README = (TOP / "backend" / "README.md").read_text(encoding="utf-8")
ENDPOINT, COLUMN = "Add an endpoint", "Add a column"
NUMBERS = {"NEXT": f"{int(HEAD) + 1:04}", "LAST": HEAD}
DOCUMENT = "docs/openapi.json"
SECONDS = 120
_STEP = re.compile(
    r"^\d+\. (?:In `(?P<file>[^`]+)` behind `(?P<place>[^`]+)`|The new file `(?P<new>[^`]+)`), [^#]*?:\n\n"
    r"```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

recipes = pytest.mark.parametrize("title", [ENDPOINT, COLUMN])


@dataclass(frozen=True)
class Step:
    """Code, and where it goes: behind a place of a file, or into a new file."""

    file: str
    place: str | None
    code: str

    def take(self, backend: Path) -> None:
        target = backend / self.file
        if self.place:
            insert_after(target, self.place, self.code)
        else:
            with target.open("x", encoding="utf-8") as new:
                new.write(self.code)


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def steps(recipe: str) -> list[Step]:
    found = list(_STEP.finditer(recipe))
    assert len(found) == len(markdown.blocks(recipe)), "a block that is no step"
    numbered = re.findall(r"^(\d+)\. (.*)$", recipe, re.MULTILINE)
    assert [number for number, _ in numbered] == [str(number) for number in range(1, len(found) + 2)]
    assert numbered[-1][1].startswith("`make client` ")
    return [Step(_numbered(step["file"] or step["new"]), step["place"], _numbered(step["code"])) for step in found]


def _numbered(text: str) -> str:
    """Put the numbers of migrations in, as the reader does."""
    return re.sub("|".join(NUMBERS), lambda name: NUMBERS[name[0]], text)


def failure(backend: Path, tool: str, *arguments: str, database: str = "") -> str:
    """Run a tool of the environment in a copy, and return what it said if it failed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))}
    finished = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        cwd=backend,
        env=environment | {"TEST_DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said = finished.stdout[-6000:] + finished.stderr[-2000:]
    return (said or f"status {finished.returncode}") if finished.returncode else ""


def red(backend: Path, database: str, *tests: str) -> str:
    """Run tests in a copy, and return what they said if one failed."""
    return failure(backend, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, database=database)


def follow(title: str, top: Path) -> Path:
    """Take every step in a copy, and return its backend."""
    backend = copied(top) / "backend"
    for step in steps(section(title)):
        step.take(backend)
    assert failure(backend, "python", "-m", "dev.openapi") == ""
    return backend


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {title: follow(title, tmp_path_factory.mktemp("recipe") / "copy") for title in (ENDPOINT, COLUMN)}


def files(backend: Path) -> dict[str, bytes]:
    """What is committed, and what would be."""
    made = {"__pycache__", "node_modules", ".venv", "logs", "output", ".next", "dist", ".postgres", ".hypothesis"}
    return {
        str(path.relative_to(backend)): path.read_bytes()
        for path in backend.rglob("*")
        if path.is_file() and not {part for part in path.parts if part in made or part.endswith("_cache")}
    }


def changed(backend: Path) -> set[str]:
    before, after = files(TOP / "backend"), files(backend)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def written_tests(recipe: str) -> list[str]:
    """The files of tests that a recipe makes."""
    return [step.file for step in steps(recipe) if step.place is None and step.file.startswith("tests/")]


def documented(backend: Path) -> dict[str, Any]:
    return json.loads((backend / DOCUMENT).read_text(encoding="utf-8"))


@recipes
def test_a_recipe_changes_the_files_that_it_names_and_the_document(followed: dict[str, Path], title: str) -> None:
    assert changed(followed[title]) == {DOCUMENT, *(step.file for step in steps(section(title)))}


@recipes
def test_style_types_and_layers_are_in_order_behind_the_last_step(followed: dict[str, Path], title: str) -> None:
    backend = followed[title]
    assert failure(backend, "ruff", "check", "--no-cache", ".") == ""
    assert failure(backend, "ruff", "format", "--no-cache", "--check", ".") == ""
    assert failure(backend, "mypy", "src", "migrations") == ""
    assert failure(backend, "lint-imports", "--no-cache", "--no-logo") == ""


@recipes
def test_the_recipes_own_test_is_green(followed: dict[str, Path], server_url: str, title: str) -> None:
    (test,) = written_tests(section(title))
    assert red(followed[title], server_url, test) == ""


@recipes
def test_the_document_is_in_order(followed: dict[str, Path], server_url: str, title: str) -> None:
    assert red(followed[title], server_url, "tests/openapi") == ""


def test_the_endpoint_is_in_the_document(followed: dict[str, Path]) -> None:
    operation = documented(followed[ENDPOINT])["paths"]["/api/{user_id}/tasks/{task_id}/copy"]["post"]
    assert operation["operationId"] == "copyTask"
    assert set(operation["responses"]) == {"201", "401", "403", "404", "500", "503"}


def test_the_client_and_the_table_are_demanded_for_the_endpoint(followed: dict[str, Path], server_url: str) -> None:
    said = red(followed[ENDPOINT], server_url, "tests/test_operations_everywhere.py")
    assert "2 failed" in said
    assert "POST /api/{user_id}/tasks/{task_id}/copy" in said


def test_a_release_with_the_column_gets_along_with_the_one_before_and_after(
    followed: dict[str, Path], server_url: str
) -> None:
    tests = ("tests/services", "tests/postgres/test_schema.py")
    assert red(followed[COLUMN], server_url, *tests) == ""


def test_the_column_is_in_the_document(followed: dict[str, Path]) -> None:
    schemas = documented(followed[COLUMN])["components"]["schemas"]
    having = {name for name, schema in schemas.items() if "urgent" in schema.get("properties", {})}
    assert having == {"TaskCreate", "TaskUpdate", "TaskResponse"}
    assert "urgent" in schemas["TaskResponse"]["required"]
    assert schemas["TaskResponse"]["examples"][0]["urgent"] is False
