"""`python -m src`: the production server. A faulty configuration ends it before any worker starts. Rank 10."""

import uvicorn

from src.config import get_settings
from src.http_guard import GuardedProtocol
from src.log import configure_logging

GRACE = 8  # seconds that requests under way may take after SIGTERM


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
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
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=GRACE,
    )


if __name__ == "__main__":
    main()
