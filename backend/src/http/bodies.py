"""JSON bodies as RFC 8259 has them: UTF-8, and no NaN or Infinity, which Python's parser would let through."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

_MAX_DIGITS = 1000


class StrictRequest(Request):
    """A request whose `json()` raises for what is not JSON; FastAPI answers that with 400."""

    async def json(self) -> Any:
        """Return the parsed body."""
        return json.loads((await self.body()).decode(), parse_constant=_refuse, parse_int=_number)


class StrictJSONRoute(APIRoute):
    """A route that reads its body that way."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, given a strict request where there is a body to read."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _number(digits: str) -> float:
    """Read an integer; one that Python would not convert (CVE-2020-10735) is legal JSON all the same."""
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
