"""Load from a real generator: wrk, or autocannon where wrk is not there."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.settings import HERE, OUTPUT


class LoadError(RuntimeError):
    """Some answers were not 2xx, or did not come: the figures would mean nothing."""


@dataclass(frozen=True)
class Load:
    """What one generator run saw; latencies in milliseconds."""

    rps: float
    p50: float
    p99: float
    requests: int


def run(service, operation: str, clients: int, seconds: int) -> Load:
    """Send one operation's requests with so many connections for so long.

    Raises:
        LoadError: any answer outside of 2xx, or a broken connection.
    """
    command = _wrk if shutil.which("wrk") else _autocannon
    arguments = command(service, operation, clients, seconds)
    finished = subprocess.run(arguments, cwd=HERE / "loadgen", check=False, capture_output=True, text=True)
    lines = [line for line in finished.stdout.splitlines() if line.startswith("RESULT ")]
    if finished.returncode or not lines:
        raise LoadError(f"{arguments[0]} failed: {finished.stderr or finished.stdout}")
    return _checked(json.loads(lines[0].removeprefix("RESULT ")), f"{service.name}, {operation}, {clients} clients")


def _checked(result: dict[str, float], what: str) -> Load:
    if result["errors"] or not result["requests"]:
        raise LoadError(f"{what}: {result['errors']:.0f} failed among {result['requests']:.0f} answers")
    return Load(result["requests"] / result["seconds"], result["p50"], result["p99"], int(result["requests"]))


def _wrk(service, operation: str, clients: int, seconds: int) -> list[str]:
    raw = (request.raw(service.host) for request in service.work.requests(operation))
    file = _file(service, operation, b"\0".join(raw))
    rate = ["-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", "wrk.lua"]
    return ["wrk", *rate, f"http://{service.host}", "--", str(file)]


def _autocannon(service, operation: str, clients: int, seconds: int) -> list[str]:
    requests = [
        {"method": request.method, "path": request.target, "headers": request.headers, "body": request.content or None}
        for request in service.work.requests(operation)
    ]
    file = _file(service, operation, json.dumps(requests).encode())
    return ["node", "autocannon.js", f"http://{service.host}", str(clients), str(seconds), str(file)]


def _file(service, operation: str, content: bytes) -> Path:
    file = OUTPUT / f"requests-{service.name}-{operation}"
    file.write_bytes(content)
    return file
