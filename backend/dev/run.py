"""`make run`: the service with reload, on an embedded PostgreSQL unless NEON_DB_URL names another."""

import argparse
import os
from contextlib import ExitStack

import uvicorn

from dev import env, postgres
from src.config import check_port, get_settings, read_settings

WELCOME = """
  Tasks API       http://localhost:{port}
  Documentation   http://localhost:{port}/docs
  A token         {prefix}make token USER=alice    (in another terminal)
  Database        {database}
  Traces          {traces}
"""


def main() -> None:
    """Serve until Ctrl+C or SIGTERM; the embedded PostgreSQL stops with the server."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--traces", action="store_true", help="print the trace of each request")
    traced = parser.parse_args().traces
    env.ensure()
    settings = read_settings()
    another = settings.port + 1 if 1024 <= settings.port < 65535 else 8001
    check_port(settings.host, settings.port, f"PORT={another} make run takes another")
    with ExitStack() as stack:
        if traced:
            from dev.traces import shown  # noqa: PLC0415  # protobuf's classes are for who wants to see them

            os.environ |= stack.enter_context(shown())
        database = "as NEON_DB_URL says"
        if not settings.neon_db_url:
            os.environ["NEON_DB_URL"] = stack.enter_context(postgres.running())
            database = f"embedded PostgreSQL, data in {postgres.DATA_FOLDER.name}/"
        serve(database, "below, one for each request" if traced else "make run OTEL=1")


def serve(database: str, traces: str) -> None:
    """Serve with reload; the processes that are started anew inherit this one's environment."""
    settings = get_settings()
    prefix = f"PORT={settings.port} " if "PORT" in os.environ else ""  # which the other terminal does not have
    print(WELCOME.format(port=settings.port, prefix=prefix, database=database, traces=traces), flush=True)
    uvicorn.run(
        "src.main:app",
        host=settings.host,
        port=settings.port,
        reload=True,
        reload_dirs=["src", "migrations"],
        root_path=settings.root_path,
        log_config=None,
        access_log=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
