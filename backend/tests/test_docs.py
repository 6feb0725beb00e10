"""The documents are true: their commands run, their links lead somewhere, their make targets exist.

What a writer of a document has to know:

- A block marked `sh` (or `bash`) is executed, by bash, from the top folder of a copy of the repository. The blocks of
  one document run in order in one shell, so a variable set in one is there in the next.
- A service runs meanwhile, with DEMO_MODE and HS256: it answers wherever a block says http://localhost:8000, and
  `make token USER=alice` prints tokens that it accepts.
- A command that fails fails the test, and so does a curl that is answered with a status of 400 or more, unless the
  block is marked for it: `sh status: 403` says that the last curl of the block is answered so.
- A block that cannot run here is marked `sh no-test: reason`, and the reason is not optional.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.main import _REQUEST_HEADERS, _RESPONSE_HEADERS
from tests.support import markdown
from tests.support.copies import copied
from tests.support.markdown import TOP, Block
from tests.support.server import Service, serve, settings_for
from tests.support.tokens import SECRET

HERE = "http://localhost:8000"
COMMANDS = ("sh", "bash")
# Marks for commands that would escape the test.
OTHER_SHELLS = ("shell", "console", "zsh", "shell-session")
SECONDS = 180
PROLOGUE = """set -euo pipefail
curl() { command curl --silent --show-error --max-time 30 --write-out '%{stderr}STATUS %{http_code}\\n' "$@"; }
"""

documents = pytest.mark.parametrize(
    "document", [pytest.param(path, id=str(path.relative_to(TOP))) for path in markdown.documents()]
)


@pytest.fixture(scope="module")
def documented(database_url: str) -> Iterator[Service]:
    with serve(settings_for(database_url, demo_mode=True)) as running:
        yield running


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tmp_path / "repository")


def executable(text: str) -> list[Block]:
    return [block for block in markdown.blocks(text) if block.language in COMMANDS and block.option("no-test") is None]


def execute(text: str, folder: Path, url: str) -> list[str]:
    """Run a document's commands, and return what is wrong."""
    chosen = executable(text)
    script = PROLOGUE + "".join(f"echo 'BLOCK {number}' >&2\n{block.body}\n" for number, block in enumerate(chosen))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"ENVIRONMENT": "development", "BETTER_AUTH_SECRET": SECRET, "NEON_DB_URL": ""}
    run = subprocess.run(
        ["bash", "-c", script.replace(HERE, url)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return [*wrong_statuses(chosen, run.stderr), *([run.stderr[-2000:]] if run.returncode else [])]


def wrong_statuses(chosen: list[Block], log: str) -> list[str]:
    wrong = []
    for part in re.split(r"^BLOCK ", log, flags=re.MULTILINE)[1:]:
        block = chosen[int(part.split("\n", 1)[0])]
        statuses = re.findall(r"STATUS (\d{3})", part)
        expected = block.option("status")
        if expected and statuses[-1:] != [expected]:
            wrong.append(f"line {block.line}: {statuses} instead of {expected}")
        wrong += [
            f"line {block.line}: status {status}"
            for status in (statuses[:-1] if expected else statuses)
            if not "200" <= status < "400"
        ]
    return wrong


def unmarked(text: str) -> list[str]:
    """Blocks that hold commands and are neither executed nor say why not."""
    wrong = []
    for block in markdown.blocks(text):
        if block.language in OTHER_SHELLS:
            wrong.append(f"line {block.line}: mark it `sh`")
        if not block.language and re.search(r"^(\$ |curl |make |docker )", block.body, re.MULTILINE):
            wrong.append(f"line {block.line}: commands without a language")
        if block.option("no-test") == "":
            wrong.append(f"line {block.line}: no-test without a reason")
    return wrong


def unknown_targets(text: str, makefile: str) -> set[str]:
    return markdown.make_targets(text) - set(re.findall(r"^([a-z0-9-]+):(?!=)", makefile, re.MULTILINE))


@documents
def test_every_command_works(document: Path, copy: Path, documented: Service) -> None:
    assert execute(document.read_text(encoding="utf-8"), copy, documented.url) == []


@documents
def test_every_command_is_executed_or_says_why_not(document: Path) -> None:
    assert unmarked(document.read_text(encoding="utf-8")) == []


@documents
def test_every_internal_link_leads_somewhere(document: Path) -> None:
    assert markdown.broken_links(document) == []


@documents
def test_every_make_target_exists(document: Path) -> None:
    assert unknown_targets(document.read_text(encoding="utf-8"), (TOP / "Makefile").read_text()) == set()


# The rest shows that the tests above can fail, on documents of their own.

GOOD = """
```sh
token() { make --silent token USER="$1" | sed -n 's/^TOKEN=//p'; }
ALICE=$(token alice)
BOB=$(token bob)
```

```sh
curl -H "Authorization: Bearer $ALICE" -H 'Content-Type: application/json' \\
     -d '{"title": "Buy milk"}' http://localhost:8000/api/alice/tasks
```

```sh status: 403
curl http://localhost:8000/health
curl -H "Authorization: Bearer $BOB" http://localhost:8000/api/alice/tasks
```

```bash no-test: it does not end
make run
```
"""


def test_a_good_document_passes(copy: Path, documented: Service) -> None:
    assert len(executable(GOOD)) == 3
    assert execute(GOOD, copy, documented.url) == []
    assert unmarked(GOOD) == []


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```sh\nfalse\n```", "BLOCK 0"),
        ("```sh\necho $UNSET\n```", "UNSET"),
        ("```sh\ncurl http://localhost:8000/nowhere\n```", "line 1: status 404"),
        ("```sh\ncurl http://localhost:8000/nowhere | cat\n```", "line 1: status 404"),
        ("```sh status: 404\ncurl http://localhost:8000/health\n```", "line 1: ['200'] instead of 404"),
        ("```sh status: 404\ntrue\n```", "line 1: [] instead of 404"),
        ("```sh status: 200\ncurl http://localhost:8000/x\ncurl http://localhost:8000/docs\n```", "line 1: status 404"),
    ],
)
def test_a_command_that_does_not_work_is_noticed(copy: Path, documented: Service, block: str, complaint: str) -> None:
    assert complaint in "".join(execute(f"{block}\n", copy, documented.url))


