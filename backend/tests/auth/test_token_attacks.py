"""Forged tokens against a set of keys of all five algorithms: none gets in, and none breaks anything."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from src.auth.key_set import KeySet
from src.auth.tokens import TokenVerifier
from src.errors import InvalidTokenError
from tests.support.jwks import ALGORITHMS, KeyServer, Signer, forged, key_server, key_set
from tests.support.server import settings_for
from tests.support.tokens import SECRET

pytestmark = pytest.mark.anyio

SIGNERS = {alg: Signer(f"key of {alg}", alg) for alg in ALGORITHMS}
EVIL = {alg: Signer(f"key of {alg}", alg, "the attacker's") for alg in ALGORITHMS}
# HS256 with the public key for a secret, in each encoding that a careless library would take.
ENCODINGS: dict[str, Callable[[Signer], bytes]] = {
    "PEM": lambda signer: _public(signer, Encoding.PEM),
    "PEM without the last line break": lambda signer: _public(signer, Encoding.PEM).strip(),
    "DER": lambda signer: _public(signer, Encoding.DER),
    "JWK": lambda signer: json.dumps(signer.jwk).encode(),
    "JWK, compact": lambda signer: json.dumps(signer.jwk, separators=(",", ":")).encode(),
    "set of keys": lambda signer: key_set(signer).body,
    "first number, as text": lambda signer: _number(signer).encode(),
    "first number, raw": lambda signer: base64.urlsafe_b64decode(_number(signer) + "=="),
    "kid": lambda signer: signer.kid.encode(),
    "nothing": lambda _: b"",
}


def _public(signer: Signer, encoding: Encoding) -> bytes:
    found: bytes = signer.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return found


def _number(signer: Signer) -> str:
    return str(signer.jwk.get("x") or signer.jwk["n"])


@pytest.fixture(scope="module")
def auth() -> Iterator[KeyServer]:
    with key_server(*SIGNERS.values()) as server:
        yield server


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=[SECRET, None], ids=["secret and keys", "keys alone"])
async def verifier(request: pytest.FixtureRequest, auth: KeyServer) -> AsyncIterator[TokenVerifier]:
    settings = settings_for("postgresql://unused", better_auth_url=auth.url, better_auth_secret=request.param)
    keys = KeySet(f"{auth.url}/api/auth/jwks")
    keys.start()
    yield TokenVerifier(settings, keys)
    await keys.close()


async def is_refused(verifier: TokenVerifier, token: str) -> bool:
    with pytest.raises(InvalidTokenError) as caught:
        await verifier.user_of(token)
    return caught.type is InvalidTokenError


def claims(auth: KeyServer, **changes: object) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": "alice", "iat": now, "exp": now + 900, "iss": auth.url, "aud": auth.url, **changes}


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_each_algorithm_of_better_auth_is_accepted(verifier: TokenVerifier, auth: KeyServer, alg: str) -> None:
    assert await verifier.user_of(auth.token(SIGNERS[alg])) == "alice"


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_a_public_key_is_no_secret(
    verifier: TokenVerifier, auth: KeyServer, alg: str, encoding: Callable[[Signer], bytes]
) -> None:
    signer = SIGNERS[alg]
    for claimed in ("HS256", alg):
        header = {"alg": claimed, "kid": signer.kid}
        assert await is_refused(verifier, forged(header, claims(auth), encoding(signer)))
        assert await is_refused(verifier, forged({"alg": claimed}, claims(auth), encoding(signer)))


@pytest.mark.parametrize("claimed", ["none", "None", "NONE", "", None, "HS384", "HS512", "ES256K", "ES384", "RS512"])
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_an_unsigned_token_or_one_of_another_algorithm_is_refused(
    verifier: TokenVerifier, auth: KeyServer, alg: str, claimed: str | None
) -> None:
    header = {"alg": claimed, "kid": SIGNERS[alg].kid}
    assert await is_refused(verifier, forged(header, claims(auth)))
    assert await is_refused(verifier, forged(header, claims(auth), SECRET.encode()))


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_another_key_under_a_known_kid_is_refused(verifier: TokenVerifier, auth: KeyServer, alg: str) -> None:
    assert await is_refused(verifier, auth.token(EVIL[alg]))


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_a_known_key_under_the_kid_of_another_is_refused(
    verifier: TokenVerifier, auth: KeyServer, alg: str
) -> None:
    for other in set(ALGORITHMS) - {alg}:
        assert await is_refused(verifier, auth.token(SIGNERS[alg], headers={"kid": SIGNERS[other].kid}))


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_a_key_that_the_token_brings_along_is_ignored(verifier: TokenVerifier, auth: KeyServer, alg: str) -> None:
    evil = EVIL[alg]
    with key_server(evil) as elsewhere:
        url = f"{elsewhere.url}/api/auth/jwks"
        for header in ({"jwk": evil.jwk}, {"jku": url}, {"x5u": url}, {"x5c": [evil.jwk.get("x")]}):
            assert await is_refused(verifier, auth.token(evil, headers=header))
            assert await is_refused(verifier, auth.token(evil, headers={**header, "kid": "brought along"}))
        assert await is_refused(verifier, auth.token(evil, headers={"kid": url}))
        assert elsewhere.fetches == 0


CRITICAL: list[object] = [["b64"], ["exp"], ["x"], [], "exp", [1], None, {"exp": 1}]


@pytest.mark.parametrize("crit", CRITICAL)
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_what_is_critical_and_unknown_is_refused(
    verifier: TokenVerifier, auth: KeyServer, alg: str, crit: object
) -> None:
    assert await is_refused(verifier, auth.token(SIGNERS[alg], headers={"crit": crit, "x": 1}))


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_a_session_cookie_is_no_access_token(verifier: TokenVerifier, auth: KeyServer, alg: str) -> None:
    signer, cache = SIGNERS[alg], "better-auth:session-cache"
    typed = {"typ": "better-auth.session-cache+jwt"}
    assert await is_refused(verifier, auth.token(signer, headers=typed))
    assert await is_refused(verifier, auth.token(signer, aud=cache))
    assert await is_refused(verifier, auth.token(signer, aud=[cache, auth.url]))
    assert await is_refused(verifier, auth.token(signer, aud=cache, headers=typed))


@pytest.mark.parametrize("typ", ["", "secevent+jwt", "logout+jwt", "dpop+jwt", 1, ["JWT"], {}])
async def test_other_kinds_of_tokens_are_refused(verifier: TokenVerifier, auth: KeyServer, typ: object) -> None:
    header = {"alg": "HS256", "typ": typ}
    assert await is_refused(verifier, forged(header, claims(auth), SECRET.encode()))


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_every_damaged_signature_is_refused(verifier: TokenVerifier, auth: KeyServer, alg: str) -> None:
    head, payload, signature = auth.token(SIGNERS[alg]).split(".")
    half = len(signature) // 2
    for damaged in ("", signature[:half], signature * 2, "A" * len(signature), "_" * len(signature), signature[::-1]):
        assert await is_refused(verifier, f"{head}.{payload}.{damaged}")
    assert await is_refused(verifier, f"{head}.{payload[:-2]}AA.{signature}")
    assert await is_refused(verifier, f"{head}.{payload}.{signature}\n")


@pytest.mark.parametrize("token", ["\ud800", "ä.ä.ä", "\0.\0.\0", "", ".", "..", "e30.e30.", "x" * 8193])
async def test_what_is_no_token_at_all_is_refused(verifier: TokenVerifier, token: str) -> None:
    assert await is_refused(verifier, token)


async def test_without_a_secret_nobody_signs_by_secret(auth: KeyServer) -> None:
    settings = settings_for("postgresql://unused", better_auth_url=auth.url, better_auth_secret=None)
    keyless = TokenVerifier(settings, None)
    for key in (b"", b"None", SECRET.encode()):
        assert await is_refused(keyless, forged({"alg": "HS256"}, claims(auth), key))


async def test_without_a_key_set_nobody_signs_by_key() -> None:
    secret_alone = TokenVerifier(settings_for("postgresql://unused"), None)
    for signer in SIGNERS.values():
        assert await is_refused(secret_alone, signer.token())
