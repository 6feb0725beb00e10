"""Several users of one machine, root among them: none closes the way to another, and none uses what is another's."""

import json
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import users
from tests.support.polling import eventually
from tests.support.postgres_server import free_port
from tests.support.users import User

OBSTACLE = users.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=OBSTACLE or "")
LONG = "long-name/" * 10 + "home"  # beyond what the path of a Unix socket can hold
SECONDS = 60


@pytest.fixture(scope="module")
def machine() -> Iterator[list[User]]:
    """Two ordinary users and root; the database of the second and of root has its socket elsewhere than its data."""
    with users.machine_of("first", f"second/{LONG}", f"root/{LONG}") as three:
        yield three


@contextmanager
def serving(user: User) -> Iterator[str]:
    """`make run` of this user, until the block ends; then nothing of it is left."""
    port = free_port()
    with user.make("run", PORT=str(port)) as popen:
        try:
            url = f"http://localhost:{port}"
            eventually(lambda: popen.poll() is not None or _ready(url), SECONDS, "it is ready")
            assert popen.poll() is None, popen.communicate()[0]
            yield url
        finally:
            popen.send_signal(signal.SIGTERM)
            popen.communicate(timeout=SECONDS)
    assert not (user.top / ".postgres/postmaster.pid").exists()
    if user.name:
        eventually(lambda: not user.processes(), 5, "its other processes have ended too")


def _ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health/ready", timeout=5).is_success
    return False


def _ended(popen: "subprocess.Popen[str]") -> tuple[int, str]:
    with popen:
        output, _ = popen.communicate(timeout=SECONDS)
    return popen.returncode, output


def _first_task(user: User, url: str) -> Any:
    """Do what README tells a newcomer to do, as this user; return the title."""
    _, printed = _ended(user.make("token", "USER=alice", PORT=str(httpx.URL(url).port)))
    _, answer = _ended(user.start("sh", "-c", printed.partition("\n\n")[2].replace("curl ", "curl -sS ", 1)))
    return json.loads(answer)["title"]


def test_make_run_serves_each_of_them_at_the_same_time(machine: list[User]) -> None:
    with ExitStack() as stack:
        urls = [(user, stack.enter_context(serving(user))) for user in machine]
        for user, url in urls:
            assert _first_task(user, url) == "Buy milk"


def test_make_test_works_for_the_second_of_them(machine: list[User]) -> None:
    chosen = "--cov-fail-under=0 tests/test_integration.py -k sorts_titles"
    status, output = _ended(machine[1].make("test", PYTEST_ADDOPTS=chosen))
    assert (status, "= 1 passed, " in output) == (0, True), output


def test_a_socket_outside_of_the_data_is_in_a_folder_of_the_user_alone(machine: list[User]) -> None:
    _, second, _ = machine
    with serving(second):
        folder = _own_folder(second)
        (connection,) = folder.glob("*/.s.PGSQL.5432")
        assert connection.is_socket()
        assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (second.uid, 0o700)


def test_a_folder_that_another_user_has_put_there_is_refused(machine: list[User]) -> None:
    first, second, _ = machine
    folder = _own_folder(second)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        shutil.chown(folder, first.uid)
        status, output = _ended(second.make("run", PORT=str(free_port())))
    finally:
        folder.rmdir()
    assert status != 0
    assert f"{folder} must be a folder of your own; TMPDIR=/another/folder takes another." in output
    assert "Traceback" not in output


def test_the_data_of_another_user_is_left_alone(machine: list[User]) -> None:
    first, _, root = machine
    with serving(first):
        pass
    there = User(None, root.uid, first.top)
    status, output = _ended(there.make("run", PORT=str(free_port())))
    assert status != 0
    assert f".postgres/ was made by the user {first.name}; be that user again, or move the folder away." in output
    assert "Traceback" not in output
    assert (first.top / ".postgres").stat().st_uid == first.uid
    with serving(first):
        pass


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) == 0 if OBSTACLE is None else True,
    reason="every port is open to everybody here",
)
def test_a_port_that_only_root_may_have_is_one_sentence(machine: list[User]) -> None:
    status, output = _ended(machine[0].make("run", PORT="1"))
    assert status != 0
    sentence = "PORT must be free, and 1 is closed to this user (Permission denied): PORT=8001 make run takes another"
    assert f"Configuration error: {sentence}\n" in output
    assert "Traceback" not in output


def _own_folder(user: User) -> Path:
    return Path(tempfile.gettempdir()) / f"tasks-api-{user.uid}"
