"""The TypeScript client on its generated types against the running service. `make client-test`."""

import pytest

from tests.support.npm import npm
from tests.support.server import Service
from tests.support.tokens import make_token

pytestmark = pytest.mark.node


def test_the_committed_types_are_those_of_the_document() -> None:
    npm("run", "generate", "--", "--check")


def test_every_operation_works_through_the_typed_client(service: Service, user: str) -> None:
    """And tokens are renewed, problems reported, requests repeated, aborted; `tests/` has the steps."""
    tokens = {"TOKEN": make_token(user), "EXPIRED_TOKEN": make_token(user, ttl=-60)}
    print(npm("test", API_URL=service.url, USER_ID=user, **tokens))
