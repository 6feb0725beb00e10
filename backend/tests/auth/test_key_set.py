"""The key set against an auth server that rotates, fails, hangs and lies: what is kept, who waits."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from src.auth import key_set as jwks
from src.auth import tokens as security
from src.auth.key_set import KeySet
from src.auth.tokens import TokenVerifier
from src.errors import ExpiredTokenError, InvalidTokenError, KeysUnavailableError
from tests.support.jwks import PATH, Answer, KeyServer, Signer, forged, gzipped, key_server, key_set
from tests.support.server import settings_for
from tests.support.tokens import make_token

pytestmark = pytest.mark.anyio

FIRST, SECOND, NEVER_SEEN = Signer("first"), Signer("second"), Signer("never published")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def auth() -> Iterator[KeyServer]:
    with key_server(FIRST) as server:
        yield server


@pytest.fixture
def no_cool_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is not about the cool-down; a test with it would otherwise wait five seconds between fetches."""
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.0)


@asynccontextmanager
async def verifier_of(auth: KeyServer) -> AsyncIterator[TokenVerifier]:
    """A verifier that knows the keys of the auth server alone, and has not asked for them yet."""
    keys = KeySet(auth.url + PATH)
    yield TokenVerifier(settings_for("postgresql://unused", better_auth_url=auth.url, better_auth_secret=None), keys)
    await keys.close()


@pytest.fixture
async def verifier(auth: KeyServer) -> AsyncIterator[TokenVerifier]:
    async with verifier_of(auth) as created:
        yield created


async def outcome(verifier: TokenVerifier, token: str) -> object:
    """The user, or the kind of error."""
    try:
        return await verifier.user_of(token)
    except (InvalidTokenError, KeysUnavailableError) as error:
        return type(error)


async def fetches_are(auth: KeyServer, count: int) -> None:
    """Wait until the server has been asked so often; it counts in a thread of its own."""
    async with asyncio.timeout(10):
        while auth.fetches < count:  # noqa: ASYNC110  # an asyncio.Event cannot be set from that thread
            await asyncio.sleep(0.01)


async def outcomes(verifier: TokenVerifier, tokens: list[str]) -> set[object]:
    return set(await asyncio.gather(*(outcome(verifier, token) for token in tokens)))


def many_unknown(auth: KeyServer, count: int = 2000) -> list[str]:
    """Tokens with a kid of their own each; one signature does, since no key is ever found."""
    return [auth.token(NEVER_SEEN, headers={"kid": f"random {number}"}) for number in range(count)]


# --- How often the auth server is asked -----------------------------------------------------------------------------


async def test_first_tokens_that_arrive_together_share_one_fetch(auth: KeyServer, verifier: TokenVerifier) -> None:
    tokens = [auth.token(FIRST, f"user {number}") for number in range(50)]
    assert await outcomes(verifier, tokens) == {f"user {number}" for number in range(50)}
    assert auth.paths == [PATH]


async def test_thousands_of_unknown_kids_cause_one_fetch_in_a_cool_down(
    auth: KeyServer, verifier: TokenVerifier
) -> None:
    tokens = many_unknown(auth)
    assert await outcome(verifier, auth.token(FIRST)) == "alice"
    assert await outcomes(verifier, tokens) == {InvalidTokenError}
    assert auth.fetches == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failing_server_is_asked_no_more_often(auth: KeyServer, verifier: TokenVerifier, status: int) -> None:
    auth.answer = Answer(b"go away", status, {"Retry-After": "0"})
    assert await outcomes(verifier, many_unknown(auth, 200)) == {KeysUnavailableError}
    assert await outcomes(verifier, many_unknown(auth, 200)) == {KeysUnavailableError}
    assert auth.fetches == 1


async def test_the_cool_down_counts_from_the_start_of_the_last_attempt(
    auth: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (jwks.COOL_DOWN, jwks.TIMEOUT) == (5.0, 2.0)
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.6)
    monkeypatch.setattr(jwks, "TIMEOUT", 0.4)
    auth.answer = Answer(b"", pause=True)
    started = time.monotonic()
    while auth.fetches < 3:
        assert await outcome(verifier, auth.token(NEVER_SEEN)) is KeysUnavailableError
        await asyncio.sleep(0.01)
    # Two cool-downs, and not two cool-downs and two timeouts.
    assert 1.2 <= time.monotonic() - started < 1.9


