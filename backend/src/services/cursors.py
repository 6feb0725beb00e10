"""Cursors: where a page ended, as opaque text that is good for one user's one list only.

Nothing secret is in a cursor and nothing is gained by forging one, since the owner is in every statement anyway, and
what is no value of the list's order is refused; the checksum tells a client's mistake from a place in the list.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement

from src.errors import InvalidParameterError
from src.models import MAX_ID


def encode(scope: tuple[str, ...], key: Sequence[str]) -> str:
    """Return the cursor behind the row with this sort key."""
    payload = json.dumps([_checksum(scope, key), *key], separators=(",", ":")).encode()
    return urlsafe_b64encode(payload).decode().rstrip("=")


def decode(cursor: str, scope: tuple[str, ...], order: Iterable[ColumnElement[Any]]) -> dict[str, Any]:
    """Return the sort key, by the names of the columns that the list is ordered by.

    Raises:
        InvalidParameterError: broken, or made for another user, status or sort.
    """
    try:
        checksum, *texts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if checksum == _checksum(scope, texts):
            pairs = zip(order, texts, strict=True)
            return {str(column.key): _value(text, column.type.python_type) for column, text in pairs}
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass  # The answer is the same as for a foreign cursor.
    raise InvalidParameterError("query", "cursor", "is not a cursor of this list")


def _value(text: object, kind: type) -> object:
    """Read what PostgreSQL has written, or whoever forged it.

    Raises:
        ValueError, OverflowError: it is no value of this kind, or none that PostgreSQL could have.
    """
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("not a text of PostgreSQL's")
    if kind is datetime:
        return datetime.fromisoformat(text).astimezone(UTC)  # PostgreSQL has no offsets of 16 hours and more
    if kind is int:
        number = int(text)
        if not -MAX_ID - 1 <= number <= MAX_ID:
            raise ValueError("no id is so large")
        return number
    text.encode()  # no text has half of a surrogate pair
    return text


def _checksum(scope: tuple[str, ...], values: Sequence[Any]) -> str:
    return sha256(json.dumps([scope, values]).encode()).hexdigest()[:16]
