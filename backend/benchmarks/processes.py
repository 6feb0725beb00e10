"""What processes cost: CPU time and memory of a service's whole tree, read from /proc."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Memory:
    """Megabytes (MiB) of the largest worker, and of the whole tree."""

    worker_rss: float
    worker_pss: float
    total_pss: float


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a tree so far; children that ended count through their parent."""
    total = 0.0
    for member in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's backends come and go
            times = member.cpu_times()
            total += times.user + times.system
    ended = process.cpu_times()
    return total + ended.children_user + ended.children_system


def at_work(process: psutil.Process) -> bool:
    """Whether any thread of a tree runs, or would if it had a processor."""
    return any(_runs(member.pid) for member in tree(process))


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):  # it ended meanwhile
        threads = Path(f"/proc/{pid}/task").glob("*/stat")
        return any(stat.read_text().rpartition(") ")[2].startswith("R") for stat in threads)
    return False


def workers(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that answer requests: the children, or the only one."""
    children = [
        child for child in process.children() if not any("resource_tracker" in word for word in child.cmdline())
    ]
    return children or [process]


def memory(process: psutil.Process) -> Memory:
    """Return what the tree holds now."""
    mib = 2**20
    full = {member.pid: member.memory_full_info() for member in tree(process)}
    held = [full[worker.pid] for worker in workers(process)]
    total = sum(info.pss for info in full.values())
    return Memory(max(info.rss for info in held) / mib, max(info.pss for info in held) / mib, total / mib)
