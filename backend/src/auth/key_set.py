"""The auth server's public keys: fetched in the background, kept while the server is away.

Callers choose the `kid` of a token freely, so nothing they send can cause more than one fetch per cool-down,
and a token whose key is here never waits for one.
"""

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import Any

import httpx

from src.auth.signing_keys import SigningKey, UnusableKeySetError, usable_keys
from src.config import refuse
from src.errors import KeysUnavailableError

logger = logging.getLogger(__name__)

COOL_DOWN = 5.0  # seconds between the starts of two fetches, whatever became of the first
TIMEOUT = 2.0  # seconds for one fetch, all of it
MAX_AGE = 600.0  # seconds until a key in use is looked up again, so that a withdrawn one goes
MAX_BYTES = 512 * 1024


def new_client() -> httpx.AsyncClient:
    """Return what fetches keys; where the environment makes that impossible, end the process with one sentence."""
    try:
        return httpx.AsyncClient(
            timeout=TIMEOUT,
            limits=httpx.Limits(max_keepalive_connections=0),  # fetches are rare, and an idle connection may be dead
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
    except Exception:  # noqa: BLE001  # of many kinds, and their texts quote what may hold a password
        refuse("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY or SSL_CERT_FILE of the environment cannot be used")


class KeySet:
    """The keys by their `kid`. Belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, SigningKey] = {}
        self._last_attempt = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._unsaid: dict[str, Any] | None = None  # of a failed fetch that nobody has needed yet
        self._needed = False
        self.fetched = self.failed = 0  # attempts, by how they ended
        self._client = new_client()  # once: loading the certificate authorities takes some 20 ms of the loop's time

    def start(self) -> None:
        """Begin to fetch the set; nobody waits for it."""
        self._begin()

    def get(self, kid: str) -> SigningKey | None:
        """Return a key that is here already; an old set is fetched again behind the caller's back."""
        # On use and not by a timer, which would keep a scale-to-zero auth server and its database awake.
        if time.monotonic() - self._last_attempt > MAX_AGE:
            self._begin()
        return self._keys.get(kid)

    async def find(self, kid: str) -> SigningKey | None:
        """Return the key, asking the auth server first if it is unknown; None when there is no such key.

        Raises:
            KeysUnavailableError: no key was ever received.
        """
        if key := self.get(kid):
            return key
        await self.refresh()
        if not self._keys:
            self._say_failure()
            raise KeysUnavailableError
        return self.get(kid)

    async def refresh(self) -> None:
        """Fetch the set, or join a fetch under way; does nothing within the cool-down. Never fails."""
        self._needed = True
        if fetching := self._begin():
            # A caller that goes away must not cancel the fetch for the others.
            await asyncio.shield(fetching)

    async def close(self) -> None:
        """Stop a fetch under way."""
        if self._fetching:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetching
        await self._client.aclose()

    def _begin(self) -> asyncio.Task[None] | None:
        """Return the fetch under way, started now unless it is too early for one."""
        if self._fetching is None and time.monotonic() - self._last_attempt >= COOL_DOWN:
            self._last_attempt = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                document = await self._download()
            self._keys = usable_keys(document, self._keys)
            self._unsaid, self._needed = None, False
            self.fetched += 1
            logger.info("signing keys fetched", extra={"keys": len(self._keys)})
        except Exception as error:  # noqa: BLE001  # whatever network and server do, the keys that are here stay
            self.failed += 1
            self._unsaid = {"reason": _reason(error), "kept": len(self._keys)}
            if self._needed:
                self._say_failure()
        finally:
            self._fetching = None

    def _say_failure(self) -> None:
        """Warn of a failed fetch, once: at a start together with the auth server's, it may be of no consequence."""
        if self._unsaid is not None:
            logger.warning("signing keys not fetched", extra=self._unsaid)
        self._unsaid = None

    async def _download(self) -> Any:
        async with self._client.stream("GET", self._url, follow_redirects=False) as response:
            response.raise_for_status()
            body = bytearray()
            # Raw: what was compressed although we asked for no compression would unfold past any limit.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise UnusableKeySetError
        return json.loads(bytes(body))


def _reason(error: Exception) -> str:
    """Say what went wrong without the URL, which may hold credentials."""
    status = f" {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
    return type(error).__name__ + status
