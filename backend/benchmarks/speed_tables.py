"""The tables about load: targets, throughput, latency, CPU, limits."""

from collections import Counter
from collections.abc import Iterator

from benchmarks.markdown import captioned, figure, section, table
from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.services import KINDS
from benchmarks.settings import CLIENTS
from benchmarks.targets import Target, targets

SERVICES = {kind.name: kind.title for kind in KINDS}
PEERS = {name: title for name, title in SERVICES.items() if name != "ours"}
_HEADER = ["Operation", "clients", *SERVICES.values()]


def judged(results: Results) -> str:
    """Return every target with what was measured."""
    lines = targets(results)
    met = sum(target.met for target in lines)
    caption = f"{met} of {len(lines)} are met. Ratios are this service's figure / the other's, the worse of both loads."
    return section("Targets", captioned(caption, table(["Target", "measured", "bound", "met"], map(_verdict, lines))))


def _verdict(target: Target) -> list[str]:
    bound = f"{'≥' if target.at_least else '≤'} {figure(target.bound)}"
    return [target.what, figure(target.value, target.unit), bound, "yes" if target.met else "**no**"]


def throughput(results: Results) -> str:
    """Return requests a second, with ratios."""
    rows = (_throughput_row(results, *load) for load in _measured(results))
    header = [*_HEADER, *(f"ours / {title}" for title in PEERS.values())]
    return section("Requests a second", table(header, rows), _failures(results))


def _throughput_row(results: Results, operation: str, clients: int) -> list[str]:
    ratios = (results.load.ratio("ours", peer, operation, clients) for peer in PEERS)
    return [*_row(results, operation, clients, "rps"), *(figure(ratio, " x") for ratio in ratios)]


def _row(results: Results, operation: str, clients: int, field: str) -> list[str]:
    medians = (results.load.median(service, operation, clients, field) for service in SERVICES)
    return [TITLES[operation], str(clients), *(figure(value) for value in medians)]


def _measured(results: Results) -> list[tuple[str, int]]:
    loads = ((operation, clients) for operation in NAMES for clients in CLIENTS)
    return [load for load in loads if results.load.of("ours", *load)]


def _failures(results: Results) -> str:
    counted = Counter((one.service, one.operation, one.clients) for one in results.load.failures)
    lines = (
        f"- {SERVICES[name]}, {TITLES[operation]}, {n} clients: {times}\n"
        for (name, operation, n), times in counted.items()
    )
    return captioned(
        "Rounds without a valid result, because the peer answered nothing, or errors (left out above):", "".join(lines)
    )


def latency(results: Results) -> str:
    """Return p50 and p99."""
    parts = (captioned(f"{name}:", _table_of(results, name)) for name in ("p50", "p99"))
    return section("Latency, ms", *parts)


def cpu(results: Results) -> str:
    """Return the service's CPU time and PostgreSQL's."""
    service = captioned("The service:", _table_of(results, "cpu"))
    local = any(one.database_cpu is not None for one in results.samples)
    database = captioned("PostgreSQL for it:", _table_of(results, "database_cpu")) if local else ""
    return section("CPU of one request, ms", service, database)


def _table_of(results: Results, field: str) -> str:
    return table(_HEADER, (_row(results, *load, field) for load in _measured(results)))


def limits(results: Results) -> str:
    """Return how near this service comes to PostgreSQL alone, and to a server that does nothing."""
    rows = (row for load in _measured(results) for row in _limit_rows(results, *load))
    return section("Share of the limits", table(["Limit", "a second", "ours"], rows))


def _limit_rows(results: Results, operation: str, clients: int) -> Iterator[list[str]]:
    for limit in ("pgbench", "bare"):
        if share := results.load.ratio("ours", limit, operation, clients):
            rps = results.load.median(limit, operation, clients, "rps")
            yield [f"{TITLES[operation]}, {clients} clients: {limit}", figure(rps), f"{share:.0%}"]


PARTS = (judged, throughput, latency, cpu, limits)