@pytest.mark.parametrize("info", ["console", "shell", "sh no-test:", "bash no-test: ", ""])
def test_a_command_that_escapes_is_noticed(info: str) -> None:
    assert unmarked(f"```{info}\nmake test\n```\n")


@pytest.mark.parametrize("target", ["no-such.md", "#no-such-heading", "other.md#no-such-heading", "folder/"])
@pytest.mark.parametrize("form", ["[text]({})", "![image]({})", '<a href="{}">text</a>', "[text]: {}"])
def test_a_broken_link_is_noticed(tmp_path: Path, form: str, target: str) -> None:
    (tmp_path / "other.md").write_text("# A heading\n")
    document = tmp_path / "document.md"
    document.write_text(f"# Title\n\n{form.format(target)}\n")
    assert markdown.broken_links(document) == [target]


def test_a_working_link_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# `GET /docs`: a *page*\n# Again\n# Again\n```sh\n# No heading\n```\n")
    document = tmp_path / "document.md"
    targets = ("other.md", "other.md#get-docs-a-page", "other.md#again-1", "https://example.org/x", "#title")
    document.write_text("# Title\n" + "\n".join(f"[text]({target})" for target in targets) + "\n`[code](nowhere)`\n")
    assert markdown.broken_links(document) == []


def test_an_unknown_make_target_is_noticed() -> None:
    assert unknown_targets("`make run`, `make tea`\n```sh\nmake coffee\n```\n", "run: x\n") == {"tea", "coffee"}


def test_the_readme_names_the_headers_that_a_page_may_send_and_read() -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    passage = readme.split("Whoever calls the API without that client: ")[1].split(" of an answer.")[0]
    sent, read = (tuple(re.findall(r"`([^`]+)`", part)) for part in passage.split("and read"))
    assert (sent, read) == (_REQUEST_HEADERS, _RESPONSE_HEADERS)
