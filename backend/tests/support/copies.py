"""A copy of the repository that a test may change, and code put into it where a developer would put it."""

import ast
import shutil
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

from tests.support.markdown import TOP

_NOT_COPIED = (
    *(".git", ".venv", "node_modules", ".next", ".postgres", "output", ".env", "__pycache__", ".*_cache", "logs"),
)
_DEFINITIONS = ("@", "def ", "async def ", "class ")

Named = ast.stmt | ast.expr


def copied(target: Path) -> Path:
    """Copy the repository to this folder; its .venv is the real one, and commands may write files."""
    shutil.copytree(TOP, target, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
    (target / "backend" / ".venv").symlink_to(TOP / "backend" / ".venv")
    (target / "backend" / "logs").mkdir()
    return target


def insert_after(file: Path, place: str, code: str) -> None:
    """Put code behind what `NAME`, `Class.member` or `DICTIONARY["key"]` names in a file, indented as that is."""
    text = file.read_text(encoding="utf-8")
    column, end = _position(ast.parse(text).body, ast.parse(place, mode="eval").body)
    blank = ("\n" if column else "\n\n") if code.startswith(_DEFINITIONS) else ""
    lines = text.splitlines(keepends=True)
    lines.insert(end, blank + indent(code.rstrip("\n") + "\n", " " * column))
    file.write_text("".join(lines), encoding="utf-8")


def _position(body: list[ast.stmt], place: ast.expr) -> tuple[int, int]:
    """Return the column where it begins and the line where it ends."""
    match place:
        case ast.Name(name):
            found: Named = _defined(body, name)
            return found.col_offset, found.end_lineno or 0
        case ast.Attribute(ast.Name(owner), name):
            return _position(_members(_defined(body, owner)), ast.Name(name))
        case ast.Subscript(ast.Name(owner), ast.Constant(key)):
            return _item(_defined(body, owner), key)
    raise AssertionError(f"{ast.unparse(place)} is no place")


def _defined(body: Iterable[ast.stmt], name: str) -> ast.stmt:
    (found,) = (statement for statement in body if name in _names(statement))
    return found


def _names(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            return {name}
        case ast.AnnAssign(target) | ast.Assign([target]):
            return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _members(statement: ast.stmt) -> list[ast.stmt]:
    assert isinstance(statement, ast.ClassDef)
    return statement.body


def _item(statement: ast.stmt, key: object) -> tuple[int, int]:
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    assert isinstance(statement.value, ast.Dict)
    for name, value in zip(statement.value.keys, statement.value.values, strict=True):
        if isinstance(name, ast.Constant) and name.value == key:
            return name.col_offset, value.end_lineno or 0
    raise AssertionError(f"there is no {key}")
