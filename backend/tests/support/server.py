"""The service on a real socket: in a thread of the tests (so that coverage sees it)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from src.config import Settings
from src.main import create_app
from src.server.http_guard import GuardedProtocol
from tests.support.tokens import SECRET

START_SECONDS = 20


class Service:
    """A running service: where it listens, and the application behind it."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        # Lifespan state belongs to the server's own loop; ask for it only through HTTP or `app.state`.
        config = uvicorn.Config(
            self.app,
            http=GuardedProtocol,  # as `python -m src` does
            port=0,
            root_path=settings.root_path,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    @property
    def url(self) -> str:
        host, port = self.server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        self.thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.server.started:
            assert self.thread.is_alive(), "the server ended at start"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(START_SECONDS)
        assert not self.thread.is_alive(), "the server did not stop"


def settings_for(database_url: str, **changes: Any) -> Settings:
    """Return settings that take nothing from the machine's environment or .env file but what is given."""
    values = {"neon_db_url": database_url, "better_auth_secret": SECRET, "log_level": "WARNING", **changes}
    return Settings(_env_file=None, **values)


@contextmanager
def serve(settings: Settings) -> Iterator[Service]:
    service = Service(settings)
    service.start()
    try:
        yield service
    finally:
        service.stop()
