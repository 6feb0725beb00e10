"""Types of settings that the environment writes as text: addresses, origins and lists. Rank 1."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from src.origins import origin_of


def _http_url(url: str | None) -> str | None:
    if url:
        origin_of(url)
    return url or None


def _split(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _bare_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Browsers send an origin without a path; one with a trailing slash would never match."""
    return tuple(origin_of(origin) for origin in origins)


HttpUrl = Annotated[str | None, AfterValidator(_http_url)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]  # given as a comma-separated list
Origins = Annotated[Words, AfterValidator(_bare_origins)]
