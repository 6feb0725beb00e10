"""The direction of imports: a module may only use modules of lower rank, so that data flows one way."""

import ast
import re
from pathlib import Path

import pytest

BACKEND = Path(__file__).parents[1]
SOURCES = sorted((BACKEND / "src").rglob("*.py"))
PUBLIC_LIMIT = 150


def name_of(path: Path) -> str:
    parts = path.relative_to(BACKEND).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rank_of(path: Path) -> int | None:
    """A module states its rank in its own docstring; packages that hold nothing have none."""
    stated = re.search(r"\bRank (\d+)[.;:]", ast.get_docstring(ast.parse(path.read_text())) or "")
    return int(stated[1]) if stated else None


MODULES = {name_of(path): path for path in SOURCES}
RANKS = {name: rank_of(path) for name, path in MODULES.items()}


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            module = node.module or ""
            found |= {
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in MODULES else module for alias in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name == "src" or name.startswith("src.")}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_lower_ranks(name: str) -> None:
    for imported in imports_of(MODULES[name]) - {"src"}:
        rank, below = RANKS[name], RANKS[imported]
        assert below is not None, f"{imported} states no rank"
        assert rank is None or below < rank, f"{name} (rank {rank}) imports {imported} (rank {below})"


def test_a_module_that_imports_ours_states_its_rank() -> None:
    without = [name for name, path in MODULES.items() if RANKS[name] is None and imports_of(path)]
    assert without == []


def test_what_a_layer_must_not_know_it_does_not_import() -> None:
    for name, path in MODULES.items():
        text = path.read_text()
        if name.startswith("src.services"):
            assert "fastapi" not in text
            assert "starlette" not in text
        if name.startswith("src.routes"):
            assert not re.search(r"\bexcept\b|sqlalchemy|sqlmodel|psycopg2", text)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_says_what_it_is_for_and_fits_a_screenful_or_two(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= PUBLIC_LIMIT


def test_the_check_notices_an_upward_import(tmp_path: Path) -> None:
    upward = tmp_path / "errors.py"
    upward.write_text("from src.main import app\nfrom src import db\nimport src.routes.tasks\n")
    assert imports_of(upward) == {"src.main", "src.db", "src.routes.tasks"}
