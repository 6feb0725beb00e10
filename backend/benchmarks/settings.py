"""What a run measures and for how long: the BENCH_* variables of the environment.

| Variable | Says | Without it |
|---|---|---|
| `BENCH_QUICK=1`, `make bench QUICK=1` | one round of each, 16 and 100 clients, a small table | 5 rounds |
| `BENCH_OPERATIONS=get,toggle` | only these of list1000 list20 get create update toggle mixed | all |
| `BENCH_SERVICES=ours,express` | only these of ours sqlmodel asyncpg django express fastify | all |
| `BENCH_CLIENTS=16` | only so many clients at once, one or several numbers | 16, 32, 100 |
| `BENCH_PARTS=load` | only these of load delay start scale | all |
| `BENCH_ROUNDS=9`, `BENCH_SECONDS=3` | rounds, and the seconds of one | 5, 1 |
| `BENCH_BESIDE=/elsewhere/backend` | the service of another checkout as well, as `beside` | none |
| `BENCH_FULL=1` | ten million tasks of others | one million |
| `BENCH_DATABASE_URL=postgresql://…` | a server that makes and drops databases `tasks_bench_…` | one from a wheel |
| `BENCH_PYTHON=/path/to/python` | the interpreter of all services in Python | Debian's 3.11, else ours |
| `BENCH_PEER_LOG=off` | no access log of the Node services | a log |
| `BENCH_LOGS=1` | logs of the services in `output/` | /dev/null |

What changed, measured against what was, in pairs:

    BENCH_BESIDE=/elsewhere/backend BENCH_SERVICES=ours,beside BENCH_PARTS=load BENCH_OPERATIONS=get,toggle make bench
"""

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1]
HERE = BACKEND / "benchmarks"
OUTPUT = HERE / "output"  # ignored by git
DOCS = BACKEND / "docs"
VENV = OUTPUT / "venv"  # what an image has: without the tools of a developer, which cost memory and start-up
PEERS = HERE / "peers"
ASYNCPG_VENV = OUTPUT / "venv-fastapi_asyncpg"
DJANGO_VENV = OUTPUT / "venv-django_ninja"

_SYSTEM_PYTHON = Path("/usr/bin/python3.11")
# Python in an image, as in distributions, was compiled with a profile of itself. What pyenv compiles was not, unless it
# was asked to, and needs a sixth more CPU for the same request.
PYTHON = os.environ.get("BENCH_PYTHON") or str(_SYSTEM_PYTHON if _SYSTEM_PYTHON.exists() else sys.executable)

WORKERS = 2
CLIENTS = (16, 32, 100)
CROWD = 100  # clients that saturate every service; p99 is judged here
ROUNDS = 5
PARTS = ("load", "delay", "start", "scale")


def _number(name: str, default: int) -> int:
    return int(os.environ.get(f"BENCH_{name}") or default)


def _words(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    given = os.environ.get(f"BENCH_{name}", "")
    return tuple(given.replace(",", " ").split()) or default


def _numbers(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, _words(name, ()))) or default


QUICK = bool(_number("QUICK", 0))
FULL = bool(_number("FULL", 0))  # ten million tasks of others instead of one
BESIDE = os.environ.get("BENCH_BESIDE", "")


@dataclass(frozen=True)
class Settings:
    """One run; the defaults take some 27 minutes, with BENCH_QUICK=1 some five."""

    seconds: int = field(default_factory=lambda: _number("SECONDS", 1))
    rounds: int = field(default_factory=lambda: _number("ROUNDS", 1 if QUICK else ROUNDS))
    clients: tuple[int, ...] = field(default_factory=lambda: _numbers("CLIENTS", (16, 100) if QUICK else CLIENTS))
    starts: int = 1 if QUICK else 5
    strangers: int = 30_000 if QUICK else 10_000_000 if FULL else 1_000_000
    longest_list: int = 10_000 if QUICK else 100_000
    delayed_requests: int = 2 if QUICK else 12  # for each client
    database_url: str = field(default_factory=lambda: os.environ.get("BENCH_DATABASE_URL", ""))
    parts: tuple[str, ...] = field(default_factory=lambda: _words("PARTS", PARTS))
    operations: tuple[str, ...] = field(default_factory=lambda: _words("OPERATIONS", ()))
    services: tuple[str, ...] = field(default_factory=lambda: _words("SERVICES", ()))

    def length(self, operation: str, clients: int) -> int:
        """Return the seconds of a round: four times as many where a slow peer has not yet answered everybody in one."""
        return self.seconds * (4 if operation == "list1000" and clients >= CROWD else 1)

    @property
    def public(self) -> dict[str, object]:
        """What a reader of the results may know: not where the database is."""
        return {name: value for name, value in asdict(self).items() if name != "database_url"}

    @property
    def publishes(self) -> bool:
        """Whether this run is complete enough to replace the figures in docs/."""
        narrowed = QUICK or self.operations or self.services or BESIDE
        return not narrowed and self.rounds >= ROUNDS and self.clients == CLIENTS and set(self.parts) == set(PARTS)
