"""ARCHITECTURE.md is true: every module is on its map, what shows a row exists, every dependency has a reason."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import markdown

BACKEND = Path(__file__).resolve().parents[1]
DOCUMENT = (BACKEND / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
SHOWN = sorted({shown for row in re.findall(r"^\|.*\|$", DOCUMENT, re.MULTILINE) for shown in markdown.tests_of(row)})


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def on_the_map(text: str) -> Iterator[str]:
    """Each place of a map, which stands with its purpose on a line of its own, below its room and further in."""
    room = ""
    for line in text.splitlines():
        match = re.fullmatch(r"(?P<indent>(?:  )?)(?P<name>\S+) {2,}\S.*", line)
        assert match, f"no place and purpose: {line}"
        name = match["name"]
        room = room if match["indent"] else name if name.endswith("/") else ""
        yield room + name if match["indent"] else name


def in_the_source() -> Iterator[str]:
    source = BACKEND / "src"
    for path in source.rglob("*"):
        name = str(path.relative_to(source))
        if path.is_dir() and path.parent == source and path.name != "__pycache__":
            yield f"{name}/"
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield name


def test_the_map_has_every_room_and_module_once_and_no_other() -> None:
    (block,) = markdown.blocks(section("The map"))
    assert sorted(on_the_map(block.body)) == sorted(in_the_source())


def test_a_place_is_read_with_its_room() -> None:
    text = "main.py      puts together\nauth/        who asks\n  keys.py    of the server\nlog.py       logs"
    assert list(on_the_map(text)) == ["main.py", "auth/", "auth/keys.py", "log.py"]


@pytest.mark.parametrize("line", ["main.py", "main.py puts together", "    far.py    too far in"])
def test_a_place_without_a_purpose_or_a_room_is_noticed(line: str) -> None:
    with pytest.raises(AssertionError, match="no place and purpose"):
        list(on_the_map(line))


def exists(shown: str) -> bool:
    """Whether there is such a test: a file of `tests/`, and in it the class or function that is named."""
    path, _, name = shown.partition("::")
    file = BACKEND / "tests" / path
    if not file.is_file():
        return False
    tree = ast.parse(file.read_text())
    defined = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return name in defined if name else any(found.startswith("test_") for found in defined)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_shows_a_row_exists(shown: str) -> None:
    assert exists(shown)


@pytest.mark.parametrize("title", ["Invariants", "Faults"])
def test_every_row_names_what_shows_it(title: str) -> None:
    rows = re.findall(r"^\|.*\|$", section(title), re.MULTILINE)
    assert rows[0].endswith(" Shown by |")
    for row in rows[2:]:
        shown = row.rstrip(" |").rsplit("|", 1)[1]
        assert markdown.tests_of(shown) or markdown.make_targets(shown), row


@pytest.mark.parametrize("shown", ["test_nothing.py", "test_contracts.py::TestNothing", "conftest.py", "auth"])
def test_what_does_not_exist_is_noticed(shown: str) -> None:
    assert not exists(shown)


def test_every_dependency_has_its_reason_and_no_other_has_one() -> None:
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    rows = re.findall(r"^\| ([a-z].*?)(?: \(dev\))? \| .+ \|$", section("Dependencies"), re.MULTILINE)
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(
        re.split(r"[<>=]", line)[0] for line in required
    )
