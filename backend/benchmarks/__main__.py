"""`make bench`: prepare, check, measure, report. Settings: BENCH_SECONDS, BENCH_ROUNDS and the others of `settings.py`."""

import time
from contextlib import ExitStack

from benchmarks import correctness, database, prepare
from benchmarks.operations import seed
from benchmarks.pgbench import PgBench
from benchmarks.rounds import Rounds
from benchmarks.services import BARE, KINDS, running
from benchmarks.settings import OUTPUT, Settings


def main():
    settings = Settings()
    OUTPUT.mkdir(exist_ok=True)
    prepare.everything()
    with database.server(settings.database_url) as server, ExitStack() as stack:
        services = []
        for kind in KINDS:
            url = server.empty(f"tasks_bench_{kind.name}")
            with running(kind, url):
                pass
            work = seed(url)
            services.append(stack.enter_context(running(kind, url, work)))
            correctness.check(services[-1])
        bare = stack.enter_context(running(BARE, "", services[0].work))
        rounds = Rounds(settings, server.process)
        print("warm", time.strftime("%X"), flush=True)
        rounds.warm_up(services)
        for sample in rounds.run(services, bare, PgBench(server.database("tasks_bench_ours"), services[0].work)):
            print(sample, flush=True)


main()
