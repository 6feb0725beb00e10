"""Processes that tests start count what they run of `src`, as the tests' own process does."""

from pathlib import Path

from coverage import Coverage

BACKEND = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """Return what a process needs in its environment to be counted; nothing where nothing is (`make stress`).

    It writes its figures when it ends, so one that is killed has none.
    """
    if Coverage.current() is None:
        return {}
    return {"COVERAGE_PROCESS_START": str(BACKEND / "pyproject.toml"), "COVERAGE_FILE": str(BACKEND / ".coverage")}
