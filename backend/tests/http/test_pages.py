"""Pages of a list: they add up to the whole, whatever comes and goes meanwhile."""

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from src.postgres.title_order import MARK
from src.services import cursors
from tests.conftest import TLS, execute
from tests.support.counting import CountingProxy
from tests.support.polling import eventually
from tests.support.server import serve, settings_for
from tests.support.tokens import bearer, make_token
from tests.test_integration import create


def pages(client: httpx.Client, **query: Any) -> list[list[dict[str, Any]]]:
    """Follow the Link headers from the first page to the last."""
    response, found = client.get("/tasks", params=query), []
    while True:
        assert response.status_code == 200, response.text
        found.append(response.json())
        if "next" not in response.links:
            return found
        response = client.get(str(response.url.join(response.links["next"]["url"])))


def insert_at_once(database_url: str, user: str, count: int) -> None:
    """Insert tasks that have the same `created_at`: those of one transaction."""
    columns = "INSERT INTO tasks (user_id, title)"
    execute(database_url, f"{columns} SELECT '{user}', 'Task ' || n FROM generate_series(1, {count}) n")


@pytest.mark.parametrize("sort", ["created", "title"])
def test_a_late_page_begins_in_the_index_like_the_first(new_database: Callable[[], str], user: str, sort: str) -> None:
    """Of what the service sends for it, PostgreSQL reads no row before the place where the last page ended."""
    database_url = new_database()  # whose plans depend on no rows of other tests
    with (
        closing(CountingProxy(database_url)) as proxy,
        serve(settings_for(proxy.url)) as counted,
        httpx.Client(base_url=counted.url, headers=bearer(make_token(user)), timeout=30, verify=TLS) as client,
    ):
        eventually(lambda: client.get("/health/ready").is_success, 30, "the service is ready")
        columns, series = "INSERT INTO tasks (user_id, title, created_at)", "FROM generate_series(1, 20000) n"
        execute(database_url, f"{columns} SELECT '{user}', 'Task ' || n, now() + n * interval '1 s' {series}")
        execute(database_url, "VACUUM ANALYZE tasks")
        page = client.get(f"/api/{user}/tasks", params={"sort": sort, "limit": 1000})
        for _ in range(10):
            proxy.statements.clear()
            page = client.get(page.links["next"]["url"])
        assert len(page.json()) == 1000
    (sent,) = proxy.statements
    plan = "\n".join(str(row[0]) for row in execute(database_url, f"EXPLAIN {sent.partition(';')[2]}"))
    assert re.search(r"Index Cond: .*ROW\(.*\) > ROW\(", plan), plan
    assert "Filter:" not in plan
    assert "Sort" not in plan


