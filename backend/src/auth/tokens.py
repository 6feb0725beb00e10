"""Who sent this token? The one place that decodes JWTs.

Each key source accepts only its own algorithms: the shared secret HS256, a key of the auth server's set the one
algorithm that the key is for. Identity is `sub` and nothing else.
"""

import logging
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import jwt
from jwt import PyJWK
from jwt.exceptions import InvalidAlgorithmError, InvalidSignatureError, MissingRequiredClaimError, PyJWTError

from src.auth.claims import ClaimRules, Claims
from src.auth.signing_keys import ALGORITHMS, SigningKey
from src.config import Settings
from src.errors import InvalidTokenError, TokenFault

if TYPE_CHECKING:
    from src.auth.key_set import KeySet

logger = logging.getLogger(__name__)

# Characters; what fits in a request's head is judged. Better Auth puts the whole user record in, an avatar included.
MAX_TOKEN = 32 * 1024
MAX_REMEMBERED = 4096  # tokens; of each its digest and its user, about 2 MB
# The header `typ` of access tokens, where there is one (Better Auth leaves it out): any other value is that of another
# kind of token, which the same keys may sign (RFC 8725, 3.11).
_TYPES = frozenset({"jwt", "at+jwt"})
# What hostile input makes the decoder and the checks raise besides our own errors.
_UNDECODABLE = (PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
# PyJWT takes texts for times and says "expired" of tokens that have other faults too, so it is asked for presence only:
# a token without `exp` would live for ever.
_OPTIONS: Any = {
    "require": ["exp", "sub"],
    **{f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}


@dataclass(frozen=True, slots=True)
class _Verified:
    user: str
    expires: float
    key: SigningKey | bytes
    kid: str | None


class TokenVerifier:
    """Verifies tokens of one deployment's auth server, and remembers those that it accepted."""

    def __init__(self, settings: Settings, keys: "KeySet | None") -> None:
        secret = settings.better_auth_secret
        self._secret = secret.get_secret_value().encode() if secret else None
        self._keys = keys
        self._rules = ClaimRules(settings.issuer, settings.audiences)
        self._remembered: dict[bytes, _Verified] = {}
        self.hits = self.misses = 0  # tokens that were remembered, and those that had to be verified

    def log_sources(self) -> None:
        """Say at start which tokens will be accepted."""
        sources = ["secret"] * bool(self._secret) + ["jwks"] * bool(self._keys)
        level = logging.INFO if sources else logging.WARNING
        fields = {"sources": sources, "issuer": self._rules.issuer, "audiences": sorted(self._rules.audiences)}
        logger.log(level, "token sources", extra=fields)

    async def user_of(self, token: str) -> str:
        """Return the user whom a token stands for.

        Raises:
            ExpiredTokenError: good, but too old.
            InvalidTokenError: any other fault.
            KeysUnavailableError: no signing key was ever received.
        """
        if len(token) > MAX_TOKEN or not token.isascii():
            raise InvalidTokenError(TokenFault.MALFORMED)
        digest = sha256(token.encode()).digest()
        verified = self._remembered.get(digest)
        if verified and verified.expires > time.time() and self._is_current(verified):
            self.hits += 1
            return verified.user
        self.misses += 1
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
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kind = header.get("alg"), header.get("typ", "jwt")
            if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
                raise InvalidTokenError(TokenFault.MALFORMED)
            # `alg` only tells whom to ask; the source then insists on its own algorithm, whatever is said here.
            if algorithm == "HS256":
                return self._by_secret(token)
            if algorithm in ALGORITHMS:
                return await self._by_key_set(token, header.get("kid"))
        except _UNDECODABLE as error:
            raise InvalidTokenError(_fault(error)) from None
        raise InvalidTokenError(TokenFault.ALGORITHM)

    def _by_secret(self, token: str) -> _Verified:
        if self._secret is None:
            raise InvalidTokenError(TokenFault.ALGORITHM)
        claims = _signed_claims(token, self._secret, "HS256")
        self._rules.check(claims, addressed=False)
        return _Verified(claims["sub"], claims["exp"], self._secret, None)

    async def _by_key_set(self, token: str, kid: str | None) -> _Verified:
        if self._keys is None:
            raise InvalidTokenError(TokenFault.ALGORITHM)
        key = await self._keys.find(kid) if kid else None
        if kid is None or key is None:
            raise InvalidTokenError(TokenFault.KID)
        try:
            return self._by_key(token, kid, key)
        except (InvalidSignatureError, InvalidAlgorithmError):
            # With serial ids, a kid comes back with another key after the auth server's database was reset.
            await self._keys.refresh()
            renewed = self._keys.get(kid)
            if renewed is None or renewed is key:
                raise
            return self._by_key(token, kid, renewed)

    def _by_key(self, token: str, kid: str, key: SigningKey) -> _Verified:
        claims = _signed_claims(token, key.verifier, key.algorithm)
        self._rules.check(claims, addressed=True)
        return _Verified(claims["sub"], claims["exp"], key, kid)


def _fault(error: Exception) -> TokenFault:
    if isinstance(error, InvalidSignatureError):
        return TokenFault.SIGNATURE
    if isinstance(error, InvalidAlgorithmError):
        return TokenFault.ALGORITHM
    if isinstance(error, MissingRequiredClaimError):
        return TokenFault.NO_EXP if error.claim == "exp" else TokenFault.NO_SUB
    return TokenFault.MALFORMED


def _signed_claims(token: str, key: PyJWK | bytes, algorithm: str) -> Claims:
    """Return the claims of a token whose signature, form and `crit` are good; `ClaimRules` judges the claims."""
    return jwt.decode(token, key, algorithms=[algorithm], options=_OPTIONS)
