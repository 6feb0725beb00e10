"""Cursors: where a page ended, as opaque text that is good for one user's one list only.

Nothing secret is in a cursor and nothing is gained by forging one, since the owner is in every statement anyway;
the checksum tells a client's mistake from a place in the list.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from src.errors import InvalidParameterError


def encode(scope: tuple[str, ...], key: Sequence[str]) -> str:
    """Return the cursor behind the row with this sort key."""
    payload = json.dumps([_checksum(scope, key), *key], separators=(",", ":")).encode()
    return urlsafe_b64encode(payload).decode().rstrip("=")


def decode(cursor: str, scope: tuple[str, ...], names: list[str]) -> dict[str, Any]:
    """Return the sort key by column name.

    Raises:
        InvalidParameterError: broken, or made for another user, status or sort.
    """
    try:
        checksum, *values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if checksum == _checksum(scope, values):
            return dict(zip(names, values, strict=True))
    except (ValueError, TypeError, RecursionError):
        pass  # The answer is the same as for a foreign cursor.
    raise InvalidParameterError("query", "cursor", "is not a cursor of this list")


def _checksum(scope: tuple[str, ...], values: Sequence[Any]) -> str:
    return sha256(json.dumps([scope, values]).encode()).hexdigest()[:16]
