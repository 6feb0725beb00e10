"""Where lines go, from a real process: to a pipe that nobody reads, to a terminal, to a file that is moved away."""

import asyncio
import json
import os
import re
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from src.log.output import ROOM
from tests.conftest import TLS
from tests.support import canaries
from tests.support.polling import eventually
from tests.support.processes import ServiceProcess
from tests.support.wire import Wire

LONG = 128  # characters of a request id, the most that is taken; with them a line has some 600
PIPE = 64 * 1024  # bytes that the kernel keeps for a reader
TEXT = re.compile(r"\d\d:\d\d:\d\d (?:DEBUG|INFO|WARNING|ERROR) +\S.*")
BOTH = pytest.mark.parametrize("workers", [1, 2])


class Reader:
    """Whoever reads what the service says; nothing is taken before it is asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._data = b""

    def lines(self) -> list[str]:
        """Take what is there; return all whole lines up to now."""
        while select.select([self._descriptor], [], [], 0)[0]:
            try:
                data = os.read(self._descriptor, PIPE)
            except OSError:  # so a terminal ends
                break
            if not data:
                break
            self._data += data
        return self.text.splitlines()[: self.text.count("\n")]

    @property
    def text(self) -> str:
        return self._data.decode().replace("\r\n", "\n")

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.lines()) if line["event"] == event]


Start = Callable[..., tuple[ServiceProcess, Reader]]


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Start]:
    """Start `python -m src`, ready, with a pipe or a terminal as its standard error."""
    with ExitStack() as stack:

        def begin(
            channel: Callable[[], tuple[int, int]] = os.pipe, **settings: object
        ) -> tuple[ServiceProcess, Reader]:
            ours, its = channel()
            stack.callback(os.close, ours)
            settings = {"log_level": "INFO", **settings}
            service = ServiceProcess(database_url, tmp_path / "unused", output=its, **settings)
            os.close(its)
            reader = Reader(ours)
            stack.callback(lambda: canaries.look("standard error", reader.text))
            stack.callback(service.cleanup)
            service.wait_ready()
            return service, reader

        yield begin


def flood(service: ServiceProcess, count: int, first: int = 0, path: str = "x" * 200) -> None:
    """Ask for what is not there so often, each time with its own id; every request is answered."""

    async def client(numbers: Iterator[int]) -> None:
        wire = Wire(service.port)
        for number in numbers:
            reply = await wire.request("GET", f"/{path}", **{"X-Request-ID": f"{number:0{LONG}d}"})
            assert reply.status == 404
        await wire.close()

    async def clients() -> None:
        numbers = iter(range(first, first + count))
        async with asyncio.timeout(30):  # a service that waits for the log's reader would never answer
            await asyncio.gather(*(client(numbers) for _ in range(8)))

    asyncio.run(clients())


def numbers(lines: list[str]) -> Counter[int]:
    """How often each request of a flood was logged."""
    return Counter(int(found[1]) for line in lines if (found := re.search(rf"\b(\d{{{LONG}}})\b", line)))


def test_who_does_not_read_stops_nobody_and_is_told_later_how_much_is_lost(start: Start) -> None:
    service, reader = start()
    sent = (ROOM + PIPE) // 500 + 500
    flood(service, sent)
    for path in ("/health", "/health/ready"):
        assert httpx.get(service.url + path, timeout=1, verify=TLS).is_success

    def lost() -> int:
        return sum(line["count"] for line in reader.said("log lines lost"))

    eventually(lambda: lost() + numbers(reader.lines()).total() == sent, 10, "each line is there, or told to be lost")
    received = numbers(reader.lines())
    assert lost() > 100
    assert set(received.values()) == {1}
    assert sum(map(len, reader.lines())) > ROOM  # and no more is lost than there is no room for
    flood(service, 10, first=sent)
    eventually(lambda: numbers(reader.lines()).total() == received.total() + 10, 5, "what comes after is not lost")
    assert lost() + received.total() == sent


@BOTH
def test_who_does_not_read_does_not_delay_the_end(start: Start, workers: int) -> None:
    service, _ = start(web_concurrency=workers)
    flood(service, 1000)
    started = time.monotonic()
    assert service.stop(20) == 0
    assert time.monotonic() - started < 10


@BOTH
def test_all_is_written_before_the_end(start: Start, workers: int) -> None:
    service, reader = start(web_concurrency=workers)
    flood(service, 50)
    assert service.stop() == 0
    assert numbers(reader.lines()) == Counter(range(50))
    assert len(reader.said("stopped")) == workers
    assert len([line for line in reader.lines() if "Finished server process" in line]) == workers


def test_a_line_is_there_within_a_third_of_a_second(start: Start) -> None:
    service, reader = start()
    times = []
    for number in range(9):
        started = time.monotonic()
        flood(service, 1, first=number)
        eventually(lambda: numbers(reader.lines())[number] == 1, 5, "the line is there", 0.005)  # noqa: B023  # called now
        times.append(time.monotonic() - started)
    assert sorted(times)[4] < 1 / 3, times
    assert max(times) < 1, times  # on a busy machine


@pytest.mark.parametrize(
    ("channel", "log_format", "form"),
    [
        (os.pipe, "auto", "json"),
        (os.openpty, "auto", "text"),
        (os.openpty, "json", "json"),
        (os.pipe, "text", "text"),
    ],
    ids=["pipe", "terminal", "json on a terminal", "text in a pipe"],
)
def test_every_line_has_the_form_that_its_reader_needs_uvicorns_too(
    start: Start, channel: Callable[[], tuple[int, int]], log_format: str, form: str
) -> None:
    service, reader = start(channel, log_format=log_format)
    flood(service, 3)
    assert service.stop() == 0
    lines = reader.lines()
    assert numbers(lines) == Counter(range(3))
    assert any("Uvicorn running on" in line for line in lines)
    assert any("Finished server process" in line for line in lines)
    assert "\x1b" not in reader.text
    if form == "text":
        assert not [line for line in lines if not TEXT.fullmatch(line)]
        return
    objects = [json.loads(line) for line in lines]
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in objects)
    assert {"uvicorn.error", "src.main", "src.http.middleware"} <= {line["logger"] for line in objects}


@BOTH
def test_a_log_file_that_is_moved_away_goes_on_in_a_new_one_without_a_lost_line(
    start: Start, tmp_path: Path, workers: int
) -> None:
    file = tmp_path / "service.log"
    service, _ = start(log_file=file, web_concurrency=workers, log_level="INFO")
    work = threading.Thread(target=flood, args=(service, 5000))
    work.start()
    moved = []
    while work.is_alive():
        eventually(file.exists, 5, "there is a new file")
        moved.append(file.rename(tmp_path / f"service.log.{len(moved)}"))
        if len(moved) % 2:
            file.touch()  # as logrotate's `create` does
        time.sleep(0.05)
    assert len(moved) > 2
    flood(service, 1, first=5000)
    eventually(lambda: file.exists() and "request" in file.read_text(), 5, "the new file is written to")
    assert service.stop() == 0
    lines = [line for each in (*moved, file) for line in each.read_text().splitlines()]
    assert numbers(lines) == Counter(range(5001))
    assert all(json.loads(line) for line in lines)
    assert not [line for line in lines if "log lines lost" in line]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_lines_of_two_workers_stay_whole(start: Start, log_format: str) -> None:
    service, reader = start(web_concurrency=2, log_format=log_format)
    work = threading.Thread(target=flood, args=(service, 2000, 0, "%C3%A9" * 200))
    work.start()
    while work.is_alive():
        time.sleep(0.3)  # Not at once, so that the pipe is full, and each writer gets a part of it.
        reader.lines()
    eventually(lambda: numbers(reader.lines()).total() == 2000, 5, "all lines are there")
    assert service.stop() == 0
    lines = reader.lines()
    assert numbers(lines) == Counter(range(2000))
    whole = re.compile(TEXT.pattern if log_format == "text" else r"\{\"time\": [^{}]*\}")
    requests = [line for line in lines if re.search(rf"\d{{{LONG}}}", line)]
    assert len(requests) == 2000
    assert not [line for line in requests if not whole.fullmatch(line) or line.count("GET") != 1]
