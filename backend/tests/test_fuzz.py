"""Schemathesis over the OpenAPI document: single requests and chains of them, with every check but one.

FUZZ_EXAMPLES sets how many examples each operation gets, and a sixth of it how many chains: few here, so that every
test run has some, and 300 with `make fuzz`.
"""

import os
import uuid
from functools import lru_cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from tests.support.server import Service
from tests.support.tokens import bearer, make_token

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
# What a request that fits the document may be told all the same: the task has changed (412), the cursor is not one
# of ours or the text is only blanks (422).
ACCEPTED = {"expected-statuses": ["2xx", "3xx", 401, 403, 404, 409, 412, 422]}


@pytest.fixture(scope="module")
def api(service: Service) -> Any:
    checks = {
        "positive_data_acceptance": ACCEPTED,
        # It counts a missing token, which `check` puts back, and unknown query parameters, which we ignore.
        "negative_data_rejection": {"enabled": False},
    }
    config = SchemathesisConfig.from_dict({"checks": checks})
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=config)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_every_operation_keeps_its_promises(api: Any, mode: GenerationMode) -> None:
    # What takes no input cannot be given a wrong one.
    chosen = api.include(path_regex="^/api/") if mode is GenerationMode.NEGATIVE else api
    for operation in chosen.get_all_operations():

        @SETTINGS
        @given(case=operation.ok().as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            _as_user(case, "fuzz")
            case.call_and_validate(headers=_headers("fuzz"))

        check()


def test_chains_of_operations_keep_their_promises(api: Any) -> None:
    class Chain(api.as_state_machine()):  # type: ignore[misc]  # made at run time
        def setup(self) -> None:
            # Which step comes next depends on what the last one was answered, so no chain may find what another left:
            # Hypothesis compares chains that begin alike, and takes any difference for a fault of the test.
            self.user = uuid.uuid4().hex

        def before_call(self, case: Any) -> None:
            _as_user(case, self.user)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": _headers(self.user)}

    Chain.run(settings=settings(SETTINGS, max_examples=max(1, EXAMPLES // 6), stateful_step_count=15))


def _as_user(case: Any, user: str) -> None:
    """Any other user in the path is a 403, which would hide everything behind it."""
    if "user_id" in (case.path_parameters or {}):
        case.path_parameters["user_id"] = user


@lru_cache
def _headers(user: str) -> dict[str, str]:
    return bearer(make_token(user, ttl=24 * 3600))
