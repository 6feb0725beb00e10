"""Successful responses: JSON that PostgreSQL rendered, with its entity tag. Rank 3."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from src.etags import etag_of, names

# Browsers may keep an answer but must ask (with If-None-Match) before they use it again.
_CACHING = {"Cache-Control": "private, no-cache"}


def json_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, if_none_match: str | None = None
) -> Response:
    """Return the body with its tag, or 304 and no body when the client has it already."""
    etag = etag_of(body)
    fields = {"ETag": etag, **_CACHING, **(headers or {})}
    if if_none_match is not None and names(if_none_match, etag):
        return Response(status_code=304, headers=fields)
    return Response(body, status, fields, "application/json")


def location_of(request: Request, user_id: str, task_id: int) -> str:
    """Return the path of a task as the client sees it, a proxy's prefix included."""
    return f"{request.scope.get('root_path', '')}/api/{quote(user_id, safe='')}/tasks/{task_id}"


def next_link(request: Request, cursor: str) -> str:
    """Return the Link header that leads to the next page (RFC 8288), relative to the request's own origin."""
    url: URL = request.url.include_query_params(cursor=cursor)
    return f'<{url.path}?{url.query}>; rel="next"'
