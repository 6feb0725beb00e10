"""Load from a real generator: wrk, or autocannon where wrk is not there; that one costs several times the CPU."""

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
    result = json.loads(lines[0].removeprefix("RESULT "))
    return _checked(result, f"{service.name}, {operation}, {clients} clients", clients)


def _checked(result: dict[str, float], what: str, clients: int) -> Load:
    if result["errors"] or not result["requests"]:
        raise LoadError(f"{what}: {result['errors']:.0f} failed among {result['requests']:.0f} answers")
    rps, p99 = result["requests"] / result["seconds"], p99_with_unanswered(result, clients)
    return Load(rps, result["p50"], p99, int(result["requests"]))


def p99_with_unanswered(result: dict[str, float], clients: int) -> float:
    """Return the p99, or the mean age of the requests that nobody answered until the end, if that is longer.

    A generator knows only answers. Of a service that stands still for most clients it would report the few lucky ones.
    """
    if clients <= 0.01 * (result["requests"] + clients):
        return result["p99"]
    waited = clients * result["seconds"] * 1000 - result["requests"] * result["mean"]
    return max(result["p99"], waited / clients)


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
