"""The service as a process of its own, started as in production: `python -m src`, by its exit code and its output."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[2]
END_SECONDS = 10
_LISTENING = re.compile(r"Uvicorn running on (http://[^ ]+)")


def install(folder: Path) -> Path:
    """Copy what an image holds to where no `.env` of a developer is found, and return that folder."""
    for part in ("src", "migrations"):
        shutil.copytree(BACKEND / part, folder / "backend" / part)
    return folder / "backend"


@contextmanager
def started(backend: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the server in this environment and no other, its output one stream; what is left of it is killed."""
    path = {"PATH": os.environ["PATH"], "PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "src"],
        cwd=backend,
        env=path | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as popen:
        try:
            yield popen
        finally:
            with suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)  # with its workers


def ended(backend: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Start a server that must end by itself; return its exit status and what it said."""
    with started(backend, environment) as popen:
        output, _ = popen.communicate(timeout=END_SECONDS)
    return popen.returncode, output


class Process:
    """A running server process."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.url = self._url()

    def _url(self) -> str:
        for line in self.popen.stdout or ():
            if found := _LISTENING.search(json.loads(line)["event"]):
                return found[1]
        raise AssertionError(f"the server ended with status {self.popen.wait(END_SECONDS)}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status; negative if the process died of the signal itself."""
        self.popen.send_signal(number)
        self.popen.communicate(timeout=END_SECONDS)
        return self.popen.returncode


@contextmanager
def running(backend: Path, environment: dict[str, str]) -> Iterator[Process]:
    """Serve in a process."""
    with started(backend, environment) as popen:
        yield Process(popen)
