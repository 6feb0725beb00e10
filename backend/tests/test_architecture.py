"""The house: who imports whom, what each room says of itself, and no private name of a library."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parents[1]
SOURCE = BACKEND / "src"
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
MODULES = sorted(SOURCE.rglob("*.py"))
CONTRACTS = tomllib.loads((BACKEND / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

# What is no public name of a library, and why it is used all the same.
ALLOWED = {
    "log/configuring.py: _srcfile",  # named by the logging HOWTO, under "Optimization"
    "services/tasks.py: _asdict",  # the documented name of a method of named tuples
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(BACKEND / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_on_imports_is_kept(copy: Path) -> None:
    run = lint_imports(copy)
    assert run.returncode == 0, run.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in run.stdout


LAYERS = "A module imports only what stands lower"
HTTP = "What surrounds a request is known to those who answer it"
FORBIDDEN = [
    ("errors.py", "from src.models import Task", LAYERS),
    ("models.py", "from src.config import Settings", LAYERS),
    ("main.py", "import src.server.workers", LAYERS),
    ("postgres/limit.py", "from src.services.tasks import Page", LAYERS),
    ("helpers.py", "import json", LAYERS),  # which has no place in them
    ("server/workers.py", "import src.demo.users", "Operations are included by the application, and by nobody else"),
    ("server/workers.py", "from src import dependencies", "Only operations have dependencies"),
    (
        "routes/tasks.py",
        "from src.services.tasks import TaskService",
        "Only the dependencies know how the service of tasks is made",
    ),
    ("routes/docs.py", "from src.auth.tokens import TokenVerifier", "Who asks is decided in one place"),
    ("auth/claims.py", "from src.db import Database", "The database is reached through sessions"),
    ("services/tasks.py", "import psycopg2", "The driver is behind the engine"),
    ("services/tasks.py", "from src.postgres.limit import Limit", "The driver is behind the engine"),
    ("routes/tasks.py", "from sqlmodel import select", "SQL is in few places"),
    ("auth/claims.py", "import fastapi", HTTP),
    ("services/lists.py", "from src.http import urls", HTTP),
    ("dependencies.py", "import src.openapi.words", "The document is made of what the routes say"),
    ("db.py", "from src.models import Task", "Sessions, settings and servers know no tasks"),
    ("services/tasks.py", "from src.config import get_settings", "Settings are given to objects at the start"),
    (
        "auth/claims.py",
        "from src.log import this_request",
        "Who knows nothing of requests logs by the standard library",
    ),
    ("main.py", "import uvicorn", "Only the production server knows uvicorn"),
    ("dependencies.py", "import jwt", "Tokens are verified in one room, and signed for the demonstration only"),
    ("db.py", "import httpx", "The one request that goes out fetches keys"),
    ("auth/key_set.py", "import requests", "A collector is spoken to in one place"),
    ("db.py", "import alembic", "Alembic is for upgrades"),
]


@pytest.mark.parametrize(("module", "line", "contract"), FORBIDDEN)
def test_a_forbidden_import_is_reported(copy: Path, module: str, line: str, contract: str) -> None:
    with (copy / "src" / module).open("a") as file:
        file.write(f"\n\ndef later():\n    {line}\n")  # not only at the top of a module
    run = lint_imports(copy)
    assert run.returncode != 0
    broken = [line.partition(" (")[0] for line in run.stdout.splitlines()]  # behind it: how many imports are ignored
    assert f"{contract} BROKEN" in broken


def test_every_contract_is_seen_to_be_broken() -> None:
    assert {contract for _, _, contract in FORBIDDEN} == {contract["name"] for contract in CONTRACTS}


def allowed(room: str) -> set[str]:
    """What the contracts let a room import, other rooms and modules of the top folder."""
    layers = [re.findall(r"\w+", layer) for layer in CONTRACTS[0]["layers"] if not layer.startswith("(")]
    (level,) = [number for number, layer in enumerate(layers) if room in layer]
    protected = {
        module.removeprefix("src.")
        for contract in CONTRACTS[1:]
        if f"src.{room}" not in contract["allowed_importers"]
        for module in contract["protected_modules"]
    }
    return {module for layer in layers[level + 1 :] for module in layer} - protected


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_may_import_as_the_contracts_do(room: str) -> None:
    said = ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text())) or ""
    (sentence,) = re.findall(r"May\s+import\s([^.;]+)[.;]", said)
    assert set(re.findall(r"`(\w+)`", sentence)) == allowed(room)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_opens_with_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))


def test_the_top_folder_has_at_most_fifteen_entries() -> None:
    entries = {path.name for path in SOURCE.iterdir()} - {"__init__.py", "__main__.py", "__pycache__", "static"}
    assert len(entries) <= 15, sorted(entries)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def private_names(text: str) -> Iterator[str]:
    """The private names in a module that are another's: imported, looked up, or defined for a library to call."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    used = {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value)
    }
    for node in nodes:
        match node:
            case ast.Import() | ast.ImportFrom():
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                yield from (part for name in names for part in name.split(".") if is_private(part) or part == "ctypes")
            case ast.Attribute(attr=name) if is_private(name) and not (_is_self(node.value) and name in own):
                yield name
            case ast.Constant(value=str(name)) if is_private(name) and name.isidentifier():
                yield name  # for getattr
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                is_private(name) and name not in used and not node.decorator_list
            ):
                yield name


def _is_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in {"self", "cls"}


def test_no_private_name_of_a_library_is_used() -> None:
    found = {f"{path.relative_to(SOURCE)}: {name}" for path in MODULES for name in private_names(path.read_text())}
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import psycopg2._psycopg", "_psycopg"),
        ("from starlette._utils import collapse", "_utils"),
        ("from sqlmodel import _compat", "_compat"),
        ("def f():\n    import ctypes", "ctypes"),
        ("session._proxied.close()", "_proxied"),
        ("class A(B):\n    def f(self):\n        self._of_b.close()", "_of_b"),
        ("class A(B):\n    def f(self):\n        super()._close()", "_close"),
        ("class A(B):\n    def _for_b(self):\n        pass", "_for_b"),
        ("getattr(engine, '_run_ddl')", "_run_ddl"),
    ],
)
def test_a_private_name_of_a_library_is_noticed(text: str, name: str) -> None:
    assert name in list(private_names(text))


def test_a_private_name_of_ours_is_not_reported() -> None:
    text = "_A = 1\nclass B:\n    def __init__(self):\n        self._c = _d(self._c)\ndef _d():\n    return _A"
    assert list(private_names(text)) == []
