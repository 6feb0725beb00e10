"""The real server process, `python -m src`, with the settings of a deployment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from src.config import Settings
from tests.support import canaries, measured
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.tokens import SECRET

BACKEND = Path(__file__).resolve().parents[2]
POOL: int = Settings.model_fields["db_pool_size"].default  # connections of a worker, unless a test says otherwise


class ServiceProcess:
    """One `python -m src`, its workers and its log; from this tree, or another that holds the same parts."""

    def __init__(
        self, database_url: str, log: Path, *, backend: Path = BACKEND, output: int | None = None, **settings: object
    ) -> None:
        """Start it; with `output`, a descriptor, in place of the log: a pipe, or a terminal."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        given = {"port": self.port, "neon_db_url": database_url, "better_auth_secret": SECRET, "log_level": "WARNING"}
        given |= settings
        # Nothing of the machine's own settings; PYTHONWARNINGS would otherwise hide what a deployment shows.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment |= {name.upper(): str(value) for name, value in given.items()}
        # Who reads its output looks at how much of the log keeps up, and counting makes that slow.
        environment |= measured.environment() if backend == BACKEND and output is None else {}
        with log.open("wb") as file:
            out = file.fileno() if output is None else output
            self.process = subprocess.Popen(
                [sys.executable, "-m", "src"], cwd=backend, env=environment, stdout=out, stderr=out
            )

    def wait_alive(self, seconds: float = 30) -> None:
        eventually(lambda: self.answers("/health"), seconds, "the process serves /health")

    def wait_ready(self, seconds: float = 30) -> None:
        eventually(lambda: self.answers("/health/ready"), seconds, "the process is ready")

    def answers(self, path: str) -> bool:
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()[-2000:]}"
        try:
            return httpx.get(self.url + path, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = 15) -> int:
        """Ask it to end, and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it and its workers without any warning."""
        family = [self.process_info, *self.process_info.children(recursive=True)]
        for process in family:
            process.kill()
        self.process.wait(10)
        psutil.wait_procs(family, timeout=10)

    @property
    def process_info(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def workers(self) -> list[psutil.Process]:
        children = self.process_info.children(recursive=True)
        return [child for child in children if _is_worker(child)] or [self.process_info]

    def memory(self) -> int:
        """Bytes that all its processes have for themselves."""
        return sum(process.memory_full_info().uss for process in self.workers())

    def threads(self) -> int:
        return sum(process.num_threads() for process in self.workers())

    def descriptors(self) -> int:
        return sum(process.num_fds() for process in self.workers())

    def clients(self) -> int:
        """Connections to its port that its workers hold."""
        held = [connection for process in self.workers() for connection in process.net_connections("tcp")]
        return sum(connection.laddr.port == self.port and bool(connection.raddr) for connection in held)

    def cleanup(self) -> None:
        if self.process.poll() is None:
            self.kill()
        canaries.look(str(self.log), self.log.read_text(errors="replace"))
        errors = [line for line in self.log.read_text().splitlines() if "Traceback" in line]
        assert not errors, f"the server logged errors: {self.log.read_text()[-4000:]}"


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has just ended
        return False
