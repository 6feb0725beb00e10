"""The ceiling of the server: an application that does nothing but answer a constant."""

from typing import Any

_TASK = (
    b'{"id":17,"user_id":"kK2pQ7vW9xY4zB6nM8cD1fG3hJ5lR0sT","title":"Buy milk","description":"Two litres, oat",'
    b'"completed":false,"created_at":"2026-11-22T06:44:44.123456Z","updated_at":"2026-11-22T06:44:44.123456Z"}'
)
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_TASK)).encode())],
}
_BODY = {"type": "http.response.body", "body": _TASK}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with the same task."""
    if scope["type"] != "http":
        return
    await send(_START)
    await send(_BODY)
