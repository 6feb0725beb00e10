"""Settings: every value that differs between deployments, read once from the environment, and judged here alone.

`.env.example` documents each field for people. First the kinds of values as people and platforms write them, then the
settings, then how a start ends that must not go on. Every message says what is expected and never repeats the value.
"""

import errno
import ipaddress
import multiprocessing
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self
from urllib.parse import unquote, urlsplit

import uvicorn
from dotenv.parser import parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from src.http.origins import bare_origin, base_url, frame_ancestor, origin_of, origin_pattern
from src.postgres.conninfo import addressed, checked

MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is at least as long as its hash.
PLACEHOLDER = "change-me"
ENV_FILE = Path(__file__).resolve().parents[2] / ".env"
_ENV_FILE_ENCODING = "utf-8-sig"  # some editors of Windows begin a file with a mark, which is no part of the first name
EXIT_MISCONFIGURED = 3
_PATIENCE = 1.0  # seconds
_COLLECTOR = "http://localhost:4318"  # where the specification has it, when an exporter is set and no endpoint

_EXPECTED = {"int": "must be a whole number", "float": "must be a number", "bool": "must be true or false"}

_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019"  # the typographic ones come with copied text
_COMMENT = re.compile(r"^#\s|\s#")
_UNRESOLVED = re.compile(r"\$\{.*\}|\$\(.*\)|\{\{.*\}\}|\$[A-Z_][A-Z0-9_]*")
_WORD = re.compile(r"[^\s\"'`*,;<>\\]+")
_KEY = ("-----BEGIN ", "ssh-", "ecdsa-sha2-")
# Without quotes, commas, semicolons and backslashes, which W3C Baggage has percent-encoded.
_PAIR = re.compile(r"\s*(?P<name>[A-Za-z0-9_.-]+)\s*=\s*(?P<value>(?:[ !#$&-+\--:<-\[\]-~]|%[0-9A-Fa-f]{2})+)")


def cleaned(name: str, value: object) -> object:
    """Drop what surrounds a value; refuse what a shell or a reader of `.env` files would have taken away.

    `docker run --env-file`, Compose, systemd and secret stores all leave something else of it.

    Raises:
        ValueError: with the name of the setting.
    """
    if not isinstance(value, str):
        return value
    text = value.strip("\ufeff").strip()
    if text and name != "frame_ancestors" and (text[0] in _QUOTES or text[-1] in _QUOTES):
        raise ValueError(f"{name.upper()} must have no quotes around it")
    if _COMMENT.search(text) or _COMMENT.search(value):  # `= #x`: the blank that tells it from a value is stripped
        raise ValueError(f"{name.upper()} must have no comment behind it")
    if not text.isprintable():
        raise ValueError(f"{name.upper()} must have no line end and no invisible character in it")
    if _UNRESOLVED.fullmatch(text):
        raise ValueError(f"{name.upper()} must be a value; the reference to one was not replaced")
    return text


def _each(judge: Callable[[str], str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda words: tuple(judge(word) for word in words)


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    if not words:
        raise ValueError("must name something, or be empty for the default")
    return words


def _word(word: str) -> str:
    """Take a name that a token is compared with, letter for letter; one that looks like a URL has to be one."""
    if not _WORD.fullmatch(word):
        raise ValueError("must be without blanks, quotes, wildcards and semicolons; commas only separate audiences")
    if re.match(r"https?[:/]", word, re.IGNORECASE):
        origin_of(word)
    return word


def _key_set(url: str) -> str:
    origin_of(url)
    return url


def _ancestors(sources: tuple[str, ...]) -> tuple[str, ...]:
    if "'none'" in sources and len(sources) > 1:
        raise ValueError("must have nothing beside 'none'")
    return tuple(frame_ancestor(source) for source in sources)


def _in_case(change: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: change(value) if isinstance(value, str) else value)


def _secret(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value().startswith(_KEY):
        raise ValueError("must be a shared secret; for tokens that a private key signs, set BETTER_AUTH_URL")
    return secret


def _database(url: SecretStr) -> SecretStr:
    checked(url.get_secret_value())
    return url


def _listenable(host: str) -> str:
    """Ask the system whether this machine has the address; as uvicorn does it, with any port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:
            trial.bind((host, 0))
    except (OSError, UnicodeError, TypeError):
        raise ValueError("must be an address or a name of this machine: 127.0.0.1, 0.0.0.0, ::1") from None
    return host


def _proxies(value: str) -> str:
    """Judge what uvicorn compares with the client's address; it takes a word that is none, and never finds it."""
    words = [word.strip() for word in value.split(",")]
    try:
        for word in words if words != ["*"] else ():
            ipaddress.ip_network(word)
    except ValueError:
        raise ValueError("must be * or IP addresses and networks, comma-separated: 10.0.0.0/8,::1") from None
    return ",".join(words)


def _prefix(path: str) -> str:
    if not re.fullmatch(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)*", path):
        raise ValueError("must begin with a / and not end with one, of letters, digits and -._~: /tasks")
    return path


def _writable(path: str | Path) -> str | Path:
    """Open the file, as logging will. Its own is no named pipe, whose reader leaves when this trial ends."""
    try:
        if Path(path).is_fifo() and not Path(path).is_symlink():  # as /dev/stdout is
            raise FileExistsError
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666))
    except OSError:
        raise ValueError("must be a file that can be written to, in a folder that exists") from None
    return path


def pairs(text: str) -> dict[str, str]:
    """Read `name=value,name=value` with percent-encoded values, as the OTEL_* variables have it.

    Raises:
        ValueError: not that.
    """
    found = {}
    for pair in text.split(","):
        match = _PAIR.fullmatch(pair)
        value = unquote(match["value"]).strip() if match else ""
        if match is None or not value or not value.isprintable():
            raise ValueError("must be name=value, comma-separated, with special characters percent-encoded")
        found[match["name"]] = value
    return found


def _attributes(text: str) -> str:
    pairs(text)
    return text


def _headers(secret: SecretStr) -> SecretStr:
    if not all(value.isascii() for value in pairs(secret.get_secret_value()).values()):
        raise ValueError("must be name=value, comma-separated, with values that a header can have")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_secret)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
