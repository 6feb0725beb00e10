"""The parts of the benchmark that decide: what is a round trip, how rounds become one figure, what a failure is."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from benchmarks import chart, load, machine, report
from benchmarks.client import answers, body_length
from benchmarks.delay import Delayed
from benchmarks.load import p99_with_unanswered
from benchmarks.operations import NAMES, Work
from benchmarks.pgbench import transactions_per_second
from benchmarks.processes import cpu_seconds
from benchmarks.proxy import RoundTrips, proxy
from benchmarks.results import Results
from benchmarks.rounds import Rounds
from benchmarks.scale import ListCost
from benchmarks.services import BARE, KINDS, OURS, TRUSTING, Kind, Running, running
from benchmarks.settings import Settings
from benchmarks.stats import Sample, Samples
from benchmarks.targets import Target, others, speed, tail

_PEER = """
import http.server, sys, threading, time
def work():
    end = time.monotonic() + 0.5
    while time.monotonic() < end: pass
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.path == "/hard": threading.Thread(target=work).start()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


def test_a_peer_that_fails_under_load_is_started_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(*_):
        raise load.LoadError("it stood still")

    monkeypatch.setattr(load, "run", fail)
    kind = Kind("peer", "a peer", tmp_path, (sys.executable, "-c", _PEER), port_option=True)
    with running(kind, "") as peer:
        before = peer.process.pid
        rounds = Rounds(Settings(rounds=1, operations=("get",), clients=(16, 100)), None)
        assert [sample.failure for sample in rounds.run([peer, peer], None)] == ["it stood still"] * 4
        assert peer.process.pid != before
        assert answers(peer.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_round_begins_when_the_service_before_has_done_its_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def ask_and_hang_up(service, *_):
        assert answers(service.port, b"GET /hard HTTP/1.1\r\nHost: x\r\n\r\n")
        return load.Load(rps=1, p50=1, p99=1, requests=1)

    monkeypatch.setattr(load, "run", ask_and_hang_up)
    kind = Kind("peer", "a peer", tmp_path, (sys.executable, "-c", _PEER), port_option=True)
    with running(kind, "") as peer:
        rounds = Rounds(Settings(rounds=1, operations=("create",), clients=(16,)), None)
        assert len(list(rounds.run([peer], None))) == 1
        done = cpu_seconds(peer.process)
        time.sleep(0.2)
        assert cpu_seconds(peer.process) - done < 0.05


def test_what_is_there_for_comparison_is_asked_for_its_own_operations_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "run", lambda *_: load.Load(rps=1, p50=1, p99=1, requests=1))
    monkeypatch.setattr(Rounds, "_let_finish", lambda *_: None)
    services = [Running(kind, "", Work({})) for kind in (OURS, BARE, *TRUSTING.values())]
    for service in services:
        monkeypatch.setattr(service, "_popen", SimpleNamespace(pid=os.getpid()), raising=False)
    rounds = Rounds(Settings(rounds=1, operations=("list20", "get", "toggle"), clients=(16,)), None)
    asked = [(sample.service, sample.operation) for sample in rounds.run(services, None)]
    trusting = ("sqlmodel_trusting", "asyncpg_trusting", "django_trusting")
    both = (("get", ("ours", "bare", *trusting)), ("toggle", ("ours", *trusting)))
    assert asked == [("ours", "list20"), *((name, operation) for operation, names in both for name in names)]


def test_what_a_client_sends_in_one_go_is_one_round_trip():
    trips = RoundTrips()
    talk = trips.connection()
    for who in "ccsscs":
        talk.from_client() if who == "c" else talk.from_server()
    assert trips.count == 2


def test_connections_that_overlap_are_counted_apart():
    trips = RoundTrips()
    one, other = trips.connection(), trips.connection()
    one.from_client()
    other.from_client()
    one.from_server()
    other.from_server()
    assert trips.count == 2


