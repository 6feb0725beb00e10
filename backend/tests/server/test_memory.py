"""What the process does with its memory, where no test of behaviour can tell."""

import gc
from collections.abc import Iterator

import pytest

from src.server.memory import starting


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Leave the collector of this process as it was."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_a_start_is_not_interrupted_by_the_collector_and_what_it_built_never_looked_at() -> None:
    with starting():
        assert not gc.isenabled()
        built: list[object] = [[]]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000
    assert not any(object_ is built for object_ in gc.get_objects())
    assert gc.get_threshold()[0] == 10_000
