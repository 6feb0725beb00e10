"""The parts of the benchmark that decide: what is a round trip, how rounds become one figure, what a failure is."""

import asyncio
import sys
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.client import answers
from benchmarks.load import p99_with_unanswered
from benchmarks.pgbench import transactions_per_second
from benchmarks.proxy import RoundTrips, proxy
from benchmarks.rounds import Rounds
from benchmarks.services import Kind, running
from benchmarks.settings import Settings
from benchmarks.stats import Sample, Samples
from benchmarks.targets import Target

_PEER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


def test_a_peer_that_fails_under_load_is_started_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(*_):
        raise load.LoadError("it stood still")

    monkeypatch.setattr(load, "run", fail)
    kind = Kind("peer", "a peer", tmp_path, (sys.executable, "-c", _PEER), port_option=True)
    with running(kind, "") as peer:
        before = peer.process.pid
        rounds = Rounds(Settings(rounds=1, operations=("get",)), None)
        assert [sample.failure for sample in rounds.run([peer], peer, None)] == ["it stood still"] * 4
        assert peer.process.pid != before
        assert answers(peer.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


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


@pytest.mark.parametrize(("value", "at_least", "met"), [(0.9, True, True), (0.89, True, False), (0.91, False, False)])
def test_a_target_is_met_on_its_own_side_of_the_bound(value, at_least, met):
    assert Target("", value, 0.9, at_least).met is met


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
