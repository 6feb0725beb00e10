"""Waits of the service that no test can sit out, and the one place that knows where the service keeps them.

They are shorter for a service that `serve` starts in the test process, as long as the context lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_PLACES = {
    "cool_down": "src.auth.key_set.COOL_DOWN",  # from one fetch of the signing keys to the next
    "max_age": "src.auth.key_set.MAX_AGE",  # of signing keys that are in use
    "demo_period": "src.demo.routes._SECONDS",  # in which an address gets a few demo tokens
}


@contextmanager
def shortened(**seconds: float) -> Iterator[None]:
    """Let each wait that is named last so long. One that is not found where it should be is an error."""
    with pytest.MonkeyPatch.context() as patch:
        for wait, duration in seconds.items():
            patch.setattr(_PLACES[wait], duration)
        yield
