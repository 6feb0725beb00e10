"""Node's package manager, in the folders that `make` has installed packages into."""

import os
import shutil
import subprocess
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "typescript"


def npm(*arguments: str, cwd: Path = CLIENT, **environment: str) -> str:
    """Run npm, and return what it printed."""
    command = shutil.which("npm")
    assert command, "Node.js is needed"
    assert (CLIENT / "node_modules").is_dir(), "`make client-test` installs what this needs"
    run = subprocess.run(
        [command, "--silent", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout
