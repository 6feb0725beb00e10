"""Settings: every value that differs between deployments, read once from the environment.

`.env.example` documents each field for people. Rank 2.
"""

import sys
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from src.origins import origin_of
from src.setting_types import HttpUrl, Origins, Words

EXIT_MISCONFIGURED = 3
MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is at least as long as its hash.
PLACEHOLDER = "change-me"
ENV_FILE = Path(__file__).resolve().parents[2] / ".env"


class Settings(BaseSettings):
    """Everything a deployment may set; the names are the environment variables in lower case."""

    model_config = SettingsConfigDict(env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Literal["development", "production"] = Field(
        "production", description="`development` allows placeholder secrets and readable logs"
    )
    better_auth_secret: SecretStr | None = Field(None, description="shared secret that verifies HS256 tokens")
    better_auth_url: HttpUrl = Field(None, description="Better Auth's base URL: issuer, audience and JWKS")
    better_auth_jwks_url: HttpUrl = Field(None, description="where the JWKS is, if not below BETTER_AUTH_URL")
    better_auth_issuer: str | None = Field(None, description="expected `iss`, if not that origin")
    better_auth_audience: Words = Field((), description="accepted `aud` values, if not that origin")
    neon_db_url: SecretStr | None = Field(None, description="PostgreSQL URL, as Neon shows it")
    db_pool_size: int = Field(12, ge=1, le=64, description="connections of one worker process")
    db_queue_size: int = Field(512, ge=0, description="requests of one worker that may wait for a connection")
    db_queue_timeout: float = Field(2.0, gt=0, le=10, description="seconds to wait for a connection")
    db_connect_timeout: float = Field(4.0, gt=0, le=10, description="seconds to open a connection")
    db_statement_timeout: float = Field(5.0, gt=0, le=60, description="seconds from there to the answer")
    cors_origins: Origins = Field(
        ("http://localhost:3000", "http://localhost"), description="browser origins that may call the API"
    )
    frame_ancestors: Words = Field(
        ("'self'", "https://huggingface.co", "https://*.hf.space"),
        description="pages that may show /docs in a frame",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe level logged")
    log_format: Literal["text", "json"] | None = Field(
        None, description="`text` or `json`; default: text in development, else json"
    )
    log_file: Path | None = Field(None, description="also log to this file; reopened when rotated away")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    root_path: str = Field("", pattern="^(/.*[^/])?$", description="path prefix that a proxy strips")
    forwarded_allow_ips: str = Field("127.0.0.1", description="proxies whose X-Forwarded-* headers count; `*` = any")
    demo_mode: bool = Field(False, description="anybody may get a token for a new demo user")
    web_concurrency: int = Field(1, ge=1, le=64, description="worker processes")

    @field_validator("neon_db_url")
    @classmethod
    def _postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("postgres://", "postgresql://", "postgresql+psycopg2://")):
            raise ValueError("must start with postgresql:// or postgres://")
        return url

    @model_validator(mode="after")
    def _can_sign_demo_tokens(self) -> Self:
        if self.demo_mode and not self.better_auth_secret:
            raise ValueError("BETTER_AUTH_SECRET is missing; DEMO_MODE signs its tokens with it")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.better_auth_jwks_url and not self.better_auth_url:
            raise ValueError("BETTER_AUTH_URL is missing; BETTER_AUTH_JWKS_URL alone names no issuer")
        if self.development:
            return self
        if not self.neon_db_url:
            raise ValueError("NEON_DB_URL is missing; it must be set outside development")
        if not self.better_auth_secret and not self.better_auth_url:
            raise ValueError("BETTER_AUTH_SECRET is missing; set it, BETTER_AUTH_URL, or both")
        if self.better_auth_secret and weak(self.better_auth_secret.get_secret_value()):
            raise ValueError(
                f"BETTER_AUTH_SECRET is weak; outside development it needs {MIN_SECRET_BYTES} random bytes or more"
            )
        return self

    @property
    def development(self) -> bool:
        """Whether this is a developer's machine, where comfort comes before caution."""
        return self.environment == "development"

    @cached_property
    def issuer(self) -> str | None:
        """What `iss` must be; Better Auth uses the bare origin of its base URL."""
        return self.better_auth_issuer or (origin_of(self.better_auth_url) if self.better_auth_url else None)

    @cached_property
    def audiences(self) -> frozenset[str]:
        """What `aud` must contain one of."""
        default = (origin_of(self.better_auth_url),) if self.better_auth_url else ()
        return frozenset(self.better_auth_audience or default)

    @cached_property
    def jwks_url(self) -> str | None:
        """Where the signing keys are; Better Auth's routes are below /api/auth unless its URL has a path."""
        if self.better_auth_jwks_url or not self.better_auth_url:
            return self.better_auth_jwks_url
        path = urlsplit(self.better_auth_url).path.rstrip("/") or "/api/auth"
        return f"{origin_of(self.better_auth_url)}{path}/jwks"

    @cached_property
    def database_url(self) -> str:
        """The URL as libpq reads it; its other parameters stay as they were given (pitfall: `sslmode`)."""
        if not self.neon_db_url:
            raise ValueError("NEON_DB_URL is empty: set it, or start the service with `make run`")
        return "postgresql://" + self.neon_db_url.get_secret_value().split("://", 1)[1]


def weak(secret: str) -> bool:
    """Whether a secret is too short for HS256 or is the placeholder of `.env.example`."""
    return len(secret.encode()) < MIN_SECRET_BYTES or secret.startswith(PLACEHOLDER)


@lru_cache
def get_settings() -> Settings:
    """Return the process's settings; a faulty one ends the process with one sentence and status 3."""
    try:
        settings = Settings()
        _ = settings.database_url  # refuse now, not at the first request
    except ValidationError as error:
        sys.stderr.write(f"Configuration error: {_sentence(error)}\n")
    except ValueError as error:
        sys.stderr.write(f"Configuration error: {error}\n")
    else:
        return settings
    raise SystemExit(EXIT_MISCONFIGURED)


def _sentence(error: ValidationError) -> str:
    """Return the first complaint in words, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"][:1]).upper()
    return f"{name} {first['msg']}".strip().replace("Value error, ", "")
