"""Writes `.env` from `.env.example`, with a secret of its own, unless there is one."""

import re
import secrets
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def ensure() -> None:
    """Create the file, readable by its owner only; an existing one is left alone."""
    target = TOP / ".env"
    if target.exists():
        return
    text = (TOP / ".env.example").read_text()
    secret = f"BETTER_AUTH_SECRET={secrets.token_urlsafe(48)}"
    target.touch(mode=0o600)
    target.write_text(re.sub(r"^BETTER_AUTH_SECRET=.*$", secret, text, flags=re.MULTILINE))
    print("Wrote .env with a new BETTER_AUTH_SECRET.", file=sys.stderr)  # standard output may be a token's


if __name__ == "__main__":
    ensure()
