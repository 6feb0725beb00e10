"""What a run measures and for how long: the BENCH_* variables of the environment."""

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1]
HERE = BACKEND / "benchmarks"
OUTPUT = HERE / "output"  # ignored by git
DOCS = BACKEND / "docs"
VENV = OUTPUT / "venv"  # what an image has: without the tools of a developer, which cost memory and start-up

_SYSTEM_PYTHON = Path("/usr/bin/python3.11")
# Python in an image, as in distributions, was compiled with a profile of itself. What pyenv compiles was not, unless it
# was asked to, and needs a sixth more CPU for the same request.
PYTHON = os.environ.get("BENCH_PYTHON") or str(_SYSTEM_PYTHON if _SYSTEM_PYTHON.exists() else sys.executable)

WORKERS = 2
CLIENTS = (16, 100)
PARTS = ("load", "delay", "start", "scale")


def _number(name: str, default: int) -> int:
    return int(os.environ.get(f"BENCH_{name}") or default)


def _words(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    given = os.environ.get(f"BENCH_{name}", "")
    return tuple(given.replace(",", " ").split()) or default


QUICK = bool(_number("QUICK", 0))
FULL = bool(_number("FULL", 0))  # ten million tasks of others instead of one


@dataclass(frozen=True)
class Settings:
    """One run; the defaults take about a quarter of an hour, with BENCH_QUICK=1 about three minutes."""

    seconds: int = field(default_factory=lambda: _number("SECONDS", 1 if QUICK else 2))
    rounds: int = field(default_factory=lambda: _number("ROUNDS", 1 if QUICK else 4))
    starts: int = 2 if QUICK else 5
    strangers: int = 100_000 if QUICK else 10_000_000 if FULL else 1_000_000
    longest_list: int = 10_000 if QUICK else 100_000
    delayed_requests: int = 10 if QUICK else 30  # for each client
    database_url: str = field(default_factory=lambda: os.environ.get("BENCH_DATABASE_URL", ""))
    parts: tuple[str, ...] = field(default_factory=lambda: _words("PARTS", PARTS))
    operations: tuple[str, ...] = field(default_factory=lambda: _words("OPERATIONS", ()))
    services: tuple[str, ...] = field(default_factory=lambda: _words("SERVICES", ()))

    @property
    def public(self) -> dict[str, object]:
        """What a reader of the results may know: not where the database is."""
        return {name: value for name, value in asdict(self).items() if name != "database_url"}

    @property
    def publishes(self) -> bool:
        """Whether this run is complete enough to replace the figures in docs/."""
        return not (QUICK or self.operations or self.services or set(self.parts) != set(PARTS))
