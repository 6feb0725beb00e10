"""What no output may ever hold: the tests put these values into what they send, and every output is looked through.

Looked at are what the tests' own process printed, the logs of every process that they started, and what collectors of
telemetry were sent.
"""

import re

from tests.support.tokens import SECRET

TITLE = "a canary for a title"
DESCRIPTION = "a canary for a description"
PASSWORD = "a-canary-for-a-password"
# Any token: all of them begin with the same letters, `{"` in base64.
_NEVER = re.compile(
    "|".join([*map(re.escape, (SECRET, TITLE, DESCRIPTION, PASSWORD)), r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}"])
)

_ENOUGH = 20  # to know what is wrong

found: list[str] = []


def look(where: str, text: str) -> None:
    """Note what must not be in this output."""
    if len(found) < _ENOUGH and (match := _NEVER.search(text)):
        around = text[max(0, match.start() - 80) : match.end() + 20]
        found.append(f"{where}: {around!r}")
