"""URLs in answers: where a new task is, and what leads to the next page of a list (RFC 8288)."""

from urllib.parse import quote, urlencode

from starlette.requests import Request


def prefix_of(request: Request) -> str:
    """Return what a proxy strips from every path: as the server was told, else as ROOT_PATH says.

    Not `app.root_path`: Starlette would strip it from paths that no longer have it, and `/api` is a likely one.
    """
    prefix: str = request.scope.get("root_path") or request.app.state.settings.root_path
    return prefix


def location_of(request: Request, user_id: str, task_id: int) -> str:
    """Return the path of a task as the client sees it, a proxy's prefix included."""
    return f"{_tasks_of(request, user_id)}/{task_id}"


def next_link(request: Request, user_id: str, cursor: str) -> str:
    """Return the Link header that leads to the next page: the same request but for the cursor."""
    query = {name: value for name, value in request.query_params.items() if name != "cursor"} | {"cursor": cursor}
    return f'<{_tasks_of(request, user_id)}?{urlencode(query, quote_via=quote)}>; rel="next"'


def _tasks_of(request: Request, user_id: str) -> str:
    # Not by `url_path_for`, which does not encode the owner; and not from the request's path, which is decoded, so that
    # it need not be a URL any more.
    return f"{prefix_of(request)}/api/{quote(user_id, safe='')}/tasks"
