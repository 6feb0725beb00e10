"""A user of both servers, as a frontend would act for one."""

import httpx
import jwt

from tests.support.tokens import bearer

SIX = ("list", "create", "read", "update", "toggle", "delete")


class User:
    """Signed up over HTTP; holds the session cookie and fetches tokens with it."""

    def __init__(self, auth_url: str, api_url: str, name: str) -> None:
        # Better Auth refuses requests with a cookie and without an origin; browsers always send one.
        self.auth = httpx.Client(base_url=auth_url + "/api/auth", headers={"Origin": auth_url}, timeout=30)
        account = {"name": name, "email": f"{name}@example.com", "password": "correct horse battery staple"}
        answer = self.auth.post("/sign-up/email", json=account).raise_for_status()
        self.id: str = answer.json()["user"]["id"]
        self.api = httpx.Client(base_url=f"{api_url}/api/{self.id}/tasks", timeout=30)

    def close(self) -> None:
        self.auth.close()
        self.api.close()

    def token(self) -> str:
        token: str = self.auth.get("/token").raise_for_status().json()["token"]
        return token

    def call(self, operation: str, token: str, task_id: object = 0, owner: str | None = None) -> httpx.Response:
        """Ask for one of the six operations, possibly under the path of another user."""
        base = self.api.base_url if owner is None else self.api.base_url.copy_with(path=f"/api/{owner}/tasks/")
        one = f"{task_id}"
        method, path, body = {
            "list": ("GET", "", None),
            "create": ("POST", "", {"title": "Buy milk"}),
            "read": ("GET", one, None),
            "update": ("PUT", one, {"title": "Buy oat milk", "description": "2 l"}),
            "toggle": ("PATCH", f"{one}/complete", None),
            "delete": ("DELETE", one, None),
        }[operation]
        url = str(base).rstrip("/") + (f"/{path}" if path else "")
        return self.api.request(method, url, json=body, headers=bearer(token))

    def works(self, token: str) -> bool:
        return self.call("list", token).status_code == 200


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid
