"""What a token must say, once its signature is known to be good: for whom, from whom, for how long."""

import math
import time
from dataclasses import dataclass
from typing import Any

from src.errors import ExpiredTokenError, InvalidTokenError, TokenFault
from src.models import MAX_USER_ID

LEEWAY = 10  # seconds that the clocks of the auth server and this host may differ
SESSION_CACHE = "better-auth:session-cache"  # the audience of a cookie that the same keys may sign

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """The issuer and the audiences of one deployment; None and empty where it names none."""

    issuer: str | None
    audiences: frozenset[str]

    def check(self, claims: Claims, *, addressed: bool) -> None:
        """Accept the claims or raise; `addressed` tokens must name issuer and audience, others may leave them out.

        Raises:
            ExpiredTokenError: nothing is wrong but the age, so a new token will do.
            InvalidTokenError: any other fault.
        """
        self._check_issuer(claims, addressed)
        self._check_audience(claims, addressed)
        _check_subject(claims["sub"])
        _check_times(claims)

    def _check_issuer(self, claims: Claims, addressed: bool) -> None:
        if self.issuer and (addressed or "iss" in claims) and claims.get("iss") != self.issuer:
            raise InvalidTokenError(TokenFault.ISSUER)

    def _check_audience(self, claims: Claims, addressed: bool) -> None:
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if SESSION_CACHE in named:
            raise InvalidTokenError(TokenFault.AUDIENCE)
        if self.audiences and (addressed or "aud" in claims) and self.audiences.isdisjoint(named):
            raise InvalidTokenError(TokenFault.AUDIENCE)


def _check_subject(subject: object) -> None:
    if not isinstance(subject, str) or not subject:
        raise InvalidTokenError(TokenFault.NO_SUB)
    # It is stored and compared, so it must fit the column. A lone surrogate fails to encode (a ValueError).
    if len(subject) > MAX_USER_ID or b"\0" in subject.encode():
        raise InvalidTokenError(TokenFault.MALFORMED)


def _check_times(claims: Claims) -> None:
    now = time.time()
    if any(_instant(claims[name]) > now + LEEWAY for name in ("iat", "nbf") if name in claims):
        raise InvalidTokenError(TokenFault.NOT_YET_VALID)
    # Last of all, so that "expired" is said of tokens without another fault only.
    if _instant(claims["exp"]) <= now - LEEWAY:
        raise ExpiredTokenError


def _instant(value: object) -> float:
    """Read a NumericDate; JSON also has booleans, texts, NaN and infinity in store."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidTokenError(TokenFault.MALFORMED)
    return value
