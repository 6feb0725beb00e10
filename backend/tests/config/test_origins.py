"""Preview deployments: CORS_ORIGIN_REGEX as browsers meet it, and which patterns are none."""

import re

import httpx
import pytest

from src.config.origins import origin_pattern
from tests.conftest import TLS
from tests.support.server import serve, settings_for

PREVIEWS = r"https://tasks-[a-z0-9-]+-my-team\.vercel\.app"
PREVIEW = "https://tasks-git-fix-7-my-team.vercel.app"
STRANGERS = [
    "https://tasks-x-my-team.vercel.app.evil.example",
    "https://evil.example/https://tasks-x-my-team.vercel.app",
    "https://evil.example?https://tasks-x-my-team.vercel.app",
    "https://tasks-x-my-team.vercel.app:8443",
    "https://tasks-x-my-teamxvercel.app",
    "https://tasks-.evil.example/-my-team.vercel.app",
    "http://tasks-x-my-team.vercel.app",
    "https://tasks-x y-my-team.vercel.app",
    "https://TASKS-x-my-team.vercel.app",
    f"https://tasks-{'a' * 260}-my-team.vercel.app",
    "null",
]


@pytest.mark.parametrize("pattern", [PREVIEWS, f"^{PREVIEWS}$"])
def test_a_preview_deployment_may_call_the_api_and_nobody_else(database_url: str, pattern: str) -> None:
    settings = settings_for(database_url, cors_origin_regex=pattern, cors_origins="https://tasks.example")
    with serve(settings) as service, httpx.Client(base_url=service.url, verify=TLS) as client:
        for origin in (PREVIEW, "https://tasks.example", *STRANGERS):
            allowed = origin if origin in (PREVIEW, "https://tasks.example") else None
            answer = client.get("/health", headers={"Origin": origin})
            asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
            preflight = client.options("/api/a/tasks/1", headers=asked)
            assert preflight.status_code == (200 if allowed else 400)
            for response in (answer, preflight):
                assert response.headers.get("Access-Control-Allow-Origin") == allowed
                assert not allowed or "Origin" in response.headers["Vary"]


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        (r"https://(?:pr-\d+|main)\.preview\.example\.com(:\d+)?", "https://pr-12.preview.example.com:8443"),
        (r"https?:\/\/[a-z]{2,9}\.example\.com", "http://app.example.com"),
        (r"(https://a\.example|http://localhost:[0-9]+)", "http://localhost:5173"),
        (r"http(s)?://(?P<branch>[^.]+)--site\.netlify\.app", "https://fix--site.netlify.app"),
        (r"https://deploy-preview-\d+--site[.]netlify[.]app", "https://deploy-preview-7--site.netlify.app"),
        (r".*\.example\.com", "https://any.example.com"),
        (r".*", "https://any.example"),
    ],
)
def test_what_matches_whole_origins_is_a_pattern(pattern: str, origin: str) -> None:
    assert re.fullmatch(origin_pattern(pattern), origin)


WHOLE, DOTS, LETTERS = "must match whole origins", r"each dot of a host as `\.`", "must have only the characters"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("https://*.vercel.app", DOTS),
        ("https://tasks-*.vercel.app", DOTS),
        ("https://.*.vercel.app", DOTS),
        (r"https://tasks\\.vercel\\.app", DOTS),
        ("*", WHOLE),
        (r"tasks-.*\.vercel\.app", WHOLE),
        (r"https://tasks\.vercel\.app/", WHOLE),
        (r"https://tasks\.vercel\.app/.*", WHOLE),
        (r"/^https:\/\/tasks\.vercel\.app$/", WHOLE),
        (r"https", WHOLE),
        (r"(?i)https://tasks\.vercel\.app", WHOLE),
        (r"https://Tasks\.vercel\.app", LETTERS),
        (r"https://a\.example,https://b\.example", LETTERS),
        (r"https://a\.example;https://b\.example", LETTERS),
        (r"https://a\.example https://b\.example", LETTERS),
        (r"https://bücher\.example", LETTERS),
        (r"https://a\@b\.example", LETTERS),
        (r"https://(a\.example", "must be a regular expression"),
        (r"https://a{99999999999999}\.example", "must be a regular expression"),
        (r"https://[a\.example", LETTERS),
        (r"https://[[a]\.example", "must be a regular expression"),
    ],
)
def test_a_pattern_that_matches_no_origin_or_too_many_is_refused(pattern: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as refused:
        origin_pattern(pattern)
    assert expected in str(refused.value)
    assert "vercel" not in str(refused.value)


def test_no_origin_is_longer_than_a_host_name_allows() -> None:
    """Else every client could make a pattern with several open ends count for minutes, which is quadratic at least."""
    pattern = re.compile(origin_pattern(r"https://.*"))
    longest = f"https://{'a' * 253}:65535"
    assert pattern.fullmatch(longest)
    assert not pattern.fullmatch(f"{longest}0")
