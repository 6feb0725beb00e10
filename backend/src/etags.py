"""Entity tags (RFC 9110, section 8.8): the tag of a representation is the start of its SHA-256.

The same bytes always have the same tag, and PostgreSQL can compute it too, so that If-Match is compared in the
statement that writes. Rank 0: imports nothing of ours.
"""

import re
from hashlib import sha256

from sqlalchemy import ColumnElement, String, func, literal_column

_HEX_DIGITS = 32
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
ANY = "*"


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a body, quotes included."""
    return f'"{sha256(body).hexdigest()[:_HEX_DIGITS]}"'


def sql_etag_of(body: ColumnElement[str]) -> ColumnElement[str]:
    """Return the SQL expression of the opaque part of the same tag."""
    digest = func.sha256(func.convert_to(body, literal_column("'UTF8'")))
    return func.left(func.encode(digest, literal_column("'hex'")), literal_column(str(_HEX_DIGITS)), type_=String)


def required_tags(if_match: str | None) -> list[str] | None:
    """Return the opaque parts of the tags that If-Match allows, None where it allows any task that exists.

    Weak tags never match (section 13.1.1).
    """
    if if_match is None or if_match.strip() == ANY:
        return None
    return [tag for weak, tag in _TAG.findall(if_match) if not weak]


def names(header: str, etag: str) -> bool:
    """Whether If-None-Match names this tag, by weak comparison (section 13.1.2)."""
    return header.strip() == ANY or etag.strip('"') in {tag for _, tag in _TAG.findall(header)}
