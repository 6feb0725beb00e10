"""What it costs to verify a token: a new one, and one that was seen before."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.operations import SECRET, token
from src.auth.tokens import TokenVerifier
from src.config import Settings


@dataclass(frozen=True)
class TokenCost:
    """Milliseconds."""

    new_p50: float
    new_p99: float
    known_p50: float
    known_p99: float


def measure(count: int = 2000) -> TokenCost:
    """Verify so many tokens, each twice."""
    verifier = TokenVerifier(_settings(), keys=None)
    tokens = [token(f"user{number}") for number in range(count)]
    new, known = (asyncio.run(_times(verifier, tokens)) for _ in range(2))
    return TokenCost(median(new), quantiles(new, n=100)[98], median(known), quantiles(known, n=100)[98])


async def _times(verifier: TokenVerifier, tokens: Sequence[str]) -> list[float]:
    return [await _time(verifier, one) for one in tokens]


async def _time(verifier: TokenVerifier, one: str) -> float:
    started = time.perf_counter()
    await verifier.user_of(one)
    return (time.perf_counter() - started) * 1000


def _settings() -> Settings:
    return Settings(_env_file=None, neon_db_url="postgresql://nowhere.invalid/none", better_auth_secret=SECRET)
