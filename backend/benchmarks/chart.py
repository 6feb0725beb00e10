"""The results as one SVG: bars with figures, readable on light and dark backgrounds, no library."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.services import KINDS

WIDTH, MARGIN, GUTTER = 960, 24, 56
COLUMN = (WIDTH - 2 * MARGIN - GUTTER) / 2
BAR, GAP, TITLE = 14, 3, 24
_TITLE = "Tasks API: throughput and latency beside five other stacks"
LEGEND_COLUMNS, LEGEND_ROW = 4, 20
TOP = 76 + -(-len(KINDS) // LEGEND_COLUMNS) * LEGEND_ROW
_LABEL = 64  # room for the figure behind the longest bar

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.quiet { fill: #57606a }
.ours { fill: #0a7d57 } .sqlmodel { fill: #8b8fa3 } .asyncpg { fill: #8a63b8 }
.django { fill: #b8564f } .express { fill: #c98a1b } .fastify { fill: #5b7fd1 } .beside { fill: #57b894 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9aa4ae }
  .ours { fill: #2fb784 } .sqlmodel { fill: #7d8196 } .asyncpg { fill: #a585d0 }
  .django { fill: #d4746c } .express { fill: #d99f3a } .fastify { fill: #7395e6 }
}
"""


@dataclass(frozen=True)
class Panel:
    """A titled group of bars on a scale of its own."""

    title: str
    values: dict[str, float]

    @property
    def height(self) -> float:
        return TITLE + len(self.values) * (BAR + GAP) + 10


def svg(results: Results) -> str:
    """Return the chart: throughput on the left, latency with a distant database on the right."""
    clients = max(results.clients, default=0)
    left, right = list(_throughput(results, clients)), list(_distant(results))
    height = TOP + max(sum(panel.height for panel in side) for side in (left, right)) + MARGIN
    parts = [*_legend(), *_column(MARGIN, f"Requests a second, {clients} clients", "longer is better", left)]
    parts += _column(MARGIN + COLUMN + GUTTER, "p50 in ms, database 20 ms away", "shorter is better", right)
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{_TITLE}</title><style>{STYLE}</style>'
    return f"{head}\n{''.join(parts)}</svg>\n"


def _throughput(results: Results, clients: int) -> Iterator[Panel]:
    for operation in NAMES:
        values = {kind.name: results.load.median(kind.name, operation, clients, "rps") for kind in KINDS}
        yield from _panel(operation, values)


def _distant(results: Results) -> Iterator[Panel]:
    for operation in NAMES:
        yield from _panel(
            operation,
            {one.service: one.p50 for one in results.delayed if (one.operation, one.clients) == (operation, 1)},
        )


def _panel(operation: str, values: dict[str, float | None]) -> Iterator[Panel]:
    known = {name: value for name, value in values.items() if value}
    if known:
        yield Panel(TITLES[operation], known)


def _legend() -> Iterator[str]:
    for number, kind in enumerate(KINDS):
        row, column = divmod(number, LEGEND_COLUMNS)
        x, y = MARGIN + column * (WIDTH - 2 * MARGIN) / LEGEND_COLUMNS, 20 + row * LEGEND_ROW
        yield f'<rect x="{x:.0f}" y="{y}" width="12" height="12" rx="2" class="{kind.name}"/>'
        yield _text(x + 18, y + 10, kind.title)


def _column(x: float, title: str, hint: str, panels: Iterable[Panel]) -> Iterator[str]:
    yield _text(x, TOP - 36, title, "title")
    yield _text(x, TOP - 18, hint, "quiet")
    y = float(TOP - 8)
    for panel in panels:
        yield from _bars(x, y, panel)
        y += panel.height


def _bars(x: float, y: float, panel: Panel) -> Iterator[str]:
    yield _text(x, y + 14, panel.title, "group")
    longest = max(panel.values.values())
    for number, (name, value) in enumerate(panel.values.items()):
        top = y + TITLE + number * (BAR + GAP)
        width = max(2.0, value / longest * (COLUMN - _LABEL))
        yield f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.1f}" height="{BAR}" rx="2" class="{name}"/>'
        yield _text(x + width + 6, top + 12, f"{value:,.0f}".replace(",", "\u202f"), "quiet")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(text)}</text>\n'
