"""Tokens as Better Auth would issue them, and as an attacker might."""

import time
from typing import Any

import jwt

SECRET = "a-secret-for-tests-of-more-than-32-bytes"


_A_RUN = 86_400.0  # seconds, more than any run of the tests takes: many a token is made when its module is imported


def make_token(
    sub: object = "alice", *, key: Any = SECRET, alg: str = "HS256", ttl: float = _A_RUN, **claims: Any
) -> str:
    """Return a signed token; a claim given as None is left out."""
    payload = {"sub": sub, "iat": int(time.time()), "exp": int(time.time() + ttl), **claims}
    headers = payload.pop("headers", None)
    kept = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(kept, key, algorithm=alg, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