class TestPages:
    @pytest.mark.parametrize("sort", ["created", "title"])
    @pytest.mark.parametrize("limit", [1, 3, 7, 8, 1000])
    def test_they_add_up_to_the_whole_list(self, client: httpx.Client, sort: str, limit: int) -> None:
        for title in ("b", "B", "a", "É", "e", "b", "a"):
            create(client, title)
        found = pages(client, sort=sort, limit=limit)
        assert [task for page in found for task in page] == client.get("/tasks", params={"sort": sort}).json()
        assert [len(page) for page in found][:-1] == [limit] * (len(found) - 1)

    def test_the_filter_goes_along(self, client: httpx.Client) -> None:
        for number in range(6):
            task = create(client, f"{number}")
            if number % 2:
                client.patch(f"/tasks/{task['id']}/complete")
        found = pages(client, status="completed", limit=2)
        assert [[task["title"] for task in page] for page in found] == [["1", "3"], ["5"]]

    def test_the_filter_goes_along_in_the_order_of_titles_too(self, client: httpx.Client) -> None:
        for title in ("e", "b", "d", "a", "c"):
            task = create(client, title)
            if title != "b":
                client.patch(f"/tasks/{task['id']}/complete")
        found = pages(client, status="completed", sort="title", limit=2)
        assert [[task["title"] for task in page] for page in found] == [["a", "c"], ["d", "e"]]

    @pytest.mark.parametrize(
        ("tasks", "limit", "sizes"), [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (4, 4, [4]), (4, 3, [3, 1]), (4, 5, [4])]
    )
    def test_the_limit_goes_along_and_a_full_last_page_leads_nowhere(
        self, client: httpx.Client, tasks: int, limit: int, sizes: list[int]
    ) -> None:
        for number in range(tasks):
            create(client, f"{number}")
        for sort in ("created", "title"):
            assert [len(page) for page in pages(client, sort=sort, limit=limit)] == sizes

    def test_the_largest_page_leads_on_to_one_more(self, client: httpx.Client, database_url: str, user: str) -> None:
        insert_at_once(database_url, user, 1001)
        found = pages(client, limit=1000)
        assert [len(page) for page in found] == [1000, 1]
        assert found[1][0]["title"] == "Task 1001"

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_tasks_of_one_instant_come_by_id(
        self, client: httpx.Client, database_url: str, user: str, limit: int
    ) -> None:
        insert_at_once(database_url, user, 7)
        execute(database_url, f"UPDATE tasks SET description = 'moved' WHERE user_id = '{user}' AND title = 'Task 2'")
        found = [task for page in pages(client, limit=limit) for task in page]
        assert [task["title"] for task in found] == [f"Task {number}" for number in range(1, 8)]
        assert len({task["created_at"] for task in found}) == 1
        assert [task["id"] for task in found] == sorted(task["id"] for task in found)

    def test_a_cursor_alone_leads_on_to_all_that_is_left(self, client: httpx.Client) -> None:
        for title in "abcd":
            create(client, title)
        cursor = _query(client.get("/tasks", params={"limit": 1}))["cursor"][0]
        rest = client.get("/tasks", params={"cursor": cursor})
        assert [task["title"] for task in rest.json()] == ["b", "c", "d"]
        assert "Link" not in rest.headers

    def test_an_empty_list_is_one_empty_page(self, client: httpx.Client) -> None:
        assert pages(client, limit=5) == [[]]

    def test_tasks_that_come_and_go_move_no_other(self, client: httpx.Client) -> None:
        staying = [create(client, title)["id"] for title in ("b", "d", "f", "h")]
        going = create(client, "c")["id"]
        first = client.get("/tasks", params={"sort": "title", "limit": 2})
        client.delete(f"/tasks/{going}")
        client.delete(f"/tasks/{first.json()[0]['id']}")
        create(client, "a")
        rest = pages(client, **{name: value[0] for name, value in _query(first).items()})
        assert [task["id"] for page in rest for task in page] == staying[2:] or going in [t["id"] for t in first.json()]
        seen = [task["id"] for page in [first.json(), *rest] for task in page]
        assert [task for task in seen if task in staying] == staying

    def test_a_cursor_is_good_for_its_own_list_only(self, client: httpx.Client, stranger: httpx.Client) -> None:
        for who in (client, stranger):
            for title in "abc":
                create(who, title)
        cursor = _query(client.get("/tasks", params={"limit": 1}))["cursor"][0]
        for who, query in (
            (stranger, {}),
            (client, {"sort": "title"}),
            (client, {"status": "pending"}),
        ):
            response = who.get("/tasks", params={"limit": 1, "cursor": cursor, **query})
            assert response.status_code == 422
            assert response.json()["errors"][0]["loc"] == ["query", "cursor"]

    @pytest.mark.parametrize("cursor", ["x", "", "%00", "é", "W10", "bnVsbA", "WyJhIiwxXQ", "[" * 4000, "x" * 9000])
    def test_a_broken_cursor_is_refused(self, client: httpx.Client, cursor: str) -> None:
        assert client.get("/tasks", params={"limit": 1, "cursor": cursor}).status_code == 422

    @pytest.mark.parametrize(
        ("sort", "values"),
        [
            *(("created", values) for values in (["x", "1"], ["2026-01-01 00:00:00+00", "x"], ["1", "1"], [1, 1])),
            *(("created", [f"{instant}-01-01 00:00:00-10", "1"]) for instant in ("0000", "10000", "infinity", "1 BC")),
            *(("created", ["2026-01-01 00:00:00+00", number]) for number in (str(2**63), "9" * 5000, None, [])),
            *(("title", [text, "t", "1"]) for text in ("\0", "\ud800", None, 1, {})),
            *(("title", values) for values in (["t", "t", "1.5"], ["t", "t"], ["t", "t", "1", "1"], [])),
        ],
    )
    def test_a_forged_cursor_is_refused(self, client: httpx.Client, user: str, sort: str, values: list[Any]) -> None:
        """The checksum keeps mistakes out, not people who read the source."""
        answer = client.get("/tasks", params={"sort": sort, "limit": 1, "cursor": _forged(user, sort, values)})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["query", "cursor"]

    @pytest.mark.parametrize(
        ("sort", "values"),
        [
            *(("created", [f"2026-01-01 00:00:00{offset}", "1"]) for offset in ("+00", "+23:59", "-16:00", "")),
            ("title", ["", "", "1"]),
        ],
    )
    def test_a_forged_cursor_that_could_be_one_reads_its_owners_tasks(
        self, client: httpx.Client, user: str, sort: str, values: list[Any]
    ) -> None:
        """So it is the values that are judged above, not the forgery."""
        task = create(client, "a")
        answer = client.get("/tasks", params={"sort": sort, "limit": 1, "cursor": _forged(user, sort, values)})
        assert [found["id"] for found in answer.json()] == [task["id"]]

    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "1.5", "99999999999999999999"])
    def test_a_limit_out_of_bounds_is_refused(self, client: httpx.Client, limit: str) -> None:
        assert client.get("/tasks", params={"limit": limit}).status_code == 422


def _query(response: httpx.Response) -> dict[str, list[str]]:
    return parse_qs(urlsplit(response.links["next"]["url"]).query)


def _forged(user: str, sort: str, values: list[Any]) -> str:
    return cursors.encode((user, "all", sort + (MARK if sort == "title" else "")), values)
