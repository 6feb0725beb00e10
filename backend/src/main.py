"""The application, put together. Importing this opens no connection; `app` at the end is what servers run."""

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware

from src.auth.tokens import TokenVerifier
from src.config import Settings, get_settings
from src.db import Database
from src.demo.routes import demo_router
from src.demo.users import purge_hourly
from src.errors import Unavailable
from src.http.body_limit import BodyLimit
from src.http.error_handlers import add_error_handlers
from src.http.middleware import FaultBarrier, ProblemCORS, Refusals, RequestContext
from src.http.server_timing import HEADER as SERVER_TIMING
from src.http.server_timing import ServerTiming
from src.http.trace_context import TraceContext
from src.log import Traffic, configure_logging, finish_logging
from src.log.metrics import observe
from src.openapi.document import add_openapi
from src.routes import docs, health, tasks

if TYPE_CHECKING:
    from src.auth.key_set import KeySet
    from src.log.telemetry import Telemetry

logger = logging.getLogger(__name__)

VERSION = "1.0.0"

_LAST_SECONDS = 1.0  # at the end, for the lines of requests that were broken off; uvicorn does not wait for them

# What a page of another origin may send, and what it may read of an answer.
_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"),
    *("traceparent", "tracestate"),
)
_RESPONSE_HEADERS = (
    *("Accept-Encoding", "Allow", "ETag", "Idempotency-Replayed", "Link", "Location", "Retry-After"),
    *("WWW-Authenticate", "X-Request-ID"),
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Own what needs a running event loop: connections and signing keys. Waits for neither."""
    settings: Settings = app.state.settings
    logger.info("starting", extra={"version": VERSION, **settings.shown()})
    keys: KeySet | None = app.state.keys
    telemetry: Telemetry | None = app.state.telemetry
    app.state.database = database = Database(settings, telemetry.tracer if telemetry else None)
    app.state.verifier = verifier = TokenVerifier(settings, keys)
    verifier.log_sources()
    database.start()
    if keys:
        keys.start()
    if telemetry:
        observe(telemetry.meter, database, verifier, keys, app.state.unavailable)
        telemetry.start()
    purging = asyncio.create_task(purge_hourly(database)) if settings.demo_mode else None
    yield
    traffic: Traffic = app.state.traffic
    logger.info("stopping", extra={"unfinished_requests": traffic.under_way + traffic.broken_off})
    if purging:
        purging.cancel()
        with suppress(asyncio.CancelledError):
            await purging
    if keys:
        await keys.close()
    await database.close()
    if telemetry:
        await telemetry.close()
    await traffic.over(_LAST_SECONDS)
    logger.info("stopped")
    finish_logging()


def _key_set(settings: Settings) -> "KeySet | None":
    if not settings.jwks_url:
        return None
    # The HTTP client behind it is 5 MB in each worker, which a deployment with a shared secret does not need.
    from src.auth.key_set import KeySet  # noqa: PLC0415  # large, and often not needed

    return KeySet(settings.jwks_url)


def _telemetry(settings: Settings) -> "Telemetry | None":
    if not settings.collector("traces") and not settings.collector("metrics"):
        return None
    # OpenTelemetry's SDK and exporters are 9 MB in each worker.
    from src.log.telemetry import Telemetry  # noqa: PLC0415  # large, and often not needed

    return Telemetry(settings, VERSION)


def _telemetry_config(settings: Settings, telemetry: "Telemetry | None") -> TelemetryConfig:
    """Return what FastAPI's own telemetry is to tell, by our providers: those that it makes wait 21 s at the end.

    No logs, which hold the texts of exceptions; no spans of operations, which call each 404 a fault; no probes. Needed
    where all is off, too: else FastAPI asks for global providers with each request (8 us).
    """
    config: TelemetryConfig = {
        "tracing": settings.collector("traces") is not None,
        "metrics": settings.collector("metrics") is not None,
        "logs": False,
        "auto_configure": False,
        "operation_spans": False,
        "exclude": _is_probe,
    }
    if telemetry:
        config |= {"tracer_provider": telemetry.tracer_provider, "meter_provider": telemetry.meter_provider}
    return config


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path", "").removeprefix(scope.get("root_path", "")) in {"/health", "/health/ready"}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return a new application, for these settings or the environment's."""
    settings = settings or get_settings()
    configure_logging(settings)
    telemetry = _telemetry(settings)
    traffic = Traffic()
    app = FastAPI(
        telemetry=_telemetry_config(settings, telemetry),
        title="Tasks API",
        version=VERSION,
        lifespan=lifespan,
        middleware=_middleware(settings, traffic),
        openapi_url=None,  # routes/docs.py serves the document and the page
        redirect_slashes=False,  # behind a proxy the redirect would leave https and drop the token
    )
    app.state.settings, app.state.telemetry, app.state.traffic = settings, telemetry, traffic
    app.state.keys = _key_set(settings)  # not in the lifespan: of what ends that, uvicorn shows the traceback
    app.state.unavailable = dict.fromkeys(Unavailable, 0)
    for router in (tasks.router, health.router, docs.router):
        app.include_router(router)
    if settings.demo_mode:
        app.include_router(demo_router())
    add_openapi(app)
    add_error_handlers(app)
    return app


def _middleware(settings: Settings, traffic: Traffic) -> list[Middleware]:
    """From the outside in; `http/middleware.py` says why in this order."""
    cors = Middleware(
        ProblemCORS,
        allow_origins=settings.cors_origins,
        allow_origin_regex=settings.cors_origin_regex,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_REQUEST_HEADERS,
        expose_headers=(*_RESPONSE_HEADERS, SERVER_TIMING) if settings.server_timing else _RESPONSE_HEADERS,
    )
    around = Middleware(RequestContext, traffic=traffic)
    optional = [Middleware(TraceContext)] if settings.collector("traces") else []
    optional += [Middleware(ServerTiming)] if settings.server_timing else []
    return [around, *optional, cors, Middleware(Refusals), Middleware(FaultBarrier), Middleware(BodyLimit)]


app = create_app()
