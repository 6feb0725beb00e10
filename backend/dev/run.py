"""`make run`: the service with reload, on an embedded PostgreSQL unless NEON_DB_URL names another."""

import os

import uvicorn

from dev import env, postgres
from src.config import Settings, get_settings

WELCOME = """
  Tasks API       http://localhost:{port}
  Documentation   http://localhost:{port}/docs
  A token         make token USER=alice    (in another terminal)
  Database        {database}
"""


def main() -> None:
    """Serve until Ctrl+C; the embedded PostgreSQL stops with the server."""
    env.ensure()
    database = "as NEON_DB_URL says"
    if not Settings().neon_db_url:
        os.environ["NEON_DB_URL"] = postgres.start()
        database = f"embedded PostgreSQL, data in {postgres.DATA_FOLDER.name}/"
    settings = get_settings()
    print(WELCOME.format(port=settings.port, database=database), flush=True)
    uvicorn.run(
        "src.main:app",
        host=settings.host,
        port=settings.port,
        reload=True,
        reload_dirs=["src"],
        root_path=settings.root_path,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
