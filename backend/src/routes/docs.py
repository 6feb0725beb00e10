"""The interactive documentation, all of it from this process: page, assets, document, icon.

Nothing here depends on where the service is mounted: the page asks for everything by relative addresses, so it works
below any prefix. Its policy allows no other host and no inline script.
"""

import gzip
import json
import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from src.http.conditions import etag_of_body, is_listed
from src.http.problems import NO_SNIFFING
from src.http.urls import prefix_of

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).resolve().parents[1] / "static"
_TYPES = {
    "docs.html": "text/html; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "form.js": "text/javascript; charset=utf-8",
    "operations.js": "text/javascript; charset=utf-8",
    "visitor.js": "text/javascript; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "swagger-ui/swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui/LICENSE": "text/plain; charset=utf-8",
    "swagger-ui/NOTICE": "text/plain; charset=utf-8",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
}
# Kept, but asked about each time (304): after an upgrade no part of the page is older than another.
_CACHING = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
_REFUSED = re.compile(r"q=0(\.0*)?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)


# Not `StaticFiles` and `GZipMiddleware`: the first takes time and size for a tag, which differ between containers of
# one release; the second would compress the bundle of 1.7 MB for each request, and give both forms one tag.
class _Asset(NamedTuple):
    plain: bytes
    packed: bytes
    etag: str


@lru_cache
def _asset(name: str) -> _Asset:
    """Read and compress a file once; `name` is a key of _TYPES, never a path from outside."""
    content = (_FOLDER / name).read_bytes()
    return _Asset(content, gzip.compress(content, mtime=0), sha256(content).hexdigest()[:32])


def _takes_gzip(accepted: str) -> bool:
    """Read Accept-Encoding, whose `gzip;q=0` is a refusal (RFC 9110, section 12.5.3)."""
    weights = dict(coding.replace(" ", "").partition(";")[::2] for coding in accepted.lower().split(","))
    return "gzip" in weights and not _REFUSED.fullmatch(weights["gzip"])


def _served(request: Request, name: str, headers: dict[str, str]) -> Response:
    asset = _asset(name)
    packed = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{asset.etag}-gzip"' if packed else f'"{asset.etag}"'
    headers = {**NO_SNIFFING, **_CACHING, "ETag": etag, **headers}
    if is_listed(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    return Response(asset.packed if packed else asset.plain, 200, {**headers, **encoding}, _TYPES[name])


# Plain functions: FastAPI runs them in a thread, where reading and compressing a file delays nobody.
@router.api_route("/docs", methods=["GET", "HEAD"])
def docs(request: Request) -> Response:
    """Serve the page; only the sites of FRAME_ANCESTORS may frame it."""
    policy = _POLICY + " ".join(request.app.state.settings.frame_ancestors)
    return _served(request, "docs.html", {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"})


@router.api_route("/docs/{name:path}", methods=["GET", "HEAD"])
def docs_asset(request: Request, name: str) -> Response:
    """Serve a file of the page."""
    if name not in _TYPES or name == "docs.html":
        raise HTTPException(404)
    return _served(request, name, {})


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
def favicon(request: Request) -> Response:
    """Serve the icon that browsers ask for at every page, whatever it says."""
    return _served(request, "favicon.svg", {})


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
def openapi(request: Request) -> Response:
    """Serve the OpenAPI document."""
    content = json.dumps(request.app.openapi(), ensure_ascii=False).encode()
    headers = {**NO_SNIFFING, "Cache-Control": "no-cache", "ETag": etag_of_body(content)}
    if is_listed(request.headers.getlist("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, "application/json")


@router.api_route("/", methods=["GET", "HEAD"])
async def landing(request: Request) -> Response:
    """Send a visitor to the page."""
    return RedirectResponse(f"{prefix_of(request)}/docs", 307)
