"""The TypeScript client as a package: its size, what is in it, that a project can install it. `make client-test`."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.npm import CLIENT, npm
from tests.support.server import Service
from tests.support.tokens import make_token

pytestmark = pytest.mark.node

MOST_BYTES = 8 * 1024
MANIFEST = {"dependencies": {"openapi-fetch": "^0.17.0"}, "license": "MIT", "type": "module", "sideEffects": False}
QUIET = ("--no-audit", "--no-fund", "--prefer-offline")

PROGRAM = """
import { ApiError, createTasksClient, type Task } from "tasks-api-client";
import { createServerTasksClient } from "tasks-api-client/server";

const [baseUrl = "", userId = "", token = ""] = process.argv.slice(2);
const tasks = createTasksClient({ baseUrl, fetchToken: async () => token }).tasksOf(userId);
const { id }: Task = await tasks.create({ title: "Installed" });
for await (const { items } of tasks.pages()) console.log(items.map(({ title }) => title).join());
// @ts-expect-error: the types have arrived
await tasks.update(id, { titel: "Changed" });
if (!(createServerTasksClient instanceof Function)) throw new ApiError(0, "no server entry");
"""
# Next.js sets these; `skipLibCheck` is not among them, because the package's own types are part of the test.
COMPILER = ("--strict", "--target", "es2022", "--module", "preserve", "--moduleResolution", "bundler")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `npm pack` makes; it builds the package first."""
    folder = tmp_path_factory.mktemp("package")
    return folder / npm("pack", "--pack-destination", str(folder)).split()[-1]


@pytest.fixture
def git_address(tmp_path: Path) -> str:
    """A repository whose top is the package, as `git subtree split` makes one; nothing in it is built."""
    repository = tmp_path / "repository"
    names = git(CLIENT, "ls-files", "--cached", "--others", "--exclude-standard").split()
    for name in names:
        target = repository / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIENT / name, target)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "The package")
    return f"git+file://{repository}"


def install(folder: Path, address: str) -> None:
    """Make an empty project that has the package and nothing of this repository."""
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    npm("install", *QUIET, address, cwd=folder)


def test_the_client_is_small(package: Path, tmp_path: Path) -> None:
    """As a bundler takes it: minified, with openapi-fetch, without the hooks, compressed."""
    install(tmp_path / "project", str(package))
    entry = tmp_path / "project/entry.js"
    entry.write_text('export * from "tasks-api-client";\n')
    esbuild = [str(CLIENT / "node_modules/.bin/esbuild"), str(entry), "--bundle", "--minify", "--format=esm"]
    bundle = subprocess.run(esbuild, capture_output=True, check=True).stdout
    assert b"Idempotency-Key" in bundle
    assert b"useQuery" not in bundle
    size = len(gzip.compress(bundle, mtime=0))
    print(f"{len(bundle)} bytes, {size} compressed")
    assert size < MOST_BYTES


def test_the_package_holds_what_it_says(package: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(package, tmp_path, "gztar", filter="data")
    found = {str(path.relative_to(tmp_path / "package")) for path in tmp_path.rglob("*") if path.is_file()}
    others = {name for name in found if not name.startswith(("dist/", "src/"))}
    assert others == {"LICENSE", "README.md", "package.json"}
    manifest = json.loads((tmp_path / "package/package.json").read_text())
    assert MANIFEST.items() <= manifest.items()
    for entry in manifest["exports"].values():
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            assert target.removeprefix("./") in found
    assert manifest["peerDependenciesMeta"].keys() == manifest["peerDependencies"].keys()
    assert all(peer["optional"] for peer in manifest["peerDependenciesMeta"].values())


def test_a_project_installs_it_from_a_file(package: Path, tmp_path: Path, service: Service, user: str) -> None:
    install(tmp_path / "project", str(package))
    assert_it_works(tmp_path / "project", service.url, user)


def test_a_project_installs_it_from_a_git_address(
    git_address: str, tmp_path: Path, service: Service, user: str
) -> None:
    install(tmp_path / "project", git_address)
    assert_it_works(tmp_path / "project", service.url, user)


def assert_it_works(project: Path, api_url: str, user: str) -> None:
    installed = json.loads((project / "node_modules/.package-lock.json").read_text())["packages"]
    assert {name.removeprefix("node_modules/") for name in installed} == {
        "tasks-api-client",
        "openapi-fetch",
        "openapi-typescript-helpers",  # types alone, of openapi-fetch
    }
    (project / "main.ts").write_text(PROGRAM)
    types = ("--types", str(CLIENT / "node_modules/@types/node"))
    tsc = ["node", str(CLIENT / "node_modules/typescript/bin/tsc"), *COMPILER, *types, "main.ts"]
    compiled = subprocess.run(tsc, cwd=project, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
    command = ["node", "main.js", api_url, user, make_token(user)]
    assert subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout == "Installed\n"
