"""Every setting with values as people and platforms spoil them: one sentence without the value, or it works.

What "works" means is asked of those who use the value: libpq, uvicorn, PyJWT, the socket, the log.
"""

import contextlib
import io
import logging.handlers
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import httpx
import jwt
import psycopg2
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.resources import OTELResourceDetector
from psycopg2.extensions import make_dsn, parse_dsn
from starlette.datastructures import Headers
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from src.config import Settings, get_settings, pairs
from src.log import Traffic
from src.main import _middleware

SECRET = "hunter2-" * 5
DATABASE = "postgresql://u:%2Fhunter2%40%25@127.0.0.1:1/db"
BASE = {"NEON_DB_URL": DATABASE, "BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_URL": "https://auth.example"}
GOOD = {
    "ENVIRONMENT": ["production", "development"],
    "BETTER_AUTH_SECRET": [SECRET],
    "BETTER_AUTH_URL": ["https://hunter2.example", "http://[::1]:3000/api/auth/"],
    "BETTER_AUTH_JWKS_URL": ["https://hunter2.example/keys/?x=1"],
    "BETTER_AUTH_ISSUER": ["https://hunter2.example/", "hunter2"],
    "BETTER_AUTH_AUDIENCE": ["https://hunter2.example,urn:hunter2"],
    "NEON_DB_URL": [
        f"{DATABASE}?sslmode=require&channel_binding=require&connect_timeout=5",
        "postgres://u:hunter2%2F%3A@[::1],127.0.0.1:1/db?target_session_attrs=read-write",
    ],
    "CORS_ORIGINS": ["https://hunter2.example,http://localhost:3000", "https://10.0.0.1/"],
    "CORS_ORIGIN_REGEX": [r"https://hunter2-[a-z0-9-]+\.example\.com", r"https?://.*\.hunter2\.example(:\d+)?"],
    "FRAME_ANCESTORS": ["'self',https://*.hunter2.example", "http://localhost:*"],
    "LOG_LEVEL": ["info", "WARNING"],
    "LOG_FORMAT": ["json", "Text", "auto"],
    "LOG_FILE": ["hunter2.log", "folder/hunter2.log"],
    "HOST": ["127.0.0.1", "0.0.0.0", "::1"],
    "ROOT_PATH": ["/hunter2/v1"],
    "FORWARDED_ALLOW_IPS": ["192.0.2.0/24,2001:db8::1", "*"],
    "DEMO_MODE": ["true", "0"],
    "SERVER_TIMING": ["true", "0"],
    "PORT": ["8000"],
    "OTEL_SDK_DISABLED": ["True", "0"],
    "OTEL_SERVICE_NAME": ["hunter2-tasks"],
    "OTEL_RESOURCE_ATTRIBUTES": ["deployment.environment.name=hunter2,team=a%2Cb", "hunter2=caf%C3%A9"],
    "OTEL_TRACES_SAMPLER": ["traceidratio", "Always_Off"],
    "OTEL_TRACES_SAMPLER_ARG": ["0.25"],
    **{f"OTEL_{signal}_EXPORTER": ["otlp", "None"] for signal in ("TRACES", "METRICS")},
    **{f"OTEL_EXPORTER_OTLP_{one}PROTOCOL": ["http/protobuf"] for one in ("", "TRACES_", "METRICS_")},
    **{
        f"OTEL_EXPORTER_OTLP_{one}ENDPOINT": ["https://hunter2.example/otlp/", "http://localhost:4318"]
        for one in ("", "TRACES_", "METRICS_")
    },
    **{
        f"OTEL_EXPORTER_OTLP_{one}HEADERS": ["authorization=Basic%20hunter2==,X-Scope=hunter2", "api-key=a hunter2"]
        for one in ("", "TRACES_", "METRICS_")
    },
    **{name: ["2000"] for name in ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL")},
    **{name: ["2.5"] for name in ("DB_QUEUE_TIMEOUT", "DB_CONNECT_TIMEOUT", "DB_STATEMENT_TIMEOUT")},
    **{name: ["12"] for name in ("DB_POOL_SIZE", "DB_QUEUE_SIZE", "KEEP_ALIVE_SECONDS", "WEB_CONCURRENCY")},
}
SPOILT = [*"\"'`#,;*|\\/?@:%[](){}<>$ \t\n\r=&.-_~+!^0aZ", "\u00e9", "\u200b", "\ufeff", "\u00a0", "\udcff", "\u201d"]
SPOILT += [
    " # comment",
    "\r\n",
    "${",
    "}",
    "://",
    "..",
    "//",
    "%zz",
    "%ff",
    "/*",
    ".*",
    "https://",
    "'self'",
    ", ",
    "1e9",
]
DRESSED = [
    "{}",
    "{}\n",
    "\ufeff{}\r\n",
    '"{}"',
    "'{}'",
    "{}'",
    "{} # comment",
    "# {}",
    "{},",
    "{};",
    "{}/",
    "{0} {0}",
    "{0};{0}",
]


@st.composite
def spoilt(draw: st.DrawFn, name: str) -> str:
    """A good value in the dress of some platform, with up to three pieces put in, taken out, or around it."""
    value = draw(st.sampled_from(DRESSED)).replace("{}", draw(st.sampled_from(GOOD[name])))
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(value))), draw(st.integers(0, len(value)))))
        piece = draw(st.sampled_from(SPOILT))
        kind = draw(st.sampled_from(["insert", "append", "prepend", "wrap", "remove", "upper"]))
        value = {
            "insert": value[:start] + piece + value[start:],
            "append": value + piece,
            "prepend": piece + value,
            "wrap": piece + value + piece,
            "remove": value[:start] + value[start + 1 :],
            "upper": value[:start] + value[start:end].upper() + value[end:],
        }[kind]
    return value


