"""The six operations through HTTP: what succeeds, what is refused, and who sees what."""

import httpx


def test_a_new_task_can_be_read_back(client: httpx.Client, user: str) -> None:
    created = client.post("/tasks", json={"title": "  Buy milk  "})
    assert created.status_code == 201
    task = created.json()
    assert task["title"] == "Buy milk"
    assert created.headers["Location"] == f"/api/{user}/tasks/{task['id']}"
    assert client.get(f"/tasks/{task['id']}").json() == task
    assert client.get("/tasks").json() == [task]
