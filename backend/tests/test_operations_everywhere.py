"""Every operation of the document is in the TypeScript client and in the README's table.

That the client's own test calls each is seen when it runs (`make client-test`), by the requests that it makes.
"""

import json
import re

import pytest

from tests.support.markdown import TOP

METHODS = ("get", "post", "put", "patch", "delete")
CLIENT = (TOP / "backend/clients/typescript/src/client.ts").read_text()
CLIENT_TEST = (TOP / "backend/clients/typescript/tests/operations.test.ts").read_text()
README = (TOP / "README.md").read_text()


def documented() -> set[str]:
    """The operations of `docs/openapi.json`, as `GET /health`."""
    paths = json.loads((TOP / "backend/docs/openapi.json").read_text())["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in METHODS if method in item}


def in_the_client(source: str) -> set[str]:
    return {f"{method} {path}" for method, path in re.findall(r'\bhttp\.([A-Z]+)\(\s*"([^"]+)"', source)}


def in_the_table(readme: str) -> set[str]:
    """What the first column names; a path without a method has the method of the one before it."""
    found: set[str] = set()
    for cell in re.findall(r"^\| (`[A-Z]+ /.*?) \|", readme, re.MULTILINE):
        method = ""
        for code in re.findall(r"`([^`]+)`", cell):
            method = code.split()[0] if " " in code else method
            found.add(f"{method} {code.split()[-1]}")
    return found


def test_the_client_has_every_operation_and_no_other() -> None:
    assert in_the_client(CLIENT) == documented(), "see `Add an endpoint` in backend/README.md"


def test_the_table_has_every_operation_and_no_other() -> None:
    assert in_the_table(README) == documented(), "see `Add an endpoint` in backend/README.md"


def test_the_clients_own_test_compares_what_it_called_with_the_document() -> None:
    assert "docs/openapi.json" in CLIENT_TEST


@pytest.mark.parametrize("operation", sorted(documented()))
def test_an_operation_that_is_missing_is_noticed(operation: str) -> None:
    method, path = operation.split()
    assert operation not in in_the_client(CLIENT.replace(f'http.{method}("{path}"', ""))
    without = README.replace(f"`{operation}`", "").replace(f"`{path}`", "")
    assert operation not in in_the_table(without)
