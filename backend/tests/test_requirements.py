"""The pinned requirements: they name everything, the images get what the tests ran with, no registry has a say."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from src.main import VERSION

TOP = Path(__file__).resolve().parents[2]


def pins(name: str) -> set[str]:
    return set(re.findall(r"^\S+==[^\s;]+", (TOP / "backend" / name).read_text(), re.MULTILINE))


def test_the_pinned_requirements_name_every_dependency() -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "check"], check=True)


def test_the_images_get_the_versions_that_the_tests_ran_with() -> None:
    assert pins("requirements.txt") < pins("requirements-dev.txt")


def test_the_service_says_the_version_of_the_project() -> None:
    project = tomllib.loads((TOP / "backend/pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize("file", ["Makefile", "backend/Dockerfile", "Dockerfile.spaces"])
def test_pip_installs_what_is_pinned_without_a_search_of_its_own(file: str) -> None:
    """Before pip 23.3, that search ends in an error once a newer version is out of what is asked for with an extra."""
    installs = re.findall(r"pip .*?install (.*?requirements\S*\.txt)", (TOP / file).read_text(), re.DOTALL)
    assert installs
    assert all("--no-deps --require-hashes" in options for options in installs)
