"""Installs what the peers and the load need, as far as it is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.settings import BACKEND, HERE, VENV

_NODE_PEERS = ("express_pg", "fastify_pg")


def everything() -> None:
    """Install; a second call does nothing."""
    if not shutil.which("node"):
        raise SystemExit(
            "Node.js 20 or newer is needed for the peers; install it (Debian: apt-get install nodejs npm)."
        )
    python_environment()
    for peer in _NODE_PEERS:
        npm_ci(HERE / "peers" / peer)
    if not shutil.which("wrk"):
        _install_generator()


def python_environment() -> None:
    """Install the requirements of the service alone; the peer in Python needs nothing else."""
    requirements, installed = BACKEND / "requirements.txt", VENV / "requirements.txt"
    if installed.exists() and installed.read_text() == requirements.read_text():
        return
    print("pip install -r requirements.txt", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--requirement", str(requirements)], check=True)
    shutil.copy(requirements, installed)


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
