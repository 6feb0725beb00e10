"""`make bench`: prepare, check, measure, report. The BENCH_* variables of `settings.py` shorten or narrow a run."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import chart, correctness, database, delay, machine, prepare, report, scale, startup, token_cost
from benchmarks.database import Server
from benchmarks.operations import Work
from benchmarks.pgbench import PgBench
from benchmarks.processes import memory
from benchmarks.results import Results
from benchmarks.rounds import Rounds
from benchmarks.services import BARE, KINDS, OURS, VARIANTS, Kind, Running, prepared, running
from benchmarks.settings import DOCS, OUTPUT, Settings

Places = dict[Kind, tuple[str, Work]]  # each service's database, and the work in it


def main() -> None:
    """Measure every part that was asked for, and write what came out after each."""
    settings = Settings()
    OUTPUT.mkdir(exist_ok=True)
    prepare.everything()
    say("preparing databases")
    with database.server(settings.database_url) as server:
        kinds = [kind for kind in KINDS if not settings.services or kind.name in settings.services]
        places = {kind: prepared(kind, server, f"tasks_bench_{kind.name}") for kind in kinds}
        results = Results(machine.description(), machine.versions(server), settings.public)
        for part in settings.parts:
            _PARTS[part](server, places, settings, results)
            publish(results, OUTPUT)
        for name in (*(kind.name for kind in kinds), "lists", "crowd"):
            server.drop(f"tasks_bench_{name}")
    if settings.publishes:
        publish(results, DOCS)


def say(*words: object) -> None:
    """Show progress."""
    print(*words, flush=True)


def load(server: Server, places: Places, settings: Settings, results: Results) -> None:
    """Check and load all services, side by side."""
    with ExitStack() as stack:
        services = [stack.enter_context(running(kind, *place)) for kind, place in places.items()]
        for service in services:
            correctness.check(service, server)
        services += _for_comparison(stack, places, services[0].work)
        pgbench = PgBench(*places[OURS]) if OURS in places else None
        rounds = Rounds(settings, server.process)
        say("all answers are right; warming up")
        rounds.warm_up(services)
        for sample in rounds.run(services, pgbench):
            results.samples.append(sample)
            say(f"{sample.operation:9}{sample.clients:4} {sample.service:9}{sample.rps:9.0f}/s")
        results.memory = {service.name: memory(service.process) for service in services if service.kind in places}


def _for_comparison(stack: ExitStack, places: Places, work: Work) -> Iterator[Running]:
    """Start what is there for comparison, in a few operations only."""
    yield stack.enter_context(running(BARE, "", work))
    for kind, variant in VARIANTS:
        if kind in places:
            yield stack.enter_context(running(variant, *places[kind]))


def delayed(server: Server, places: Places, settings: Settings, results: Results) -> None:
    """Put 20 ms between the services and PostgreSQL, one service after the other."""
    for kind, (url, work) in places.items():
        say("delay:", kind.title)
        results.delayed += delay.measure(kind, url, work, settings)


def start(server: Server, places: Places, settings: Settings, results: Results) -> None:
    """Start each service a few times, and this one with a worker more."""
    for kind, (url, work) in places.items():
        say("start:", kind.title)
        results.starts.append(startup.measure(kind, server, url, work, settings))
    if OURS in places:
        results.one_more_worker = startup.one_more_worker(OURS, *places[OURS])


def grow(server: Server, places: Places, settings: Settings, results: Results) -> None:
    """Measure this service alone: long lists, a full table, tokens."""
    say("scale: long lists")
    results.lists = scale.list_costs(server, settings)
    say(f"scale: {settings.strangers} tasks of others")
    results.crowds = scale.crowds(server, settings)
    results.tokens = token_cost.measure()


_PARTS = {"load": load, "delay": delayed, "start": start, "scale": grow}


def publish(results: Results, folder: Path) -> None:
    """Write what there is so far; only a whole run is worth a place in docs/."""
    folder.mkdir(exist_ok=True)
    results.write(folder / "benchmarks.json")
    (folder / "benchmarks.md").write_text(report.markdown(results))
    (folder / "benchmarks.svg").write_text(chart.svg(results))
    say(f"written: {folder.relative_to(folder.parents[1])}/benchmarks.md, .svg and .json")


if __name__ == "__main__":
    main()
