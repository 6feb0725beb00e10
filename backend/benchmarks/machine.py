"""What the figures were measured on: the machine, and the version of everything that had a part in them."""

import json
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.database import Server
from benchmarks.settings import PEERS, VENV

_PYTHON = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "sqlmodel",
    "sqlalchemy",
    "psycopg2-binary",
    "pyjwt",
)
_PYTHON_PEERS = {
    "fastapi_asyncpg": ("asyncpg",),
    "django_ninja": ("django", "django-ninja", "gunicorn", "psycopg"),
}
_NODE = {
    "express_pg": ("express", "pg", "jsonwebtoken", "morgan"),
    "fastify_pg": ("fastify", "@fastify/jwt", "@fastify/postgres"),
}


def description() -> str:
    """Name the machine in one line."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {psutil.cpu_count()} logical cores, {memory:.0f} GiB, Linux {platform.release()}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def versions(server: Server) -> dict[str, str]:
    """Return the versions by name."""
    python = {
        "Python": _said(VENV / "bin" / "python", "--version").split()[-1],
        **{name: version(name) for name in _PYTHON},
    }
    tools = {"PostgreSQL": server.version, "Node.js": _said("node", "--version").lstrip("v"), "load": _generator()}
    return python | python_packages() | _node_packages() | tools


def python_packages() -> dict[str, str]:
    """Return the versions that the peers in Python have of their own."""
    found = {}
    for peer, names in _PYTHON_PEERS.items():
        pins = dict(re.findall(r"^([\w-]+)==(\S+)", (PEERS / peer / "requirements.txt").read_text(), re.MULTILINE))
        found |= {name: pins[name] for name in names}
    return found


def _node_packages() -> dict[str, str]:
    found = {}
    for peer, names in _NODE.items():
        packages = json.loads((PEERS / peer / "package-lock.json").read_text())["packages"]
        found |= {name: packages[f"node_modules/{name}"]["version"] for name in names}
    return found


def _generator() -> str:
    return _said("wrk", "--version").split("[")[0].strip() if shutil.which("wrk") else "autocannon"


def _said(*command: str | Path) -> str:
    """Return the first line that a program prints; wrk ends with 1 after its version."""
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return text.splitlines()[0] if text else ""
