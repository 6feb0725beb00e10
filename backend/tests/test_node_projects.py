"""The Node projects of the repository: what they install is pinned, and no lock file names a registry."""

import json
import re
from pathlib import Path

import pytest

from tests.support.markdown import TOP

BACKEND = TOP / "backend"
MADE = re.compile(r"node_modules|output|\..*")  # by npm, by tests, by other tools
PROJECTS = sorted(
    found.parent
    for pattern in ("*/package.json", "*/*/package.json", "*/*/*/package.json")
    for found in BACKEND.glob(pattern)
    if not any(MADE.fullmatch(part) for part in found.relative_to(BACKEND).parts)
)

projects = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: str(project.relative_to(BACKEND)))


@projects
def test_a_lock_file_names_no_registry(project: Path) -> None:
    packages = json.loads((project / "package-lock.json").read_text())["packages"]
    assert all(package.get("resolved", "file:").startswith(("file:", "..")) for package in packages.values())


@projects
def test_every_package_is_checked_against_its_hash(project: Path) -> None:
    packages = json.loads((project / "package-lock.json").read_text())["packages"]
    own = {"", "node_modules/tasks-api-client"}
    assert [name for name, package in packages.items() if "integrity" not in package and name not in own] == []
