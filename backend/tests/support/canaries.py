"""What no output may ever hold: the tests put these values into what they send, and one fixture looks everywhere.

Looked at are what the tests' own process printed, the logs of every process that they started, and what collectors of
telemetry were sent.
"""

import re
from pathlib import Path

from tests.support.tokens import SECRET

TITLE = "a canary for a title"
DESCRIPTION = "a canary for a description"
PASSWORD = "a-canary-for-a-password"
# Any token: all of them begin with the same letters, `{"` in base64.
_NEVER = re.compile(
    "|".join([*map(re.escape, (SECRET, TITLE, DESCRIPTION, PASSWORD)), r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}"])
)

found: list[str] = []


def look(where: str, text: str) -> None:
    """Note what must not be in this output."""
    if match := _NEVER.search(text):
        around = text[max(0, match.start() - 80) : match.end() + 20]
        found.append(f"{where}: {around!r}")


def look_at_logs(folder: Path) -> None:
    """Note what must not be in the logs below a folder."""
    for log in folder.rglob("*.log*"):
        if log.is_file():
            look(str(log), log.read_text(errors="replace"))
