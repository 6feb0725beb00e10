"""`make example`: an embedded PostgreSQL, the API, and the Next.js frontend with its Better Auth, until Ctrl+C."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from dev import env, postgres

BACKEND = Path(__file__).resolve().parents[1]
FRONTEND = BACKEND / "examples/nextjs"
AUTH_DATABASE = "auth"
STOP_SECONDS = 10


def main() -> int:
    """Run all three; when one of the servers ends, or somebody wants that, the others end too."""
    for wish in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wish, signal.default_int_handler)
    api_port, frontend_port = port_of("PORT", 8000), port_of("FRONTEND_PORT", 3000)
    api_url, frontend_url = f"http://localhost:{api_port}", f"http://localhost:{frontend_port}"
    env.ensure()
    write_settings()
    try:
        with (
            postgres.running() as url,
            api(url, frontend_url, api_port) as first,
            frontend(auth_database(url), frontend_url, api_url) as second,
        ):
            print(f"\n  The example     {frontend_url}    (sign up with any address)\n", flush=True)
            return first_to_end(first, second)
    except KeyboardInterrupt:
        return 0


def port_of(variable: str, default: int) -> int:
    """Return the port that this variable names; one that is taken ends the program with a sentence."""
    port = int(os.environ.get(variable) or default)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SystemExit(f"Port {port} is in use; for another: {variable}={port + 1} make example") from None
    return port


def write_settings() -> None:
    """Write `.env.local` from `.env.example`, with a secret of its own, unless there is one."""
    target = FRONTEND / ".env.local"
    if target.exists():
        return
    text = (FRONTEND / ".env.example").read_text()
    target.touch(mode=0o600)
    secret = f"BETTER_AUTH_SECRET={secrets.token_urlsafe(48)}"
    target.write_text(re.sub(r"^BETTER_AUTH_SECRET=.*$", secret, text, flags=re.MULTILINE))


def auth_database(url: str) -> str:
    """Return the URL of Better Auth's own database on this server; it is made where it is missing."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True  # CREATE DATABASE takes no part in a transaction
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (AUTH_DATABASE,))
            if not cursor.rowcount:
                cursor.execute(f"CREATE DATABASE {AUTH_DATABASE}")
    finally:
        connection.close()
    return urlsplit(url)._replace(path=f"/{AUTH_DATABASE}").geturl()


@contextmanager
def api(database_url: str, frontend_url: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """As `make run`, whatever `.env` says of the database and the frontend."""
    settings = {
        "NEON_DB_URL": database_url,
        "BETTER_AUTH_URL": frontend_url,
        "CORS_ORIGINS": frontend_url,
        "PORT": str(port),
    }
    with running([sys.executable, "-m", "dev.run"], BACKEND, settings) as process:
        yield process


@contextmanager
def frontend(database_url: str, url: str, api_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """As `npm run dev` with what `.env.example` names; Better Auth is part of it."""
    node = shutil.which("node")
    if not node:
        raise SystemExit("Node.js 20.19 or newer is needed (Debian: apt-get install nodejs npm)")
    settings = {
        "DATABASE_URL": database_url,
        "BETTER_AUTH_URL": url,
        "NEXT_PUBLIC_API_URL": api_url,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    port = str(urlsplit(url).port)
    command = [node, "node_modules/next/dist/bin/next", "dev", "--hostname", "127.0.0.1", "--port", port]
    with running(command, FRONTEND, settings) as process:
        yield process


@contextmanager
def running(command: list[str], folder: Path, settings: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends. Ctrl+C reaches it by itself; it is told again, which harms nobody."""
    process = subprocess.Popen(command, cwd=folder, env=os.environ | settings)  # noqa: S603  # lists of ours, no shell
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def first_to_end(*processes: "subprocess.Popen[bytes]") -> int:
    """Wait, and return the status of whichever ends first; it has said why."""
    while True:
        for process in processes:
            if process.poll() is not None:
                return process.returncode or 1
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
