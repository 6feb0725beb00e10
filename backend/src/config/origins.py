"""Web origins, spelled as Better Auth and browsers spell them (RFC 6454).

Each function takes what a person wrote, and returns what a browser or a token says, or refuses what neither ever would.
The messages say what is expected; they never repeat the text, which may hold a password.
"""

import re
import warnings
from ipaddress import IPv4Address, IPv6Address

_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+"
_LEGAL = r"[A-Za-z0-9._~!$&()+=:@-]|%[0-9A-Fa-f]{2}"  # without `*`, `,`, `;` and quotes, which are legal, and mistakes
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
    rf"(?P<path>(?:/(?!/.|\.\.?(?:[/?]|\Z))(?:{_LEGAL})*)*)(?P<query>(?:\?(?:{_LEGAL}|[/?])*)?)",
    re.ASCII | re.IGNORECASE,
)
_ANCESTOR = re.compile(
    r"(?P<scheme>https?:)|(?:https?://)?(?:\*|(?:\*\.)?(?P<host>[a-z0-9._-]+))(?::(?:\*|(?P<port>[0-9]{1,5})))?",
    re.ASCII,
)
_URL_EXPECTED = "must be an absolute http:// or https:// URL"
_LONGEST = len("https://:65535") + 253


def origin_of(url: str) -> str:
    """Return the origin of a URL as Better Auth and browsers spell it: lower case, no default port.

    Raises:
        ValueError: not an absolute http(s) URL.
    """
    parts = _split(url)
    scheme, port = parts["scheme"].lower(), int(parts["port"] or 0)
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{_host(parts['host'])}" + (f":{port}" if port not in (0, default) else "")


def bare_origin(text: str) -> str:
    """Return an origin that browsers send; they send it without a path.

    Raises:
        ValueError: not a single origin.
    """
    if "*" in text:
        raise ValueError("must name every origin without a wildcard; CORS_ORIGIN_REGEX takes a pattern")
    parts = _URL.fullmatch(text)
    if not parts or parts["path"] not in ("", "/") or parts["query"]:
        raise ValueError(
            "must be absolute http:// or https:// origins without a path, comma-separated: https://app.example.com"
        )
    return origin_of(text)


def base_url(url: str) -> str:
    """Return the URL of a server, to which paths can be appended.

    Raises:
        ValueError: not one, or one with a query.
    """
    origin_of(url)
    if _split(url)["query"]:
        raise ValueError(f"{_URL_EXPECTED} without a query")
    return url


def frame_ancestor(text: str) -> str:
    """Return a source of the CSP directive `frame-ancestors`, which compares origins only.

    Raises:
        ValueError: no browser would match it.
    """
    source = text.lower()
    if source in ("'self'", "'none'"):
        return source
    source = source.removesuffix("/") if not source.endswith("//") else source
    parts = _ANCESTOR.fullmatch(source)
    if not parts or source in ("self", "none") or int(parts["port"] or 1) not in range(1, 65536):
        raise ValueError("must be 'self' or origins such as https://*.example.com, without a path, comma-separated")
    if parts["host"]:
        _host(parts["host"])
    return source


def origin_pattern(pattern: str) -> str:
    r"""Return a regular expression that matches whole origins of a sane length.

    The length is bounded because every client may send an origin of its own, and patterns with several open ends
    take quadratic time.

    Raises:
        ValueError: no regular expression, or one that matches no origin, or that is a glob or forgot `\\.`.
    """
    # What is left is letters, `:/`, and operators: an escape for a dot or a class, like a class itself, becomes `0`,
    # an escaped letter of no origin a comma.
    plain = re.sub(r"\\(.)|\[(?:\\.|[^\]\\])+\]|\{[0-9,]*\}", _simplified, pattern, flags=re.DOTALL)
    plain = re.sub(r"\(\?(?:P<\w+>|[:=!]|<[=!])", "(", plain)
    whole = re.match(r"\^?\(*(?:https?\b|\.[*+])", plain) and re.search(r"://|\.[*+]", plain)
    if not whole or "/" in plain.replace("://", ""):
        raise ValueError(r"must match whole origins, from https:// to the host or port: https://app-\w+\.example\.com")
    if re.search(r"\.[a-z]", plain, re.IGNORECASE):
        raise ValueError(r"must be a regular expression with each dot of a host as `\.` and `.*` for any characters")
    if re.search(r"[^a-z0-9._:/^$|?*+()-]", plain):
        raise ValueError("must have only the characters of origins in it: small letters, digits and -_.:/")
    if not _compiles(pattern):
        raise ValueError("must be a regular expression")
    return rf"(?!.{{{_LONGEST + 1}}})(?:{pattern})"


def _simplified(part: re.Match[str]) -> str:
    if not part[1]:
        return "" if part[0].startswith("{") else "0"
    if part[1] in "/:_-":
        return part[1]
    return "0" if part[1] == "." or part[1].isalnum() else ","


def _compiles(pattern: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of what a later Python reads in another way
        try:
            re.compile(pattern)
        except (re.error, Warning, OverflowError, RecursionError):
            return False
    return True


def _split(url: str) -> re.Match[str]:
    parts = _URL.fullmatch(url)
    if not parts or int(parts["port"] or 1) not in range(1, 65536):
        raise ValueError(_URL_EXPECTED)
    return parts


def _host(text: str) -> str:
    """Spell a host as browsers do; a number at the end makes it an IPv4 address for them."""
    host = text.lower()
    labels = host.removesuffix(".").split(".")
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
            return str(IPv4Address(host))
    except ValueError:
        raise ValueError(f"{_URL_EXPECTED} with a valid address") from None
    if len(host) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{_URL_EXPECTED} with a valid host name")
    return host
