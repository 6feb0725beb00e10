"""A token for somebody who has no account; part of the application only with DEMO_MODE. Rank 8."""

from fastapi import APIRouter, Request, Response

from src.demo import DemoToken, new_demo_token
from src.errors import TooManyRequestsError
from src.problems import responses_for
from src.rate_limit import RateLimit

_TOKENS, _SECONDS = 5, 60.0  # for each address and worker process


def demo_router() -> APIRouter:
    """Return the route, with a count of its own."""
    router = APIRouter(tags=["demo"])
    limit = RateLimit(_TOKENS, _SECONDS)

    @router.post(
        "/demo/token",
        operation_id="createDemoToken",
        summary="Become a demo user",
        status_code=201,
        responses=responses_for(TooManyRequestsError),
    )
    async def create_demo_token(request: Request, response: Response) -> DemoToken:
        """Return a token, good for an hour, for a new random user; the tasks of such users are removed after a day."""
        # Behind a proxy this is the client's address only if FORWARDED_ALLOW_IPS names the proxy.
        if not limit.allows(request.client.host if request.client else ""):
            raise TooManyRequestsError
        response.headers["Cache-Control"] = "no-store"
        return new_demo_token(request.app.state.settings)

    return router
