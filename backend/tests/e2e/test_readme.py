"""What the README tells the author of a frontend is the example, word for word, and works in a project of their own."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import CLIENT, EXAMPLE, copy_of
from tests.support.markdown import TOP, Block, blocks

pytestmark = pytest.mark.e2e

SECTION = (TOP / "README.md").read_text().partition("## Use it from your frontend\n")[2].partition("\n## ")[0]
BLOCKS = blocks(SECTION)
SNIPPETS = [block for block in BLOCKS if block.language in {"ts", "tsx"}]
INSTALLED_BY_NEXT = {"next", "react", "react-dom", "typescript", "@types/node", "@types/react", "@types/react-dom"}
# A project as `create-next-app` leaves it, as far as the compiler looks at it.
FRESH = {
    "app/layout.tsx": "export default ({ children }: LayoutProps<'/'>) => <html><body>{children}</body></html>;\n",
    "app/page.tsx": "export default () => <h1>Hello</h1>;\n",
    "next.config.ts": "export default {};\n",
    "tsconfig.json": json.dumps(
        {
            "compilerOptions": {
                "target": "ES2017",
                "lib": ["dom", "dom.iterable", "esnext"],
                "strict": True,
                "noEmit": True,
                "skipLibCheck": True,
                "esModuleInterop": True,
                "module": "esnext",
                "moduleResolution": "bundler",
                "resolveJsonModule": True,
                "isolatedModules": True,
                "jsx": "react-jsx",
                "plugins": [{"name": "next"}],
                "paths": {"@/*": ["./*"]},
            },
            "include": ["next-env.d.ts", "**/*.ts", "**/*.tsx", ".next/types/**/*.ts"],
            "exclude": ["node_modules"],
        }
    ),
}


def commands() -> list[str]:
    [block] = [block for block in BLOCKS if block.language == "sh" and "npm install" in block.body]
    return block.body.splitlines()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda block: str(block.option("file")))
def test_each_snippet_is_a_file_of_the_example(snippet: Block) -> None:
    name = snippet.option("file")
    assert name, "a snippet that nothing checks"
    assert snippet.body == (EXAMPLE / name).read_text()


def test_what_is_installed_is_what_the_example_needs() -> None:
    needed = json.loads((EXAMPLE / "package.json").read_text())
    version = json.loads((CLIENT / "package.json").read_text())["version"]
    named: set[str] = set()
    for command in commands():
        if found := re.match(r"npm install (?:--save-dev )?(.*)", command):
            named |= {
                re.sub(rf"^\.\./\S*/(tasks-api-client)-{version}\.tgz$", r"\1", word) for word in found[1].split()
            }
    assert named | INSTALLED_BY_NEXT == {*needed["dependencies"], *needed["devDependencies"]}


def test_the_settings_are_those_of_the_example() -> None:
    [block] = [block for block in BLOCKS if block.info == "env frontend"]
    settings = re.compile(r"^(\w+)=", re.MULTILINE)
    assert settings.findall(block.body) == settings.findall((EXAMPLE / ".env.example").read_text())


def test_a_fresh_project_that_follows_it_compiles(tmp_path: Path) -> None:
    project = tmp_path / "frontend"
    for name, text in FRESH.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    copy_of(EXAMPLE, tmp_path / "installed")
    (tmp_path / "installed/node_modules").rename(project / "node_modules")
    (tmp_path / "tasks-api").symlink_to(TOP)
    copying = "\n".join(command for command in commands() if command.startswith("cp "))
    subprocess.run(["bash", "-euc", copying], cwd=project, check=True)
    for snippet in SNIPPETS:
        (project / str(snippet.option("file"))).write_text(snippet.body)
    for tool in ("next/dist/bin/next typegen", "typescript/bin/tsc"):
        command = ["node", *f"node_modules/{tool}".split()]
        run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