KeySetUrl = Annotated[str, AfterValidator(_key_set)]
Word = Annotated[str, AfterValidator(_word)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_each(_word))]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_each(bare_origin))]
OriginPattern = Annotated[str, AfterValidator(origin_pattern)]
Ancestors = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_ancestors)]
LogFile = Annotated[Path, BeforeValidator(_writable)]
Address = Annotated[str, AfterValidator(_listenable)]
Proxies = Annotated[str, AfterValidator(_proxies)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Environment = Annotated[Literal["development", "production"], _in_case(str.lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _in_case(str.upper)]
LogFormat = Annotated[Literal["auto", "text", "json"], _in_case(str.lower)]
Headers = Annotated[SecretStr, AfterValidator(_headers)]
Attributes = Annotated[str, AfterValidator(_attributes)]
Exporter = Annotated[Literal["otlp", "none"], _in_case(str.lower)]
Protocol = Annotated[Literal["http/protobuf"], _in_case(str.lower)]
Sampler = Annotated[
    Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ],
    _in_case(str.lower),
]
Signal = Literal["traces", "metrics"]


class OpenTelemetrySettings(BaseSettings):
    """The standard variables of OpenTelemetry that count here, as its specification has them.

    They are judged like all others, and given to the SDK as arguments: what it reads for itself it only warns of, with
    the value.
    """

    otel_sdk_disabled: bool = Field(False, description="no traces and no metrics, whatever else is set")
    otel_service_name: str | None = Field(None, description="`service.name`; default: tasks-api")
    otel_resource_attributes: Attributes | None = Field(None, description="more of what describes this deployment")
    otel_traces_exporter: Exporter | None = Field(None, description="default: otlp where there is an endpoint")
    otel_metrics_exporter: Exporter | None = Field(None, description="default: otlp where there is an endpoint")
    otel_traces_sampler: Sampler = Field("parentbased_always_on", description="which requests are traced")
    otel_traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="share of them, for the ratio samplers")
    otel_exporter_otlp_endpoint: BaseUrl | None = Field(None, description="base URL of the collector")
    otel_exporter_otlp_traces_endpoint: BaseUrl | None = Field(None, description="whole URL for traces alone")
    otel_exporter_otlp_metrics_endpoint: BaseUrl | None = Field(None, description="whole URL for metrics alone")
    otel_exporter_otlp_protocol: Protocol = Field("http/protobuf", description="how the collector is spoken to")
    otel_exporter_otlp_traces_protocol: Protocol = Field("http/protobuf", description="the same for traces alone")
    otel_exporter_otlp_metrics_protocol: Protocol = Field("http/protobuf", description="the same for metrics alone")
    otel_exporter_otlp_headers: Headers | None = Field(None, description="headers for the collector: its key")
    otel_exporter_otlp_traces_headers: Headers | None = Field(None, description="headers for traces instead")
    otel_exporter_otlp_metrics_headers: Headers | None = Field(None, description="headers for metrics instead")
    otel_bsp_schedule_delay: int = Field(5000, ge=100, le=60_000, description="milliseconds between exports of spans")
    otel_metric_export_interval: int = Field(
        60_000, ge=100, le=3_600_000, description="milliseconds between exports of metrics"
    )

    def collector(self, signal: Signal) -> str | None:
        """Return the URL that a signal is sent to; None where it is off, which is the default."""
        exporter, own = {
            "traces": (self.otel_traces_exporter, self.otel_exporter_otlp_traces_endpoint),
            "metrics": (self.otel_metrics_exporter, self.otel_exporter_otlp_metrics_endpoint),
        }[signal]
        if self.otel_sdk_disabled or exporter == "none":
            return None
        base = self.otel_exporter_otlp_endpoint or (exporter and _COLLECTOR)
        return own or (f"{base.rstrip('/')}/v1/{signal}" if base else None)

    def collector_headers(self, signal: Signal) -> dict[str, str]:
        """Return the headers that go with a signal; they hold secrets."""
        own = {"traces": self.otel_exporter_otlp_traces_headers, "metrics": self.otel_exporter_otlp_metrics_headers}
        headers = own[signal] or self.otel_exporter_otlp_headers
        return {name.lower(): value for name, value in pairs(headers.get_secret_value()).items()} if headers else {}


