"""A token for somebody who has no account, and tasks to begin with."""

from fastapi import APIRouter, Request, Response

from src.demo.rate_limit import RateLimit
from src.demo.users import EXAMPLES, DemoToken, new_demo_token
from src.dependencies import get_task_service
from src.errors import DatabaseUnavailableError, TooManyRequestsError
from src.http.problems import responses_for
from src.openapi.operations import answers

_TOKENS, _SECONDS = 5, 60.0  # for each address and worker process


_EXAMPLE = {
    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkZW1v….x",
    "user_id": "demo-5f0c3a9b7e21d4860c1b2a3f",
    "expires_at": "2026-11-22T07:44:44Z",
}


def demo_router() -> APIRouter:
    """Return the route, with a count of its own."""
    router = APIRouter(tags=["demo"])
    limit = RateLimit(_TOKENS, _SECONDS)

    @router.post(
        "/demo/token",
        operation_id="createDemoToken",
        summary="Become a demo user",
        status_code=201,
        response_description="A token and the user it is for",
        responses=responses_for(TooManyRequestsError, DatabaseUnavailableError) | answers(201, _EXAMPLE),
    )
    async def create_demo_token(request: Request, response: Response) -> DemoToken:
        """Return a token, good for an hour, for a new random user with three example tasks.

        The tasks of such users are removed a day after they were made.
        """
        # Behind a proxy this is the client's address only if FORWARDED_ALLOW_IPS names the proxy.
        if not limit.allows(request.client.host if request.client else ""):
            raise TooManyRequestsError
        newcomer = new_demo_token(request.app.state.settings)
        # Whoever asks has just become this user, so these are the caller's own tasks.
        tasks = await get_task_service(request, newcomer.user_id)
        await tasks.create_all(EXAMPLES)
        response.headers["Cache-Control"] = "no-store"
        return newcomer

    return router