def browsers_origin(text: str) -> str:
    """The origin of an address, as another library spells it."""
    url = httpx.URL(text)
    assert url.raw_path == b"/"
    assert not url.userinfo
    host = f"[{url.host}]" if ":" in url.host else url.raw_host.decode()
    return f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}"


def bare(value: str) -> str:
    return value.strip("\ufeff").strip()


def words(value: str) -> list[str]:
    return [word.strip() for word in bare(value).split(",") if word.strip()]


def allows(found: Settings, origin: str) -> bool:
    (cors,) = [middleware for middleware in _middleware(found, Traffic()) if "allow_origins" in middleware.kwargs]
    asked = Headers({"origin": origin, "access-control-request-method": "GET"})
    response = cors.cls(None, **cors.kwargs).preflight_response(asked)
    return response.headers.get("Access-Control-Allow-Origin") == origin


def secret_works(found: Settings, value: str) -> None:
    token = jwt.encode({"sub": "a"}, bare(value), "HS256")
    assert found.better_auth_secret
    jwt.decode(token, found.better_auth_secret.get_secret_value(), ["HS256"])


def database_works(found: Settings, _: str) -> None:
    servers = parse_dsn(found.database_url).get("host", "").split(",")
    here = ",".join(["127.0.0.1"] * len(servers))  # Names are not looked up, and nobody is called.
    with pytest.raises(psycopg2.OperationalError) as refused:
        psycopg2.connect(make_dsn(found.database_url, hostaddr=here, port=1))
    assert "Connection refused" in str(refused.value) or "No such file" in str(refused.value)


def base_url_works(found: Settings, value: str) -> None:
    url = httpx.URL(bare(value))
    assert found.issuer == browsers_origin(str(url.copy_with(path="/")))
    assert not url.query
    assert allows(found.model_copy(update={"cors_origins": (found.issuer,)}), found.issuer)
    key_set_works(found, value)


def key_set_works(found: Settings, _: str) -> None:
    assert found.jwks_url
    url = httpx.URL(found.jwks_url)
    assert url.raw_host
    assert not url.userinfo
    assert found.jwks_url.endswith(url.raw_path.decode().removeprefix("/"))


def names_work(found: Settings, value: str) -> None:
    assert set(words(value)) in ({found.better_auth_issuer}, set(found.better_auth_audience))
    for word in words(value):
        assert not set(word) & set("\"'*; \t")
        assert not re.match("https?[:/]", word) or httpx.URL(word).host


def origins_work(found: Settings, value: str) -> None:
    for word in words(value):
        assert allows(found, browsers_origin(word))


def pattern_works(found: Settings, value: str) -> None:
    for origin in ("https://hunter2-a.example.com", "https://a.hunter2.example", "https://evil.example", "null"):
        expected = re.fullmatch(bare(value), origin) is not None
        assert allows(found, origin) == expected
    assert not set("\"'`;, ") & {bare(value)[0], bare(value)[-1]}


def ancestors_work(found: Settings, value: str) -> None:
    assert [word.lower().removesuffix("/") for word in words(value)] == list(found.frame_ancestors)
    for word in found.frame_ancestors:
        assert re.fullmatch(r"'self'|'none'|[a-z0-9:/.*_-]+", word)


def log_file_works(found: Settings, _: str) -> None:
    assert found.log_file
    logging.handlers.WatchedFileHandler(found.log_file).close()


def host_works(found: Settings, _: str) -> None:
    family = socket.AF_INET6 if ":" in found.host else socket.AF_INET
    socket.create_server((found.host, 0), family=family).close()


def proxies_work(found: Settings, _: str) -> None:
    trusted = ProxyHeadersMiddleware(mock.Mock(), found.forwarded_allow_ips).trusted_hosts
    assert trusted.trusted_literals == set()
    assert trusted.always_trust or trusted.trusted_hosts or trusted.trusted_networks