async def test_useless_tokens_cause_no_fetch(auth: KeyServer, verifier: TokenVerifier) -> None:
    useless = ["x.y.z", FIRST.token(headers={"typ": "x+jwt"}), FIRST.token(headers={"crit": ["x"], "x": 1})]
    useless += [FIRST.token(headers={"kid": ""}), make_token(), forged({"alg": "none", "kid": "x"}, {})]
    assert await outcomes(verifier, useless) == {InvalidTokenError}
    assert auth.fetches == 0


async def test_an_old_set_is_fetched_again_and_nobody_waits(
    auth: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a key that its owner withdrew does not stay good until the next restart."""
    token = auth.token(FIRST)
    assert await outcome(verifier, token) == "alice"
    monkeypatch.setattr(jwks, "MAX_AGE", 0.0)
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.0)
    auth.answer = key_set(SECOND)
    assert await outcome(verifier, token) == "alice"
    async with asyncio.timeout(10):
        while await outcome(verifier, token) == "alice":  # noqa: ASYNC110  # nothing tells of a fetch that nobody waits for
            await asyncio.sleep(0.01)
    assert await outcome(verifier, auth.token(SECOND)) == "alice"


# --- What is kept, and what goes ------------------------------------------------------------------------------------


BAD_ANSWERS = {
    "429": Answer(b"{}", 429, {"X-Retry-After": "7"}),
    "404": Answer(b"", 404),
    "500 with a set": Answer(key_set(SECOND).body, 500),
    "redirect": Answer(b"", 302, {"Location": "/elsewhere"}),
    "permanent redirect with a set": Answer(key_set(SECOND).body, 308, {"Location": "/elsewhere"}),
    "HTML": Answer(b"<!doctype html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
    "nothing": Answer(b""),
    "no content": Answer(b"", 204),
    "broken JSON": Answer(key_set(SECOND).body[:-20]),
    "not UTF-8": Answer(b'{"keys": ["\xff"]}'),
    "JSON without end": Answer(b"[" * 200_000),
    "number without end": Answer(b"9" * 200_000),
    "null": Answer(b"null"),
    "list": Answer(b"[]"),
    "text": Answer(b'"keys"'),
    "no keys": Answer(b"{}"),
    "keys null": Answer(b'{"keys": null}'),
    "keys an object": Answer(json.dumps({"keys": SECOND.jwk}).encode()),
    "empty set": key_set(),
    "huge": Answer(key_set(SECOND).body + b" " * jwks.MAX_BYTES),
    "huge, compressed": gzipped(Answer(key_set(SECOND).body + b" " * 50_000_000)),
    "compressed unasked": gzipped(key_set(SECOND)),
    "nonsense compression": Answer(key_set(SECOND).body[1:], headers={"Content-Encoding": "br"}),
    "unusable keys only": key_set(None, 5, "x", [], {}, {"kid": "k"}, {"kty": "OKP"}),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
@pytest.mark.usefixtures("no_cool_down")
async def test_the_keys_stay_whatever_the_server_answers(
    auth: KeyServer, verifier: TokenVerifier, answer: Answer
) -> None:
    token = auth.token(FIRST)
    assert await outcome(verifier, token) == "alice"
    auth.answer = answer
    assert await outcome(verifier, auth.token(SECOND)) is InvalidTokenError
    assert auth.paths == [PATH, PATH]
    assert await outcomes(verifier, [token, auth.token(FIRST, "bob")]) == {"alice", "bob"}
    auth.answer = key_set(SECOND)
    assert await outcome(verifier, auth.token(SECOND)) == "alice"


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_without_any_key_yet_a_bad_answer_is_no_verdict_on_the_token(
    auth: KeyServer, verifier: TokenVerifier, answer: Answer
) -> None:
    auth.answer = answer
    assert await outcome(verifier, auth.token(FIRST)) is KeysUnavailableError


@pytest.mark.usefixtures("no_cool_down")
async def test_the_keys_stay_when_the_server_is_gone(auth: KeyServer, verifier: TokenVerifier) -> None:
    assert await outcome(verifier, auth.token(FIRST)) == "alice"
    auth.stop()
    assert await outcome(verifier, auth.token(SECOND)) is InvalidTokenError
    assert await outcome(verifier, auth.token(FIRST, "bob")) == "bob"


async def test_an_address_that_leads_nowhere_is_no_verdict(auth: KeyServer) -> None:
    for url in (
        "http://127.0.0.1:1/jwks",
        "http://nowhere.invalid/jwks",
        "http://[::1",
        "http://a..b/",
        "https://" + auth.url[7:],
    ):
        keys = KeySet(url)
        with pytest.raises(KeysUnavailableError):
            await keys.find("any")
        await keys.close()


@pytest.mark.usefixtures("no_cool_down")
async def test_a_rotated_key_is_accepted_and_the_old_one_stays_while_published(
    auth: KeyServer, verifier: TokenVerifier
) -> None:
    assert await outcome(verifier, auth.token(FIRST)) == "alice"
    auth.answer = key_set(FIRST, SECOND)
    assert await outcomes(verifier, [auth.token(SECOND, "bob"), auth.token(FIRST)]) == {"alice", "bob"}


@pytest.mark.usefixtures("no_cool_down")
async def test_tokens_of_a_removed_key_are_refused_remembered_or_not(auth: KeyServer, verifier: TokenVerifier) -> None:
    remembered = auth.token(FIRST)
    assert await outcome(verifier, remembered) == "alice"
    auth.answer = key_set(SECOND)
    assert await outcome(verifier, auth.token(SECOND)) == "alice"
    assert await outcomes(verifier, [remembered, auth.token(FIRST, "bob")]) == {InvalidTokenError}


@pytest.mark.parametrize("returned", [Signer("first", name="anew"), Signer("first", "ES256"), Signer("first", "RS256")])
@pytest.mark.usefixtures("no_cool_down")
async def test_a_kid_that_returns_with_another_key_is_followed(
    auth: KeyServer, verifier: TokenVerifier, returned: Signer
) -> None:
    """With serial ids that is what a reset of the auth server's database does."""
    remembered = auth.token(FIRST)
    assert await outcome(verifier, remembered) == "alice"
    auth.answer = key_set(returned)
    assert await outcome(verifier, auth.token(returned, "bob")) == "bob"
    assert await outcome(verifier, remembered) is InvalidTokenError


async def test_bad_signatures_under_a_known_kid_cause_one_fetch_in_a_cool_down(
    auth: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await outcome(verifier, auth.token(FIRST)) == "alice"
    forgeries = [auth.token(Signer("first", name="forged"), f"user {number}") for number in range(200)]
    assert await outcomes(verifier, forgeries) == {InvalidTokenError}
    assert auth.fetches == 1
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.0)
    assert await outcome(verifier, forgeries[0]) is InvalidTokenError
    assert auth.fetches == 2


@pytest.mark.usefixtures("no_cool_down")
async def test_an_unchanged_key_is_not_verified_anew(auth: KeyServer, verifier: TokenVerifier) -> None:
    token = auth.token(FIRST)
    assert await outcome(verifier, token) == "alice"
    key = verifier._keys and verifier._keys.get("first")
    auth.answer = key_set(SECOND, FIRST)
    assert await outcome(verifier, auth.token(SECOND)) == "alice"
    assert verifier._keys
    assert verifier._keys.get("first") is key


async def test_what_is_remembered_is_bounded(
    auth: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "MAX_REMEMBERED", 8)
    tokens = [auth.token(FIRST, f"user {number}") for number in range(20)]
    for token in tokens:
        await verifier.user_of(token)
    assert len(verifier._remembered) == 8
    assert await outcome(verifier, tokens[0]) == "user 0"


@pytest.mark.parametrize(("skew", "expected"), [(-8.0, "alice"), (-12.0, ExpiredTokenError)])
async def test_a_clock_ahead_of_the_auth_servers_is_forgiven_up_to_ten_seconds(
    auth: KeyServer, verifier: TokenVerifier, skew: float, expected: object
) -> None:
    assert await outcome(verifier, auth.token(FIRST, exp=time.time() + skew)) == expected


@pytest.mark.parametrize(("skew", "expected"), [(8.0, "alice"), (12.0, InvalidTokenError)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_clock_behind_the_auth_servers_is_forgiven_up_to_ten_seconds(
    auth: KeyServer, verifier: TokenVerifier, claim: str, skew: float, expected: object
) -> None:
    assert await outcome(verifier, auth.token(FIRST, **{claim: time.time() + skew})) == expected


# --- Who waits ------------------------------------------------------------------------------------------------------


async def test_a_token_of_a_known_key_never_waits_for_a_fetch(
    auth: KeyServer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = auth.token(FIRST)
    assert await outcome(verifier, remembered) == "alice"
    monkeypatch.setattr(jwks, "COOL_DOWN", 0.0)
    auth.answer = Answer(key_set(FIRST, SECOND).body, pause=True)
    waiting = asyncio.create_task(outcome(verifier, auth.token(SECOND)))
    await fetches_are(auth, 2)
    assert await outcomes(verifier, [remembered, auth.token(FIRST, "bob")]) == {"alice", "bob"}
    assert not waiting.done()
    auth.release.set()
    assert await waiting == "alice"


@pytest.mark.parametrize("answer", [Answer(b"", pause=True), Answer(b" " * 999, drip=True)], ids=["hangs", "drips"])
async def test_nobody_waits_longer_than_three_seconds_for_a_server_that(
    auth: KeyServer, verifier: TokenVerifier, answer: Answer
) -> None:
    auth.answer = answer
    started = time.monotonic()
    assert await outcomes(verifier, many_unknown(auth, 20)) == {KeysUnavailableError}
    assert time.monotonic() - started < 3
    # And within the cool-down nobody waits at all.
    started = time.monotonic()
    assert await outcome(verifier, auth.token(FIRST)) is KeysUnavailableError
    assert time.monotonic() - started < 0.5


async def test_a_caller_that_goes_away_takes_the_fetch_from_nobody(auth: KeyServer, verifier: TokenVerifier) -> None:
    auth.answer = Answer(key_set(FIRST).body, pause=True)
    impatient, patient = (asyncio.create_task(outcome(verifier, auth.token(FIRST))) for _ in range(2))
    await fetches_are(auth, 1)
    impatient.cancel()
    auth.release.set()
    assert await patient == "alice"
    assert impatient.cancelled()
    assert auth.fetches == 1


async def test_closing_ends_a_fetch_under_way(auth: KeyServer) -> None:
    auth.answer = Answer(b"", pause=True)
    async with verifier_of(auth) as verifier:
        assert verifier._keys
        verifier._keys.start()
        await fetches_are(auth, 1)
        started = time.monotonic()
    assert time.monotonic() - started < 1


# --- Which keys are used --------------------------------------------------------------------------------------------

UNUSABLE: dict[str, object] = {
    "null": None,
    "text": "key",
    "no kid": {**SECOND.jwk, "kid": None},
    "kid of a number": {**SECOND.jwk, "kid": 7},
    "no kty": {**SECOND.jwk, "kty": None},
    "kty of a list": {**SECOND.jwk, "kty": ["OKP"]},
    "alg of an object": {**SECOND.jwk, "alg": {"EdDSA": 1}},
    "alg of another kind": {**SECOND.jwk, "alg": "RS256"},
    "alg unknown": {**SECOND.jwk, "alg": "XY999"},
    "alg none": {**SECOND.jwk, "alg": "none"},
    "x too short": {**SECOND.jwk, "x": "AAAA"},
    "x of a number": {**SECOND.jwk, "x": 5},
    "x not base64": {**SECOND.jwk, "x": "ä" * 43},
    "for encryption": {**SECOND.jwk, "use": "enc"},
    "a secret": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "alg": "HS256", "kid": "second"},
    "Ed448": {"kty": "OKP", "crv": "Ed448", "x": "A" * 76, "alg": "EdDSA", "kid": "second"},
    "X25519": {**SECOND.jwk, "crv": "X25519"},
    "P-384 for ES256": {"kty": "EC", "crv": "P-384", "x": "A" * 64, "y": "A" * 64, "alg": "ES256", "kid": "second"},
    "not on the curve": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43, "alg": "ES256", "kid": "second"},
    "RSA of 1024 bits": {"kty": "RSA", "n": "x" * 171, "e": "AQAB", "alg": "RS256", "kid": "second"},
    "RSA of 96000 bits": {"kty": "RSA", "n": "x" * 16000, "e": "AQAB", "alg": "RS256", "kid": "second"},
    "RSA of nothing": {"kty": "RSA", "n": "", "e": "", "alg": "RS256", "kid": "second"},
}


@pytest.mark.parametrize("item", UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
async def test_an_unusable_key_is_skipped(auth: KeyServer, verifier: TokenVerifier, item: object, first: bool) -> None:
    auth.answer = key_set(item, FIRST) if first else key_set(FIRST, item)
    assert await outcome(verifier, auth.token(FIRST)) == "alice"
    assert await outcome(verifier, auth.token(SECOND)) is InvalidTokenError


async def test_a_private_key_that_leaks_into_the_set_is_used_as_the_public_one(
    auth: KeyServer, verifier: TokenVerifier
) -> None:
    auth.answer = key_set({**FIRST.jwk, "d": "A" * 43})
    assert await outcome(verifier, auth.token(FIRST)) == "alice"


async def test_a_key_without_alg_is_for_the_usual_algorithm_of_its_kind(
    auth: KeyServer, verifier: TokenVerifier
) -> None:
    signers = [Signer(alg, alg) for alg in ("EdDSA", "ES256", "ES512", "RS256")]
    auth.answer = key_set(*({name: part for name, part in s.jwk.items() if name != "alg"} for s in signers))
    for signer in signers:
        assert await outcome(verifier, auth.token(signer)) == "alice"


async def test_the_newer_name_of_the_same_algorithm_is_known(auth: KeyServer, verifier: TokenVerifier) -> None:
    auth.answer = key_set({**FIRST.jwk, "alg": "Ed25519"})
    assert await outcome(verifier, auth.token(FIRST)) == "alice"


async def test_a_month_of_hourly_rotations_fits(auth: KeyServer, verifier: TokenVerifier) -> None:
    old = [{**SECOND.jwk, "kid": f"{number:032}"} for number in range(719)]
    auth.answer = key_set(*old, FIRST)
    assert await outcome(verifier, auth.token(FIRST)) == "alice"


# --- What is said about it ------------------------------------------------------------------------------------------


async def test_the_log_tells_of_failures_without_addresses(
    auth: KeyServer, verifier: TokenVerifier, caplog: pytest.LogCaptureFixture
) -> None:
    auth.answer = Answer(b"", 429)
    with caplog.at_level(logging.INFO, "src.auth.key_set"):
        await outcome(verifier, auth.token(FIRST))
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", "signing keys not fetched")
    assert vars(record)["reason"] == "HTTPStatusError 429"
    assert auth.url not in json.dumps(vars(record), default=str)


async def test_the_log_tells_at_start_which_tokens_are_good(auth: KeyServer, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_for("postgresql://unused", better_auth_url=auth.url + "/api/auth/")
    keys = KeySet(auth.url)
    with caplog.at_level(logging.INFO, "src.auth.tokens"):
        TokenVerifier(settings, keys).log_sources()
        TokenVerifier(settings_for("postgresql://unused"), None).log_sources()
        TokenVerifier(
            settings_for("postgresql://unused", better_auth_secret=None, environment="development"), None
        ).log_sources()
    await keys.close()
    both, secret, neither = caplog.records
    assert (vars(both)["sources"], vars(both)["issuer"], vars(both)["audiences"]) == (
        ["secret", "jwks"],
        auth.url,
        [auth.url],
    )
    assert (vars(secret)["sources"], vars(secret)["issuer"]) == (["secret"], None)
    assert (neither.levelname, vars(neither)["sources"]) == ("WARNING", [])
    assert settings.better_auth_secret
    assert settings.better_auth_secret.get_secret_value() not in caplog.text + repr([vars(r) for r in caplog.records])


async def test_a_failed_fetch_at_the_start_is_a_warning_only_once_somebody_needs_the_keys(
    auth: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    auth.answer = Answer(b"", 503)
    keys = KeySet(auth.url + PATH)
    keys.start()
    assert keys._fetching
    await keys._fetching
    assert auth.fetches == 1
    assert "signing keys not fetched" not in caplog.messages
    for _ in range(2):
        with pytest.raises(KeysUnavailableError):
            await keys.find("a")
    assert caplog.messages.count("signing keys not fetched") == 1
    await keys.close()
