"""Medians of what was measured in rounds; ratios are taken within a round, where the machine was the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One service under one load in one round; milliseconds, and CPU milliseconds per request."""

    service: str
    operation: str
    clients: int
    round: int
    rps: float
    p50: float | None = None
    p99: float | None = None
    cpu: float | None = None
    database_cpu: float | None = None
    failure: str = ""  # of a peer; this service's failures end the run


class Samples:
    """All samples of a run."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    def of(self, service: str, operation: str, clients: int) -> dict[int, Sample]:
        """Return one load's samples by round, as far as they are valid."""
        wanted = (service, operation, clients)
        found = (one for one in self._samples if (one.service, one.operation, one.clients) == wanted)
        return {one.round: one for one in found if not one.failure}

    @property
    def failures(self) -> list[Sample]:
        """The rounds in which a peer gave no result."""
        return [one for one in self._samples if one.failure]

    def median(self, service: str, operation: str, clients: int, field: str) -> float | None:
        """Return the middle of the rounds, or None where nothing was measured."""
        values = [getattr(one, field) for one in self.of(service, operation, clients).values()]
        return median(values) if values and None not in values else None

    def ratio(self, ours: str, theirs: str, operation: str, clients: int, field: str = "rps") -> float | None:
        """Return the median of the rounds' ratios."""
        pair = (self.of(name, operation, clients) for name in (ours, theirs))
        return median_ratio(*pair, lambda sample: getattr(sample, field))


def median_ratio(ours: dict[int, Sample], theirs: dict[int, Sample], value: Callable[[Sample], float]) -> float | None:
    """Return the median of ours / theirs over the rounds that have both."""
    ratios = [value(ours[number]) / value(theirs[number]) for number in ours.keys() & theirs.keys()]
    return median(ratios) if ratios else None
