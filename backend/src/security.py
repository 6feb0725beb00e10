"""Who sent this token? The one place that decodes JWTs.

Each key source accepts only its own algorithms: the shared secret HS256, a key of the auth server's set the one
algorithm that the key is for. Identity is `sub` and nothing else. Rank 3; knows nothing of FastAPI.
"""

import logging
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from jwt import PyJWK
from jwt.exceptions import ExpiredSignatureError, InvalidSignatureError, PyJWTError

from src.config import Settings
from src.errors import ExpiredTokenError, InvalidTokenError
from src.jwks import KeySet
from src.models import MAX_USER_ID

logger = logging.getLogger(__name__)

LEEWAY = 10  # seconds that the clocks of the auth server and this host may differ
MAX_TOKEN = 8 * 1024  # bytes; Better Auth puts the whole user record in, which is about 600
MAX_REMEMBERED = 4096  # tokens; about 1 MB
SESSION_CACHE = "better-auth:session-cache"  # the audience of a cookie that the same keys may sign
_TYPES = (None, "jwt", "at+jwt")
# What hostile input makes the decoder raise besides its own errors.
_UNDECODABLE = (PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

Key = PyJWK | bytes
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Verified:
    user: str
    expires: float
    key: Key
    kid: str | None


class TokenVerifier:
    """Verifies tokens of one deployment's auth server, and remembers those that it accepted."""

    def __init__(self, settings: Settings, keys: KeySet | None) -> None:
        secret = settings.better_auth_secret
        self._secret = secret.get_secret_value().encode() if secret else None
        self._keys = keys
        self._issuer = settings.issuer
        self._audiences = settings.audiences
        self._remembered: dict[bytes, _Verified] = {}

    def log_sources(self) -> None:
        """Say at start which tokens will be accepted."""
        sources = ["secret"] * bool(self._secret) + ["jwks"] * bool(self._keys)
        level = logging.INFO if sources else logging.WARNING
        fields = {"sources": sources, "issuer": self._issuer, "audiences": sorted(self._audiences)}
        logger.log(level, "token sources", extra=fields)

    async def user_of(self, token: str) -> str:
        """Return the user whom a token stands for.

        Raises:
            ExpiredTokenError: good, but too old.
            InvalidTokenError: any other fault.
            KeysUnavailableError: no signing key was ever received.
        """
        digest = sha256(token.encode()).digest()
        verified = self._remembered.get(digest)
        if verified and verified.expires > time.time() and self._is_current(verified):
            return verified.user
        return self._remember(digest, await self._verify(token)).user

    def _is_current(self, verified: _Verified) -> bool:
        if self._keys is None or verified.kid is None:
            return verified.key is self._secret
        return self._keys.get(verified.kid) is verified.key

    def _remember(self, digest: bytes, verified: _Verified) -> _Verified:
        if len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # the oldest
        self._remembered[digest] = verified
        return verified

    async def _verify(self, token: str) -> _Verified:
        if len(token) > MAX_TOKEN:
            raise InvalidTokenError
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ") or "jwt").lower() not in _TYPES:
                raise InvalidTokenError
            if header.get("alg") == "HS256":
                return self._by_secret(token)
            return await self._by_key_set(token, header.get("kid"))
        except ExpiredSignatureError:
            raise ExpiredTokenError from None
        except _UNDECODABLE:
            raise InvalidTokenError from None

    def _by_secret(self, token: str) -> _Verified:
        if self._secret is None:
            raise InvalidTokenError
        claims = self._accepted(token, self._secret, "HS256", strict=False)
        return _Verified(claims["sub"], claims["exp"], self._secret, None)

    async def _by_key_set(self, token: str, kid: str | None) -> _Verified:
        key = await self._keys.find(kid) if self._keys and kid else None
        if self._keys is None or kid is None or key is None:
            raise InvalidTokenError
        try:
            claims = self._accepted(token, key, key.algorithm_name, strict=True)
        except InvalidSignatureError:
            # With serial ids, a kid comes back with another key after the auth server's database was reset.
            await self._keys.refresh()
            renewed = self._keys.get(kid)
            if renewed is None or renewed is key:
                raise
            key = renewed
            claims = self._accepted(token, key, key.algorithm_name, strict=True)
        return _Verified(claims["sub"], claims["exp"], key, kid)

    def _accepted(self, token: str, key: Key, algorithm: str, *, strict: bool) -> Claims:
        """Return the claims after every check; age is reported only when nothing else is wrong."""
        try:
            claims = _signed_claims(token, key, algorithm)
        except ExpiredSignatureError:
            self._check(_signed_claims(token, key, algorithm, verify_exp=False), strict)
            raise
        self._check(claims, strict)
        return claims

    def _check(self, claims: Claims, strict: bool) -> None:
        """Check issuer, audience and subject; a token by the secret may leave the first two out."""
        audience = claims.get("aud")
        named = {audience} if isinstance(audience, str) else set(audience or ())
        if SESSION_CACHE in named:
            raise InvalidTokenError
        if self._issuer and (strict or "iss" in claims) and claims.get("iss") != self._issuer:
            raise InvalidTokenError
        if self._audiences and (strict or "aud" in claims) and named.isdisjoint(self._audiences):
            raise InvalidTokenError
        _check_subject(claims["sub"])


def _check_subject(subject: str) -> None:
    # It is stored and compared, so it must fit the column. A lone surrogate fails to encode (a ValueError).
    if not 0 < len(subject) <= MAX_USER_ID or b"\0" in subject.encode():
        raise InvalidTokenError


def _signed_claims(token: str, key: Key, algorithm: str, *, verify_exp: bool = True) -> Claims:
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        leeway=LEEWAY,
        options={
            # Presence only: without it a token without `exp` would live for ever. PyJWT checks that `sub` is text.
            "require": ["exp", "sub"],
            "verify_exp": verify_exp,
            # `_check` does these two, because what is required depends on the key's source.
            "verify_aud": False,
            "verify_iss": False,
        },
    )
