"""What `make run OTEL=1` prints of a request: a tree of its spans, with milliseconds."""

import io
from collections.abc import Callable

import httpx
import psycopg2

from dev import traces
from tests.conftest import TLS
from tests.support.polling import eventually
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token


def printed(url: str, ask: Callable[[httpx.Client], None], **settings: object) -> list[str]:
    """What is in the terminal when a service has answered."""
    out = io.StringIO()
    with traces.shown(out) as environment:
        given = {name.lower(): value for name, value in environment.items()}
        with serve(settings_for(url, **given, **settings)) as service:
            headers = bearer(make_token("alice"))
            with httpx.Client(base_url=service.url, headers=headers, timeout=30, verify=TLS) as client:
                eventually(lambda: client.get("/health/ready").is_success, 30, "it is ready")
                ask(client)
    return out.getvalue().splitlines()


def test_each_request_is_a_tree_of_its_own(database_url: str) -> None:
    def ask(client: httpx.Client) -> None:
        for name in ("one", "two"):
            client.get("/api/alice/tasks", headers={"X-Request-ID": name})
        client.get("/nowhere", headers={"X-Request-ID": "three"})

    blank, one, below, *others = printed(database_url, ask)
    assert blank == ""
    assert one.split() == [
        "GET",
        "/api/{user_id}/tasks",
        "200",
        one.split()[3],
        "ms",
        "request",
        "one,",
        *one.split()[7:],
    ]
    assert below.startswith("  SELECT tasks ")
    taken, begun = (float(below.split()[place]) for place in (2, 5))
    assert taken + begun <= float(one.split()[3]) + 0.02  # what is rounded
    assert [line.split()[:3] for line in others if line] == [
        ["GET", "/api/{user_id}/tasks", "200"],
        ["SELECT", "tasks", others[2].split()[2]],
        ["GET", "404", others[4].split()[2]],
    ]


def test_what_failed_is_marked(database_url: str, new_database: Callable[[], str]) -> None:
    url = new_database()

    def ask(client: httpx.Client) -> None:
        holder = psycopg2.connect(url)
        holder.cursor().execute("LOCK TABLE tasks")
        assert client.get("/api/alice/tasks").status_code == 503
        holder.close()

    lines = printed(url, ask, db_statement_timeout=0.3)
    assert lines[1].startswith("GET /api/{user_id}/tasks 503 ")
    assert lines[2].endswith("failed: 57014")
