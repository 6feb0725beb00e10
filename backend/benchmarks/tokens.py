"""What it costs to know who asks: CPU time to verify a token for the first time, and to recognise it afterwards.

Every token is signed beforehand, the keys come from a real key endpoint, and each is judged by the same call that
a request makes. CPU time of the process, so that other programs on the machine do not count.
"""

import asyncio
import statistics
import time
from collections.abc import Callable

from src.auth.key_set import KeySet
from src.auth.tokens import MAX_REMEMBERED, TokenVerifier
from src.config import Settings
from tests.support.jwks import ALGORITHMS, PATH, KeyServer, Signer, key_server
from tests.support.tokens import SECRET, make_token

COLD, REMEMBERED, ROUNDS = 1000, 50_000, 5
USER = {
    "name": "Ada Example",
    "email": "ada@example.com",
    "emailVerified": False,
    "createdAt": "2026-11-22T06:13:05.536Z",
    "updatedAt": "2026-11-22T06:13:05.536Z",
}


async def cpu_micros(verifier: TokenVerifier, tokens: list[str]) -> float:
    started = time.process_time()
    for token in tokens:
        await verifier.user_of(token)
    return (time.process_time() - started) / len(tokens) * 1e6


async def measure(auth: KeyServer, name: str, sign: Callable[[str], str]) -> None:
    cold, remembered = [], []
    settings = Settings(
        _env_file=None, neon_db_url="postgresql://unused", better_auth_secret=SECRET, better_auth_url=auth.url
    )
    tokens = [sign(f"{number:032}") for number in range(COLD)]
    for _ in range(ROUNDS):
        keys = KeySet(auth.url + PATH)
        await keys.refresh()
        verifier = TokenVerifier(settings, keys)
        cold.append(await cpu_micros(verifier, tokens))
        # Each in turn, so that no cache of the processor holds just the one.
        remembered.append(await cpu_micros(verifier, tokens * (REMEMBERED // COLD)))
        await keys.close()
    figures = "  ".join(f"{min(f):8.1f} {statistics.median(f):8.1f} {max(f):8.1f}" for f in (cold, remembered))
    print(f"{name:8} {len(tokens[0]):5}  {figures}")


async def main() -> None:
    assert COLD < MAX_REMEMBERED
    signers = {alg: Signer(alg, alg) for alg in ALGORITHMS}
    print(f"µs of CPU a token; least, median and most of {ROUNDS} rounds of {COLD} new and {REMEMBERED} known tokens")
    print(f"{'':8} {'bytes':>5}  {'first time':^26}  {'remembered':^26}")
    with key_server(*signers.values()) as auth:
        who = {"iss": auth.url, "aud": auth.url, **USER}
        await measure(auth, "HS256", lambda user: make_token(user, id=user, **who))
        for alg, signer in signers.items():
            await measure(auth, alg, lambda user, signer=signer: signer.token(user, id=user, **who))


if __name__ == "__main__":
    asyncio.run(main())
