"""The results as Markdown tables; none of their figures is written by hand."""

from collections.abc import Iterator

from benchmarks.markdown import figure, table
from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.services import KINDS
from benchmarks.settings import CLIENTS
from benchmarks.targets import Target, targets

_SERVICES = {kind.name: kind.title for kind in KINDS}
_PEERS = {name: title for name, title in _SERVICES.items() if name != "ours"}


def _targets_part(results: Results) -> str:
    judged = targets(results)
    met = sum(target.met for target in judged)
    head = f"## Targets\n\n{met} of {len(judged)} are met. Ratios are this service's figure / the other's.\n\n"
    return head + table(["Target", "measured", "bound", "met"], (_verdict(target) for target in judged))


def _verdict(target: Target) -> list[str]:
    bound = f"{'≥' if target.at_least else '≤'} {figure(target.bound)}"
    return [target.what, figure(target.value, target.unit), bound, "yes" if target.met else "**no**"]


def _loads() -> Iterator[tuple[str, int]]:
    return ((operation, clients) for operation in NAMES for clients in CLIENTS)


def _by_service(results: Results, field: str) -> Iterator[list[str]]:
    for operation, clients in _loads():
        medians = [results.load.median(service, operation, clients, field) for service in _SERVICES]
        if medians[0] is not None:
            yield [TITLES[operation], str(clients), *(figure(value) for value in medians)]


def _throughput_part(results: Results) -> str:
    rows = []
    for row, (operation, clients) in zip(_by_service(results, "rps"), _measured(results), strict=True):
        ratios = (figure(results.load.ratio("ours", peer, operation, clients), " x") for peer in _PEERS)
        rows.append([*row, *ratios])
    header = ["Operation", "clients", *_SERVICES.values(), *(f"ours / {title}" for title in _PEERS.values())]
    return "## Requests a second\n\n" + table(header, rows)


def _measured(results: Results) -> list[tuple[str, int]]:
    return [load for load in _loads() if results.load.of("ours", *load)]


def _latency_part(results: Results) -> str:
    header = ["Operation", "clients", *_SERVICES.values()]
    parts = (f"## {name}, ms\n\n{table(header, _by_service(results, name))}" for name in ("p50", "p99"))
    return "\n".join(parts)


def _cpu_part(results: Results) -> str:
    header = ["Operation", "clients", *_SERVICES.values()]
    server = table(header, _by_service(results, "cpu"))
    database = table(header, _by_service(results, "database_cpu"))
    return f"## CPU of one request, ms\n\nThe service:\n\n{server}\nPostgreSQL for it:\n\n{database}"


def _limits_part(results: Results) -> str:
    rows = []
    for operation, clients in _measured(results):
        for limit in ("pgbench", "bare"):
            rps, share = (
                results.load.median(limit, operation, clients, "rps"),
                results.load.ratio("ours", limit, operation, clients),
            )
            if rps:
                rows.append([f"{TITLES[operation]}, {clients} clients: {limit}", figure(rps), f"{share or 0:.0%}"])
    return "## Share of the limits\n\n" + table(["Limit", "a second", "ours"], rows)


def _memory_part(results: Results) -> str:
    rows = (
        [_SERVICES[name], figure(held.worker_rss), figure(held.worker_pss), figure(held.total_pss)]
        for name, held in results.memory.items()
    )
    more = f"\nOne more worker of this service costs {figure(results.one_more_worker)} MiB (PSS).\n"
    header = ["MiB", "RSS of a worker", "PSS of a worker", "PSS of all processes"]
    return "## Memory after load\n\n" + table(header, rows) + (more if results.one_more_worker else "")


def _delayed_part(results: Results) -> str:
    found = {(one.service, one.operation, one.clients): one for one in results.delayed}
    rows = (
        [TITLES[operation], str(clients), *(_trips(found.get((service, operation, clients))) for service in _SERVICES)]
        for operation in NAMES
        for clients in (1, 16)
        if ("ours", operation, clients) in found
    )
    head = "## With 20 ms to the database\n\nRound trips for each request, and p50 in ms.\n\n"
    return head + table(["Operation", "clients", *_SERVICES.values()], rows)


def _trips(one) -> str:
    return f"{one.round_trips:.2f} / {figure(one.p50)}" if one else "-"


def _starts_part(results: Results) -> str:
    rows = ([_SERVICES[one.service], figure(one.existing), figure(one.empty)] for one in results.starts)
    head = "## Start, seconds to the first answer\n\n"
    return head + table(["Service", "existing schema", "empty schema"], rows)


def _scale_part(results: Results) -> str:
    lists = (
        [
            f"list of {one.tasks}",
            figure(one.p50),
            *(figure(rss) for rss in (one.rss_before, one.rss_after, one.rss_peak)),
        ]
        for one in results.lists
    )
    crowds = (
        [str(one.strangers), *(figure(value) for value in (one.list20, one.list1000, one.get, one.create))]
        for one in results.crowds
    )
    long = table(["One client", "p50, ms", "RSS before, MiB", "after", "peak"], lists)
    crowded = table(["Tasks of others in the table", "list of 20, ms", "list of 1000", "get", "create"], crowds)
    return f"## Growth\n\n{long}\n{crowded}{_tokens(results)}"


def _tokens(results: Results) -> str:
    if not (cost := results.tokens):
        return ""
    return (
        f"\nVerifying a token: {cost.new_p50:.3f} ms the first time (p99 {cost.new_p99:.3f}), "
        f"{cost.known_p50:.4f} ms when it is known (p99 {cost.known_p99:.4f}).\n"
    )


PARTS = (
    _targets_part,
    _throughput_part,
    _latency_part,
    _cpu_part,
    _limits_part,
    _memory_part,
    _delayed_part,
    _starts_part,
    _scale_part,
)
