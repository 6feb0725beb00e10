"""Everything that one run measured, as it is written to benchmarks.json and read back by the report."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.delay import Delayed
from benchmarks.processes import Memory
from benchmarks.scale import Crowd, ListCost
from benchmarks.startup import Start
from benchmarks.stats import Sample, Samples
from benchmarks.token_cost import TokenCost


@dataclass
class Results:
    """Filled part by part."""

    machine: str
    versions: dict[str, str]
    run: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)
    delayed: list[Delayed] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    one_more_worker: float | None = None
    lists: list[ListCost] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)
    tokens: TokenCost | None = None

    @property
    def load(self) -> Samples:
        return Samples(self.samples)

    @property
    def clients(self) -> list[int]:
        """Return the numbers of clients that there was load from."""
        return sorted({one.clients for one in self.samples})

    def write(self, file: Path) -> None:
        """Write one line for each sample, so that two runs can be compared by eye."""
        parts = asdict(self)
        samples = ",\n    ".join(json.dumps(_rounded(sample)) for sample in parts.pop("samples"))
        head = json.dumps(_rounded(parts), indent=2)
        file.write_text(f'{head[:-2]},\n  "samples": [\n    {samples}\n  ]\n}}\n')


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(member) for name, member in value.items()}
    return [_rounded(member) for member in value] if isinstance(value, list | tuple) else value


def read(file: Path) -> Results:
    """Return what `write` wrote."""
    parts = json.loads(file.read_text())
    kinds = {"samples": Sample, "delayed": Delayed, "starts": Start, "lists": ListCost, "crowds": Crowd}
    lists = {name: [kind(**member) for member in parts.pop(name)] for name, kind in kinds.items()}
    memory = {name: Memory(**member) for name, member in parts.pop("memory").items()}
    tokens = parts.pop("tokens")
    return Results(**parts, **lists, memory=memory, tokens=TokenCost(**tokens) if tokens else None)
