"""The auth server's public keys (RFC 7517): fetched in the background, kept while the server is away.

Callers choose the `kid` of a token freely, so nothing they send can cause more than one fetch per cool-down,
and a token whose key is here never waits for one. Rank 1.
"""

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import Any

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from src.errors import KeysUnavailableError

logger = logging.getLogger(__name__)

COOL_DOWN = 5.0  # seconds between the starts of two fetches
TIMEOUT = 2.0  # seconds for one fetch, all of it
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_BITS = 2048
ALGORITHMS = frozenset({"EdDSA", "ES256", "ES512", "RS256", "PS256"})


class UnusableKeySetError(Exception):
    """The answer was no key set with at least one key that we can use."""


class KeySet:
    """The keys by their `kid`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self._last_attempt = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._background: asyncio.Task[None] | None = None  # kept, because the loop holds tasks weakly

    def start(self) -> None:
        """Begin to fetch the set; nobody waits for it."""
        self._background = asyncio.create_task(self.refresh())

    def get(self, kid: object) -> PyJWK | None:
        """Return a key that is here already."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    async def find(self, kid: object) -> PyJWK | None:
        """Return the key, asking the auth server first if it is unknown; None when there is no such key.

        Raises:
            KeysUnavailableError: no key set was ever received.
        """
        if key := self.get(kid):
            return key
        await self.refresh()
        if not self._keys:
            raise KeysUnavailableError
        return self.get(kid)

    async def refresh(self) -> None:
        """Fetch the set, or join a fetch under way; does nothing within the cool-down. Never raises."""
        if self._fetching is None:
            if time.monotonic() - self._last_attempt < COOL_DOWN:
                return
            self._last_attempt = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        # A caller that goes away must not cancel the fetch for the others.
        await asyncio.shield(self._fetching)

    async def close(self) -> None:
        """Stop a fetch under way."""
        if self._fetching:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                self._replace(_usable(await _download(self._url)))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError, UnusableKeySetError) as e:
            logger.warning("signing keys not fetched", extra={"reason": type(e).__name__, "kept": len(self._keys)})
        finally:
            self._fetching = None

    def _replace(self, sources: dict[str, dict[str, Any]]) -> None:
        """Take over a new set; an unchanged key stays the same object, so its remembered tokens stay good."""
        keys: dict[str, PyJWK] = {}
        for kid, source in sources.items():
            keys[kid] = self._keys[kid] if self._sources.get(kid) == source else PyJWK(source)
        self._keys, self._sources = keys, sources
        logger.info("signing keys fetched", extra={"keys": len(keys)})


async def _download(url: str) -> Any:
    async with httpx.AsyncClient(timeout=TIMEOUT) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise UnusableKeySetError("too large")
    return json.loads(bytes(body))


def _usable(document: Any) -> dict[str, dict[str, Any]]:
    """Return the public parts of the keys that can sign tokens, by `kid`; skip the others."""
    listed = document.get("keys") if isinstance(document, dict) else None
    sources = [_public_part(item) for item in listed[:MAX_KEYS]] if isinstance(listed, list) else []
    usable = {source["kid"]: source for source in sources if source}
    if not usable:
        raise UnusableKeySetError("no usable key")
    return usable


def _public_part(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not isinstance(item.get("kid"), str) or item.get("use", "sig") != "sig":
        return None
    source = {name: item[name] for name in ("kty", "crv", "x", "y", "n", "e", "kid", "alg") if name in item}
    if source.get("alg") == "Ed25519":  # RFC 9864's name for the same algorithm
        source["alg"] = "EdDSA"
    try:
        key = PyJWK(source)
    except (PyJWTError, ValueError, TypeError):
        return None
    large_enough = getattr(key.key, "key_size", MIN_RSA_BITS) >= MIN_RSA_BITS or source["kty"] != "RSA"
    known = key.algorithm_name in ALGORITHMS and source["kty"] in ("OKP", "EC", "RSA") and source.get("crv") != "Ed448"
    return source if known and large_enough else None
