"""Which keys of an auth server's set can verify tokens (RFC 7517, 7518, 8037)."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK
from jwt.exceptions import PyJWTError

MAX_KEYS = 1000  # hourly rotation and Better Auth's grace period of 30 days make 720
RSA_BITS = range(2048, 8192 + 1)
# What a key of a kind may be for, the usual first. A kind that is not here (P-384, Ed448, `oct`) verifies nothing.
_ALGORITHMS = {
    ("OKP", "Ed25519"): ("EdDSA",),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-521"): ("ES512",),
    ("RSA", None): ("RS256", "PS256"),
}
ALGORITHMS = frozenset(name for names in _ALGORITHMS.values() for name in names)
# Never `d` and its like: a set that leaks private keys must not put them into our memory.
_PUBLIC = ("kty", "crv", "x", "y", "n", "e", "kid", "alg")


class UnusableKeySetError(Exception):
    """The answer was no key set with at least one key that we can use."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, bound to the one algorithm that it is for."""

    source: dict[str, Any]
    verifier: PyJWK = field(compare=False)

    @property
    def algorithm(self) -> str:
        """The only `alg` that a token signed with it may have."""
        return self.verifier.algorithm_name


def usable_keys(document: Any, known: dict[str, SigningKey]) -> dict[str, SigningKey]:
    """Return the keys of a set by their `kid`, skipping those that cannot verify tokens.

    A key that did not change is the same object as in `known`, so what was verified with it stays verified.

    Raises:
        UnusableKeySetError: there is none; an auth server always has one, so the answer is not to be believed.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    # New keys are at the end, so an overlong set loses its oldest.
    sources = [_public_part(item) for item in listed[-MAX_KEYS:]] if isinstance(listed, list) else []
    loaded = {source["kid"]: _loaded(source, known.get(source["kid"])) for source in sources if source}
    usable = {kid: key for kid, key in loaded.items() if key}
    if not usable:
        raise UnusableKeySetError
    return usable


def _public_part(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not isinstance(item.get("kid"), str) or item.get("use", "sig") != "sig":
        return None
    source = {name: item[name] for name in _PUBLIC if name in item}
    if source.get("alg") == "Ed25519":  # RFC 9864's name for the same algorithm
        source["alg"] = "EdDSA"
    return source


def _loaded(source: dict[str, Any], known: SigningKey | None) -> SigningKey | None:
    if known and known.source == source:
        return known
    try:
        names = _ALGORITHMS[source["kty"], source.get("crv")]
        key = PyJWK(source, names[names.index(source.get("alg") or names[0])])
    except (PyJWTError, UnsupportedAlgorithm, ArithmeticError, LookupError, TypeError, ValueError):
        return None
    return SigningKey(source, key) if source["kty"] != "RSA" or key.key.key_size in RSA_BITS else None
