"""What the Markdown documents promise: commands, links and make targets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]

_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=ticks)[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:href|src)=\"([^\"]+)\"|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_MAKE = re.compile(r"(?<![\w-])make (?:-s |--silent )?([a-z][a-z0-9-]*)")
_TEST = re.compile(r"`((?:\w+/)*test_\w+\.py(?:::\w+)?)`")
_INLINE_CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Block:
    """A fenced block: the line that it starts at, what follows the ticks, and its text."""

    line: int
    info: str
    body: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    def option(self, name: str) -> str | None:
        """Return what follows `name:` in the info string; the empty string where nothing does."""
        _, found, value = self.info.partition(f" {name}:")
        return value.strip() if found else None


def documents() -> list[Path]:
    """Every document that people read; more of them are found without being named here."""
    return sorted([*TOP.glob("*.md"), *TOP.glob("backend/*.md"), *TOP.glob("backend/docs/**/*.md")])


def blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, match.start()) + 1, match["info"].strip(), match["body"])
        for match in _FENCE.finditer(text)
    ]


def links(text: str) -> Iterator[str]:
    """Every target outside of code that is not on another host."""
    for found in _LINK.findall(_INLINE_CODE.sub("", _FENCE.sub("", text))):
        target = "".join(found)
        if not re.match(r"[a-z][a-z0-9+.-]*:", target):
            yield target


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    seen: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def broken_links(document: Path) -> list[str]:
    return [target for target in links(document.read_text(encoding="utf-8")) if not _leads_somewhere(document, target)]


def _leads_somewhere(document: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    if not file.exists():
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(file.read_text(encoding="utf-8"))


def make_targets(text: str) -> set[str]:
    """The targets of `make` that code names, be it inline or a block."""
    code = [block.body for block in blocks(text)]
    code += [match[1] for match in _INLINE_CODE.findall(_FENCE.sub("", text))]
    return {target for piece in code for target in _MAKE.findall(piece)}


def tests_of(text: str) -> set[str]:
    """The tests that inline code names: `folder/test_file.py`, or `test_file.py::TestClass`."""
    return set(_TEST.findall(text))