def prefix_works(found: Settings, _: str) -> None:
    url = httpx.URL("https://host/x").join(f"{found.root_path}/docs")
    assert str(url) == f"https://host{found.root_path}/docs"


def attributes_work(found: Settings, _: str) -> None:
    with mock.patch.dict(os.environ, {"OTEL_RESOURCE_ATTRIBUTES": found.otel_resource_attributes or ""}):
        assert pairs(found.otel_resource_attributes or "") == OTELResourceDetector().detect().attributes


def collector_works(found: Settings, _: str) -> None:
    urls = [httpx.URL(url) for url in map(found.collector, ("traces", "metrics")) if url]
    assert urls
    for url in urls:
        assert url.raw_host
        assert not url.userinfo
        assert not url.query
        assert "//" not in url.path.rstrip("/")


def headers_work(found: Settings, _: str) -> None:
    """They can be sent; a server gets what was meant."""
    headers = [found.collector_headers(signal) for signal in ("traces", "metrics")]
    assert any(headers)
    for sent in headers:
        prepared = requests.Request("POST", "http://localhost", headers=sent).prepare().headers
        assert sent.items() <= dict(prepared).items()


WORKS: dict[str, Callable[[Settings, str], None]] = {
    "BETTER_AUTH_SECRET": secret_works,
    "NEON_DB_URL": database_works,
    "BETTER_AUTH_URL": base_url_works,
    "BETTER_AUTH_JWKS_URL": key_set_works,
    "BETTER_AUTH_ISSUER": names_work,
    "BETTER_AUTH_AUDIENCE": names_work,
    "CORS_ORIGINS": origins_work,
    "CORS_ORIGIN_REGEX": pattern_works,
    "FRAME_ANCESTORS": ancestors_work,
    "LOG_FILE": log_file_works,
    "HOST": host_works,
    "FORWARDED_ALLOW_IPS": proxies_work,
    "ROOT_PATH": prefix_works,
    "OTEL_RESOURCE_ATTRIBUTES": attributes_work,
    **{f"OTEL_EXPORTER_OTLP_{one}ENDPOINT": collector_works for one in ("", "TRACES_", "METRICS_")},
    **{f"OTEL_EXPORTER_OTLP_{one}HEADERS": headers_work for one in ("", "TRACES_", "METRICS_")},
}


def value_is_meant(found: Settings, name: str, value: str) -> None:
    """Of a word or a number nothing else can be asked than that it is the one that was written."""
    text, taken = bare(value).lower(), getattr(found, name.lower())
    if isinstance(taken, bool):
        assert text in (("true", "yes", "on", "1", "t", "y") if taken else ("false", "no", "off", "0", "f", "n"))
    elif isinstance(taken, str):
        assert taken.lower() == text
    else:
        assert float(text.replace("_", "")) == taken  # digits in groups, as in 10_000


@pytest.fixture(scope="module", autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for log files; no `.env` of a developer."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "folder").mkdir()
    with contextlib.chdir(folder), mock.patch.dict(Settings.model_config, {"env_file": None}):
        yield
    get_settings.cache_clear()


def start(name: str, value: str) -> tuple[Settings | None, str]:
    """What the service would start with, and what it says."""
    others = {key: text for key, text in os.environ.items() if key.lower() not in Settings.model_fields}
    get_settings.cache_clear()
    said, found = io.StringIO(), None
    with mock.patch.dict(os.environ, others | BASE | {name: value}, clear=True), contextlib.redirect_stderr(said):
        try:
            found = get_settings()
        except SystemExit as ended:
            said.write(f"status {ended.code}")
    return found, said.getvalue()


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_spoilt_value_is_refused_in_one_sentence_without_it_or_works(name: str, data: st.DataObject) -> None:
    value = data.draw(spoilt(name))
    found, said = start(name, value)
    if found is None:
        assert re.fullmatch(rf"Configuration error: {name} .+\nstatus 3", said)
        assert "hunter2" not in said
        assert len(bare(value)) < 16 or bare(value) not in said
        return
    assert said == ""
    assert name == "FRAME_ANCESTORS" or not re.search(r"^[\"'`]|[\"'`]$|^#\s|\s#", bare(value))
    if not bare(value):  # which means the default
        assert getattr(found, name.lower()) == Settings.model_fields[name.lower()].default
    elif name in WORKS:
        WORKS[name](found, value)
    else:
        value_is_meant(found, name, value)


def test_every_good_value_is_taken() -> None:
    for name, values in GOOD.items():
        for value in values:
            assert start(name, value)[1] == "", name


def test_every_setting_has_good_values() -> None:
    assert set(GOOD) == {name.upper() for name in Settings.model_fields}
    assert Path.cwd().name.startswith("fuzz")
