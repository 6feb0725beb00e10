"""Tables and figures as Markdown. What was not measured leaves no trace: no rows, no table; no table, no section."""

from collections.abc import Iterable


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose first column is text and whose others are figures; without rows nothing."""
    names, body = list(header), list(rows)
    lines = [names, ["---"] + ["---:"] * (len(names) - 1), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) if body else ""


def section(title: str, *parts: str) -> str:
    """Return a titled section of those parts that are there."""
    there = [part for part in parts if part]
    return "\n".join([f"## {title}\n", *there]) if there else ""


def captioned(caption: str, body: str) -> str:
    """Return a sentence before a table, if there is a table."""
    return f"{caption}\n\n{body}" if body else ""


def figure(value: float | None, unit: str = "") -> str:
    """Return three significant digits, or a dash for what was not measured."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{unit}"
