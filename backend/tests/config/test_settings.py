"""Settings: what is accepted, what stops the start, and that no secret gets out."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from src.config import ENV_FILE, Settings, get_settings, read_settings
from src.config.origins import origin_of
from src.server.workers import _config

SECRET = "s3cret-" * 6
PASSPHRASE = "it's allowed, to have: blanks & m\u00fctated letters#"
GOOD = {"NEON_DB_URL": "postgresql://u:hunter2@127.0.0.1:1/db", "BETTER_AUTH_SECRET": SECRET}
AUTH = {"BETTER_AUTH_URL": "https://auth.example"}


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


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """This process's own environment, without a developer's .env, for what `get_settings` makes of it."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


@pytest.fixture
def refused(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Start with these variables, which must end with status 3 and one sentence, and return what it says."""

    def start(**changes: str) -> str:
        for name, value in changes.items():
            environment.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            get_settings()
        assert ended.value.code == 3
        first, *more = capsys.readouterr().err.split("\n")
        assert more == [""]
        return first.removeprefix("Configuration error: ")

    return start


def test_a_good_environment_is_read_once(environment: pytest.MonkeyPatch) -> None:
    first = get_settings()
    environment.setenv("PORT", "1")
    assert get_settings() is first
    assert first.environment == "production"


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("BETTER_AUTH_SECRET", f"{SECRET}\n", SECRET),
        ("BETTER_AUTH_SECRET", f"  {SECRET}\r\n", SECRET),
        ("BETTER_AUTH_SECRET", PASSPHRASE, PASSPHRASE),
        ("NEON_DB_URL", f"{GOOD['NEON_DB_URL']}\n", GOOD["NEON_DB_URL"]),
        ("BETTER_AUTH_URL", "\ufeffhttps://auth.example/ ", "https://auth.example/"),
        ("BETTER_AUTH_ISSUER", "my-app\n", "my-app"),
        ("BETTER_AUTH_AUDIENCE", " one , https://two.example/ ,", ("one", "https://two.example/")),
        ("CORS_ORIGINS", "https://A.example/ ,http://b.example:80,\n", ("https://a.example", "http://b.example")),
        ("CORS_ORIGINS", "http://[0:0::1]:3000,https://a_b.example", ("http://[::1]:3000", "https://a_b.example")),
        ("FRAME_ANCESTORS", "'self', https://*.Example/", ("'self'", "https://*.example")),
        ("FRAME_ANCESTORS", "'none'", ("'none'",)),
        ("FRAME_ANCESTORS", "https:,*,http://localhost:*", ("https:", "*", "http://localhost:*")),
        ("LOG_LEVEL", "info", "INFO"),
        ("LOG_LEVEL", "Warning\n", "WARNING"),
        ("LOG_FORMAT", "JSON", "json"),
        ("LOG_FILE", "/dev/null\n", Path("/dev/null")),
        ("ENVIRONMENT", "Production", "production"),
        ("PORT", "8080\n", 8080),
        ("PORT", " ", 8000),
        ("HOST", "0.0.0.0\n", "0.0.0.0"),
        ("HOST", "localhost", "localhost"),
        ("ROOT_PATH", "/v1/tasks", "/v1/tasks"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8, ::1", "10.0.0.0/8,::1"),
        ("FORWARDED_ALLOW_IPS", "*\n", "*"),
        ("DEMO_MODE", "True\n", True),
        ("DB_QUEUE_TIMEOUT", "2.5\n", 2.5),
        ("KEEP_ALIVE_SECONDS", "120", 120),
        ("WEB_CONCURRENCY", "2\r\n", 2),
    ],
)
def test_a_value_is_taken_as_it_is_meant(environment: pytest.MonkeyPatch, name: str, value: str, meant: object) -> None:
    environment.setenv(name, value)
    found = getattr(get_settings(), name.lower())
    assert (found.get_secret_value() if name in GOOD else found) == meant


COMPLETE = [
    ({"BETTER_AUTH_SECRET": ""}, "BETTER_AUTH_SECRET is missing; set it, BETTER_AUTH_URL, or both"),
    ({"BETTER_AUTH_SECRET": "\n"}, "BETTER_AUTH_SECRET is missing"),
    ({"BETTER_AUTH_SECRET": "short"}, "BETTER_AUTH_SECRET is weak; outside development it needs 32 random bytes"),
    ({"BETTER_AUTH_SECRET": "change-me-this-is-a-placeholder-for-development-only"}, "BETTER_AUTH_SECRET is weak"),
    ({"NEON_DB_URL": ""}, "NEON_DB_URL is missing"),
    (
        {"NEON_DB_URL": " ", "ENVIRONMENT": "development"},
        "NEON_DB_URL is empty: set it, or start the service with `make run`",
    ),
    ({"BETTER_AUTH_JWKS_URL": "http://x/keys"}, "BETTER_AUTH_URL is missing"),
    ({"BETTER_AUTH_SECRET": "", "DEMO_MODE": "1"} | AUTH, "BETTER_AUTH_SECRET is missing; DEMO_MODE"),
]


@pytest.mark.parametrize(("changes", "said"), COMPLETE)
def test_what_is_missing_is_said(refused: Callable[..., str], changes: dict[str, str], said: str) -> None:
    assert refused(**changes).startswith(said)


QUOTES, COMMENT, INVISIBLE, REFERENCE = (
    "must have no quotes around it",
    "must have no comment behind it",
    "must have no line end and no invisible character in it",
    "must be a value; the reference to one was not replaced",
)
ORIGINS = "must be absolute http:// or https:// origins without a path, comma-separated"
URL = "must be an absolute http:// or https:// URL"
WORD = "must be without blanks, quotes, wildcards and semicolons"
ANCESTORS = "must be 'self' or origins such as"
PAIRS = "must be name=value, comma-separated, with special characters percent-encoded"
JWK = "must be a shared secret as Better Auth has it, not a JSON Web Key"

WRONG: dict[str, list[tuple[str, str]]] = {
    "BETTER_AUTH_SECRET": [
        (f'"{SECRET}"', QUOTES),
        (f"'{SECRET}'", QUOTES),
        (f"\u201c{SECRET}\u201d", QUOTES),
        (f'{SECRET}"', QUOTES),
        (f"{SECRET} # from the vault", COMMENT),
        (f"{SECRET}\t#x", COMMENT),
        (f"# {SECRET}", COMMENT),
        (f" #{SECRET}", COMMENT),
        (f"{SECRET}\n{SECRET}", INVISIBLE),
        (f"{SECRET}\u200b{SECRET}", INVISIBLE),
        (f"{SECRET}\udcff", INVISIBLE),
        ("${THE_SECRET_OF_THE_AUTH_SERVER_IN_ITS_VAULT}", REFERENCE),
        ("$(THE_SECRET_OF_THE_AUTH_SERVER_IN_ITS_VAULT)", REFERENCE),
        ("$THE_SECRET_OF_THE_AUTH_SERVER_IN_ITS_VAULT", REFERENCE),
        ("{{ secrets.THE_SECRET_OF_THE_AUTH_SERVER }}", REFERENCE),
        (f"ssh-ed25519 {SECRET}", "must be a shared secret"),
        (f"-----BEGIN PUBLIC KEY----- {SECRET} -----END PUBLIC KEY-----", "must be a shared secret"),
        (f'{{"kty": "oct", "k": "{SECRET}"}}', JWK),
        (f'{{"keys": [{{"k": "{SECRET}", "kty":"oct"}}]}}', JWK),
    ],
    "NEON_DB_URL": [
        ("'postgresql://u:hunter2@h/db'", QUOTES),
        ('postgresql://u:hunter2@h/db"', QUOTES),
        ("psql 'postgresql://u:hunter2@h/db'", QUOTES),
        ("postgresql://u:hunter2@h/db # prod", COMMENT),
        ("mysql://u:hunter2@h/db", "must start with postgresql:// or postgres://"),
        ("postgresql://u:hunter2%@h/db", "must be a URL: percent-encode"),
    ],
    "CORS_ORIGINS": [
        ("*", "must name every origin without a wildcard; CORS_ORIGIN_REGEX takes a pattern"),
        ("https://*.vercel.app", "must name every origin without a wildcard; CORS_ORIGIN_REGEX takes a pattern"),
        ("'https://hunter2.example'", QUOTES),
        ("https://hunter2.example # the app", COMMENT),
        ("https://hunter2.example;https://b.example", ORIGINS),
        ("https://hunter2.example https://b.example", ORIGINS),
        ("https://hunter2.example|https://b.example", ORIGINS),
        ('["https://hunter2.example"]', ORIGINS),
        ("https://hunter2.example/app", ORIGINS),
        ("https://hunter2.example?x", ORIGINS),
        ("https://u:hunter2@a.example", ORIGINS),
        ("https://hunter2\u00fc.example", ORIGINS),
        ("hunter2.example", ORIGINS),
        ("localhost:3000", ORIGINS),
        ("http//hunter2", ORIGINS),
        ("https:/hunter2.example", ORIGINS),
        ("null", ORIGINS),
        ("https://[hunter2", ORIGINS),
        ("https://hunter2.example:0", URL),
        ("https://hunter2.example:65536", URL),
        ("https://hunter2..example", f"{URL} with a valid host name"),
        ("https://127.1", f"{URL} with a valid address"),
        ("https://256.0.0.1", f"{URL} with a valid address"),
        ("https://[::1::]", f"{URL} with a valid address"),
        (",", "must name something"),
    ],
    "FRAME_ANCESTORS": [
        ("'self' https://hunter2.example", ANCESTORS),
        ("self", ANCESTORS),
        ("\"'self'\"", ANCESTORS),
        ("https://hunter2.example; script-src *", ANCESTORS),
        ("https://hunter2.example/docs", ANCESTORS),
        ("https://hunter2.*.example", ANCESTORS),
        ("https://hunter2\u00fc.example", ANCESTORS),
        ("https://hunter2.example:99999", ANCESTORS),
        ("'none',https://hunter2.example", "must have nothing beside 'none'"),
    ],
    "BETTER_AUTH_URL": [
        ('"https://hunter2.example"', QUOTES),
        ("https://hunter2.example # the app", COMMENT),
        ("https://hunter2.example,https://b.example", URL),
        ("https://hunter2.example/,https://b.example/", URL),
        ("https://hunter2.example/;https://b.example/", URL),
        ("https://hunter2.example/ https://b.example/", URL),
        ("https://u:hunter2@a.example", URL),
        ("https://hunter2.example/*", URL),
        ("https://hunter2.example/#x", URL),
        ("https://hunter2.example/api/..", URL),
        ("https://hunter2.example//api", URL),
        ("https://[hunter2", URL),
        ("https://hunter2.example?x=1", f"{URL} without a query"),
    ],
    "BETTER_AUTH_JWKS_URL": [("https://u:hunter2@a.example/keys", URL), ("https://hunter2.example/ke%ys", URL)],
    "BETTER_AUTH_ISSUER": [
        ("https://hunter2.example,https://b.example", WORD),
        ("hunter2 issuer", WORD),
        ("https://*.hunter2.example", WORD),
        ("https//hunter2.example", URL),
    ],
    "BETTER_AUTH_AUDIENCE": [("one hunter2", WORD), ("one;hunter2", WORD), ("http:/hunter2", URL)],
    "LOG_LEVEL": [("hunter2", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"), ("'info'", QUOTES)],
    "LOG_FORMAT": [("hunter2", "must be 'auto', 'text' or 'json'")],
    "ENVIRONMENT": [("hunter2", "must be 'development' or 'production'"), ("production # x", COMMENT)],
    "LOG_FILE": [
        ("/no-such-folder/hunter2.log", "must be a file that can be written to, in a folder that exists"),
        ("/tmp", "must be a file that can be written to"),
        ("/proc/hunter2", "must be a file that can be written to"),
        ("/dev/null/hunter2", "must be a file that can be written to"),
        ("hunter2" * 50, "must be a file that can be written to"),
        ("'/dev/null'", QUOTES),
    ],
    "HOST": [
        (host, "must be an address or a name of this machine")
        for host in (
            "192.0.2.1",
            "127.0.0.1:8000",
            "http://localhost",
            "[::1]",
            "*",
            "hunter2 x",
            "a" * 70,
            ".0.0.0\u00fc",
        )
    ],
    "PORT": [
        ("hunter2", "must be a whole number"),
        ("tcp://10.0.0.1:8000", "must be a whole number"),
        ("9" * 5000, "must be a whole number"),
        ("70000", "must be less than or equal to 65535"),
        ("8000 # http", COMMENT),
    ],
    "ROOT_PATH": [
        (path, "must begin with a / and not end with one")
        for path in ("hunter2", "/", "/hunter2/", "//hunter2", "/hunter2 x", "/hunter2/..", "/*", "https://hunter2/x")
    ],
    "FORWARDED_ALLOW_IPS": [
        (proxies, "must be * or IP addresses and networks, comma-separated")
        for proxies in ("hunter2", "10.0.0.1/8", "10.0.0.1 ::1", "10.0.0.1;::1", "10.0.0.*", "*,::1", "[::1]", ",")
    ],
    "KEEP_ALIVE_SECONDS": [("75s", "must be a whole number"), ("0", "must be greater than or equal to 1")],
    "DEMO_MODE": [("hunter2", "must be true or false")],
    "WEB_CONCURRENCY": [("auto", "must be a whole number"), ("'2'", QUOTES)],
    "SERVER_TIMING": [("hunter2", "must be true or false")],
    "OTEL_SDK_DISABLED": [("hunter2", "must be true or false")],
    "OTEL_SERVICE_NAME": [("'hunter2'", QUOTES), ("${hunter2}", REFERENCE)],
    "OTEL_RESOURCE_ATTRIBUTES": [
        (attributes, PAIRS)
        for attributes in (
            "hunter2",
            "a=hunter2;b=1",
            "=hunter2",
            "hunter2=",
            "a=hunter2,,",
            "a b=hunter2",
            "a=%zzhunter2",
        )
    ],
    **{
        f"OTEL_{signal}_EXPORTER": [(one, "must be 'otlp' or 'none'") for one in ("hunter2", "otlp,console", "console")]
        for signal in ("TRACES", "METRICS")
    },
    "OTEL_TRACES_SAMPLER": [("hunter2", "must be 'always_on', 'always_off', 'traceidratio'")],
    "OTEL_TRACES_SAMPLER_ARG": [("10%", "must be a number"), ("1.5", "must be less than or equal to 1")],
    **{
        f"OTEL_EXPORTER_OTLP_{one}PROTOCOL": [(wrong, "must be 'http/protobuf'") for wrong in ("grpc", "http/json")]
        for one in ("", "TRACES_", "METRICS_")
    },
    **{
        f"OTEL_EXPORTER_OTLP_{one}ENDPOINT": [
            ("hunter2:4317", URL),
            ("grpc://hunter2:4317", URL),
            ("http://u:hunter2@collector:4318", URL),
            ("https://hunter2.example?key=1", f"{URL} without a query"),
        ]
        for one in ("", "TRACES_", "METRICS_")
    },
    **{
        f"OTEL_EXPORTER_OTLP_{one}HEADERS": [
            ("hunter2", PAIRS),
            ("Authorization: Bearer hunter2", PAIRS),
            ("authorization=Bearer hunter2;x=1", PAIRS),
            ('{"authorization":"hunter2"}', PAIRS),
            ("authorization=hunter2%0Ax: y", PAIRS),
            ("authorization=hunter2%C3%A9", "must be name=value, comma-separated, with values that a header can have"),
        ]
        for one in ("", "TRACES_", "METRICS_")
    },
    "OTEL_BSP_SCHEDULE_DELAY": [("5s", "must be a whole number"), ("0", "must be greater than or equal to 100")],
    "OTEL_METRIC_EXPORT_INTERVAL": [("60s", "must be a whole number"), ("0", "must be greater than or equal to 100")],
    "DB_QUEUE_TIMEOUT": [("2,5", "must be a number"), ("nan", "must be less than or equal to 10")],
}


@pytest.mark.parametrize(
    ("name", "value", "said"), [(name, *wrong) for name, several in WRONG.items() for wrong in several]
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_expected(
    refused: Callable[..., str], name: str, value: str, said: str
) -> None:
    sentence = refused(**(AUTH if name == "BETTER_AUTH_JWKS_URL" else {}) | {name: value})
    assert sentence.startswith(f"{name} {said}")
    for secret in ("hunter2", SECRET, "vault", "VAULT"):
        assert secret not in sentence


@pytest.mark.parametrize(
    ("given", "traces", "metrics"),
    [
        ({}, None, None),
        ({"endpoint": "http://c:4318"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics"),
        ({"endpoint": "https://c/otlp/"}, "https://c/otlp/v1/traces", "https://c/otlp/v1/metrics"),
        ({"traces_endpoint": "http://c/t"}, "http://c/t", None),
        ({"endpoint": "http://c", "metrics_endpoint": "http://m/x/"}, "http://c/v1/traces", "http://m/x/"),
        ({"endpoint": "http://c", "metrics_exporter": "none"}, "http://c/v1/traces", None),
        ({"traces_exporter": "otlp"}, "http://localhost:4318/v1/traces", None),
        ({"endpoint": "http://c", "sdk_disabled": "true"}, None, None),
    ],
)
def test_where_a_signal_goes_is_read_as_opentelemetry_has_it(
    given: dict[str, str], traces: str | None, metrics: str | None
) -> None:
    found = settings(
        **{
            f"otel_{'exporter_otlp_' if name.endswith('endpoint') else ''}{name}": value
            for name, value in given.items()
        }
    )
    assert (found.collector("traces"), found.collector("metrics")) == (traces, metrics)


def test_the_headers_of_a_signal_stand_in_for_those_of_both() -> None:
    found = settings(
        otel_exporter_otlp_headers="Authorization=Basic%20abc==,x-scope=a",
        otel_exporter_otlp_metrics_headers="api-key=Bearer of it",
    )
    assert found.collector_headers("traces") == {"authorization": "Basic abc==", "x-scope": "a"}
    assert found.collector_headers("metrics") == {"api-key": "Bearer of it"}
    assert "abc" not in repr(found)


@pytest.mark.parametrize("public_key", ["ssh-ed25519 AAAA", "ecdsa-sha2-nistp256 AAAA"])
def test_a_public_key_as_secret_would_verify_nothing(public_key: str) -> None:
    with pytest.raises(jwt.InvalidKeyError):
        jwt.encode({}, public_key.ljust(32, "A"), "HS256")


@pytest.mark.parametrize("reader", [False, True])
def test_a_named_pipe_is_no_log_file(refused: Callable[..., str], tmp_path: Path, reader: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK) if reader else None
    assert refused(LOG_FILE=str(tmp_path / "pipe")).startswith("LOG_FILE must be a file that can be written to")
    if reading is not None:
        os.close(reading)


def test_a_new_log_file_may_be_made(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("LOG_FILE", str(tmp_path / "service.log"))
    assert get_settings().log_file == tmp_path / "service.log"


def test_a_taken_port_is_no_fault_of_the_address(environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment.setenv("HOST", "127.0.0.1")
        environment.setenv("PORT", str(taken.getsockname()[1]))
        assert get_settings().host == "127.0.0.1"


def test_idle_connections_live_as_long_as_the_setting_says(environment: pytest.MonkeyPatch) -> None:
    assert _config(get_settings()).timeout_keep_alive == 75
    assert _config(settings(keep_alive_seconds="120")).timeout_keep_alive == 120


@pytest.fixture
def env_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    environment.delenv("BETTER_AUTH_SECRET")
    environment.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    return tmp_path / ".env"


def test_quotes_and_comments_of_an_env_file_are_its_readers(env_file: Path) -> None:
    env_file.write_text(f"export BETTER_AUTH_SECRET=\"{SECRET}\" # of both sides\nPORT = 8001 # x\nLOG_LEVEL='info'\n")
    found = get_settings()
    assert found.better_auth_secret is not None
    assert found.better_auth_secret.get_secret_value() == SECRET
    assert (found.port, found.log_level) == (8001, "INFO")


def test_the_mark_that_some_editors_write_before_an_env_file_is_no_part_of_its_first_name(env_file: Path) -> None:
    env_file.write_text(f"BETTER_AUTH_SECRET={SECRET}\n", encoding="utf-8-sig")
    assert get_settings().better_auth_secret is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'BETTER_AUTH_SECRET="{SECRET}'.encode(), ".env must have NAME=value in line 1, with both quotes or none"),
        (f"PORT=1\n\n{SECRET} x\n".encode(), ".env must have NAME=value in line 3, with both quotes or none"),
        (f"BETTER_AUTH_SECRET={SECRET}".encode("utf-16"), ".env must be a readable text file in UTF-8"),
        (f"BETTER_AUTH_SECRET={SECRET}\xfc".encode("latin-1"), ".env must be a readable text file in UTF-8"),
        (f"BETTER_AUTH_SECRET=# {SECRET}".encode(), "BETTER_AUTH_SECRET must have no comment behind it"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_one_sentence(
    env_file: Path, refused: Callable[..., str], content: bytes, said: str
) -> None:
    env_file.write_bytes(content)
    assert refused() == said


def test_a_tool_may_bring_the_database_but_nothing_else(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ENVIRONMENT", "development")
    environment.setenv("NEON_DB_URL", "")
    assert read_settings().neon_db_url is None
    environment.setenv("PORT", "x")
    with pytest.raises(SystemExit):
        read_settings()


def test_the_env_file_is_the_one_in_the_top_folder() -> None:
    assert Path(__file__).parents[3] / ".env" == ENV_FILE
