"""The application, put together. Importing this opens no connection; `app` at the end is what servers run. Rank 10."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware

from src.body_limit import BodyLimit
from src.config import Settings, get_settings
from src.db import Database
from src.demo import purge_hourly
from src.error_handlers import add_error_handlers
from src.log import configure_logging
from src.memory import settle
from src.middleware import FaultBarrier, ProblemCORS, RequestContext
from src.openapi import add_openapi
from src.routes import routes
from src.routes.demo import demo_router
from src.security import TokenVerifier
from src.server import follow_parent

if TYPE_CHECKING:
    from src.jwks import KeySet

VERSION = "1.0.0"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Own what needs a running event loop: connections and signing keys. Waits for neither."""
    settings: Settings = app.state.settings
    keys = _key_set(settings.jwks_url) if settings.jwks_url else None
    app.state.database = database = Database(settings)
    app.state.verifier = verifier = TokenVerifier(settings, keys)
    verifier.log_sources()
    follow_parent()
    database.start()
    if keys:
        keys.start()
    purging = asyncio.create_task(purge_hourly(database)) if settings.demo_mode else None
    settle()
    yield
    if purging:
        purging.cancel()
    if keys:
        await keys.close()
    await database.close()


def _key_set(url: str) -> "KeySet":
    # The HTTP client behind it is 5 MB in each worker, which a deployment with a shared secret does not need.
    from src.jwks import KeySet  # noqa: PLC0415  # large, and often not needed

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
    # Not `include_router`: it would match every request a second time and resolve per-inclusion options that
    # we do not use, 8 % of the CPU of a GET.
    app.router.routes.extend([*routes, *(demo_router().routes if settings.demo_mode else ())])
    add_openapi(app)
    add_error_handlers(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """From the outside in; `middleware.py` says why in this order."""
    cors = Middleware(
        ProblemCORS,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"),
        expose_headers=(
            "Allow",
            "ETag",
            "Idempotency-Replayed",
            "Link",
            "Location",
            "Retry-After",
            "WWW-Authenticate",
            "X-Request-ID",
        ),
    )
    return [Middleware(RequestContext), cors, Middleware(FaultBarrier), Middleware(BodyLimit)]


app = create_app()
