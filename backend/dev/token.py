"""`make token USER=alice`: a development token, and the request that uses it."""

import argparse
import shlex
import sys
import time
from urllib.parse import quote

import jwt

from dev import env
from src.config import EXIT_MISCONFIGURED, read_settings

LIFETIME_HOURS = 12


def main() -> int:
    """Print a token signed with BETTER_AUTH_SECRET; only in development."""
    parser = argparse.ArgumentParser(prog="make token", description=__doc__)
    parser.add_argument("user", help="the user id that the token is for")
    parser.add_argument("--bare", action="store_true", help="print the token alone")
    arguments = parser.parse_args()
    if fault := fault_of(arguments.user):
        sys.stderr.write(f"USER {fault}: make token USER=alice\n")
        return EXIT_MISCONFIGURED
    env.ensure()
    settings = read_settings()
    if not settings.development or not settings.better_auth_secret:
        sys.stderr.write("Tokens are made only in development (ENVIRONMENT=development) and with BETTER_AUTH_SECRET.\n")
        return EXIT_MISCONFIGURED
    claims = {"sub": arguments.user, "iat": int(time.time()), "exp": int(time.time()) + LIFETIME_HOURS * 3600}
    token = jwt.encode(claims, settings.better_auth_secret.get_secret_value(), algorithm="HS256")
    print(token if arguments.bare else request(arguments.user, token, settings.port))
    return 0


def fault_of(user: str) -> str | None:
    """Say what is wrong with a user id that no token or no path can have."""
    if not user:
        return "is missing"
    if "/" in user or user in (".", ".."):
        return "must be something that a path can hold, without a / and not . or .."
    try:
        user.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 arrive from the command line as lone surrogates
        return "must be text in UTF-8"
    return None


def request(user: str, token: str, port: int) -> str:
    """Return lines for a shell, whatever the user is called."""
    url = f"http://localhost:{port}/api/{quote(user, safe='')}/tasks"
    return (
        f"TOKEN={shlex.quote(token)}\n\n"
        f"curl -H {shlex.quote(f'Authorization: Bearer {token}')} -H 'Content-Type: application/json' \\\n"
        f'     -d \'{{"title": "Buy milk"}}\' {shlex.quote(url)}'
    )


if __name__ == "__main__":
    sys.exit(main())
