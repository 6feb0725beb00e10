"""`make run`: the service with reload, on an embedded PostgreSQL unless NEON_DB_URL names another."""

import os

import uvicorn

from dev import env, postgres
from src.config import check_port, get_settings, read_settings

WELCOME = """
  Tasks API       http://localhost:{port}
  Documentation   http://localhost:{port}/docs
  A token         {prefix}make token USER=alice    (in another terminal)
  Database        {database}
"""


def main() -> None:
    """Serve until Ctrl+C or SIGTERM; the embedded PostgreSQL stops with the server."""
    env.ensure()
    settings = read_settings()
    another = settings.port + 1 if 1024 <= settings.port < 65535 else 8001
    check_port(settings, f"PORT={another} make run takes another")
    if settings.neon_db_url:
        serve("as NEON_DB_URL says")
        return
    with postgres.running() as url:
        os.environ["NEON_DB_URL"] = url
        serve(f"embedded PostgreSQL, data in {postgres.DATA_FOLDER.name}/")


def serve(database: str) -> None:
    """Serve with reload; the processes that are started anew inherit this one's environment."""
    settings = get_settings()
    prefix = f"PORT={settings.port} " if "PORT" in os.environ else ""  # which the other terminal does not have
    print(WELCOME.format(port=settings.port, prefix=prefix, database=database), flush=True)
    uvicorn.run(
        "src.main:app",
        host=settings.host,
        port=settings.port,
        reload=True,
        reload_dirs=["src"],
        root_path=settings.root_path,
        log_config=None,
        access_log=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
