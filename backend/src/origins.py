"""Web origins, spelled as Better Auth and browsers spell them (RFC 6454). Rank 0: imports nothing of ours."""

from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Return the origin of a URL as Better Auth and browsers spell it: lower case, no default port.

    Raises:
        ValueError: not an absolute http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")
