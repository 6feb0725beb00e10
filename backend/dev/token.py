"""`make token USER=alice`: a development token, and the request that uses it."""

import argparse
import sys
import time

import jwt

from src.config import EXIT_MISCONFIGURED, read_settings

LIFETIME_HOURS = 12


def main() -> int:
    """Print a token signed with BETTER_AUTH_SECRET; only in development."""
    parser = argparse.ArgumentParser(prog="make token", description=__doc__)
    parser.add_argument("user", help="the user id that the token is for")
    parser.add_argument("--bare", action="store_true", help="print the token alone")
    arguments = parser.parse_args()
    settings = read_settings()
    if not settings.development or not settings.better_auth_secret:
        sys.stderr.write("Tokens are made only in development (ENVIRONMENT=development) and with BETTER_AUTH_SECRET.\n")
        return EXIT_MISCONFIGURED
    claims = {"sub": arguments.user, "iat": int(time.time()), "exp": int(time.time()) + LIFETIME_HOURS * 3600}
    token = jwt.encode(claims, settings.better_auth_secret.get_secret_value(), algorithm="HS256")
    print(token if arguments.bare else _request(arguments.user, token, settings.port))
    return 0


def _request(user: str, token: str, port: int) -> str:
    return (
        f"TOKEN={token}\n\n"
        f"curl -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n"
        f'     -d \'{{"title": "Buy milk"}}\' http://localhost:{port}/api/{user}/tasks'
    )


if __name__ == "__main__":
    sys.exit(main())
