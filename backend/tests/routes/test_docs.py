"""The page at /docs and its parts: kept and asked about, compressed, and alone with itself. `make browser` opens it."""

import re
from pathlib import Path, PurePosixPath

import httpx
import pytest

from tests.support.server import Service

STATIC = Path(__file__).resolve().parents[2] / "src" / "static"


@pytest.mark.parametrize("path", ["/docs", "/docs/docs.js", "/docs/visitor.js", "/favicon.ico", "/openapi.json"])
def test_the_page_and_its_parts_can_be_kept_and_asked_about(anonymous: httpx.Client, path: str) -> None:
    whole = anonymous.get(path)
    assert whole.status_code == 200
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    kept = anonymous.get(path, headers={"If-None-Match": whole.headers["ETag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    head = anonymous.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_a_visitor_lands_on_the_page(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")


def test_the_page_allows_no_other_host_and_only_the_configured_frames(service: Service) -> None:
    policy = httpx.get(f"{service.url}/docs").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    ancestors = " ".join(service.app.state.settings.frame_ancestors)
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )


def test_assets_are_sent_compressed_to_whoever_can_read_that(anonymous: httpx.Client) -> None:
    script = "/docs/swagger-ui/swagger-ui-bundle.js"
    packed = anonymous.get(script)
    plain = anonymous.get(script, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["Content-Length"]) * 3 < int(plain.headers["Content-Length"])
    assert packed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        *((accepted, "gzip") for accepted in ("gzip", "br, GZIP;q=0.5", "gzip; q=0.001", "gzip;q=1.0,identity;q=0")),
        *((accepted, None) for accepted in ("gzip;q=0", "br, gzip; q=0.000", "xgzip", "br", "")),
    ],
)
def test_a_refused_encoding_is_not_used(anonymous: httpx.Client, accepted: str, encoding: str | None) -> None:
    answer = anonymous.get("/docs", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding


def test_every_part_that_the_page_asks_for_is_served_as_what_it_is(anonymous: httpx.Client) -> None:
    """By relative addresses, and whatever the page's own scripts import."""
    asked = set(re.findall(r'(?:src|href)="(docs/[^"]+)"', anonymous.get("/docs").text))
    for script in STATIC.glob("*.js"):
        asked |= {f"docs/{name}" for name in re.findall(r'from "\./([^"]+)"', script.read_text())}
    assert {f"docs/{script.name}" for script in STATIC.glob("*.js")} <= asked
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in asked:
        answer = anonymous.get(f"/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"].startswith(kinds[PurePosixPath(path).suffix]), path


@pytest.mark.parametrize("name", ["docs.html", "nothing.js", "../main.py", "..%2fmain.py", "swagger-ui/"])
def test_only_the_parts_of_the_page_are_served(anonymous: httpx.Client, name: str) -> None:
    answer = anonymous.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"])
def test_the_licence_of_swagger_ui_comes_with_it(anonymous: httpx.Client, name: str) -> None:
    assert anonymous.get(f"/docs/swagger-ui/{name}").text


def test_redoc_is_not_served(anonymous: httpx.Client) -> None:
    assert anonymous.get("/redoc").status_code == 404
