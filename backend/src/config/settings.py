"""What a deployment may set, read once from the environment; `.env.example` documents each field for people."""

import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from src.config import env_file
from src.config.conninfo import without_credentials
from src.config.opentelemetry import OpenTelemetrySettings
from src.config.origins import origin_of
from src.config.refusal import complaint, refuse
from src.config.values import (
    Address,
    Ancestors,
    BaseUrl,
    DatabaseUrl,
    Environment,
    KeySetUrl,
    LogFile,
    LogFormat,
    LogLevel,
    OriginPattern,
    Origins,
    Prefix,
    Proxies,
    Secret,
    Word,
    Words,
    cleaned,
)

MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is at least as long as its hash.
PLACEHOLDER = "change-me"


class Settings(OpenTelemetrySettings):
    """Everything a deployment may set; the names are the environment variables in lower case."""

    model_config = SettingsConfigDict(
        env_file=env_file.ENV_FILE,
        env_file_encoding=env_file.ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    environment: Environment = Field("production", description="`development` allows placeholder secrets")
    better_auth_secret: Secret | None = Field(None, description="shared secret that verifies HS256 tokens")
    better_auth_url: BaseUrl | None = Field(None, description="Better Auth's base URL: issuer, audience and JWKS")
    better_auth_jwks_url: KeySetUrl | None = Field(None, description="where the JWKS is, if not below that")
    better_auth_issuer: Word | None = Field(None, description="expected `iss`, if not that origin")
    better_auth_audience: Words = Field((), description="accepted `aud` values, if not that origin")
    neon_db_url: DatabaseUrl | None = Field(None, description="PostgreSQL URL, as Neon shows it")
    db_pool_size: int = Field(12, ge=1, le=64, description="connections of one worker process")
    db_queue_size: int = Field(512, ge=0, description="requests of one worker that may wait for a connection")
    db_queue_timeout: float = Field(2.0, gt=0, le=10, description="seconds to wait for a connection")
    db_statement_timeout: float = Field(
        5.0, gt=0, le=60, description="seconds from the end of that wait to the answer, with opening a connection"
    )
    db_connect_timeout: float = Field(4.0, gt=0, le=10, description="seconds to open a connection, as part of those")
    cors_origins: Origins = Field(
        ("http://localhost:3000", "http://localhost"), description="browser origins that may call the API"
    )
    cors_origin_regex: OriginPattern | None = Field(None, description="pattern of more such origins")
    frame_ancestors: Ancestors = Field(
        ("'self'", "https://huggingface.co", "https://*.hf.space"),
        description="pages that may show /docs in a frame",
    )
    log_level: LogLevel = Field("INFO", description="least severe level logged")
    log_format: LogFormat = Field("auto", description="`text`, `json`, or `auto`: text on a terminal, else json")
    log_file: LogFile | None = Field(None, description="also log to this file; reopened when rotated away")
    host: Address = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    root_path: Prefix = Field("", description="path prefix that a proxy strips")
    forwarded_allow_ips: Proxies = Field(
        "127.0.0.1", description="proxies whose X-Forwarded-* headers count; `*` = any"
    )
    keep_alive_seconds: int = Field(75, ge=1, le=3600, description="seconds that a client's idle connection lives")
    server_timing: bool = Field(False, description="answers say how long they took, by Server-Timing")
    demo_mode: bool = Field(False, description="anybody may get a token for a new demo user")
    web_concurrency: int = Field(1, ge=1, le=64, description="worker processes")

    @model_validator(mode="before")
    @classmethod
    def _without_wrapping(cls, given: dict[str, Any]) -> dict[str, Any]:
        known = {name: cleaned(name, value) for name, value in given.items() if name in cls.model_fields}
        return {name: value for name, value in known.items() if value != ""}

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

    @property
    def database_url(self) -> str:
        """The database's URL with the scheme that libpq knows, the rest as it was given.

        Raises:
            ValueError: there is none, which only development may be without, until an embedded database is started.
        """
        if not self.neon_db_url:
            raise ValueError("NEON_DB_URL is empty: set it, or start the service with `make run`")
        return self.neon_db_url.get_secret_value()

    def shown(self) -> dict[str, object]:
        """Return what a log may have of each setting, by its name: of a secret only whether there is one."""
        shown = {name: _shown(getattr(self, name)) for name in type(self).model_fields}
        if self.neon_db_url:
            shown["neon_db_url"] = without_credentials(self.neon_db_url.get_secret_value())
        return shown


def _shown(value: object) -> object:
    if isinstance(value, SecretStr | Path):
        return str(value)  # a secret's is asterisks
    # Of a URL the host: before it a password may stand, behind it the key of a collector.
    return re.sub(r"://(?:[^/?#]*@)?([^/?#]*).*", r"://\1", value) if isinstance(value, str) else value


def weak(secret: str) -> bool:
    """Whether a secret is too short for HS256 or is the placeholder of `.env.example`."""
    return len(secret.encode()) < MIN_SECRET_BYTES or secret.startswith(PLACEHOLDER)


@lru_cache
def get_settings() -> Settings:
    """Return what the service runs with; a faulty setting ends the process with one sentence and status 3."""
    settings = read_settings()
    try:
        _ = settings.database_url  # refuse now, not at the first request
    except ValueError as error:
        refuse(str(error))
    return settings


def read_settings() -> Settings:
    """Return the settings, judged in the same way, but for a database that a tool may still bring."""
    try:
        env_file.check(Settings.model_config.get("env_file"))
        return Settings()
    except ValidationError as error:
        refuse(complaint(error))
    except (OSError, UnicodeDecodeError):
        refuse(".env must be a readable text file in UTF-8")
