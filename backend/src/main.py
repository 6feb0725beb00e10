"""The application, put together. Importing this opens no connection; `app` at the end is what servers run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware

from src.auth.tokens import TokenVerifier
from src.config import Settings, get_settings
from src.db import Database
from src.demo.routes import demo_router
from src.demo.users import purge_hourly
from src.http.body_limit import BodyLimit
from src.http.error_handlers import add_error_handlers
from src.http.middleware import FaultBarrier, ProblemCORS, Refusals, RequestContext
from src.log import configure_logging
from src.openapi.document import add_openapi
from src.routes import docs, health, tasks

if TYPE_CHECKING:
    from src.auth.key_set import KeySet

VERSION = "1.0.0"

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
    keys = _key_set(settings.jwks_url) if settings.jwks_url else None
    app.state.database = database = Database(settings)
    app.state.verifier = verifier = TokenVerifier(settings, keys)
    verifier.log_sources()
    database.start()
    if keys:
        keys.start()
    purging = asyncio.create_task(purge_hourly(database)) if settings.demo_mode else None
    yield
    if purging:
        purging.cancel()
        with suppress(asyncio.CancelledError):
            await purging
    if keys:
        await keys.close()
    await database.close()


def _key_set(url: str) -> "KeySet":
    # The HTTP client behind it is 5 MB in each worker, which a deployment with a shared secret does not need.
    from src.auth.key_set import KeySet  # noqa: PLC0415  # large, and often not needed

    return KeySet(url)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return a new application, for these settings or the environment's."""
    settings = settings or get_settings()
    configure_logging(settings)
    app = FastAPI(
        title="Tasks API",
        version=VERSION,
        lifespan=lifespan,
        middleware=_middleware(settings),
        openapi_url=None,  # routes/docs.py serves the document and the page
        redirect_slashes=False,  # behind a proxy the redirect would leave https and drop the token
    )
    app.state.settings = settings
    for router in (tasks.router, health.router, docs.router):
        app.include_router(router)
    if settings.demo_mode:
        app.include_router(demo_router())
    add_openapi(app)
    add_error_handlers(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """From the outside in; `http/middleware.py` says why in this order."""
    cors = Middleware(
        ProblemCORS,
        allow_origins=settings.cors_origins,
        allow_origin_regex=settings.cors_origin_regex,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_RESPONSE_HEADERS,
    )
    return [Middleware(RequestContext), cors, Middleware(Refusals), Middleware(FaultBarrier), Middleware(BodyLimit)]


app = create_app()