def test_the_proxy_delays_both_ways_keeps_the_order_and_counts():
    count, answer, seconds = asyncio.run(_talk_through_a_proxy())
    assert (count, answer) == (2, [b"one", b"two"])
    assert seconds >= 4 * 0.02


async def _talk_through_a_proxy():
    ended = asyncio.Event()

    async def echo(reader, writer):
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        ended.set()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    async with server, proxy(server.sockets[0].getsockname(), delay=0.02) as (trips, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started, answers = loop.time(), []
        for word in (b"one", b"two"):
            writer.write(word)
            answers.append(await reader.readexactly(3))
        seconds = loop.time() - started
        writer.close()
        await ended.wait()
    return trips.count, answers, seconds


def samples(*rps):
    """Return one sample of `ours` and of `peer` for each pair."""
    for number, (ours, peer) in enumerate(rps):
        yield Sample("ours", "get", 16, number, rps=ours)
        yield Sample("peer", "get", 16, number, rps=peer)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    # In the second round the machine was busy for both; the ratio of the medians would be 300 / 80.
    assert Samples(samples((300, 100), (30, 10), (400, 80))).ratio("ours", "peer", "get", 16) == 3


def test_a_round_that_one_of_the_two_lacks_does_not_count():
    alone = Sample("ours", "get", 16, 7, rps=10_000)
    assert Samples([*samples((300, 100)), alone]).ratio("ours", "peer", "get", 16) == 3


def test_nothing_measured_gives_no_ratio():
    assert Samples([]).ratio("ours", "peer", "get", 16) is None


@pytest.mark.parametrize(
    ("value", "sign", "met"),
    [
        (0.9, "≥", True),
        (0.89, "≥", False),
        (0.91, "≤", False),
        (0.9, "=", True),
        (0.902, "=", False),
        (0.898, "=", False),
    ],
)
def test_a_target_is_met_on_its_own_side_of_the_bound(value, sign, met):
    assert Target("", value, sign, 0.9).met is met


def test_the_worst_of_all_numbers_of_clients_is_judged():
    results = measured(Sample("ours", "get", 32, 0, rps=150), Sample("express", "get", 32, 0, rps=100))
    assert [(one.value, one.met) for one in speed(results)] == [(1.5, True)]
    results.samples += [Sample("ours", "get", 16, 0, rps=110), Sample("express", "get", 16, 0, rps=100)]
    assert [(one.value, one.met) for one in speed(results)] == [(1.1, False)]


def test_the_slowest_answers_are_judged_in_a_crowd_only():
    few = [Sample(name, "get", 16, 0, rps=1, p99=90) for name in ("ours", "asyncpg")]
    crowd = [Sample("ours", "get", 100, 0, rps=1, p99=50), Sample("asyncpg", "get", 100, 0, rps=1, p99=100)]
    assert [one.value for one in tail(measured(*few, *crowd))] == [0.5]


def test_round_trips_are_judged_where_they_are_most_off():
    results = measured()
    trips = {"get": 1, "create": 0.99, "toggle": 1.005}
    results.delayed = [Delayed("ours", name, 16, count, 20) for name, count in trips.items()]
    assert [(one.value, one.met) for one in others(results) if one.sign == "="] == [(0.99, False)]


def test_what_a_long_list_adds_is_judged_by_its_body():
    results = measured()
    results.lists = [ListCost(100_000, 300, body=30, rss_before=90, rss_after=100, rss_peak=153)]
    assert [(one.value, one.met) for one in others(results)] == [(2.1, False)]


def measured(*samples: Sample) -> Results:
    return Results("a machine", {"Python": "3.11"}, {"rounds": 1, "seconds": 1}, list(samples))


def everywhere() -> Iterator[Sample]:
    """Return one sample of every service under every load, this service twice as fast as the others."""
    for kind in KINDS:
        for operation in NAMES:
            for clients in (16, 32, 100):
                fast = 2 if kind.name == "ours" else 1
                yield Sample(kind.name, operation, clients, 0, 1000 * fast, 10 / fast, 20 / fast, 1.0, 1.0)


def test_the_report_names_every_service_and_prints_what_is_missed_in_bold():
    text = report.markdown(measured(*everywhere()))
    assert all(text.count(f"| {kind.title} ") >= 5 for kind in KINDS)
    assert "| list of 20 | **2.00 (≥ 4)** | **2.00 (≥ 2.2)** | **2.00 (≥ 2.2)** | 2.00 (≥ 1.2) |" in text
    assert "| create | **0.50 (≤ 0.333)** | 0.50 (≤ 1) | 0.50 (≤ 1) | 0.50 (≤ 1) |" in text
    assert "| mixed | 32 | 2000 |" in text


def test_nothing_in_the_chart_leaves_it_or_covers_its_neighbour():
    results = measured(*everywhere())
    results.delayed = [Delayed(kind.name, name, 1, 1.0, 20) for kind in KINDS for name in NAMES]
    drawing = ElementTree.fromstring(chart.svg(results))
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    bars = [
        [float(element.get(name)) for name in ("x", "y", "width", "height")]
        for element in drawing.iter()
        if element.tag.endswith("rect")
    ]
    assert len(bars) == len(KINDS) * (1 + 2 * len(NAMES))
    assert all(x + w < width and y + h < height for x, y, w, h in bars)
    assert not [pair for pair in combinations(bars, 2) if overlap(*pair)]


def overlap(one: list[float], other: list[float]) -> bool:
    return all(abs(one[n] - other[n]) < (one if one[n] < other[n] else other)[n + 2] for n in (0, 1))


def test_versions_of_the_peers_are_those_that_are_installed():
    assert {"asyncpg", "django", "django-ninja"} <= machine.python_packages().keys()


def test_a_narrowed_run_is_not_published(monkeypatch: pytest.MonkeyPatch):
    assert Settings().publishes
    monkeypatch.setenv("BENCH_CLIENTS", "16, 32")
    assert Settings().clients == (16, 32)
    assert not Settings().publishes


def test_a_round_is_longer_where_a_slow_peer_needs_it():
    settings = Settings(seconds=3)
    assert [settings.length("list1000", clients) for clients in (16, 32, 100)] == [3, 3, 12]
    assert settings.length("get", 100) == 3


def test_the_length_of_a_body_is_that_of_the_answer():
    async def ask():
        ended = asyncio.Event()

        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
            await reader.read()
            writer.close()
            ended.set()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            length = await body_length(server.sockets[0].getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")
            await ended.wait()
        return length

    assert asyncio.run(ask()) == 3


def test_clients_that_got_no_answer_count_in_the_p99():
    lucky_few = {"requests": 300, "seconds": 2.0, "p99": 60.0, "mean": 50.0}
    assert p99_with_unanswered(lucky_few, clients=100) == (100 * 2000 - 300 * 50) / 100
    everybody = {"requests": 4000, "seconds": 2.0, "p99": 60.0, "mean": 49.0}
    assert p99_with_unanswered(everybody, clients=100) == 60


def test_a_failed_transaction_of_pgbench_is_not_a_result():
    report = "number of failed transactions: {} (0.000%)\ntps = 12.5 (without initial connection time)\n"
    assert transactions_per_second(report.format(0)) == 12.5
    with pytest.raises(RuntimeError):
        transactions_per_second(report.format(3))


def test_the_report_says_what_the_peers_would_make_without_a_ping():
    unasked = Sample("django_trusting", "get", 100, 0, rps=1600)
    text = report.markdown(measured(*everywhere(), unasked))
    assert "| get | 100 | Django Ninja | 1000 | 1600 | 1.25 x |" in text
    failed = Sample("sqlmodel_trusting", "get", 100, 0, rps=0, failure="it stood still")
    assert "- FastAPI + SQLModel, trusting, get, 100 clients: 1" in report.markdown(measured(*everywhere(), failed))
    assert "## Whether a connection is alive" not in report.markdown(measured())
