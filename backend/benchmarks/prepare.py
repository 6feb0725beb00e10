"""Installs what the peers and the load need, as far as it is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.settings import ASYNCPG_VENV, BACKEND, DJANGO_VENV, HERE, PEERS, PYTHON, VENV

_NODE_PEERS = ("express_pg", "fastify_pg")


def everything() -> None:
    """Install; a second call does nothing."""
    if not shutil.which("node"):
        raise SystemExit(
            "Node.js 20 or newer is needed for the peers; install it (Debian: apt-get install nodejs npm)."
        )
    service = BACKEND / "requirements.txt"
    python_environment(VENV, service)  # the usual service needs nothing else
    python_environment(ASYNCPG_VENV, service, PEERS / "fastapi_asyncpg" / "requirements.txt")
    python_environment(DJANGO_VENV, PEERS / "django_ninja" / "requirements.txt")
    for peer in _NODE_PEERS:
        npm_ci(PEERS / peer)
    if not shutil.which("wrk"):
        _install_generator()


def python_environment(venv: Path, *requirements: Path) -> None:
    """Install what these files pin, and nothing else, unless it is there."""
    installed = venv / "installed"
    wanted = "\n".join([PYTHON, *(file.read_text() for file in requirements)])
    if installed.exists() and installed.read_text() == wanted:
        return
    print(f"{venv.name} for {PYTHON}", flush=True)
    # uv, because Debian's Python has neither pip nor ensurepip.
    uv = [Path(sys.executable).with_name("uv"), "--quiet"]
    subprocess.run([*uv, "venv", "--clear", "--python", PYTHON, venv], check=True)
    files = [word for file in requirements for word in ("--requirement", file)]
    into = ["--python", venv / "bin" / "python", "--require-hashes", *files]
    subprocess.run([*uv, "pip", "install", "--compile-bytecode", *into], check=True)
    installed.write_text(wanted)


def npm_ci(folder: Path) -> None:
    """Install exactly what the lock file says, once."""
    installed = folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    print(f"npm ci in {folder.relative_to(HERE)}", flush=True)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)


def _install_generator() -> None:
    """Take wrk where Debian's packages can be installed, else autocannon."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("apt-get install wrk", flush=True)
        quiet = subprocess.DEVNULL
        subprocess.run(["apt-get", "update"], check=False, stdout=quiet)
        subprocess.run(["apt-get", "install", "--yes", "wrk"], check=False, stdout=quiet)
    if not shutil.which("wrk"):
        npm_ci(HERE / "loadgen")
