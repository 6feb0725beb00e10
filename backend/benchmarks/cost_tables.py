"""The tables about everything but load: memory, a distant database, start, growth, tokens."""

from benchmarks.delay import CLIENTS, Delayed
from benchmarks.markdown import captioned, figure, section, table
from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.speed_tables import SERVICES


def memory(results: Results) -> str:
    """Return what the processes hold."""
    rows = (
        [SERVICES[name], figure(held.worker_rss), figure(held.worker_pss), figure(held.total_pss)]
        for name, held in results.memory.items()
    )
    more = f"One more worker of this service costs {figure(results.one_more_worker)} MiB (PSS).\n"
    header = ["MiB", "RSS of a worker", "PSS of a worker", "PSS of all processes"]
    return section("Memory after load", table(header, rows), more if results.one_more_worker else "")


def distance(results: Results) -> str:
    """Return round trips and latency with a distant database."""
    found = {(one.service, one.operation, one.clients): one for one in results.delayed}
    rows = (
        [TITLES[operation], str(clients), *(_trips(found.get((service, operation, clients))) for service in SERVICES)]
        for operation in NAMES
        for clients in CLIENTS
        if ("ours", operation, clients) in found
    )
    body = table(["Operation", "clients", *SERVICES.values()], rows)
    return section("With 20 ms to the database", captioned("Round trips of a request / its p50 in ms:", body))


def _trips(one: Delayed | None) -> str:
    return f"{one.round_trips:.2f} / {figure(one.p50)}" if one else "-"


def starts(results: Results) -> str:
    """Return the seconds until the first answer."""
    rows = ([SERVICES[one.service], figure(one.existing), figure(one.empty)] for one in results.starts)
    return section("Start, seconds to the first answer", table(["Service", "existing schema", "empty schema"], rows))


def growth(results: Results) -> str:
    """Return long lists and a crowded table."""
    lists = (
        [str(one.tasks), *map(figure, (one.p50, one.body, one.rss_before, one.rss_after, one.rss_peak))]
        for one in results.lists
    )
    crowds = (
        [str(one.strangers), *map(figure, (one.list20, one.list1000, one.get, one.create))] for one in results.crowds
    )
    long = table(["Length of the list", "p50, ms", "body, MiB", "RSS before, MiB", "after", "peak"], lists)
    crowded = table(["Tasks of others", "list of 20, p50, ms", "list of 1000", "get", "create"], crowds)
    return section("Growth: this service, one client", long, crowded)


def tokens(results: Results) -> str:
    """Return the cost of a token."""
    if not (cost := results.tokens):
        return ""
    rows = [
        ["seen for the first time", f"{cost.new_p50:.4f}", f"{cost.new_p99:.4f}"],
        ["known", f"{cost.known_p50:.4f}", f"{cost.known_p99:.4f}"],
    ]
    return section("Verifying a token, ms", table(["Token", "p50", "p99"], rows))


PARTS = (memory, distance, starts, growth, tokens)
