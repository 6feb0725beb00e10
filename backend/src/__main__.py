"""`python -m src`: the production server. A faulty configuration ends it before any worker starts. Rank 10."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import uvicorn

from src.config import get_settings
from src.http_guard import GuardedProtocol
from src.log import configure_logging

GRACE = 8  # seconds that requests under way may take after SIGTERM; platforms send SIGKILL after ten


def main() -> None:
    """Serve until SIGTERM or SIGINT, and end with status 0."""
    # uvicorn stops cleanly, then raises the signal again, which would end this process "by SIGTERM" (143) and look
    # like a failure to a supervisor. It finds this handler instead. Until uvicorn listens itself, it also makes
    # process 1 of a container stoppable: the kernel gives that process no default handlers.
    signal.signal(signal.SIGTERM, _exit)
    settings = get_settings()
    configure_logging(settings)
    uvicorn.run(
        "src.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.web_concurrency,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE,
    )


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
