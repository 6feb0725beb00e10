"""The kinds of values, as people and platforms write them: each a type that takes what can work and refuses the rest.

Every message says what is expected and never repeats the value, which may be a secret.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from src.config.conninfo import connection_url
from src.config.origins import bare_origin, base_url, frame_ancestor, origin_of, origin_pattern

_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019"  # the typographic ones come with copied text
_COMMENT = re.compile(r"^#\s|\s#")
_UNRESOLVED = re.compile(r"\$\{.*\}|\$\(.*\)|\{\{.*\}\}|\$[A-Z_][A-Z0-9_]*")
_WORD = re.compile(r"[^\s\"'`*,;<>\\]+")
# What PyJWT verifies nothing with, lest a public key be taken for a secret.
_KEY = ("-----BEGIN ", "ssh-", "ecdsa-sha2-")
_JWK = re.compile(r'[\[{].*"kty"')


def cleaned(name: str, value: object) -> object:
    """Drop what surrounds a value; refuse what a shell or a reader of `.env` files would have taken away.

    `docker run --env-file`, Compose, systemd and secret stores all leave something else of it.

    Raises:
        ValueError: with the name of the setting.
    """
    if not isinstance(value, str):
        return value
    text = value.strip("\ufeff").strip()
    if text and name != "frame_ancestors" and (text[0] in _QUOTES or text[-1] in _QUOTES):
        raise ValueError(f"{name.upper()} must have no quotes around it")
    if _COMMENT.search(text) or _COMMENT.search(value):  # `= #x`: the blank that tells it from a value is stripped
        raise ValueError(f"{name.upper()} must have no comment behind it")
    if not text.isprintable():
        raise ValueError(f"{name.upper()} must have no line end and no invisible character in it")
    if _UNRESOLVED.fullmatch(text):
        raise ValueError(f"{name.upper()} must be a value; the reference to one was not replaced")
    return text


def _each(judge: Callable[[str], str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda words: tuple(judge(word) for word in words)


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    if not words:
        raise ValueError("must name something, or be empty for the default")
    return words


def _word(word: str) -> str:
    """Take a name that a token is compared with, letter for letter; one that looks like a URL has to be one."""
    if not _WORD.fullmatch(word):
        raise ValueError("must be without blanks, quotes, wildcards and semicolons; commas only separate audiences")
    if re.match(r"https?[:/]", word, re.IGNORECASE):
        origin_of(word)
    return word


def _key_set(url: str) -> str:
    origin_of(url)
    return url


def _ancestors(sources: tuple[str, ...]) -> tuple[str, ...]:
    if "'none'" in sources and len(sources) > 1:
        raise ValueError("must have nothing beside 'none'")
    return tuple(frame_ancestor(source) for source in sources)


def in_case(change: Callable[[str], str]) -> BeforeValidator:
    """Return what accepts a word in any case, and hands it on in the one that `change` makes."""
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text.startswith(_KEY):
        raise ValueError("must be a shared secret; for tokens that a private key signs, set BETTER_AUTH_URL")
    if _JWK.match(text):
        raise ValueError("must be a shared secret as Better Auth has it, not a JSON Web Key")
    return secret


def _database(url: SecretStr) -> SecretStr:
    return SecretStr(connection_url(url.get_secret_value()))


def _listenable(host: str) -> str:
    """Ask the system whether this machine has the address; as uvicorn does it, with any port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.bind((host, 0))
    except (OSError, UnicodeError, TypeError):
        raise ValueError("must be an address or a name of this machine: 127.0.0.1, 0.0.0.0, ::1") from None
    return host


def _proxies(value: str) -> str:
    """Judge what uvicorn compares with the client's address; it takes a word that is none, and never finds it."""
    words = [word.strip() for word in value.split(",")]
    try:
        for word in words if words != ["*"] else ():
            ipaddress.ip_network(word)
    except ValueError:
        raise ValueError("must be * or IP addresses and networks, comma-separated: 10.0.0.0/8,::1") from None
    return ",".join(words)


def _prefix(path: str) -> str:
    if not re.fullmatch(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*", path):
        raise ValueError("must begin with a / and not end with one, of letters, digits and -._~: /tasks")
    return path


def _writable(path: str | Path) -> str | Path:
    """Open the file, as logging will. Its own is no named pipe, whose reader leaves when this trial ends."""
    try:
        if Path(path).is_fifo() and not Path(path).is_symlink():  # as /dev/stdout is
            raise FileExistsError
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666))
    except OSError:
        raise ValueError("must be a file that can be written to, in a folder that exists") from None
    return path


Secret = Annotated[SecretStr, AfterValidator(_secret)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
KeySetUrl = Annotated[str, AfterValidator(_key_set)]
Word = Annotated[str, AfterValidator(_word)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_each(_word))]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_each(bare_origin))]
OriginPattern = Annotated[str, AfterValidator(origin_pattern)]
Ancestors = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_ancestors)]
LogFile = Annotated[Path, BeforeValidator(_writable)]
Address = Annotated[str, AfterValidator(_listenable)]
Proxies = Annotated[str, AfterValidator(_proxies)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Environment = Annotated[Literal["development", "production"], in_case(str.lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], in_case(str.upper)]
LogFormat = Annotated[Literal["auto", "text", "json"], in_case(str.lower)]
