"""The tables about load: targets, throughput, latency, CPU, limits."""

from collections import Counter
from collections.abc import Iterator

from benchmarks.markdown import captioned, figure, section, table
from benchmarks.operations import NAMES, TITLES
from benchmarks.results import Results
from benchmarks.services import EXPRESS, KEY_ONCE, KINDS, TRUSTING, VARIANTS
from benchmarks.settings import CROWD
from benchmarks.targets import PEERS as JUDGED
from benchmarks.targets import Target, others, speed, tail

SERVICES = {kind.name: kind.title for kind in KINDS}
PEERS = {name: title for name, title in SERVICES.items() if name != "ours"}
_ALL = SERVICES | {variant.name: variant.title for _, variant in VARIANTS}
_HEADER = ["Operation", "clients", *SERVICES.values()]


def judged(results: Results) -> str:
    """Return every target with what was measured."""
    fast, even, alone = speed(results), tail(results), others(results)
    lines = [*fast, *even, *alone]
    if not lines:
        return ""
    met = sum(target.met for target in lines)
    loads = ", ".join(map(str, results.clients))
    return section(
        "Targets",
        f"{met} of {len(lines)} are met; what is not is bold. Each bound stands behind the figure.\n",
        captioned(f"Requests a second, this service / the other, the worst of {loads} clients:", _matrix(fast)),
        captioned(f"p99 at {CROWD} clients, this service / the other:", _matrix(even)),
        captioned("This service alone:", table(["Target", "measured"], ([one.what, _verdict(one)] for one in alone))),
    )


def _matrix(targets: list[Target]) -> str:
    cells = {(one.what, one.peer): _verdict(one) for one in targets}
    operations = dict.fromkeys(one.what for one in targets)
    rows = ([what, *(cells.get((what, peer), "-") for peer in JUDGED)] for what in operations)
    return table(["Operation", *(SERVICES[peer] for peer in JUDGED)], rows)


def _verdict(target: Target) -> str:
    exact = f"{target.value:.{target.digits}f}" if target.sign == "=" else figure(target.value)
    text = f"{exact}{target.unit} ({target.sign} {target.bound:.3g})"
    return text if target.met else f"**{text}**"


def throughput(results: Results) -> str:
    """Return requests a second, and ratios."""
    ratios = (_ratio_row(results, *load) for load in _measured(results))
    return section(
        "Requests a second",
        _table_of(results, "rps"),
        captioned("This service / the other:", table(["Operation", "clients", *PEERS.values()], ratios)),
        _failures(results),
    )


def _ratio_row(results: Results, operation: str, clients: int) -> list[str]:
    ratios = (results.load.ratio("ours", peer, operation, clients) for peer in PEERS)
    return [TITLES[operation], str(clients), *(figure(ratio, " x") for ratio in ratios)]


def _row(results: Results, operation: str, clients: int, field: str) -> list[str]:
    medians = (results.load.median(service, operation, clients, field) for service in SERVICES)
    return [TITLES[operation], str(clients), *(figure(value) for value in medians)]


def _measured(results: Results) -> list[tuple[str, int]]:
    loads = ((operation, clients) for operation in NAMES for clients in results.clients)
    return [load for load in loads if results.load.of("ours", *load)]


def _failures(results: Results) -> str:
    counted = Counter((one.service, one.operation, one.clients) for one in results.load.failures)
    lines = (
        f"- {_ALL[name]}, {TITLES[operation]}, {n} clients: {times}\n"
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


def trusting(results: Results) -> str:
    """Return what those peers that ask whether a connection is alive could do if they did not."""
    rows = (
        [TITLES[operation], str(clients), kind.title, *_unasked(results, kind.name, variant.name, operation, clients)]
        for operation, clients in _measured(results)
        for kind, variant in TRUSTING.items()
        if results.load.of(variant.name, operation, clients)
    )
    header = ["Operation", "clients", "Service", "a second", "without", "this service / that"]
    return section("Whether a connection is alive", captioned(_TRUSTING, table(header, rows)))


def _unasked(results: Results, asking: str, trusting: str, operation: str, clients: int) -> list[str]:
    rates = (results.load.median(name, operation, clients, "rps") for name in (asking, trusting))
    return [*map(figure, rates), figure(results.load.ratio("ours", trusting, operation, clients), " x")]


_TRUSTING = """\
Neon ends all connections when it goes to sleep, and every service here must answer as if nothing had happened. This
service looks at the socket and the Node services are told by the event loop, without a round trip; the others make one
for each request (`pool_pre_ping` of SQLAlchemy, `CONN_HEALTH_CHECKS` of Django). What they make without it, for a
database that never ends a connection:"""


def key_once(results: Results) -> str:
    """Return what Express could do in `get` if its secret were not read anew for each token."""
    asked = ("rps", "p50", "p99", "cpu")
    rows = (
        [title, str(clients), *(figure(results.load.median(name, "get", clients, field)) for field in asked)]
        for clients in results.clients
        if results.load.of(KEY_ONCE.name, "get", clients)
        for name, title in ((EXPRESS.name, EXPRESS.title), (KEY_ONCE.name, "its key made once"))
    )
    header = ["Service, get", "clients", "a second", "p50, ms", "p99, ms", "CPU, ms"]
    return section("Express and its secret", captioned(_KEY_ONCE, table(header, rows)))


_KEY_ONCE = """\
Express verifies the token of each request, and is measured as its users write it: `jwt.verify` gets the secret as text,
which jsonwebtoken tries to read as a public key each time. What a service gains that makes a key of it once, at its
start:"""

PARTS = (judged, throughput, trusting, key_once, latency, cpu, limits)
