"""The words and examples of the OpenAPI document that belong to no single operation; data only."""

from typing import Any

from src.http.problems import EXAMPLE_REQUEST_ID
from src.models import EXAMPLE_TASK

Json = dict[str, Any]

SUMMARY = "A to-do list for each user of a Better Auth server"
INTRODUCTION = "Every user has tasks, and nobody sees the tasks of another."
# Only with DEMO_MODE.
DEMO = """\
**To try it at once**, press *Try it with a demo user* at the top of `/docs`: you are a new user for an hour, without an
account and with three example tasks, and `user_id` is filled in. `POST /demo/token` does the same for programs."""
DESCRIPTION = """\
**To begin**, give *Authorize* a token of your Better Auth server: `(await authClient.token()).data.token` in the
browser, `make token USER=alice` on a development machine. Its `sub` is the `user_id` of every path.

**Errors** of every status are `application/problem+json` (RFC 9457); their `detail` may be shown to people.

**Optional**, and harmless to ignore: pages (`limit`), conditional requests (`ETag`), safe retries
(`Idempotency-Key`), setting completion instead of toggling it."""

TAGS = [
    {"name": "tasks", "description": "The tasks of the user whose token is sent; all of them need a token."},
    {"name": "health", "description": "For load balancers and monitors; no token."},
    {"name": "demo", "description": "A way to try the API without an account; only with `DEMO_MODE=true`."},
]

ETAG = '"6f1d2b7a0c9e4835b1a7d3f2e8c60594"'
_CURSOR = "eyJhZnRlciI6MTd9"


def _header(description: str, example: str, *, always: bool = True) -> Json:
    header: Json = {"description": description, "schema": {"type": "string"}, "example": example}
    return {**header, "required": True} if always else header


HEADERS: dict[str, Json] = {
    "X-Request-ID": _header("The request's own id, or a new one; also in the server's log", EXAMPLE_REQUEST_ID),
    "ETag": _header("Strong entity tag of the body, for If-Match and If-None-Match", ETAG),
    "Cache-Control": _header("May be kept, but must be asked about (If-None-Match) before use", "private, no-cache"),
    "Location": _header("The path of the new task", f"/api/{EXAMPLE_TASK['user_id']}/tasks/{EXAMPLE_TASK['id']}"),
    "Idempotency-Replayed": _header("`true` when the key had made this task before", "true", always=False),
    "Link": _header(
        "Leads to the next page (RFC 8288) while there is one",
        f'</api/{EXAMPLE_TASK["user_id"]}/tasks?limit=50&cursor={_CURSOR}>; rel="next"',
        always=False,
    ),
    "WWW-Authenticate": _header("What to send (RFC 6750)", 'Bearer error="invalid_token"'),
    "Retry-After": _header("Seconds to wait before the request is repeated", "1"),
}

ERROR_HEADERS = {"401": ("WWW-Authenticate",), "429": ("Retry-After",), "503": ("Retry-After",)}

# Of request headers. /docs does not fill them in: these values would be refused, being nobody's.
PARAMETERS = {"If-None-Match": ETAG, "If-Match": ETAG, "Idempotency-Key": "8d7a1c1e-4f0b-4a52-9a51-6b0c2f0a7f10"}
# What the service checks by itself, as far as a schema can say it.
RULES: dict[str, Json] = {
    "Idempotency-Key": {"pattern": "^[!-~]{1,255}$", "minLength": 1, "maxLength": 255},
    "cursor": {"pattern": "^[A-Za-z0-9_-]*$"},
}

# Where a docstring speaks to this project's developers.
SCHEMAS = {"TaskResponse": "A task."}
