"""Settings: what is accepted, what stops the start, and that no secret gets out."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from src.config import Settings, get_settings
from src.origins import origin_of

BACKEND = Path(__file__).parents[1]
SECRET = "s3cret-" * 6
GOOD = {"NEON_DB_URL": "postgresql://u:hunter2@127.0.0.1:1/db", "BETTER_AUTH_SECRET": SECRET}


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **{"environment": "development", **values})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "postgres://u:p@h/db?sslmode=require&channel_binding=require",
            "postgresql://u:p@h/db?sslmode=require&channel_binding=require",
        ),
        ("postgresql://u:p%40@h/db", "postgresql://u:p%40@h/db"),
        ("postgresql+psycopg2://h/db", "postgresql://h/db"),
    ],
)
def test_every_spelling_of_a_database_url_works(given: str, expected: str) -> None:
    assert settings(neon_db_url=given).database_url == expected


@pytest.mark.parametrize(
    ("url", "issuer", "jwks"),
    [
        ("http://localhost:3000", "http://localhost:3000", "http://localhost:3000/api/auth/jwks"),
        ("http://localhost:3000//", "http://localhost:3000", "http://localhost:3000/api/auth/jwks"),
        ("http://LOCALHOST:3000/api/auth/", "http://localhost:3000", "http://localhost:3000/api/auth/jwks"),
        ("https://Todo.example:443/", "https://todo.example", "https://todo.example/api/auth/jwks"),
        ("http://[::1]:80/auth", "http://[::1]", "http://[::1]/auth/jwks"),
    ],
)
def test_issuer_and_key_set_follow_from_the_auth_servers_url(url: str, issuer: str, jwks: str) -> None:
    found = settings(better_auth_url=url)
    assert (found.issuer, found.audiences, found.jwks_url) == (issuer, {issuer}, jwks)


def test_issuer_audience_and_key_set_can_be_set_apart() -> None:
    found = settings(
        better_auth_url="https://a.example",
        better_auth_issuer="https://b.example/",
        better_auth_audience="one, two",
        better_auth_jwks_url="http://inside:3000/keys",
    )
    assert (found.issuer, found.audiences, found.jwks_url) == (
        "https://b.example/",
        {"one", "two"},
        "http://inside:3000/keys",
    )


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://x", "https://", "//x", "javascript:alert(1)"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        origin_of(url)
    for field in ("better_auth_url", "cors_origins"):
        with pytest.raises(ValidationError):
            settings(**{field: url})


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DB_POOL_SIZE", "LOG_FORMAT", "BETTER_AUTH_JWKS_URL", "CORS_ORIGINS"):
        monkeypatch.setenv(name, "")
    assert settings() == settings(neon_db_url=os.environ["NEON_DB_URL"])


def test_secrets_do_not_appear_when_settings_are_printed() -> None:
    found = settings(neon_db_url=GOOD["NEON_DB_URL"], better_auth_secret=SECRET)
    for text in (str(found), repr(found), found.model_dump_json()):
        assert "hunter2" not in text
        assert SECRET not in text


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the production entry point, which must end by itself."""
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    without_env_file = "from src.config import Settings; Settings.model_config['env_file'] = None"
    command = [sys.executable, "-c", f"{without_env_file}; from src.__main__ import main; main()"]
    return subprocess.run(
        command, cwd=BACKEND, env=plain | environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"BETTER_AUTH_SECRET": ""}, "BETTER_AUTH_SECRET is missing"),
        ({"BETTER_AUTH_SECRET": "short"}, "BETTER_AUTH_SECRET is weak"),
        ({"BETTER_AUTH_SECRET": "change-me-this-is-a-placeholder-for-development-only"}, "BETTER_AUTH_SECRET is weak"),
        ({"NEON_DB_URL": ""}, "NEON_DB_URL is missing"),
        ({"NEON_DB_URL": "mysql://u:hunter2@h/db"}, "NEON_DB_URL must start with postgresql://"),
        ({"NEON_DB_URL": "", "ENVIRONMENT": "development"}, "NEON_DB_URL is empty"),
        ({"BETTER_AUTH_JWKS_URL": "http://x/keys"}, "BETTER_AUTH_URL is missing"),
        ({"PORT": "http"}, "PORT Input should be a valid integer"),
        ({"WEB_CONCURRENCY": "2", "BETTER_AUTH_SECRET": "short"}, "BETTER_AUTH_SECRET is weak"),
    ],
)
def test_a_faulty_configuration_ends_the_start_with_one_sentence(changes: dict[str, str], said: str) -> None:
    ended = start(**GOOD | changes)
    assert ended.returncode == 3
    assert ended.stderr.startswith(f"Configuration error: {said}")
    assert ended.stderr.count("\n") == 1
    assert "hunter2" not in ended.stderr
    assert "short" not in ended.stderr.replace("shorter", "")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """This process's own environment, without a developer's .env, for what `get_settings` makes of it."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


def test_a_good_environment_is_read_once(environment: pytest.MonkeyPatch) -> None:
    first = get_settings()
    environment.setenv("PORT", "1")
    assert get_settings() is first
    assert first.environment == "production"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BETTER_AUTH_SECRET", "short", "BETTER_AUTH_SECRET is weak"),
        ("BETTER_AUTH_SECRET", "", "BETTER_AUTH_SECRET is missing"),
        ("NEON_DB_URL", "", "NEON_DB_URL is missing"),
        ("NEON_DB_URL", "mysql://h/db", "NEON_DB_URL must start with postgresql://"),
        ("BETTER_AUTH_JWKS_URL", "http://x/keys", "BETTER_AUTH_URL is missing"),
        ("DEMO_MODE", "perhaps", "DEMO_MODE Input should be a valid boolean"),
    ],
)
def test_a_faulty_environment_is_one_sentence_and_status_3(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        get_settings()
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith(f"Configuration error: {said}")


def test_development_without_a_database_says_how_to_get_one(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("ENVIRONMENT", "development")
    environment.setenv("NEON_DB_URL", "")
    with pytest.raises(SystemExit):
        get_settings()
    assert "`make run`" in capsys.readouterr().err
