"""PgBouncer in transaction mode before a PostgreSQL, as behind Neon's `-pooler` host names."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import eventually
from tests.support.postgres_server import Postgres, free_port

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
"""


@contextmanager
def pooler(executable: str, postgres: Postgres) -> Iterator[int]:
    """Run PgBouncer in front of the server, as its system user, and yield the port."""
    folder, port = postgres.folder.parent / f"pooler-{free_port()}", free_port()
    folder.mkdir()
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(target=postgres.port, port=port, folder=folder))
    _open_to_all(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [executable, str(folder / "pgbouncer.ini")], user=postgres.system_user, cwd=folder, stdout=log, stderr=log
        )
    try:
        eventually(lambda: _listening(port), 10, "PgBouncer listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
