"""`python -m src`: the production server. A faulty configuration ends it before any worker starts."""

import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from src.config import check_port, get_settings
from src.log import configure_logging
from src.server.workers import serve


def main() -> None:
    """Serve until SIGTERM or SIGINT, and end with status 0."""
    # uvicorn stops cleanly, then raises the signal again, which would end this process "by SIGTERM" (143) and look
    # like a failure to a supervisor. It finds this handler instead. Until uvicorn listens itself, it also makes
    # process 1 of a container stoppable: the kernel gives that process no default handlers.
    signal.signal(signal.SIGTERM, _exit)
    settings = get_settings()
    check_port(settings.host, settings.port, "stop what listens there, or set another")
    if settings.jwks_url:
        # Each worker makes its own; a fault of the environment is to be told before there are any.
        from src.auth.key_set import new_client  # noqa: PLC0415  # large, and often not needed

        new_client()
    configure_logging(settings)
    with suppress(KeyboardInterrupt):  # SIGINT, raised again in the same way
        serve(settings)


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