class Settings(OpenTelemetrySettings):
    """Everything a deployment may set; the names are the environment variables in lower case."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=_ENV_FILE_ENCODING,
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
    db_connect_timeout: float = Field(4.0, gt=0, le=10, description="seconds to open a connection")
    db_statement_timeout: float = Field(5.0, gt=0, le=60, description="seconds from there to the answer")
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

    @cached_property
    def database_url(self) -> str:
        """The URL as libpq reads it; its other parameters stay as they were given."""
        if not self.neon_db_url:
            raise ValueError("NEON_DB_URL is empty: set it, or start the service with `make run`")
        return checked(self.neon_db_url.get_secret_value())

    def shown(self) -> dict[str, object]:
        """Return what a log may have of each setting, by its name: of a secret only whether there is one."""
        shown = {name: _shown(getattr(self, name)) for name in type(self).model_fields}
        if self.neon_db_url:
            shown["neon_db_url"] = addressed(self.neon_db_url.get_secret_value())
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
        check_env_file(Settings.model_config.get("env_file"))
        return Settings()
    except ValidationError as error:
        refuse(complaint(error))
    except (OSError, UnicodeDecodeError):
        refuse(".env must be a readable text file in UTF-8")


def check_port(settings: Settings, remedy: str) -> None:
    """Refuse a port that this process cannot have; for whoever serves next, since a served port is in use.

    It is asked for as uvicorn will, which says only "Address already in use", and late.
    """
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            fault = "is in use" if taken else f"is closed to this user ({error.strerror})"
            refuse(f"PORT must be free, and {settings.port} {fault}: {remedy}")


def refuse(sentence: str) -> NoReturn:
    """End the process; `sentence` begins with the name of the setting and holds nothing of its value."""
    if _another_says_it():
        time.sleep(_PATIENCE)  # The supervisor ends all as soon as one has ended, and the other may still be starting.
    else:
        sys.stderr.write(f"Configuration error: {sentence}\n")
    raise SystemExit(EXIT_MISCONFIGURED)


def _another_says_it() -> bool:
    """Whether this is not the first of the workers that `uvicorn --workers` starts together: all read the same."""
    number = multiprocessing.current_process().name.removeprefix("SpawnProcess-")
    if not number.isdigit() or "uvicorn" not in sys.argv[0]:
        return False
    called = uvicorn.main.make_context("uvicorn", sys.argv[1:], resilient_parsing=True).params
    together = 1 if called["reload"] else called["workers"] or int(os.environ.get("WEB_CONCURRENCY", "1"))
    return 1 < int(number) <= together


def complaint(error: ValidationError) -> str:
    """Return the first complaint in words, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"][:1]).upper()
    expected = _EXPECTED.get(first["type"].split("_")[0], first["msg"].replace("Input should", "must"))
    return f"{name} {expected}".strip().replace("Value error, ", "")


def check_env_file(path: object) -> None:
    """Refuse a line that cannot be parsed; who reads the settings from the file leaves it out, with a warning."""
    if not isinstance(path, Path) or not path.is_file():
        return
    with path.open(encoding=_ENV_FILE_ENCODING) as file:
        wrong = next((binding.original for binding in parse_stream(file) if binding.error), None)
    if wrong:
        before = wrong.string[: -len(wrong.string.lstrip())]  # blank lines
        line = wrong.line + before.count("\n")
        refuse(f".env must have NAME=value in line {line}, with both quotes or none")
